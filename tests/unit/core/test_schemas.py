"""The JSON Schemas as documents of their own."""

import jsonschema  # noqa: TID253 # a test of the schemas
import pytest

from airflow_provider_brevo.core.payload import EVENT_FIELDS
from airflow_provider_brevo.core.validation import find_violations, load_schema

# The keywords that refuse something.
RULES = {
    "type",
    "required",
    "additionalProperties",
    "pattern",
    "format",
    "minLength",
    "minProperties",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "x-max-bytes",
}


def _subschemas(schema, place="#"):
    """Yield place and content of a schema and of all schemas inside of it."""
    yield place, schema
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from _subschemas(inner, f"{place}/{keyword}/{name}")
    for keyword in ("propertyNames", "additionalProperties", "items"):
        if isinstance(schema.get(keyword), dict):
            yield from _subschemas(schema[keyword], f"{place}/{keyword}")


ALL = [
    pytest.param(inner, id=f"{name}{place}")
    for name in ("event", "batch")
    for place, inner in _subschemas(load_schema(name))
]


@pytest.mark.parametrize("name", ["event", "batch"])
def test_schema_is_valid_json_schema_2020_12(name):
    """The meta-schema of JSON Schema 2020-12 takes both schemas."""
    schema = load_schema(name)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("schema", [case for case in ALL if RULES & case.values[0].keys()])
def test_every_rule_names_its_source(schema):
    """Wherever something may be refused, the document that says so is named."""
    assert schema["x-source"]


@pytest.mark.parametrize("schema", [case for case in ALL if RULES & case.values[0].keys()])
def test_every_rule_can_be_explained(schema):
    """Wherever something may be refused, there are the words to say why and what to do."""
    if "x-max-bytes" in schema:
        assert schema["x-size-advice"]
    if (RULES - {"x-max-bytes"}) & schema.keys():
        assert schema["x-rule"]
        assert schema["x-advice"]


@pytest.mark.parametrize("schema", ALL)
def test_no_pattern_ends_in_a_dollar(schema):
    """A dollar lets a trailing newline pass in Python, so patterns end otherwise."""
    assert not schema.get("pattern", "").endswith("$")


def test_schemas_name_exactly_the_documented_fields():
    """The fields of an event are those of Brevo's reference."""
    properties = load_schema("event")["properties"]

    assert set(properties) == {
        "event_name",
        "identifiers",
        "event_date",
        "event_properties",
        "contact_properties",
        "object",
    }
    assert set(properties["identifiers"]["properties"]) == {
        "contact_id",
        "email_id",
        "ext_id",
        "phone_id",
        "whatsapp_id",
        "landline_number_id",
    }
    assert set(properties["object"]["properties"]) == {"type", "identifiers"}


def test_documented_example_is_valid():
    """The event that Brevo's guide shows passes."""
    event = {
        "event_name": "video_played",
        "identifiers": {"email_id": "jane.doe@example.com"},
        "event_properties": {
            "video_title": "Brevo Events API",
            "duration": 142,
            "autoplayed": False,
            "upload_date": "2023-11-24T12:09:10+01:00",
            "tags": ["a", "b"],
            "nested": {"score": 4.5},
        },
        "contact_properties": {"FIRSTNAME": "Jane", "AGE": 32, "VIP": True},
        "event_date": "2024-01-24T17:39:57+01:00",
        "object": {"type": "subscription", "identifiers": {"ext_id": "1"}},
    }

    assert find_violations(event) == []
    assert find_violations({"events": [event]}, schema="batch") == []


def test_the_fields_are_those_of_the_schema():
    """Operators, notifier and mapping take what an event has."""
    assert sorted(EVENT_FIELDS) == sorted(load_schema("event")["properties"])
