"""A team's own rules for event_properties: what they refuse, in which words, and which plans can't be used."""

import json
import socket

import pytest

from airflow_provider_brevo.core.batches import Preparation, Rejection
from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.core.tracking_plan import TrackingPlan
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import BrevoInvalidEventError, BrevoUsageError

SECRET = "jane.doe@example.com"
ORDER = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "pattern": "^[0-9]{5}$"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD"]},
        "paid_at": {"format": "date-time"},
        "items": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/item"}},
        "coupon": {"type": ["string", "null"]},
        "legacy": False,
        "delivery": {"anyOf": [{"type": "string"}, {"type": "object"}]},
        "contact": {"format": "email"},
        "colour": {"format": "colour"},
    },
    "required": ["total"],
    "additionalProperties": False,
    "$defs": {"item": {"properties": {"sku": {"type": "string"}}, "additionalProperties": False, "required": ["sku"]}},
}


def event(**properties):
    """Return an event with properties."""
    return {"event_name": "order_completed", "identifiers": {"ext_id": "17"}, "event_properties": properties}


def by_name(**schemas):
    """Return a plan of schemas by event name."""
    return TrackingPlan.of_file(json.dumps(schemas).encode(), "plan.json")


def told(given, plan=None, **options):
    """Return what is wrong with an event, as (pointer, rule, problem, advice)."""
    plan = plan or TrackingPlan.of_schema(ORDER)
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event(given, plan=plan, **options)
    assert not plan.allows(given)
    assert SECRET not in str(caught.value)
    return [(found.pointer, found.rule, found.problem, found.advice) for found in caught.value.violations]


@pytest.mark.parametrize(
    "properties",
    [
        {"total": 1},
        {"total": 0.5, "order_id": "00123", "currency": "EUR", "items": [{"sku": "a"}], "coupon": "x"},
        {"total": 1, "paid_at": "2026-03-01T10:00:00Z", "contact": "a@example.com", "delivery": {}},
        {"total": 1, "colour": "of a format that nobody knows"},
    ],
    ids=str,
)
def test_what_keeps_to_the_plan_passes(properties):
    """A plan changes nothing of what is sent."""
    plan = TrackingPlan.of_schema(ORDER)
    assert plan.allows(event(**properties))
    assert prepare_event(event(**properties), plan=plan) == event(**properties)


@pytest.mark.parametrize(
    ("properties", "pointer", "rule", "problem"),
    [
        ({}, "/total", "required", "is missing"),
        ({"total": SECRET}, "/total", "type", "must be of the type number by the tracking plan, not text"),
        (
            {"total": 1, "coupon": 5},
            "/coupon",
            "type",
            "must be of the type null or string by the tracking plan, not a whole number",
        ),
        ({"total": 1, "totals": 2}, "/totals", "unknown-field", "is not in the tracking plan"),
        ({"total": -1}, "/total", "plan", "breaks the rule 'minimum: 0' of the tracking plan"),
        ({"total": 1, "currency": SECRET}, "/currency", "plan", 'breaks the rule \'enum: ["EUR", "USD"]\''),
        ({"total": 1, "order_id": SECRET}, "/order_id", "plan", "breaks the rule 'pattern: \"^[0-9]{5}$\"'"),
        ({"total": 1, "paid_at": "2026-03-01"}, "/paid_at", "plan", "breaks the rule 'format: \"date-time\"'"),
        ({"total": 1, "contact": "jane"}, "/contact", "plan", "breaks the rule 'format: \"email\"'"),
        ({"total": 1, "legacy": SECRET}, "/legacy", "unknown-field", "is ruled out by the tracking plan"),
        ({"total": 1, "delivery": 5}, "/delivery", "plan", "breaks the rule 'anyOf' of the tracking plan"),
        ({"total": 1, "items": [{"sku": "a"}] * 3}, "/items", "plan", "breaks the rule 'maxItems: 2'"),
        ({"total": 1, "items": [{"sku": "a"}, {}]}, "/items/1/sku", "required", "is missing"),
        ({"total": 1, "items": [{"sku": "a", "skuu": 1}]}, "/items/0/skuu", "unknown-field", "is not in the tracking"),
    ],
    ids=str,
)
def test_what_leaves_the_plan_is_told(properties, pointer, rule, problem):
    """Each refusal names place, rule and limit, and no value of the payload."""
    found = [violation for violation in told(event(**properties)) if violation[0] == f"/event_properties{pointer}"]
    assert [(violation[1], violation[2].startswith(problem)) for violation in found] == [(rule, True)]


