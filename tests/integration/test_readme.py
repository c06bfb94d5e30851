"""What the README tells a newcomer to do."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_brevo.core.auth import OAuthClient
from airflow_provider_brevo.hooks.brevo import BrevoHook

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", README, flags=re.MULTILINE | re.DOTALL)


def blocks(language, word):
    """List the README's code blocks in a language that hold a word."""
    return [text for _, kind, text in BLOCKS if kind == language and word in text]


def test_the_first_dag_sends_its_event(tmp_path, sandbox, run, airflow_version):
    """The DAG of "Your first event" runs as it is printed."""
    (text,) = blocks("python", "video_played()")
    if airflow_version < (3, 0):
        text = text.replace("from airflow.sdk import dag", "from airflow.decorators import dag")
    path = tmp_path / "first_event.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("first_event", path)
    module = importlib.util.module_from_spec(spec)
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DAG, "__exit__", lambda dag, *args, leave=DAG.__exit__: (made.append(dag), leave(dag, *args))[1])
        spec.loader.exec_module(module)
    (dag,) = {id(dag): dag for dag in made}.values()
    result = run(dag)
    assert result.states == {"send_video_played": "success"}
    assert "Brevo took the event video_played." in result.output
    assert repr(sandbox.events[0].body["event_properties"]) == repr(
        {"video_title": "Brevo — The most approachable CRM suite", "duration": 142, "autoplayed": False}
    )


@pytest.mark.parametrize(
    "command",
    [
        line.strip()
        for _, _, text in BLOCKS
        for line in text.splitlines()
        if line.strip().startswith("export AIRFLOW_CONN")
    ],
)
def test_each_printed_connection_works(monkeypatch, command):
    """Every connection that the README prints gives a client, with a real key in the place of the dots."""
    (assignment,) = shlex.split(command)[1:]
    name, _, value = assignment.partition("=")
    monkeypatch.setenv(name, value.replace("…", "0123"))
    settings = BrevoHook(name.removeprefix("AIRFLOW_CONN_").lower()).get_conn().settings
    assert settings.base_url in {"https://api.brevo.com/v3", "http://127.0.0.1:8025/v3"}
    assert ("oauth" in value) is isinstance(settings.auth, OAuthClient)
    if "timeout" in value:
        assert (settings.timeout, settings.max_retries) == (10, 3)


def test_each_error_that_is_explained_exists():
    """The first words of every error in the README's table stand in the code as well."""
    package = Path(__file__).parents[2] / "airflow_provider_brevo"
    code = " ".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    table = README[README.index("## Errors and cures") :]
    said = [
        text for row in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE) for text in re.findall(r"`(.*?)`", row)
    ]
    assert len(said) >= 15
    for text in said:
        words = re.sub(r" ?\(HTTP.*|/event_properties/total names 'totl', |, for 2 reasons:|30 s", "", text).strip(
            "… :"
        )
        pieces = [piece.strip() for piece in words.split("…")]
        assert all(piece in code for piece in pieces), json.dumps(text)
