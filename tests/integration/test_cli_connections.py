"""Connections that were saved in the UI, found by commands on every version of Airflow."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from airflow.models.connection import Connection
from airflow.utils.session import create_session

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "video_played", "identifiers": {"ext_id": "00123"}, "event_properties": {"total": 42.5}}
MODULE = ["-m", "airflow_provider_brevo"]


def command(*arguments, stdin="", **environment):
    """Run a command in a process of its own, as people do."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def saved(database, sandbox, monkeypatch):
    """Save a connection in the metadata database, as the UI does."""
    assert database
    monkeypatch.delenv("AIRFLOW_CONN_BREVO_DEFAULT")
    extra = json.dumps({"timeout": None, "max_retries": "0"})
    connection = Connection(conn_id="from_the_ui", conn_type="brevo", host=sandbox.url, password=KEY, extra=extra)
    with create_session() as session:
        session.add(connection)
    yield sandbox
    with create_session() as session, contextlib.suppress(AttributeError):
        session.query(Connection).filter_by(conn_id="from_the_ui").delete()


def test_a_connection_of_the_ui_is_found(saved):
    """A plain process finds what is stored in the database, and sends by it; values keep their types."""
    done = command(*MODULE, "send", "-", "--conn-id", "from_the_ui", stdin=json.dumps(EVENT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Connection from_the_ui, host 127.0.0.1:")
    assert [event.body for event in saved.events] == [EVENT]
    assert KEY not in done.stdout + done.stderr


def test_airflow_brevo_finds_it_too(saved, airflow_version):
    """From 3.2 on, `airflow brevo` is the same."""
    if airflow_version < (3, 2):
        pytest.skip("Airflow takes commands from providers from 3.2 on")
    done = command("-m", "airflow", "brevo", "test-connection", "from_the_ui")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Connected to Brevo as Sandbox GmbH."
    assert saved.requests[-1].path == "/v3/account"


def test_a_connection_of_the_environment_is_found(sandbox):
    """AIRFLOW_CONN_… works as everywhere in Airflow."""
    connection = json.dumps({"conn_type": "brevo", "host": sandbox.url, "password": KEY})
    done = command(*MODULE, "test-connection", "of_env", AIRFLOW_CONN_OF_ENV=connection)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Connected to Brevo as Sandbox GmbH.\n"


@pytest.mark.parametrize("with_database", [True, False], ids=["database", "no-database"])
def test_a_connection_that_is_not_there_is_told_in_a_sentence(database, tmp_path, with_database):
    """Neither Airflow's own errors nor a traceback are shown, also where Airflow has no database yet."""
    assert database
    elsewhere = {} if with_database else {"AIRFLOW_HOME": str(tmp_path)}
    done = command(*MODULE, "send", "-", "--conn-id", "nowhere", stdin=json.dumps(EVENT), **elsewhere)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("There is no connection 'nowhere', or none that can be read from here; add one of the type")
    assert "Traceback" not in done.stderr
