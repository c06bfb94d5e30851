"""Events against the rules, and what a refusal says."""

import json
import math
from datetime import UTC, datetime

import pytest

from airflow_provider_brevo.core import validation
from airflow_provider_brevo.core.validation import find_violations, prepare_event
from airflow_provider_brevo.exceptions import BrevoInvalidEventError


def event(**changes):
    """Return a valid event with some fields changed; ``...`` leaves a field out."""
    fields = {"event_name": "video_played", "identifiers": {"contact_id": 1}, **changes}
    return {key: value for key, value in fields.items() if value is not ...}


def found(instance, schema="event"):
    """Return what breaks the rules as (pointer, rule)."""
    return [(v.pointer, v.rule) for v in find_violations(instance, schema=schema)]


@pytest.mark.parametrize("name", ["a", "a-b_C9", "_", "-", "a" * 255])
def test_event_names_of_the_rule_pass(name):
    """1 to 255 letters, digits, hyphens and underscores are a name."""
    assert found(event(event_name=name)) == []


@pytest.mark.parametrize("name", ["", "a" * 256, "a b", "a,b", "a.b", "é", "a\n", "\na", "a\0", "\uff41"])
def test_other_event_names_are_refused(name):
    """Anything else is not, a trailing newline included."""
    assert found(event(event_name=name)) == [("/event_name", "name")]


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ({}, [("/event_name", "required"), ("/identifiers", "required")]),
        (event(event_name=...), [("/event_name", "required")]),
        (event(identifiers=...), [("/identifiers", "required")]),
        (event(event_name=5), [("/event_name", "type")]),
        (event(event_name=None), [("/event_name", "type")]),
        (event(identifiers={}), [("/identifiers", "identifier")]),
        (event(identifiers=[1]), [("/identifiers", "type")]),
        (event(identifiers={"contact_id": "x"}), [("/identifiers/contact_id", "type")]),
        (event(identifiers={"contact_id": 1.5}), [("/identifiers/contact_id", "type")]),
        (event(identifiers={"contact_id": True}), [("/identifiers/contact_id", "type")]),
        (event(identifiers={"contact_id": 2**63}), [("/identifiers/contact_id", "range")]),
        (event(identifiers={"contact_id": -(2**63) - 1}), [("/identifiers/contact_id", "range")]),
        (event(identifiers={"email_id": ""}), [("/identifiers/email_id", "empty")]),
        (event(identifiers={"ext_id": 42}), [("/identifiers/ext_id", "type")]),
        (event(event_date="2024-13-01T00:00:00Z"), [("/event_date", "date")]),
        (event(event_date="2024-02-30T00:00:00Z"), [("/event_date", "date")]),
        (event(event_date="2024-01-01T00:00:00"), [("/event_date", "date")]),
        (event(event_date="2024-01-01T00:00:00Z\n"), [("/event_date", "date")]),
        (event(event_date=1706114397), [("/event_date", "type")]),
        (event(event_properties=[]), [("/event_properties", "type")]),
        (event(event_properties={"a": None}), [("/event_properties/a", "type")]),
        (event(event_properties={"a": [[None]]}), [("/event_properties/a/0/0", "type")]),
        (event(event_properties={"a": math.nan}), [("/event_properties/a", "type")]),
        (event(event_properties={"a": math.inf}), [("/event_properties/a", "type")]),
        (event(contact_properties={"A": {}}), [("/contact_properties/A", "type")]),
        (event(contact_properties={"A": []}), [("/contact_properties/A", "type")]),
        (event(contact_properties={"firstname": "x"}), [("/contact_properties/firstname", "key")]),
        (event(contact_properties={"": "x"}), [("/contact_properties/<key 1>", "key")]),
        (event(contact_properties="x"), [("/contact_properties", "type")]),
        (event(object={"type": ""}), [("/object/type", "empty")]),
        (event(object={"identifiers": {}}), [("/object/identifiers", "identifier")]),
        (event(object={"identifiers": {"id": 1}}), [("/object/identifiers/id", "type")]),
        (event(object={"id": "1"}), [("/object/id", "unknown-field")]),
        (event(object=[]), [("/object", "type")]),
        ([], [("", "type")]),
        ("text", [("", "type")]),
        (None, [("", "type")]),
    ],
)
def test_broken_rule_is_named_at_its_place(instance, expected):
    """Each broken rule is found where it is broken."""
    assert found(instance) == expected


@pytest.mark.parametrize(
    "properties",
    [
        {"whole": 1, "decimal": 4.5, "text": "x", "yes": True, "date": "2024-01-24T17:39:57+01:00"},
        {"nested": {"deeper": {"list": [1, "a", {"b": [True, []]}]}}, "empty": {}},
        {"a" * 255: 1},
    ],
)
def test_all_documented_kinds_of_properties_pass(properties):
    """Numbers with decimals, booleans, objects and lists are properties at every depth."""
    assert found(event(event_properties=properties)) == []


