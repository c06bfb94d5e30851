"""What the sandbox keeps, how it attributes events to contacts, and how it finds them."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_brevo.sandbox.query import EventQuery, InvalidQueryError, parse_query
from airflow_provider_brevo.sandbox.records import ReceivedRequest
from airflow_provider_brevo.sandbox.store import MAX_ENTRIES, Store

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)


def store(*known_objects: str) -> Store:
    """Make a store whose clock stands still."""
    return Store(known_objects=known_objects or None, clock=lambda: NOW)


def event(**fields: Any) -> dict[str, Any]:
    """Make an event."""
    return {"event_name": "e", "identifiers": {"email_id": "a"}, **fields}


def contacts(*identifiers: dict[str, Any]) -> list[int]:
    """Give the contacts to which events with these identifiers are attributed, in order."""
    kept = store()
    return [kept.add_event(event(identifiers=each)).contact_id for each in identifiers]


def test_a_contact_is_made_on_first_sight_and_found_again() -> None:
    """The same identifier means the same contact, another one another."""
    assert contacts({"email_id": "a"}, {"email_id": "b"}, {"email_id": "a"}, {"ext_id": "a"}) == [1, 2, 1, 3]


def test_contact_id_wins_over_every_other_identifier() -> None:
    """An event goes to the contact_id it names, even if its address belongs to another contact."""
    assert contacts({"email_id": "a"}, {"contact_id": 42, "email_id": "a"}, {"email_id": "a"}) == [1, 42, 1]


def test_identifiers_are_tried_by_priority() -> None:
    """Of two known identifiers the one that comes first decides."""
    order = ["email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id"]
    for first, second in itertools.pairwise(order):
        assert contacts({second: "x"}, {first: "x"}, {second: "x", first: "x"}) == [1, 2, 2]


def test_a_contact_learns_its_other_identifiers() -> None:
    """An identifier seen beside a known one leads to the same contact later."""
    assert (
        contacts({"contact_id": 7, "email_id": "a"}, {"email_id": "a", "phone_id": "1"}, {"phone_id": "1"}) == [7] * 3
    )
    assert contacts({"contact_id": 0, "email_id": "a"}, {"email_id": "a"}) == [0, 0]


def test_new_contacts_get_a_number_nobody_has() -> None:
    """A contact_id that was sent is not given to somebody else."""
    assert contacts({"contact_id": 1}, {"email_id": "a"}) == [1, 2]


@pytest.mark.parametrize(
    ("obj", "ignored"),
    [
        ({"type": "subscription", "identifiers": {"id": "1"}}, False),
        ({"type": "subscription", "identifiers": {"ext_id": "1"}}, False),
        ({"type": "vehicle", "identifiers": {"id": "1"}}, True),
        ({"type": "subscription"}, True),
        ({"type": "subscription", "identifiers": {"id": ""}}, True),
        ({"identifiers": {"id": "1"}}, True),
    ],
)
def test_objects_the_account_does_not_have_are_ignored(obj: dict[str, Any], *, ignored: bool) -> None:
    """The event is kept, and shown without an object."""
    kept = store("subscription").add_event(event(object=obj))
    assert kept.object_ignored is ignored
    assert kept.listed()["object_type"] == (None if ignored else "subscription")


def test_without_known_objects_every_type_is_known() -> None:
    """By default no object is ignored for its type."""
    kept = store().add_event(event(object={"type": "anything", "identifiers": {"id": "1"}}))
    assert not kept.object_ignored
    assert kept.object_type == "anything"


def test_an_event_is_listed_without_identifiers() -> None:
    """What is shown has the documented fields only, and the date as it was sent."""
    sent = event(event_date="2026-08-01T00:00:00+02:00", event_properties={"a": 1.5}, contact_properties={"A": 1})
    listed = store().add_event(sent).listed()
    assert isinstance(listed.pop("event_filter_id"), str)
    assert listed == {
        "contact_id": 1,
        "event_date": "2026-08-01T00:00:00+02:00",
        "event_name": "e",
        "object_type": None,
        "event_properties": {"a": 1.5},
        "contact_properties": {"A": 1},
    }


def test_an_event_without_a_date_happened_when_it_arrived() -> None:
    """The time of arrival stands in for the date."""
    kept = store().add_event(event())
    assert kept.event_date == kept.received_at == NOW
    assert kept.listed()["event_date"] == "2026-08-31T12:00:00.000Z"


def test_events_are_found_newest_first_and_by_the_page() -> None:
    """They are sorted by the moment, not by its text; of equals the last to arrive comes first."""
    kept = store()
    dates = [
        "2026-08-01T12:00:00Z",
        "2026-08-01T13:30:00+02:00",
        "2026-08-01T12:00:00Z",
        "2026-08-02T00:00:00Z",
    ]
    for number, date in enumerate(dates):
        kept.add_event(event(event_name=str(number), event_date=date))
    names = [found.body["event_name"] for found in kept.find(parse_query([], now=NOW))[1]]
    assert names == ["3", "2", "0", "1"]
    count, page = kept.find(parse_query([("limit", "2"), ("offset", "1")], now=NOW))
    assert (count, [found.body["event_name"] for found in page]) == (4, ["2", "0"])


def test_dates_at_the_ends_of_time_can_be_sorted() -> None:
    """Offsets that lead out of Python's years do no harm."""
    kept = store()
    for date in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        kept.add_event(event(event_date=date))
    assert kept.find(EventQuery(start=NOW))[0] == 1


def test_without_dates_a_query_means_the_last_six_months() -> None:
    """The bound lies six calendar months back, and nothing bounds the future."""
    query = parse_query([], now=NOW)
    assert (query.start, query.end) == (datetime(2026, 2, 28, 12, tzinfo=UTC), None)
    assert (query.limit, query.offset) == (100, 0)


