"""What the page is told."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_brevo.sandbox.page_data import MAX_VALUES, Filter, list_entries, show_entry
from airflow_provider_brevo.sandbox.records import ReceivedRequest
from airflow_provider_brevo.sandbox.store import Store

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
IDENTIFIERS = {"email_id": "jane@example.com"}


def store() -> Store:
    """Make a store whose clock stands still."""
    return Store(known_objects=["subscription"], clock=lambda: NOW)


def arrive(where: Store, body: Any, *, taken: bool = True, **completed: Any) -> ReceivedRequest:
    """Have a request arrive, and be taken or refused."""
    request = ReceivedRequest(method="POST", path="/v3/events", query="", headers={"api-key": "secret"})
    where.add_request(request)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    where.complete_request(request, body=raw)
    if taken:
        where.add_event(body, request)
    where.complete_request(request, **{"status": 204 if taken else 400, **completed})
    return request


def shown(body: Any, **options: Any) -> dict[str, Any]:
    """Give everything about the only entry."""
    where = store()
    arrive(where, body, **options)
    entry = show_entry(where, list_entries(where, Filter())["entries"][0]["key"])
    assert entry is not None
    return entry


def marks(body: Any) -> dict[str, str]:
    """Give the marked values of an event."""
    return {value["key"]: value["note"] for value in shown(body)["values"] if value["note"]}


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        ({"type": "subscription", "identifiers": {"id": "1"}}, None),
        ({"type": "vehicle", "identifiers": {"id": "1"}}, "ignored: the account has no such type of object"),
        ({"identifiers": {"id": "1"}}, "ignored: the object has no type"),
        ({"type": "subscription"}, "ignored: the object has no identifier"),
    ],
)
def test_an_ignored_object_is_marked_with_the_reason(obj: dict[str, Any], reason: str | None) -> None:
    """One that is known is not marked."""
    event = {"event_name": "e", "identifiers": IDENTIFIERS, "object": obj}
    assert marks(event) == ({} if reason is None else {"object": reason})
    assert shown(event)["ignored"] is (reason is not None)


def test_identifiers_beside_a_contact_id_are_marked() -> None:
    """Only that one finds the contact; an attribute of the same name elsewhere is not meant."""
    event = {"event_name": "e", "identifiers": {"ext_id": "1", "contact_id": 7}, "event_properties": {"ext_id": "2"}}
    assert marks(event) == {"ext_id": "not used to find the contact: contact_id has priority"}


def test_a_refused_request_shows_what_can_be_read() -> None:
    """Values come with types, null too, and its name and identifier are found by the filter."""
    event = {"event_name": "a b", "identifiers": {"contact_id": 7, "email_id": None}, "event_properties": [None, 1e3]}
    entry = shown(event, taken=False, reason="wrong")
    assert [(each["key"], each["type"], each["text"]) for each in entry["values"]] == [
        ("event_name", "string", '"a b"'),
        ("identifiers", "object", ""),
        ("contact_id", "integer", "7"),
        ("email_id", "null", "null"),
        ("event_properties", "list", ""),
        ("[0]", "null", "null"),
        ("[1]", "number", "1000.0"),
    ]
    assert (entry["kind"], entry["name"], entry["identifier"], entry["contact_id"]) == ("refused", "a b", "7", None)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_what_can_not_be_read_is_shown_raw(body: bytes) -> None:
    """There are no values, and a note says so."""
    entry = shown(body, taken=False, reason="wrong")
    assert entry["values"] == []
    assert "not JSON" in entry["notes"][0]
    assert (b"\xff" in body) == any("not UTF-8" in note for note in entry["notes"])
    assert entry["bytes"] == len(body)


@pytest.mark.parametrize("body", [b"7", b"[1]", b'"text"', b'{"event_name": 7, "identifiers": "x"}', b"null"])
def test_any_json_can_be_shown(body: bytes) -> None:
    """What is no event has no name and no identifier, and breaks nothing."""
    entry = shown(body, taken=False, reason="wrong")
    assert (entry["name"], entry["identifier"]) == ("", "")


def test_many_values_are_cut_and_counted() -> None:
    """The page stays usable; how many are missing is told."""
    properties = {f"k{number}": number for number in range(MAX_VALUES)}
    entry = shown({"event_name": "e", "identifiers": IDENTIFIERS, "event_properties": properties})
    assert (len(entry["values"]), entry["left_out"]) == (MAX_VALUES, 4)


def test_an_event_whose_sender_heard_otherwise_is_noted() -> None:
    """It is an event all the same."""
    event = {"event_name": "e", "identifiers": IDENTIFIERS}
    entry = shown(event, status=503, reason="Fault 503: no")
    assert (entry["kind"], entry["status"]) == ("event", 503)
    assert "its sender got another answer" in entry["notes"][0]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["none", "b c", "ab"]),
        ({"kind": "event"}, ["ab"]),
        ({"kind": "refused"}, ["b c"]),
        ({"kind": "other"}, ["none"]),
        ({"name": " B "}, ["b c", "ab"]),
        ({"contact": "JANE"}, ["b c", "ab"]),
        ({"contact": "1"}, ["ab"]),
        ({"contact": "#1"}, ["ab"]),
        ({"text": "größe"}, ["ab"]),
        ({"text": "wrong"}, ["b c"]),
        ({"text": "v3/account"}, ["none"]),
        ({"text": "secret"}, []),
        ({"name": "a", "text": "v3/account"}, []),
    ],
)
def test_filters_hold_together(wanted: dict[str, str], found: list[str]) -> None:
    """Every one that is given must match; counts are those of what matches, for each kind."""
    where = store()
    arrive(where, {"event_name": "ab", "identifiers": IDENTIFIERS, "event_properties": {"x": "Größe"}})
    arrive(where, {"event_name": "b c", "identifiers": IDENTIFIERS}, taken=False, reason="wrong")
    other = ReceivedRequest(method="GET", path="/v3/account", query="", headers={})
    where.add_request(other)
    where.complete_request(other, status=200)
    answer = list_entries(where, Filter.read(wanted))
    assert [entry["name"] or "none" for entry in answer["entries"]] == found
    assert answer["counts"][""] == sum(answer["counts"][kind] for kind in ("event", "refused", "other"))
    assert (answer["kept"], answer["total"], answer["names"]) == (3, 3, ["ab"])


def test_an_entry_that_is_gone_is_not_found() -> None:
    """The key of what was forgotten leads nowhere."""
    assert show_entry(store(), "1") is None
