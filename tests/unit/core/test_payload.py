"""Python values as the JSON values that are sent."""

import copy
import json
import math
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_brevo.core.payload import MAX_DEPTH, convert_event, encode, pointer


class Plan(Enum):
    """An enum whose members hold plain values."""

    PRO = "pro"
    SEATS = 5
    NESTED = ("a", 1)
    NOTHING = None


class Colour(StrEnum):
    """An enum that is text."""

    RED = "red"


class Level(IntEnum):
    """An enum that is a number."""

    HIGH = 3


class Shouting(str):
    """Text that shows itself as something else."""

    __slots__ = ()

    def __str__(self):
        return "SOMETHING ELSE"


class NoOffset(tzinfo):
    """A time zone that doesn't know its offset."""

    def utcoffset(self, _):
        return None


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


PARIS = timezone(timedelta(hours=1))
ID = UUID("12345678-1234-5678-1234-567812345678")
MOMENT = datetime(2024, 1, 24, 17, 39, 57, tzinfo=PARIS)


def convert(value, field="event_properties", **kwargs):
    """Convert one property, and return it with the violations as (pointer, rule)."""
    converted = convert_event({field: {"p": value}}, **kwargs)
    return converted.value[field].get("p"), [(v.pointer, v.rule) for v in converted.violations]


