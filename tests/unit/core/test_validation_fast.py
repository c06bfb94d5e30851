"""Events that are seen to be valid at once, and those that have to be looked at again."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from airflow_provider_brevo.core.payload import convert_event
from airflow_provider_brevo.core.validation import encode_if_valid, violations_of

VALID = {"event_name": "order", "identifiers": {"email_id": "jane@example.com"}}
CYCLE = {**VALID}
CYCLE["event_properties"] = CYCLE


def with_property(value):
    """Return a valid event but for one property."""
    return VALID | {"event_properties": {"a": value}}


def nested(depth):
    """Return lists in lists."""
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize(
    "event",
    [
        VALID,
        VALID | {"event_date": "2026-03-01T12:00:00Z"},
        VALID | {"identifiers": {"contact_id": 42}},
        with_property("é 1234567890123456"),
        with_property([1, 2.5, True, {"b": "c"}]),
        VALID | {"contact_properties": {"CITY": "Paris"}, "object": {"type": "t", "identifiers": {"ext_id": "1"}}},
    ],
)
def test_an_event_of_jsons_own_values_is_encoded(event):
    """What comes back equal from its JSON is JSON, and is sent as it stands."""
    assert json.loads(encode_if_valid(event)) == event


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        "text",
        VALID | {"event_name": ""},
        VALID | {"new_field": 1},
        VALID | {"identifiers": {"contact_id": 42.0}},
        VALID | {"event_date": "yesterday"},
        VALID | {"event_date": datetime(2026, 3, 1, tzinfo=UTC)},
        with_property(None) | {"event_properties": None},
        with_property(Decimal("1.5")),
        with_property(float("nan")),
        with_property(2**70),
        with_property(9_223_372_036_854_775_807),
        with_property((1, 2)),
        with_property({1, 2}),
        with_property({1: "a"}),
        with_property(object()),
        with_property("\ud800"),
        with_property("x" * 60_000),
        with_property(nested(400)),
        CYCLE,
    ],
    ids=lambda event: str(event)[-40:],
)
def test_anything_else_says_nothing(event):
    """It may be valid once converted, or not: somebody else finds out."""
    assert encode_if_valid(event) is None


def test_violations_come_from_conversion_and_rules():
    """What has no JSON form and what breaks a rule are told together."""
    found = violations_of(convert_event({"event_name": "", "identifiers": VALID["identifiers"], "object": {1, 2}}))
    assert {violation.pointer for violation in found} == {"/event_name", "/object"}


def test_what_follows_from_a_failed_conversion_is_not_told_twice():
    """An identifier that has no JSON form isn't missing."""
    found = violations_of(convert_event({"event_name": "order", "identifiers": {"ext_id": {1, 2}}}))
    assert [violation.pointer for violation in found] == ["/identifiers/ext_id"]


def test_without_rules_there_is_conversion_only():
    """Unknown fields pass, what has no JSON form doesn't."""
    assert violations_of(convert_event({"new_field": 1}), validate=False) == []
    assert len(violations_of(convert_event({"new_field": object()}), validate=False)) == 1