@pytest.mark.parametrize("key", ["", "a b", "é", "a.b", "a\n", "k" * 256, "jane@example.com"])
@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda inner: inner, "/event_properties/<key 2>"),
        (lambda inner: {"x": inner}, "/event_properties/x/<key 2>"),
        (lambda inner: {"x": [0, {"y": inner}]}, "/event_properties/x/1/y/<key 2>"),
    ],
    ids=["top", "nested", "in a list"],
)
def test_keys_are_checked_at_every_depth(key, wrap, place):
    """A key outside of the rules is found however deep, and named by its position alone."""
    assert found(event(event_properties=wrap({"fine": 1, key: 2}))) == [(place, "key")]


@pytest.mark.parametrize(
    ("wrong", "suggested"),
    [
        ("eventName", "event_name"),
        ("EventName", "event_name"),
        ("event-name", "event_name"),
        ("event name", "event_name"),
        ("name", "event_name"),
        ("even_name", "event_name"),
        ("date", "event_date"),
        ("eventdate", "event_date"),
        ("properties", "event_properties"),
        ("eventProperties", "event_properties"),
        ("attributes", "contact_properties"),
        ("contactProperties", "contact_properties"),
        ("identifier", "identifiers"),
        ("email", "identifiers.email_id"),
        ("email_id", "identifiers.email_id"),
        ("contactId", "identifiers.contact_id"),
        ("Object", "object"),
    ],
)
def test_unknown_field_gets_the_nearest_name(wrong, suggested):
    """A misspelt field is told what was probably meant."""
    (violation,) = find_violations(event(**{wrong: "x"}))

    assert violation.rule == "unknown-field"
    assert violation.advice == f"did you mean '{suggested}'?"


@pytest.mark.parametrize(
    ("wrong", "suggested"),
    [
        ("email", "email_id"),
        ("emailId", "email_id"),
        ("id", "contact_id"),
        ("external_id", "ext_id"),
        ("sms", "phone_id"),
    ],
)
def test_unknown_identifier_gets_the_nearest_name(wrong, suggested):
    """A misspelt identifier is told what was probably meant."""
    (violation,) = find_violations(event(identifiers={"contact_id": 1, wrong: "x"}))

    assert (violation.pointer, violation.rule) == (f"/identifiers/{wrong}", "unknown-field")
    assert violation.advice == f"did you mean '{suggested}'?"


def test_unknown_field_without_a_near_name_lists_the_known_ones():
    """Where nothing is near, the known names are listed."""
    (violation,) = find_violations(event(zzz=1))

    assert violation.advice.startswith("remove it; known are event_name, identifiers")


def test_event_may_have_exactly_50000_bytes_of_properties():
    """The border of 50 KB is drawn in bytes of UTF-8 as they are sent, multi-byte characters included."""
    for filler in ("x", "é", "€", "\U0001f600"):
        width = len(filler.encode())
        count, rest = divmod(50_000 - len('{"a":""}'), width)
        text = filler * count + "x" * rest

        assert found(event(event_properties={"a": text})) == []
        (violation,) = find_violations(event(event_properties={"a": text + "x"}))
        assert (violation.pointer, violation.rule) == ("/event_properties", "size")
        assert violation.problem == "takes 50,001 bytes, which is more than 50,000"


def test_all_errors_are_listed_at_once():
    """An event with many mistakes is refused once, with all of them."""
    wrong = {
        "eventName": "x",
        "identifiers": {"email": "x", "ext_id": ""},
        "event_date": "today",
        "event_properties": {"a b": 1, "c": None, "d": "x" * 60_000},
        "object": {"type": 1},
    }

    assert set(found(wrong)) == {
        ("/event_name", "required"),
        ("/eventName", "unknown-field"),
        ("/identifiers/email", "unknown-field"),
        ("/identifiers/ext_id", "empty"),
        ("/event_date", "date"),
        ("/event_properties", "size"),
        ("/event_properties/<key 1>", "key"),
        ("/event_properties/c", "type"),
        ("/object/type", "type"),
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (5, "a whole number"),
        (5.5, "a decimal number"),
        (True, "a boolean"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_type_error_names_the_type_that_was_found(value, words):
    """A type error says what came instead."""
    (violation,) = find_violations(event(event_name=value))

    assert violation.problem.endswith(f", not {words}")


@pytest.mark.parametrize(
    ("count", "expected"), [(0, [("/events", "count")]), (1, []), (200, []), (201, [("/events", "count")])]
)
def test_batch_holds_1_to_200_events(count, expected):
    """The borders of a batch's length are 1 and 200."""
    assert found({"events": [event()] * count}, "batch") == expected


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([], [("", "type")]),
        ({}, [("/events", "required")]),
        ({"events": {}}, [("/events", "type")]),
        ({"events": [5]}, [("/events/0", "type")]),
        ({"events": [event()], "more": 1}, [("/more", "unknown-field")]),
    ],
)
def test_batch_of_the_wrong_form_is_refused(batch, expected):
    """A batch is an object with a list of events and nothing else."""
    assert found(batch, "batch") == expected