def same(one, other):
    """Tell whether two JSON values are equal in types too: 1, 1.0 and True are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        ("00123", "00123"),
        ("é\U0001f600\0", "é\U0001f600\0"),
        (Shouting("quiet"), "quiet"),
        (True, True),
        (False, False),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (42.5, 42.5),
        (42.0, 42.0),
        (-0.0, -0.0),
        (1e300, 1e300),
        (5e-324, 5e-324),
        (MOMENT, "2024-01-24T17:39:57+01:00"),
        (datetime(2024, 1, 24, 17, 39, 57, 123, tzinfo=UTC), "2024-01-24T17:39:57.000123+00:00"),
        (datetime(2024, 1, 24, 17, 39, 57), "2024-01-24T17:39:57+00:00"),  # noqa: DTZ001 # naive on purpose
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00+00:00"),
        (date(2024, 1, 24), "2024-01-24"),
        (Decimal("19.99"), 19.99),
        (Decimal("0.1"), 0.1),
        (Decimal("10.00"), 10),
        (Decimal("1E+3"), 1000),
        (Decimal("-0"), 0),
        (Decimal("0E+999999"), 0),
        (Decimal(2**63 - 1), 2**63 - 1),
        (ID, str(ID)),
        (Plan.PRO, "pro"),
        (Plan.SEATS, 5),
        (Plan.NESTED, ["a", 1]),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        ([1, "a", [True]], [1, "a", [True]]),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        (deque([1]), [1]),
        ([], []),
        ({}, {}),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ({Colour.RED: 1, Plan.PRO: 2, Shouting("q"): 3}, {"red": 1, "pro": 2, "q": 3}),
        ({"a": None, "b": Plan.NOTHING, "c": 1}, {"c": 1}),
    ],
)
def test_value_has_one_json_form(value, expected):
    """Every value that has a JSON form arrives in it, with its type kept."""
    converted, violations = convert(value)

    assert violations == []
    assert same(converted, expected)
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "rule", "problem"),
    [
        (math.nan, "not-json", "is NaN"),
        (math.inf, "not-json", "is infinite"),
        (-math.inf, "not-json", "is infinite"),
        (2**63, "range", "beyond 64 bits"),
        (-(2**63) - 1, "range", "beyond 64 bits"),
        (10**400, "range", "beyond 64 bits"),
        (Decimal("NaN"), "not-json", "no number"),
        (Decimal("sNaN"), "not-json", "no number"),
        (Decimal("-Infinity"), "not-json", "no number"),
        (Decimal(2**63), "range", "beyond 64 bits"),
        (Decimal("1E+19"), "range", "beyond 64 bits"),
        (Decimal("1E+999999"), "range", "beyond 64 bits"),
        (Decimal("0.12345678901234567890"), "precision", "more digits"),
        (Decimal("1E-999999"), "precision", "more digits"),
        (b"bytes", "not-json", "of type bytes"),
        (bytearray(b"b"), "not-json", "of type bytearray"),
        (memoryview(b"b"), "not-json", "of type memoryview"),
        ({1, 2}, "not-json", "of type set"),
        (frozenset({1}), "not-json", "of type frozenset"),
        (iter([1]), "not-json", "of type list_iterator"),
        (time(12), "not-json", "of type time"),
        (timedelta(1), "not-json", "of type timedelta"),
        (1j, "not-json", "of type complex"),
        (object(), "not-json", "of type object"),
        (print, "not-json", "of type builtin_function_or_method"),
        ("\ud800", "not-json", "no valid Unicode"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=1))), "date", "outside of the years"),
    ],
)
def test_value_without_json_form_is_refused_at_its_place(value, rule, problem):
    """What has no JSON form is refused with its place, and left out instead of guessed at."""
    converted = convert_event({"event_properties": {"p": {"deep": ["fine", value]}}})

    assert converted.value == {"event_properties": {"p": {"deep": ["fine"]}}}
    (violation,) = converted.violations
    assert (violation.pointer, violation.rule) == ("/event_properties/p/deep/1", rule)
    assert problem in violation.problem
    assert violation.advice


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (b"b", "decode it to text"),
        ({1}, "sorted(value)"),
        (iter([1]), "list(value)"),
        (timedelta(1), "number of seconds"),
        (Decimal("0.12345678901234567890"), "str(value)"),
        (2**64, "str(value)"),
        (object(), "send text, a number"),
    ],
)
def test_refusal_says_what_to_send_instead(value, advice):
    """Each refusal comes with the way out."""
    (violation,) = convert_event({"event_properties": {"p": value}}).violations

    assert advice in violation.advice


def test_none_is_dropped_from_objects_and_refused_in_lists():
    """A None means that a field is absent; a list has no absent items."""
    converted = convert_event({"event_date": None, "event_properties": {"a": None, "b": [1, None, 2]}})

    assert converted.value == {"event_properties": {"b": [1, 2]}}
    assert [(v.pointer, v.rule) for v in converted.violations] == [("/event_properties/b/1", "null")]


@pytest.mark.parametrize("key", [1, None, 1.5, True, ("a",), b"a", Plan.SEATS])
def test_key_that_is_no_text_is_refused_by_its_position(key):
    """JSON has text for keys only; turning 1 into "1" would be a guess."""
    converted = convert_event({"event_properties": {"fine": 1, key: 2}})

    assert converted.value == {"event_properties": {"fine": 1}}
    assert [(v.pointer, v.rule) for v in converted.violations] == [("/event_properties/<key 2>", "key")]


def test_key_of_no_valid_unicode_is_refused_by_its_position():
    """A key with a lone surrogate can't be encoded, so it is refused before that."""
    converted = convert_event({"event_properties": {"\udc80": 1}})

    assert [(v.pointer, v.rule) for v in converted.violations] == [("/event_properties/<key 1>", "key")]


def test_all_reasons_are_listed_at_once():
    """One wrong value doesn't hide the next."""
    converted = convert_event(
        {"event_properties": {"a": math.nan, "b": [b"", {1: 2}]}, "identifiers": {"email_id": object()}}
    )

    assert [v.pointer for v in converted.violations] == [
        "/event_properties/a",
        "/event_properties/b/0",
        "/event_properties/b/1/<key 1>",
        "/identifiers/email_id",
    ]


@pytest.mark.parametrize("event", [None, [], "text", 5])
def test_event_that_is_no_mapping_is_refused(event):
    """Only a mapping can be an event."""
    converted = convert_event(event)

    assert converted.value == {}
    assert [(v.pointer, v.rule) for v in converted.violations] == [("", "type")]


def _nested(levels, innermost=1):
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_has_a_bound():
    """The deepest level that is allowed passes, the next one is refused."""
    at_bound, violations = convert(_nested(MAX_DEPTH - 1))
    assert violations == []
    assert same(at_bound, _nested(MAX_DEPTH - 1))

    _, violations = convert(_nested(MAX_DEPTH))
    assert [rule for _, rule in violations] == ["depth"]


