"""What the events of one source look like, and which of them are valid because they look the same."""

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from airflow_provider_brevo.core import shapes
from airflow_provider_brevo.core.shapes import Shape

FULL = {
    "event_name": "order",
    "identifiers": {"email_id": "jane@example.com", "contact_id": 7},
    "event_date": "2026-03-01T12:00:00Z",
    "event_properties": {"id": "1", "n": 1, "x": 1.5, "ok": True, "tags": ["a"], "none": [], "in": {"b-1": ""}},
    "contact_properties": {"CITY": "Paris", "AGE": 4},
    "object": {"type": "t", "identifiers": {"ext_id": "1"}},
}


class Colour(enum.StrEnum):
    RED = "red"


def changed(**fields):
    """Return the full event with other fields."""
    return FULL | fields


def with_properties(**properties):
    """Return the full event with other properties."""
    return changed(event_properties=FULL["event_properties"] | properties)


@pytest.fixture
def unasked(monkeypatch):
    """Make a shape that knows the full event, and can't ask the schema any more."""
    shape = Shape()
    assert json.loads(shape.encode(FULL)) == FULL
    monkeypatch.setattr(shapes, "encode_if_valid", lambda _: None)
    return shape


@pytest.mark.parametrize(
    "event",
    [
        FULL,
        {"event_name": "order", "identifiers": {"email_id": "joe@example.com"}},
        changed(identifiers={"contact_id": -(2**63)}, event_date="2024-02-29T23:59:59.5-08:00"),
        with_properties(x=2, n=2**63 - 1, tags=[], id="2026-03-01 and 12345678901234567890"),
        with_properties(**{"in": {"b-1": "not empty"}}),
        with_properties(**{"in": {}}),
        changed(object={"type": "t"}),
        changed(object={}),
    ],
)
def test_what_looks_the_same_is_valid(unasked, event):
    """Other values of the same types behind the same keys, or fewer keys, need no look at the schema."""
    assert json.loads(unasked.encode(event)) == event
    assert unasked.encode_all([event, FULL]) == [unasked.encode(event), unasked.encode(FULL)]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"event_name": "order"},
        {"identifiers": {"contact_id": 7}},
        changed(event_name="an order"),
        changed(identifiers={}),
        changed(identifiers={"email_id": ""}),
        changed(identifiers={"contact_id": 7.0}),
        changed(identifiers={"contact_id": True}),
        changed(identifiers={"contact_id": 2**63}),
        changed(identifiers={"ext_id": "7"}),
        changed(event_date="2026-02-29T12:00:00Z"),
        changed(event_date="yesterday"),
        changed(event_date=datetime(2026, 3, 1, tzinfo=UTC)),
        changed(more=1),
        changed(object={"type": ""}),
        changed(object={"type": "t", "identifiers": {}}),
        changed(contact_properties={"city": "Paris"}),
        with_properties(id=None),
        with_properties(id=datetime(2026, 3, 1, tzinfo=UTC)),
        with_properties(x=Decimal("1.5")),
        with_properties(x=float("nan")),
        with_properties(x=2**63),
        with_properties(n=1.0),
        with_properties(tags=("a",)),
        with_properties(tags={"a"}),
        with_properties(tags=[""]),
        with_properties(none=["a"]),
        with_properties(ok=1),
        with_properties(id="\ud800"),
        with_properties(id=object()),
        with_properties(id="x" * 50_000),
    ],
    ids=lambda event: str(event)[-40:],
)
def test_whatever_looks_different_is_asked_about(unasked, event):
    """It may be valid or not: the shape doesn't know."""
    assert unasked.encode(event) is None
    assert unasked.encode_all([FULL, event]) is None


def test_a_shape_learns_from_each_valid_event():
    """What was valid once is known from then on, and what wasn't is not."""
    shape = Shape()
    first = {"event_name": "a", "identifiers": {"ext_id": "1"}, "event_properties": {"x": 1}}
    second = {"event_name": "b", "identifiers": {"email_id": "e"}, "event_properties": {"x": ["", {"y": 1.5}], "z": []}}
    assert shape.encode_all([first]) is None
    assert shape.encode(first)
    assert shape.encode_all([first, second]) is None
    assert shape.encode(second)
    assert shape.encode({"event_name": "c c", "identifiers": {"ext_id": "1"}}) is None
    mixed = {"event_name": "b", "identifiers": {"ext_id": "1"}, "event_properties": {"x": [{"y": 2}, "text"]}}
    assert [json.loads(encoded) for encoded in shape.encode_all([first, second, mixed])] == [first, second, mixed]


def test_texts_of_an_enum_are_sent_by_what_they_are_equal_to():
    """A StrEnum is its text."""
    shape = Shape()
    shape.encode(with_properties(id="text"))
    assert json.loads(shape.encode(with_properties(id=Colour.RED)))["event_properties"]["id"] == "red"


@pytest.mark.parametrize("new", [lambda n: {f"key{n}": 1}, lambda _: {f"key{n}": 1 for n in range(500)}])
def test_events_that_are_always_new_have_no_shape(monkeypatch, new):
    """Learning from them would take more time than it saves; they are asked about as ever."""
    shape = Shape()
    monkeypatch.setattr(shapes, "_MOST", 20)
    for number in range(30):
        assert shape.encode(changed(event_properties=new(number)))
    assert shape.encode_all([FULL]) is None
    assert shape.encode(FULL)
    assert shape.encode_all([FULL]) is None


def test_no_events_are_known_to_be_valid(unasked):
    """There is nothing to ask about."""
    assert unasked.encode_all([]) == []
