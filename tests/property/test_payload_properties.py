"""Any value either converts and survives JSON, or is refused with a place."""

import copy
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.dates import is_rfc3339
from airflow_provider_brevo.core.payload import convert_event, encode
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import BrevoInvalidEventError

FIELDS = ["event_name", "identifiers", "event_properties", "contact_properties", "event_date", "object", "whatever"]
WHOLE_MINUTES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class Kind(Enum):
    """An enum in a payload."""

    ONE = "one"
    TWO = 2
    NONE = None


json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
odd_scalars = (
    st.binary()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=WHOLE_MINUTES)
    | st.datetimes(timezones=st.timezones())
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from(Kind)
    | st.text(st.characters(categories=["Cs"]), max_size=2)
)
keys = st.text(max_size=8) | st.sampled_from(["id", "contact_id", "ext_id", "identifiers", "a-B_9"])
odd_keys = keys | st.integers() | st.none() | st.sampled_from(Kind)


def _containers(children, keys):
    return st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=4)


json_values = st.recursive(json_scalars, lambda inner: _containers(inner, keys), max_leaves=12)
any_values = st.recursive(
    json_scalars | odd_scalars,
    lambda inner: _containers(inner, odd_keys) | st.tuples(inner, inner) | st.sets(st.integers(), max_size=2),
    max_leaves=12,
)
events = st.dictionaries(st.sampled_from(FIELDS), any_values, max_size=5)


def _is_json(value):
    if isinstance(value, dict):
        return all(type(key) is str and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    if type(value) is float:
        return math.isfinite(value)
    return type(value) in {str, bool, int}


@given(events)
def test_conversion_gives_json_and_places(event):
    """Whatever comes in, JSON values come out; what is missing has a place, a rule and an advice."""
    converted = convert_event(event)

    assert _is_json(converted.value)
    assert json.loads(encode(converted.value)) == converted.value
    for violation in converted.violations:
        assert re.fullmatch(r"(/([A-Za-z0-9_-]{1,255}|<key \d+>))+", violation.pointer)
        assert violation.rule
        assert violation.problem
        assert violation.advice


@given(events)
def test_conversion_is_idempotent(event):
    """Converting what was converted changes nothing and refuses nothing."""
    once = convert_event(event).value
    twice = convert_event(once)

    assert twice.violations == []
    assert encode(twice.value) == encode(once)


@given(events)
def test_conversion_never_changes_its_input(event):
    """The input is the same afterwards; repr tells NaN and types apart better than equality."""
    copied, before = copy.deepcopy(event), repr(event)

    convert_event(event)

    assert repr(event) == before
    assert convert_event(event) == convert_event(copied)


def _without_none(value):
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(keys, json_values, max_size=4))
def test_what_is_json_already_stays_as_it_is(properties):
    """A JSON value is sent as it is, but for Nones of objects; else there is a reason to refuse it."""
    event = {"event_properties": properties}
    try:
        prepared = prepare_event(event, validate=False)
    except BrevoInvalidEventError as error:
        assert error.violations  # noqa: PT017 # either outcome is right
    else:
        assert encode(prepared) == encode(_without_none(event))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_keep_every_digit_or_are_refused(value):
    """A Decimal that is sent reads back as the same number."""
    converted = convert_event({"event_properties": {"p": value}})

    if converted.violations:
        assert converted.violations[0].rule in {"precision", "range"}
    else:
        sent = encode(converted.value["event_properties"]["p"]).decode()
        assert Decimal(sent) == value


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_amounts_of_money_always_convert(value):
    """No amount with two places is refused."""
    assert convert_event({"event_properties": {"p": value}}).violations == []


@given(st.datetimes(timezones=WHOLE_MINUTES))
def test_isoformat_of_every_aware_datetime_is_a_timestamp(value):
    """What Python writes for an aware datetime passes the check of timestamps."""
    assert is_rfc3339(value.isoformat())


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.timezones()))  # noqa: DTZ001 # wants naive ones
def test_every_converted_datetime_is_a_timestamp_of_the_same_moment(value):
    """Whatever its time zone, a datetime arrives as a timestamp by RFC 3339 that names the same moment."""
    text = convert_event({"event_date": value}).value["event_date"]

    assert is_rfc3339(text)
    assert datetime.fromisoformat(text).astimezone(UTC) == value.astimezone(UTC)


@given(st.dates() | st.datetimes(timezones=WHOLE_MINUTES))
def test_contact_properties_hold_days_only(value):
    """In contact_properties every date and datetime is a day of the calendar."""
    text = convert_event({"contact_properties": {"D": value}}).value["contact_properties"]["D"]

    assert date.fromisoformat(text) == (value.date() if isinstance(value, datetime) else value)
