"""What the sandbox keeps of batches, and how much it keeps of anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_brevo.sandbox.page_data import Filter, list_entries, show_entry
from airflow_provider_brevo.sandbox.query import parse_query
from airflow_provider_brevo.sandbox.records import ReceivedRequest
from airflow_provider_brevo.sandbox.store import MAX_BYTES, Store

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)


def event(number: int = 0, **properties: Any) -> dict[str, Any]:
    """Make an event."""
    return {"event_name": f"e{number}", "identifiers": {"email_id": "a"}, "event_properties": properties}


def request(body: bytes = b"") -> ReceivedRequest:
    """Make a request."""
    return ReceivedRequest(method="POST", path="/v3/events/batch", query="", headers={}, body=body)


def test_the_events_of_a_batch_are_kept_one_by_one() -> None:
    """Each has its place in the batch, and is an entry with the batch's request; who listens is told once."""
    kept, heard = Store(known_objects=None, clock=lambda: NOW), []
    sent = request()
    kept.add_request(sent)
    kept.listen(lambda: heard.append(1))
    kept.add_batch({0: event(0), 2: event(2)}, sent)
    assert [(each.body["event_name"], each.index, each.contact_id) for each in kept.events()] == [
        ("e0", 0, 1),
        ("e2", 2, 1),
    ]
    assert [(entry.event and entry.event.index, entry.request) for entry in kept.newest()[1]] == [(2, sent), (0, sent)]
    assert heard == [1]


def test_a_queued_batch_is_shown_later() -> None:
    """Until then it is among the events, but neither found nor on the page; those that came alone are not held up."""
    now = [NOW]
    kept = Store(known_objects=None, clock=lambda: now[0])
    sent, alone = request(), request()
    for each in (sent, alone):
        kept.add_request(each)

    def shown() -> tuple[set[str], set[str]]:
        entries = {entry.event.body["event_name"] for entry in kept.newest()[1] if entry.event is not None}
        return {each.body["event_name"] for each in kept.find(parse_query([], now=NOW))[1]}, entries

    kept.add_batch({0: event(0), 1: event(1)}, sent, delay=5)
    kept.add_event(event(2), alone)
    assert len(kept.events()) == 3
    assert kept.duplicates("x")["events"] == 0
    assert shown() == ({"e2"}, {"e2"})
    now[0] += timedelta(seconds=4.999)
    kept.release()
    assert shown() == ({"e2"}, {"e2"})
    now[0] += timedelta(seconds=0.001)
    kept.release()
    assert shown() == ({"e0", "e1", "e2"},) * 2
    kept.add_batch({0: event(3)}, sent, delay=5)
    kept.reset()
    now[0] += timedelta(seconds=5)
    assert shown() == (set(), set())


def test_only_the_newest_are_kept_and_all_are_counted() -> None:
    """Older events and requests go; the counts are of everything, until a reset."""
    kept = Store(known_objects=None, clock=lambda: NOW, keep=3)
    for number in range(5):
        sent = request()
        kept.add_request(sent)
        kept.add_batch({0: event(number, order_id=number), 1: event(number, order_id=number)}, sent)
        kept.complete_request(sent, status=202)
        kept.count_answer(sent)
    assert [each.body["event_name"] for each in kept.events()] == ["e3", "e4", "e4"]
    assert [each.number for each in kept.requests()] == [3, 4, 5]
    assert kept.duplicates("order_id") == {"events": 10, "distinct": 5, "duplicates": 5}
    assert kept.stats() == {"requests": {"POST /v3/events/batch": {"202": 5}}, "events": 10}
    kept.reset()
    assert kept.stats() == {"requests": {}, "events": 0}
    with pytest.raises(ValueError, match="keep must be at least 1"):
        Store(known_objects=None, clock=lambda: NOW, keep=0)


def test_bodies_are_kept_up_to_a_bound() -> None:
    """The oldest requests make room; the last one stays however large, and a late body of a dropped one is nothing."""
    kept = Store(known_objects=None, clock=lambda: NOW)
    half = bytes(MAX_BYTES // 2)
    first, second, third = request(), request(half), request()
    kept.add_request(first)
    kept.complete_request(first, body=half)
    kept.add_request(second)
    assert len(kept.requests()) == 2
    kept.add_request(third)
    kept.complete_request(third, body=b"x")
    assert [each.number for each in kept.requests()] == [2, 3]
    kept.complete_request(first, body=bytes(MAX_BYTES))
    assert [each.number for each in kept.requests()] == [2, 3]
    kept.add_request(request(bytes(MAX_BYTES + 1)))
    assert [each.number for each in kept.requests()] == [4]


def test_the_page_shows_an_event_of_a_batch_by_itself() -> None:
    """Its values are its own and it says where it was; a search finds it and not its neighbours."""
    kept = Store(known_objects=None, clock=lambda: NOW)
    sent = request(b'{"events": ["tea", "salt"]}')
    kept.add_request(sent)
    kept.add_batch({0: event(0, sort="tea"), 1: event(1, sort="salt")}, sent)
    kept.complete_request(sent, status=207, reason="1 of 3 events were rejected: event_name is missing")
    (found,) = list_entries(kept, Filter(text="TEA"))["entries"]
    assert (found["name"], found["kind"], found["status"]) == ("e0", "event", 207)
    shown = show_entry(kept, found["key"])
    assert shown is not None
    assert "sort" in {value["key"] for value in shown["values"]}
    assert shown["notes"] == ["The event came in a batch, as events[0]. The body is that of the whole batch."]
    sent.status = None
    shown = show_entry(kept, found["key"])
    assert shown is not None
    assert shown["notes"][1] == "The event was taken, though its sender got another answer, or none."
