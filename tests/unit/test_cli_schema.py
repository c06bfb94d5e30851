"""The command `schema`: what it prints is true."""

import ast
import json

import pytest

from airflow_provider_brevo.cli import main
from airflow_provider_brevo.core.validation import load_schema, prepare_event
from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator

EVENT = {"event_name": "video_played", "identifiers": {"ext_id": "17"}}


@pytest.fixture
def printed(capsys):
    """Return what the command prints."""

    def printed(*options):
        assert main(["schema", *options]) == 0
        return capsys.readouterr().out

    return printed


def test_the_schema_is_that_which_events_are_checked_by(printed):
    """It is printed as it ships."""
    assert json.loads(printed()) == load_schema("event")


def test_the_schema_of_a_batch_stands_for_itself(printed):
    """It needs no other file: a validator that knows nothing of ours can use it."""
    import jsonschema  # as in the package

    validator = jsonschema.Draft202012Validator(json.loads(printed("--batch")))
    validator.check_schema(validator.schema)
    assert validator.is_valid({"events": [EVENT]})
    assert not validator.is_valid({"events": [{**EVENT, "event_name": "video played"}]})


def test_the_table_has_every_field_of_the_schema(printed):
    """Each field stands there with its type, whether it is required, and its rule."""
    head, *rows = printed("--table").splitlines()
    assert head.split() == ["field", "type", "required", "rule"]
    fields = {row.split()[0]: row for row in rows}
    schema = load_schema("event")
    for name, field in schema["properties"].items():
        assert name in fields
        assert ("yes" in fields[name].split()[2:3]) == (name in schema["required"])
        assert all(f"{name}.{inner}" in fields for inner in field.get("properties", {}))
    assert fields["identifiers.contact_id"].split()[1] == "integer"
    assert fields["identifiers.contact_id"].endswith("a whole number of 64 bits")


def test_the_example_is_an_operator_whose_event_is_valid(printed):
    """It runs as it is printed, shows every field, and the checks find nothing."""
    source = printed("--example")
    body = ast.parse(source).body
    namespace = {}
    exec(source.replace("BrevoCreateEventOperator(\n", "operator = BrevoCreateEventOperator(\n"), namespace)  # noqa: S102 # ours
    assert isinstance(body[-1], ast.Expr)
    operator = namespace["operator"]
    assert isinstance(operator, BrevoCreateEventOperator)
    event = {name: getattr(operator, name) for name in load_schema("event")["properties"]}
    assert None not in event.values()
    assert prepare_event(event) == event


def test_the_last_form_counts(printed):
    """Of several forms the last is printed."""
    assert printed("--example", "--table") == printed("--table")