def test_parameters_are_read_and_unknown_ones_ignored() -> None:
    """Filters may be repeated; a plain day as endDate includes the whole day."""
    pairs = [
        *(("contact_id", "1"), ("contact_id", "-2"), ("event_name", "a"), ("event_name", "b")),
        *(("object_type", "c"), ("startDate", "2026-01-01T00:00:00+01:00"), ("endDate", "2026-01-02")),
        *(("limit", "10000"), ("offset", "7"), ("sort", "asc")),
    ]
    assert parse_query(pairs, now=NOW) == EventQuery(
        start=datetime(2025, 12, 31, 23, tzinfo=UTC),
        end=datetime(2026, 1, 2, 23, 59, 59, 999_999, UTC),
        limit=10_000,
        offset=7,
        contact_ids=frozenset({1, -2}),
        event_names=frozenset({"a", "b"}),
        object_types=frozenset({"c"}),
    )


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([("limit", "0")], "limit"),
        ([("limit", "10001")], "limit"),
        ([("limit", "ten")], "limit"),
        ([("limit", "")], "limit"),
        ([("limit", "1"), ("limit", "2")], "limit"),
        ([("limit", "9" * 5000)], "limit"),
        ([("offset", "-1")], "offset"),
        ([("offset", "1.0")], "offset"),
        ([("contact_id", "jane")], "contact_id"),
        ([("contact_id", "1"), ("contact_id", str(2**63))], "contact_id"),
        ([("startDate", "2026-01-01")], "startDate"),
        ([("endDate", "2026-01-01")], "endDate"),
        ([("startDate", "2026-01-02"), ("endDate", "2026-01-01")], "startDate"),
        ([("startDate", "01/02/2026"), ("endDate", "2026-01-01")], "startDate"),
        ([("startDate", "2026-01-01"), ("endDate", "2026-01-01T00:00:00")], "endDate"),
    ],
)
def test_wrong_parameters_are_refused_by_name(pairs: list[tuple[str, str]], name: str) -> None:
    """A number out of range, half a range of dates or a date that is none is refused."""
    with pytest.raises(InvalidQueryError, match=name):
        parse_query(pairs, now=NOW)


def test_snapshots_do_not_follow_what_comes_later() -> None:
    """A list that was handed out stays as it was, also the requests in it."""
    kept = store()
    request = ReceivedRequest(method="GET", path="/", query="", headers={})
    kept.add_request(request)
    before = kept.requests()
    kept.complete_request(request, body=b"x", status=200)
    kept.add_event(event())
    assert before[0].status is None
    assert (kept.requests()[0].body, kept.requests()[0].status) == (b"x", 200)


def test_entries_are_events_and_requests_without_any() -> None:
    """A request that brings several events has an entry for each, one that brings none has one, newest first."""
    kept = store()
    two, none = (ReceivedRequest(method="POST", path=path, query="", headers={}) for path in ("/two", "/none"))
    kept.add_request(two)
    kept.add_request(none)
    kept.add_event(event(event_name="a"), two)
    kept.add_event(event(event_name="b"), two)
    total, entries = kept.newest()
    assert total == 3
    assert [(each.request, each.event and each.event.body["event_name"]) for each in entries] == [
        (two, "b"),
        (none, None),
        (two, "a"),
    ]
    assert len({each.key for each in entries}) == 3
    assert [request.number for request in kept.requests()] == [1, 2]


def test_only_the_newest_entries_are_held() -> None:
    """Older ones fall out one by one, and are counted."""
    kept = store()
    for _ in range(MAX_ENTRIES + 2):
        kept.add_request(ReceivedRequest(method="GET", path="/", query="", headers={}))
    total, entries = kept.newest()
    assert (total, len(entries)) == (MAX_ENTRIES + 2, MAX_ENTRIES)
    assert (entries[0].request.number, entries[-1].request.number) == (MAX_ENTRIES + 2, 3)


def test_contacts_are_found_by_id_and_by_parts_of_the_rest() -> None:
    """An id is matched whole, alone or with #; other identifiers in any case and in part."""
    kept = store()
    kept.add_event(event(identifiers={"contact_id": 42, "email_id": "Jane@example.com"}))
    kept.add_event(event(identifiers={"contact_id": 4, "ext_id": "x-42"}))
    assert [kept.contacts_like(text) for text in ("42", "#4", "jane@", "#x")] == [{42, 4}, {4}, {42}, set()]


def test_listeners_hear_of_every_change_until_they_leave() -> None:
    """Requests, what becomes of them, events and a reset are changes."""
    kept, heard = store(), []
    end = kept.listen(lambda: heard.append(1))
    request = ReceivedRequest(method="GET", path="/", query="", headers={})
    kept.add_request(request)
    kept.complete_request(request, status=200)
    kept.add_event(event(), request)
    kept.reset()
    assert len(heard) == 4
    end()
    kept.reset()
    assert len(heard) == 4


def test_a_reset_forgets_everything() -> None:
    """Events, requests and contacts are gone, and contacts are counted from 1 again."""
    kept = store()
    kept.add_event(event())
    kept.add_request(ReceivedRequest(method="GET", path="/", query="", headers={}))
    kept.reset()
    assert (kept.events(), kept.requests()) == ([], [])
    assert kept.add_event(event(identifiers={"ext_id": "z"})).contact_id == 1


def test_a_request_shows_neither_headers_nor_body() -> None:
    """The repr of a request holds no key and no personal data."""
    request = ReceivedRequest(
        method="POST", path="/v3/events", query="", headers={"api-key": "secret-key"}, body=b"jane"
    )
    assert "secret-key" not in repr(request)
    assert "jane" not in repr(request)