def test_very_deep_nesting_ends_soon():
    """No depth leads to a RecursionError."""
    assert [rule for _, rule in convert(_nested(100_000))[1]] == ["depth"]


def test_value_that_contains_itself_is_refused():
    """A cycle is refused where it closes, however many branches lead into it."""
    cycle = {"fine": 1}
    cycle["again"] = [cycle, cycle, {"deeper": cycle}]

    value, violations = convert(cycle)

    assert value == {"fine": 1, "again": [{}]}
    assert violations == [
        ("/event_properties/p/again/0", "depth"),
        ("/event_properties/p/again/1", "depth"),
        ("/event_properties/p/again/2/deeper", "depth"),
    ]


def test_value_that_occurs_twice_is_no_cycle():
    """One object in two places is sent twice."""
    shared = {"a": [1]}

    assert convert([shared, shared, {"b": shared}]) == ([shared, shared, {"b": shared}], [])


def test_naive_datetimes_are_in_the_given_time_zone():
    """A datetime without an offset is taken to be in the time zone that is asked for, in summer and winter."""
    berlin = ZoneInfo("Europe/Berlin")
    naive = [datetime(2024, 1, 1), datetime(2024, 7, 1)]  # noqa: DTZ001 # naive on purpose

    assert convert(naive, timezone=berlin)[0] == ["2024-01-01T00:00:00+01:00", "2024-07-01T00:00:00+02:00"]


def test_offset_with_seconds_becomes_utc():
    """Local mean times have offsets with seconds, which RFC 3339 can't write: the same moment in UTC is sent."""
    value, violations = convert(datetime(1890, 1, 1, 12, tzinfo=ZoneInfo("Europe/Paris")))

    assert violations == []
    assert value == "1890-01-01T11:50:39+00:00"


def test_time_zone_without_offset_leaves_the_datetime_as_it_is():
    """Where neither the datetime nor the given time zone has an offset, none is made up."""
    assert convert(datetime(2024, 1, 1, tzinfo=NoOffset()), timezone=NoOffset())[0] == "2024-01-01T00:00:00"


def test_contact_properties_get_days_without_time():
    """Date attributes of contacts want YYYY-MM-DD, so a datetime gives its day as it stands on the calendar there."""
    late = datetime(2024, 1, 24, 23, 59, tzinfo=timezone(timedelta(hours=-8)))

    assert convert({"a": late, "b": date(2024, 1, 2)}, "contact_properties") == (
        {"a": "2024-01-24", "b": "2024-01-02"},
        [],
    )


def test_input_is_never_changed():
    """The caller's event is the same after the conversion, wrong values included."""
    event = {
        "event_name": Plan.PRO,
        "identifiers": {"contact_id": "42", "ext_id": 7, "email_id": None},
        "object": {"identifiers": {"id": 1}},
        "event_properties": {"a": [1, None, {"b": (1, {2})}], 5: "x", "d": MOMENT},
        "contact_properties": {"D": MOMENT},
    }
    before = copy.deepcopy(event)

    convert_event(event)

    assert event == before
    assert list(event) == list(before)


def test_encoding_is_compact_utf8():
    """What is sent, and what sizes are measured on, is JSON without blanks and without escapes."""
    assert encode({"a": ["é", 1.5, True, {}]}) == '{"a":["é",1.5,true,{}]}'.encode()


def test_encoding_refuses_nan():
    """NaN never gets into a body, even if conversion was left out."""
    with pytest.raises(ValueError, match="JSON compliant"):
        encode({"a": math.nan})


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a-B_9", "/x/a-B_9"), (3, "/x/3"), ("a b", "/x/<key 5>"), ("a/b", "/x/<key 5>"), ("", "/x/<key 5>")],
)
def test_pointer_shows_harmless_keys_only(key, expected):
    """A key outside of Brevo's rules may be anything, an address too, so its position stands for it."""
    assert pointer("/x", key, 4) == expected
