"""The declaration, as each version of Airflow reads it."""

import importlib.resources
import json
import subprocess
import sys

import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_brevo import __version__, connection_form
from airflow_provider_brevo.core.config import EXTRAS
from airflow_provider_brevo.get_provider_info import get_provider_info
from airflow_provider_brevo.hooks.brevo import BrevoHook


def test_the_declaration_fits_this_airflows_schema():
    """Airflow validates declarations against a schema of its own; ours passes that of the version installed."""
    import jsonschema  # as in the package

    schema = json.loads((importlib.resources.files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_the_provider_and_its_connection_type():
    """The entry point leads Airflow to the provider, the connection type and the hook."""
    manager = ProvidersManager()
    assert manager.providers["airflow-provider-brevo"].version == __version__
    hook = manager.hooks["brevo"]
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("Brevo", "brevo_conn_id")
    assert hook.hook_class_name == f"{BrevoHook.__module__}.{BrevoHook.__name__}"
    assert hook.connection_testable


def test_the_form_has_its_fields_and_labels():
    """Airflow shows our labels, hides what has no meaning, and knows every extra."""
    manager = ProvidersManager()
    behaviour = manager.field_behaviours["brevo"]
    assert behaviour["relabeling"] == connection_form.RELABELING
    assert behaviour["hidden_fields"] == connection_form.HIDDEN_FIELDS
    widgets = {name for name in manager.connection_form_widgets if name.startswith("extra__brevo__")}
    assert widgets == {f"extra__brevo__{name}" for name in EXTRAS}


def test_the_form_and_the_settings_know_the_same_extras():
    """No field of the form is ignored, and no setting is missing from it."""
    assert [field.name for field in connection_form.EXTRA_FIELDS] == list(EXTRAS)


@pytest.mark.parametrize("field", connection_form.EXTRA_FIELDS, ids=lambda field: field.name)
def test_every_declared_field_may_stay_empty(field):
    """Null is allowed everywhere, or the form would demand the field."""
    import jsonschema  # as in the package

    schema = connection_form.declared_fields()[field.name]["schema"]
    assert "null" in schema["type"]
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("command", [["get", "airflow-provider-brevo"], ["list"], ["hooks"]], ids=lambda c: c[0])
def test_the_command_line_shows_the_provider(command):
    """`airflow providers` lists the provider and its hook, without a warning of ours."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "airflow", "providers", *command, "-o", "plain"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "brevo" in done.stdout
    assert "airflow_provider_brevo" not in done.stderr
