"""Connections that commands can't use: told apart, and told without their content."""

import json

import airflow.models.connection  # noqa: F401 # sets logging up, to streams that outlast a test
import pytest

from airflow_provider_brevo.cli import main

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "video_played", "identifiers": {"ext_id": "17"}}
BROKEN = {
    "json": f'{{"conn_type": "brevo", "password": "{KEY}"',
    "empty": "",
    "port": json.dumps({"conn_type": "brevo", "password": KEY, "port": "abc"}),
    "extra": json.dumps({"conn_type": "brevo", "password": KEY, "extra": '{"timeout": 10'}),
    "list": json.dumps({"conn_type": "brevo", "password": KEY, "extra": [10]}),
    "field": json.dumps({"conn_type": "brevo", "api_key": KEY}),
    "uri": f"brevo://:{KEY}@[bad",
    "uri-port": f"brevo://:{KEY}@127.0.0.1:abc/",
}


@pytest.fixture(params=["send", "test-connection"])
def use(request, tmp_path, capsys):
    """Use a connection by a command, and return its exit code and its last line."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT), encoding="utf-8")

    def use(conn_id):
        arguments = {"send": ["send", str(path), "--conn-id", conn_id], "test-connection": ["test-connection", conn_id]}
        code = main(arguments[request.param])
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        assert "Traceback" not in said.err
        return code, (said.out or said.err).splitlines()[-1]

    use.unusable = {"send": 2, "test-connection": 1}[request.param]
    return use


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_a_variable_that_is_no_connection_is_named(use, monkeypatch, value):
    """Nobody is told to add what is there: the variable is at fault, on every version of Airflow."""
    monkeypatch.setenv("AIRFLOW_CONN_LO", value)
    code, said = use("lo")
    assert code == use.unusable
    assert said == (
        "AIRFLOW_CONN_LO is set, but is no connection that Airflow can read; check that it is JSON or a URI, its port a"
        " number, its extra an object."
    )


def test_a_connection_that_is_not_found_may_be_somewhere_else(use):
    """Where nothing is found, the connection may be missing, or the place where it is kept out of reach."""
    code, said = use("nowhere")
    assert code == use.unusable
    assert said == (
        "There is no connection 'nowhere', or none that can be read from here; add one of the type Brevo with this id,"
        " or check Airflow's database and secrets backend."
    )


def test_a_key_in_the_place_of_the_id_is_not_shown(use):
    """A key that was pasted as the id stays off the screen."""
    code, said = use(KEY)
    assert code == use.unusable
    assert said.startswith("There is no connection '***' (that looks like a key")
