"""The declaration, as each version of Airflow reads it."""

import importlib
import importlib.resources
import json
import subprocess
import sys

import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_brevo import __version__, _compat, connection_form
from airflow_provider_brevo.core.config import EXTRAS
from airflow_provider_brevo.get_provider_info import get_provider_info
from airflow_provider_brevo.hooks.brevo import BrevoHook

VERSION = tuple(int(part) for part in _compat.airflow_version().split(".")[:2])
AIRFLOW_3 = VERSION >= (3, 0)


def test_the_declaration_fits_this_airflows_schema():
    """Airflow validates declarations against a schema of its own; ours passes that of the version installed."""
    import jsonschema  # as in the package

    schema = json.loads((importlib.resources.files("airflow") / "provider_info.schema.json").read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(get_provider_info())) == []


def test_airflow_finds_the_provider_and_its_connection_type():
    """The entry point leads Airflow to the provider, the connection type and the hook."""
    manager = ProvidersManager()
    assert manager.providers["airflow-provider-brevo"].version == __version__
    hook = manager.hooks["brevo"]
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("Brevo", "brevo_conn_id")
    assert hook.hook_class_name == f"{BrevoHook.__module__}.{BrevoHook.__name__}"
    assert hook.connection_testable


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_all_that_is_declared_can_be_imported(kind):
    """Each module that Airflow is told of exists, and holds something of ours."""
    for declared in get_provider_info()[kind]:
        for name in declared["python-modules"]:
            assert any(thing.startswith("Brevo") for thing in vars(importlib.import_module(name)))


def test_the_transfer_is_between_integrations_that_are_declared():
    """Its module holds the operator, and both ends are integrations of a provider that is installed."""
    (transfer,) = get_provider_info()["transfers"]
    assert hasattr(importlib.import_module(transfer["python-module"]), "SqlToBrevoEventsOperator")
    declared = {
        integration["integration-name"]
        for provider in ProvidersManager().providers.values()
        for integration in provider.data.get("integrations", [])
    }
    assert {transfer["source-integration-name"], transfer["target-integration-name"]} <= declared


def test_the_options_of_the_section_brevo_are_declared():
    """Airflow shows and checks what the code reads."""
    options = get_provider_info()["config"]["brevo"]["options"]
    assert set(options) == {"allowed_hosts", "local_roots"}
    assert _compat.local_roots() == _compat.allowed_hosts() == []


@pytest.mark.skipif(AIRFLOW_3, reason="the page of Airflow 2")
def test_the_form_of_airflow_2_has_its_fields_and_labels():
    """The page shows our labels, hides what has no meaning, knows every extra, and refuses a wrong choice."""
    from werkzeug.datastructures import MultiDict  # noqa: PLC0415 # only Airflow 2 has it
    from wtforms import Form  # noqa: PLC0415 # see above

    manager = ProvidersManager()
    behaviour = manager.field_behaviours["brevo"]
    assert behaviour["relabeling"] == connection_form.RELABELING
    assert behaviour["hidden_fields"] == connection_form.HIDDEN_FIELDS
    widgets = manager.connection_form_widgets
    assert [name for name in widgets if "__brevo__" in name] == [f"extra__brevo__{name}" for name in EXTRAS]
    form = type("Page", (Form,), {name: widgets[f"extra__brevo__{name}"].field for name in EXTRAS})
    assert form(MultiDict({"sending": ""})).validate()
    assert form(MultiDict({"sending": "validate_only"})).validate()
    assert not form(MultiDict({"sending": "perhaps"})).validate()


FORM = """
import json, sys
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
form = next(meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "brevo")
print(form.model_dump_json())
"""


@pytest.mark.skipif(not AIRFLOW_3, reason="the pages of Airflow 3")
def test_the_form_of_airflow_3_has_its_fields_and_labels():
    """The pages get our labels, every extra with its label and description, and a drop-down where they have one."""
    # In a process of its own, as the web server is one: what is asked first decides what it finds.
    done = subprocess.run([sys.executable, "-c", FORM], capture_output=True, text=True, check=True)
    form = json.loads(done.stdout.splitlines()[-1])
    assert form["hook_name"] == "Brevo"
    shown = form["standard_fields"]
    for name, label in connection_form.RELABELING.items():
        assert shown[name]["title"] == label
        assert shown[name]["placeholder"] == connection_form.PLACEHOLDERS[name]
    assert shown["port"]["hidden"]
    assert shown["url_schema"]["hidden"]
    assert list(form["extra_fields"]) == list(EXTRAS)
    for field in connection_form.EXTRA_FIELDS:
        param = form["extra_fields"][field.name]
        assert param["schema"]["title"] == field.label
        assert param["description"] == field.description
        assert "null" in param["schema"]["type"]
        if field.choices and VERSION >= (3, 1):
            assert param["schema"]["enum"] == list(field.choices)


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
