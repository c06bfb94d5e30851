"""What must be true of any event that is held against a tracking plan."""

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.batches import Preparation
from airflow_provider_brevo.core.tracking_plan import TrackingPlan

NAMES = ["total", "order_id", "paid", "tags", "shop"]
# Values that stand nowhere in a report by chance.
TEXTS = st.text(string.ascii_lowercase, max_size=8).map(lambda text: f"§{text}§")
SCALARS = st.none() | st.booleans() | st.integers(-10, 10) | st.floats(-10, 10) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner), max_leaves=6
)
PROPERTIES = st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES, max_size=5)
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "array", "object"])
LEAVES = st.one_of(
    st.builds(lambda name: {"type": name}, TYPES),
    st.builds(lambda limit: {"minimum": limit}, st.integers(-10, 10)),
    st.builds(lambda limit: {"maxLength": limit}, st.integers(0, 5)),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers(-10, 10), min_size=1, unique=True)),
    st.builds(lambda one, other: {"anyOf": [{"type": one}, {"type": other}]}, TYPES, TYPES),
)


def objects(inner):
    """Return schemas of objects."""
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)},
        optional={
            "required": st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
            "additionalProperties": st.booleans(),
        },
    )


SCHEMAS = objects(LEAVES | objects(LEAVES) | st.builds(lambda items: {"type": "array", "items": items}, LEAVES))


def event(properties):
    """Return an event."""
    return {"event_name": "paid", "identifiers": {"ext_id": "17"}, "event_properties": properties}


@given(SCHEMAS, PROPERTIES)
def test_the_decision_and_its_reasons_agree(schema, properties):
    """An event is refused if and only if there is a reason, and jsonschema, asked independently, says the same."""
    import jsonschema  # as in the package

    plan = TrackingPlan.of_schema(schema)
    reasons = plan.violations(event(properties))
    assert plan.allows(event(properties)) == (not reasons)
    assert plan.allows(event(properties)) == jsonschema.Draft202012Validator(schema).is_valid(properties)


@given(SCHEMAS, PROPERTIES)
def test_no_reason_holds_a_value(schema, properties):
    """Neither texts nor keys that break the key rules get into a report."""
    told = " ".join(map(str, TrackingPlan.of_schema(schema).violations(event(properties))))
    assert "§" not in told


@given(SCHEMAS, PROPERTIES)
def test_the_quick_way_and_the_thorough_one_agree(schema, properties):
    """An event is sent by the bulk engine if and only if what is sent breaks neither Brevo's rules nor the plan."""
    plan = TrackingPlan.of_schema(schema)
    prepared = Preparation(plan=plan)(0, event(properties))
    unplanned = Preparation()(0, event(properties))
    if isinstance(prepared, bytes):
        assert prepared == unplanned
        assert plan.allows(json.loads(prepared))
    elif isinstance(unplanned, bytes):
        assert not plan.allows(json.loads(unplanned))