def test_all_is_told_at_once():
    """What breaks the plan and what breaks Brevo's rules come in one error."""
    given = {**event(totals=1, currency="GBP", **{"a b": 1}), "event_date": "yesterday"}
    assert [(pointer, rule) for pointer, rule, *_ in told(given)] == [
        ("/event_date", "date"),
        ("/event_properties/<key 3>", "key"),
        ("/event_properties/currency", "plan"),
        ("/event_properties/total", "required"),
        ("/event_properties/totals", "unknown-field"),
    ]


def test_what_was_probably_meant_is_named():
    """A name that is near to one of the plan is taken for a slip."""
    given = event(total=1, currancy="EUR", items=[{"sku": "a", "skuu": 1}], something=1)
    assert {pointer: advice for pointer, _, _, advice in told(given)} == {
        "/event_properties/items/0/skuu": "did you mean 'sku'?",
        "/event_properties/currancy": "did you mean 'currency'?",
        "/event_properties/something": "remove it, or add it to the plan",
    }


def test_an_event_that_isnt_planned_is_told():
    """A file of schemas lists what may be sent: a name that isn't among them is refused, with the nearest one."""
    plan = by_name(order_complete={}, cart_updated={})
    assert told(event(), plan) == [
        ("/event_name", "unplanned", "is not in the tracking plan", "did you mean 'order_complete'?")
    ]
    many = by_name(**{f"event_{number}": {} for number in range(12)})
    names = ", ".join(f"event_{number}" for number in range(10))
    assert told(event(), many)[0][3] == f"add it to the plan; planned are {names}, and 2 more"


def test_each_name_has_its_schema():
    """Of a file, the schema of the event's name is asked, true allows everything, and false nothing."""
    plan = by_name(order_completed={"required": ["total"]}, cart_updated=True, old_event=False)
    assert plan.allows(event(total=1))
    assert plan.allows({**event(), "event_name": "cart_updated"})
    assert told(event(), plan)[0][1] == "required"
    assert told({**event(), "event_name": "old_event"}, plan)[0][:2] == ("/event_properties", "unknown-field")


def test_absent_properties_are_an_empty_object():
    """A required property is missing also where there is no event_properties at all, or None."""
    for given in (
        {"event_name": "order_completed", "identifiers": {"ext_id": "17"}},
        {**event(), "event_properties": None},
    ):
        assert told(given)[0][:2] == ("/event_properties/total", "required")


def test_the_plan_is_checked_without_brevos_rules_too():
    """validate=False is about the rules of the Events API; a plan that is given is meant."""
    given = {**event(total="x"), "event_date": "yesterday"}
    assert [found[:2] for found in told(given, validate=False)] == [("/event_properties/total", "type")]
    assert [found[:2] for found in told(event(total=1, **{SECRET: 1}), validate=False)] == [
        ("/event_properties/<key 2>", "unknown-field")
    ]
    assert told({**event(), "event_name": ["no", "text"]}, by_name(a={}), validate=False)[0][1] == "unplanned"


def test_a_place_is_told_once():
    """What could not be converted, or read from its column, isn't missing by the plan as well."""
    assert [found[:2] for found in told(event(total=float("nan")))] == [("/event_properties/total", "not-json")]
    assert [found[:2] for found in told({**event(total=1), "event_name": ""}, by_name(a={}))] == [
        ("/event_name", "name")
    ]
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event("no event", plan=by_name(a={}))
    assert {found.rule for found in caught.value.violations} == {"type"}
    mapping = EventMapping(
        event_name="paid", identifiers={"ext_id": "1"}, event_properties={"total": Column("total", type="number")}
    )
    prepare = Preparation(mapping=mapping, plan=TrackingPlan.of_schema(ORDER))
    rejection = prepare(0, {"total": "n/a"})
    assert rejection.rules == ("type",)
    assert len(rejection.reasons) == 1


def test_many_events_are_held_against_the_plan():
    """The quick way of the bulk engine asks the plan too, and the thorough one explains."""
    prepare = Preparation(plan=TrackingPlan.of_schema(ORDER))
    assert isinstance(prepare(0, event(total=1)), bytes)
    rejection = prepare(1, event(total=SECRET))
    assert isinstance(rejection, Rejection)
    assert rejection.rules == ("type",)
    assert SECRET not in "".join(rejection.reasons)


