"""Both validators agree, and no refusal shows a value."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.payload import encode
from airflow_provider_brevo.core.validation import _decider, _explainer, find_violations, prepare_event
from airflow_provider_brevo.exceptions import BrevoInvalidEventError

names = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
texts = st.text(max_size=10)
scalars = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
dates = st.datetimes(timezones=st.just(None)).map(lambda moment: moment.isoformat() + "Z")
valid_events = st.fixed_dictionaries(
    {
        "event_name": names,
        "identifiers": st.dictionaries(
            st.sampled_from(["email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id"]),
            st.text(min_size=1, max_size=5),
            min_size=1,
        )
        | st.fixed_dictionaries({"contact_id": st.integers(-(2**63), 2**63 - 1)}),
    },
    optional={
        "event_date": dates,
        "event_properties": st.dictionaries(names, values, max_size=4),
        "contact_properties": st.dictionaries(st.from_regex("[A-Z_]{1,5}", fullmatch=True), scalars, max_size=3),
        "object": st.fixed_dictionaries(
            {}, optional={"type": st.text(min_size=1), "identifiers": st.just({"id": "1"})}
        ),
    },
)
anything = st.recursive(
    scalars | st.none() | st.sampled_from(["a\n", "2024-01-01T23:59:60Z", "0000-01-01T00:00:00Z", 2**63, -1, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | names, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["event_name", "identifiers", "event_date", "event_properties", "contact_properties", "object", "eventName"]
)


def _containers(value):
    """Yield every object and list inside of a value."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


@st.composite
def mutated_events(draw):
    """Make a valid event and spoil one to three places of it."""
    event = draw(valid_events.map(lambda value: json.loads(encode(value))))
    for _ in range(draw(st.integers(1, 3))):
        target = draw(st.sampled_from(list(_containers(event))))
        if isinstance(target, list):
            target.append(draw(anything))
        elif target and draw(st.booleans()):
            key = draw(st.sampled_from(list(target)))
            if draw(st.booleans()):
                del target[key]
            else:
                target[key] = draw(anything)
        else:
            target[draw(fields | texts)] = draw(anything)
    return event


def verdicts(instance, schema="event"):
    """Return what each of the two validators says."""
    return _decider(schema).is_valid(instance), _explainer(schema).is_valid(instance)


@given(valid_events)
def test_valid_events_pass_both_validators(event):
    """An event by the rules is valid to both, alone and in a batch, and prepared without a change."""
    assert verdicts(event) == (True, True)
    assert verdicts({"events": [event]}, "batch") == (True, True)
    assert find_violations(event) == []
    assert encode(prepare_event(event)) == encode(event)


@given(mutated_events())
def test_both_validators_agree_on_spoilt_events(event):
    """Whatever is wrong with an event, what one validator refuses the other one explains."""
    decided, explained = verdicts(event)

    assert decided == explained
    violations = find_violations(event)
    assert bool(violations) == (not decided)
    assert all(violation.rule != "unexplained" for violation in violations)
    assert verdicts({"events": [event]}, "batch") == (decided, decided)


@given(anything)
def test_both_validators_agree_on_anything(instance):
    """A value that isn't even an object is judged alike, too."""
    for schema in ("event", "batch"):
        decided, explained = verdicts(instance, schema)
        assert decided == explained
        assert bool(find_violations(instance, schema=schema)) == (not decided)


def _event(**changes):
    return {"event_name": "a", "identifiers": {"ext_id": "1"}, **changes}


def _nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


