"""What the guides print: code runs, connections work, tables are true, messages exist."""

import html
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, dag, task
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import BrevoInvalidEventError
from airflow_provider_brevo.hooks.brevo import BrevoHook
from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator
from airflow_provider_brevo.templating import TypedTemplates

ROOT = Path(__file__).parents[2]
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "guides").glob("*.md"))}
BLOCK = re.compile(r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(name, block) for name, text in GUIDES.items() for block in BLOCK.finditer(text)]
VALUES = {"datetime": datetime, "timedelta": timedelta, "UTC": UTC, "Decimal": Decimal}


def blocks(kind, mark=None):
    """List the code blocks of a kind, by the comment above them."""
    return [
        pytest.param(block["text"], id=f"{name}-{block.start()}")
        for name, block in BLOCKS
        if block["kind"] == kind and (block["mark"] or "").startswith(mark or "") and bool(mark) == bool(block["mark"])
    ]


def rows(name, mark):
    """List the rows of a table that is marked to be checked."""
    table = GUIDES[name].split(f"<!-- checked: {mark} -->\n")[1].split("\n\n")[0]
    found = [line.split("|")[1:-1] for line in table.splitlines()[2:]]
    assert found
    return [[html.unescape(re.sub("</?code>", "`", cell.strip())) for cell in row] for row in found]


def literal(cell):
    """Read a cell that holds a Python value as code."""
    return eval(cell.strip("`"), dict(VALUES))  # noqa: S307 # our own tables


def lines(*commands):
    """List the lines of all guides that start with a command."""
    return [
        line.strip()
        for text in GUIDES.values()
        for line in text.splitlines()
        if line.strip().startswith(tuple(commands))
    ]


@pytest.mark.parametrize("text", blocks("python", "runs"))
def test_a_complete_snippet_runs(text, tmp_path):
    """Snippets that stand for themselves run as they are printed, in a process of their own."""
    path = tmp_path / "snippet.py"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("python", "since Airflow 3.2"))
def test_a_complete_snippet_for_later_versions_runs(text, tmp_path):
    """What it names is there."""
    if not hasattr(pytest.importorskip("airflow.sdk"), "DeadlineAlert"):
        pytest.skip("this version has no deadlines, or keeps them elsewhere")
    test_a_complete_snippet_runs(text, tmp_path)


@pytest.mark.parametrize("text", blocks("python"))
def test_a_part_of_a_dag_can_be_parsed(text):
    """Snippets that stand inside a DAG make tasks there."""
    with DAG(dag_id="snippet", schedule=None) as made:
        exec(text, {"task": task, "dag": dag, "BrevoCreateEventOperator": BrevoCreateEventOperator})  # noqa: S102 # ours
    assert made.task_dict or "@task" in text


@pytest.mark.parametrize("row", rows("types-and-templating", "templates"), ids=str)
def test_the_table_of_templates_is_true(row):
    """Each row gives what it says, with the type that it says."""
    template, value, expected = row
    context = {"x": literal(value)} if value else {}
    source = literal(template)
    rendered = TypedTemplates(SandboxedEnvironment()).render(source, context, field="/p") if "{" in source else source
    event = prepare_event({"event_name": "a", "identifiers": {"ext_id": "1"}, "event_properties": {"p": rendered}})
    if expected.startswith("nothing"):
        assert event["event_properties"] == {}
    else:
        assert repr(event["event_properties"]["p"]) == repr(json.loads(expected.strip("`")))


@pytest.mark.parametrize("row", rows("types-and-templating", "refusals"), ids=str)
def test_the_table_of_refusals_is_true(row):
    """Each value is refused in the words of the table."""
    value, said = row
    properties = {"p": literal(value)}
    with pytest.raises(BrevoInvalidEventError) as caught:
        prepare_event({"event_name": "a", "identifiers": {"ext_id": "1"}, "event_properties": properties})
    assert said in str(caught.value)


@pytest.mark.parametrize("command", sorted(set(lines("export AIRFLOW_CONN_BREVO"))))
def test_each_printed_connection_works(monkeypatch, command):
    """Every connection to Brevo that the guides print gives a client, with a real key in the place of the dots."""
    (assignment,) = shlex.split(command)[1:]
    name, _, value = assignment.partition("=")
    monkeypatch.setenv(name, value.replace("…", "0123"))
    settings = BrevoHook(name.removeprefix("AIRFLOW_CONN_").lower()).get_conn().settings
    assert settings.base_url in {"https://api.brevo.com/v3", "http://127.0.0.1:8025/v3"}
    assert (settings.sending == "validate_only") == ("validate_only" in value)


def test_each_error_that_is_explained_exists():
    """What the guide says you see stands in the code as well."""
    package = ROOT / "airflow_provider_brevo"
    code = " ".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    seen = [
        text
        for row in re.findall(r"^\| (`.*?) \|", GUIDES["errors"], flags=re.MULTILINE)
        for text in re.findall(r"`(.*?)`", row)
    ]
    assert len(seen) >= 35
    for text in seen:
        # What stands for something else in the code: names, statuses, counts.
        words = re.sub(
            r" ?\((?:HTTP|TypeError).*|^/event_properties/total |'(?!s |if|else|t )\w+'|, for 2 reasons:", "…", text
        )
        pieces = [
            piece.strip(" ,:").removesuffix("looks").removesuffix("names").removesuffix("reaches for")
            for piece in words.split("…")
        ]
        assert all(piece in code for piece in pieces), text


def test_each_printed_secret_is_a_connection(tmp_path):
    """The files for Airflow's own secrets backend give connections to the hook."""
    files = [block["text"] for name, block in BLOCKS if name == "connections" and block["kind"] == "json"]
    assert len(files) == 2
    for text in files:
        path = tmp_path / "connections.json"
        path.write_text(text.replace("…", "0123"), encoding="utf-8")
        from airflow.secrets.local_filesystem import LocalFilesystemBackend  # noqa: PLC0415 # warns on import elsewhere

        connection = LocalFilesystemBackend(connections_file_path=str(path)).get_connection("brevo_default")
        assert (connection.conn_type, connection.password) == ("brevo", "xkeysib-0123")