def test_a_value_that_has_to_be_converted_is_checked_afterwards():
    """The plan sees what is sent: a datetime is text by then."""
    from datetime import UTC, datetime  # noqa: PLC0415 # only here

    plan = TrackingPlan.of_schema({"properties": {"at": {"type": "string", "format": "date-time"}}})
    given = event(at=datetime(2026, 3, 1, tzinfo=UTC))
    assert not plan.allows(given)
    assert prepare_event(given, plan=plan)["event_properties"] == {"at": "2026-03-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    "draft", ["draft-04/schema#", "draft-06/schema#", "draft-07/schema", "draft/2019-09/schema", "draft/2020-12/schema"]
)
def test_a_schema_may_name_its_draft(draft):
    """Drafts 4 to 2020-12 are known."""
    scheme = "https" if "20" in draft else "http"
    schema = {"$schema": f"{scheme}://json-schema.org/{draft}", "required": ["total"]}
    assert told(event(), TrackingPlan.of_schema(schema))[0][1] == "required"


def test_draft_4_is_read_as_such():
    """The keyword exclusiveMinimum is a boolean there, and a number later."""
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"total": {"minimum": 0}}}
    schema["properties"]["total"]["exclusiveMinimum"] = True
    assert not TrackingPlan.of_schema(schema).allows(event(total=0))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "objekt"}, "is no JSON Schema: /type breaks the rule 'anyOf' of its draft; correct the schema"),
        ({"properties": {"a": {"minimum": "5"}}}, "/properties/a/minimum breaks the rule 'type'"),
        ({"$schema": "https://example.com/draft", "type": "object"}, r"a \$schema that is not known"),
        ({"$schema": "http://json-schema.org/draft-03/schema#", "type": "object"}, r"a \$schema that is not known"),
        ({"$ref": "https://example.com/plan.json"}, "leads out of it.*nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, "leads out of it.*nothing is fetched"),
        ({"$ref": "other.json"}, "leads out of it"),
        ({"$ref": "#/$defs/absent"}, "leads out of it"),
        ({"order_completed": {"type": "object"}}, "says nothing of an object.*go into a file"),
        ({"properties": {"a": {"const": {1, 2}}}}, "no JSON form"),
        ({"properties": {"a": {"const": float("nan")}}}, "no JSON form"),
    ],
    ids=str,
)
def test_a_dict_that_is_no_plan_is_refused(schema, problem, monkeypatch):
    """A schema that can't be used, or would allow everything, is told before anything is sent; nothing is fetched."""

    def refuse(*args, **options):  # noqa: ARG001 # it takes anything
        raise AssertionError("a schema was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(BrevoUsageError, match=problem):
        TrackingPlan.of_schema(schema)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "plan.json is not in UTF-8; save it in UTF-8"),
        (b'{"a": ', "plan.json is broken JSON at column"),
        (b'{"a": {}, "a": {}}', "has an object with the same key twice"),
        (b"[]", "is no object of schemas; write one schema for each event name"),
        (b"{}", "is no object of schemas"),
        (b'{"type": "object", "properties": {}}', "holds no schema behind 'type'"),
        (b'{"$schema": "https://json-schema.org/draft/2020-12/schema"}', r"names '\$schema', which no event can have"),
        (b'{"order completed": {}}', "names 'order completed', which no event can have"),
        (b'{"paid": {"required": 5}}', "plan.json: paid is no JSON Schema: /required breaks the rule 'type'"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(content, problem):
    """One sentence names the file, and what is wrong with it."""
    with pytest.raises(BrevoUsageError, match=problem):
        TrackingPlan.of_file(content, "plan.json")


def test_a_limit_that_is_long_or_a_schema_is_left_out():
    """The report stays one sentence."""
    schema = {"properties": {"a": {"enum": ["x" * 200]}, "b": {"const": {"c": 1}}, "d": {"not": {"type": "string"}}}}
    problems = {
        pointer: problem for pointer, _, problem, _ in told(event(a=1, b=1, d="x"), TrackingPlan.of_schema(schema))
    }
    assert problems == {
        "/event_properties/a": "breaks the rule 'enum' of the tracking plan",
        "/event_properties/b": "breaks the rule 'const' of the tracking plan",
        "/event_properties/d": "breaks the rule 'not' of the tracking plan",
    }


def test_a_plan_is_compiled_once_a_process():
    """The same schema gives the same plan, which can be asked again and again."""
    assert TrackingPlan.of_schema(ORDER) is TrackingPlan.of_schema(json.loads(json.dumps(ORDER)))
    assert by_name(a={}) is by_name(a={})
    assert by_name(a={}) is not by_name(b={})


def test_items_that_are_ruled_out_are_told_without_them():
    """Some rules name what they rule out by its JSON, which is a value."""
    plan = {"properties": {"x": {"prefixItems": [{"type": "integer"}], "unevaluatedItems": False}}}
    (found,) = told(event(x=[1, "jane@example.com"]), TrackingPlan.of_schema(plan))
    assert found[:2] == ("/event_properties/x", "plan")
    assert "jane" not in str(found)