# Places where validators are known to differ unless they are told otherwise.
KNOWN_DIFFERENCES = [
    pytest.param(_event(event_name="abc\n"), False, id="name with trailing newline"),
    pytest.param(_event(event_properties={"abc\n": 1}), False, id="key with trailing newline"),
    pytest.param(_event(contact_properties={"ABc\n": 1}), False, id="small letter before a newline"),
    pytest.param(_event(event_date="2024-01-01T00:00:00Z\n"), False, id="date with trailing newline"),
    pytest.param(_event(event_date="2016-12-31T23:59:60Z"), False, id="leap second"),
    pytest.param(_event(event_date="0000-01-01T00:00:00Z"), False, id="year 0000"),
    pytest.param(_event(event_date="2023-02-29T00:00:00Z"), False, id="29 February"),
    pytest.param(_event(event_date="2024-01-01t00:00:00z"), True, id="small t and z"),
    pytest.param(_event(event_date="\u0662024-01-01T00:00:00Z"), False, id="other digits"),
    pytest.param(_event(event_properties={"a": math.nan}), False, id="NaN"),
    pytest.param(_event(event_properties={"a": [math.inf]}), False, id="infinity"),
    pytest.param(_event(contact_properties={"A": math.nan}), False, id="NaN as attribute"),
    pytest.param(_event(identifiers={"contact_id": 1.0}), True, id="whole number with a decimal point"),
    pytest.param(_event(identifiers={"contact_id": True}), False, id="boolean as number"),
    pytest.param(_event(identifiers={"contact_id": 2**63}), False, id="beyond 64 bits"),
    pytest.param(_event(identifiers={"contact_id": 1e300}), False, id="float far beyond 64 bits"),
    pytest.param(_event(event_properties={"a": 10**400}), True, id="beyond all floats"),
    pytest.param(_event(event_name="\U0001f600" * 255), False, id="outside of the basic plane"),
    pytest.param(_event(identifiers={"ext_id": "\ud800"}), True, id="lone surrogate: refused in conversion"),
]


@pytest.mark.parametrize(("event", "valid"), KNOWN_DIFFERENCES)
def test_both_validators_agree_on_known_differences(event, valid):
    """Where validators are known to differ, ours have been brought to agree."""
    assert verdicts(event) == (valid, valid)


def test_deep_nesting_is_refused_whatever_the_validators_do():
    """300 levels are beyond the recursion of one validator; conversion has refused them long before."""
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event(_event(event_properties={"a": _nested(300)}))

    assert [violation.rule for violation in caught.value.violations] == ["depth"]


def test_lone_surrogates_are_refused_in_conversion():
    """Both validators let lone surrogates pass, which no UTF-8 can hold: conversion refuses them."""
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event(_event(identifiers={"ext_id": "\ud800"}))

    assert [violation.rule for violation in caught.value.violations] == ["not-json"]


MARK = "Zq7MARK"
NUMBER = 7_391_846_205_117
marked = st.sampled_from(
    [
        MARK,
        f"{MARK}@example.com",
        f"{MARK}\n",
        f"{MARK}\ud800",
        MARK.encode(),
        {MARK},
        (MARK,),
        NUMBER,
        NUMBER * 10**30,
        -float(NUMBER),
        Decimal(f"{NUMBER}.12345678901234567890"),
        f"2024-13-{MARK}",
        MARK * 10_000,
        complex(NUMBER, 1),
        math.nan,
        None,
    ]
)
odd_keys = st.sampled_from(
    [f"{MARK}@x", f"{MARK} ", f"{MARK}\n", f"+{NUMBER} ", f"{MARK}\ud800", (MARK,), NUMBER, "é" + MARK]
)
marked_values = st.recursive(
    marked,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_keys | st.sampled_from("ab"), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(fields | odd_keys, marked_values, max_size=5),
    st.booleans(),
)
def test_no_refusal_shows_a_value(event, validate):
    """Neither a message nor an attribute of a refusal ever holds a value, or a key that breaks the rules."""
    try:
        prepare_event(event, validate=validate)
    except BrevoInvalidEventError as error:
        shown = f"{error} {error!r} {error.violations} {vars(error)}"
        for secret in (MARK, MARK.lower(), str(NUMBER), str(NUMBER)[:8]):
            assert secret not in shown  # a valid event is as good
        assert error.__context__ is None  # noqa: PT017 # see above


@given(marked_values)
def test_no_violation_of_a_batch_shows_a_value(value):
    """The reports for a batch of JSON values hold none of them either."""
    try:
        text = json.dumps({"events": [value, {"event_name": value, "identifiers": {"contact_id": value}}]})
    except (TypeError, ValueError):
        return
    # A number as a key would become text by the rules, which may be shown.
    text = text.replace(f'"{NUMBER}":', '"é":')
    violations = find_violations(json.loads(text), schema="batch")

    assert violations
    assert MARK not in str(violations)
    assert str(NUMBER) not in str(violations)