def test_errors_of_a_batch_come_event_by_event():
    """The reasons for one event stand together, in the order of the events, sizes included."""
    large = {"a": "x" * 60_000}
    batch = {"events": [event(event_properties=large), event(), event(event_name=5, event_properties=large), {}]}

    assert found(batch, "batch") == [
        ("/events/0/event_properties", "size"),
        ("/events/2/event_name", "type"),
        ("/events/2/event_properties", "size"),
        ("/events/3/event_name", "required"),
        ("/events/3/identifiers", "required"),
    ]


def test_batch_has_a_size_of_its_own():
    """A batch above 512,000 bytes is refused though each of its events is small enough."""
    batch = {"events": [event(event_properties={"a": "x" * 49_000})] * 11}

    (violation,) = find_violations(batch, schema="batch")
    assert (violation.pointer, violation.rule, violation.advice) == ("", "size", "send fewer events at once")


@pytest.mark.parametrize("field", ["event_name", "event_date", "contact_properties"])
@pytest.mark.parametrize("depth", [1_000, 20_000])
def test_deep_nesting_never_ends_in_a_recursion_error(field, depth):
    """A value too deep to be looked at makes the event invalid."""
    value = "x"
    for _ in range(depth):
        value = [value]

    assert found(event(**{field: value}))


def test_nesting_too_deep_to_be_measured_is_refused():
    """Properties whose size can't be measured for their depth are too deep to be sent."""
    value = "x"
    for _ in range(20_000):
        value = [value]

    assert found(event(event_properties={"a": value})) == [("", "depth")]


def test_prepared_event_is_converted_and_checked():
    """What is returned is what is sent."""
    assert prepare_event(
        {"event_name": "a", "identifiers": {"contact_id": "42"}, "event_date": datetime(2024, 1, 1, tzinfo=UTC)}
    ) == {"event_name": "a", "identifiers": {"contact_id": 42}, "event_date": "2024-01-01T00:00:00+00:00"}


def test_reasons_of_conversion_and_validation_come_together():
    """A value that can't be converted and a broken rule are reported in one error."""
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event({"event_name": "a b", "identifiers": {"ext_id": "1"}, "event_properties": {"p": b""}})

    assert [(v.pointer, v.rule) for v in caught.value.violations] == [
        ("/event_properties/p", "not-json"),
        ("/event_name", "name"),
    ]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"event_name": b"", "identifiers": {"ext_id": "1"}}, [("/event_name", "not-json")]),
        ({"event_name": "a", "identifiers": {"ext_id": b""}}, [("/identifiers/ext_id", "not-json")]),
        ({"event_name": "a", "identifiers": b""}, [("/identifiers", "not-json")]),
        ({"event_name": "a", "identifiers": {1: "x"}}, [("/identifiers/<key 1>", "key")]),
        ({"event_name": "a", "identifiers": {"ext_id": None}}, [("/identifiers", "identifier")]),
        ("text", [("", "type")]),
    ],
)
def test_one_mistake_is_told_once(wrong, expected):
    """What could not be converted is not reported as missing, too."""
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event(wrong)

    assert [(v.pointer, v.rule) for v in caught.value.violations] == expected


def test_without_validation_all_that_is_json_passes():
    """With validate=False unknown fields pass, and what is no JSON still doesn't."""
    assert prepare_event({"new": {"field": 1}}, validate=False) == {"new": {"field": 1}}
    with pytest.raises(BrevoInvalidEventError):
        prepare_event({"new": b""}, validate=False)


def test_refusal_stands_even_if_nothing_explains_it(monkeypatch):
    """Should the two validators ever disagree, the event is refused all the same."""

    class Refuses:
        def is_valid(self, _):
            return False

    monkeypatch.setattr(validation, "_decider", lambda _: Refuses())

    assert [v.rule for v in find_violations(event())] == ["unexplained"]


def test_schema_is_read_once():
    """Schemas are loaded and compiled once, as each compilation costs more than a thousand checks."""
    assert validation.load_schema("event") is validation.load_schema("event")
    assert validation._decider("event") is validation._decider("event")
    assert json.dumps(validation.load_schema("event"))
