"""The commands that talk to Brevo, against the sandbox over sockets."""

import io
import json
import sys

import pytest

from airflow_provider_brevo.cli import main
from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {
    "event_name": "order_completed",
    "identifiers": {"email_id": "jane.doe@example.com", "contact_id": 4711},
    "contact_properties": {"FIRSTNAME": "Jane", "AGE": 32},
    "event_properties": {"order_id": "00123", "total": 42.5, "paid": True},
}
PERSONAL = ["jane.doe@example.com", "4711", '"Jane"', " 32"]


@pytest.fixture
def connect(monkeypatch):
    """Set a connection of the environment."""

    def connect(conn_id, url, *, key=KEY, **fields):
        connection = {"conn_type": "brevo", "host": url, "password": key, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return connect


@pytest.fixture
def brevo(sandbox, connect):
    """Let the connection brevo_default lead to a sandbox."""
    connect("brevo_default", sandbox.url, extra={"max_retries": 1})
    return sandbox


@pytest.fixture
def file(tmp_path):
    """Write events into a file."""

    def file(*events):
        path = tmp_path / "events.jsonl"
        path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
        return str(path)

    return file


@pytest.fixture
def answer(monkeypatch):
    """Sit at a terminal, and type an answer."""

    def answer(text):
        terminal = io.StringIO(text)
        terminal.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", terminal)

    return answer


@pytest.fixture
def _far_away(monkeypatch):
    """Take the sandbox for a machine elsewhere."""
    assert is_loopback("127.0.0.1")
    monkeypatch.setattr("airflow_provider_brevo.commands.send.is_loopback", lambda _: False)


def test_one_event_arrives_as_it_is(brevo, file, capsys):
    """It goes to POST /events with its types, and connection, host, request, answer and result are told."""
    assert main(["send", file(EVENT)]) == 0
    assert [event.body for event in brevo.events] == [EVENT]
    assert [request.path for request in brevo.requests] == ["/v3/events"]
    said = capsys.readouterr().out
    assert said.startswith(f"Connection brevo_default, host 127.0.0.1:{brevo.port}\n")
    assert f"\nPOST {brevo.url}/events\n" in said
    assert "\napi-key: ***\n" in said
    assert '"total": 42.5' in said
    assert "\n204 No Content\nx-sib-ratelimit-limit: " in said
    assert said.endswith("\nBrevo took the event.\n")


@pytest.mark.parametrize("options", [[], ["--show-values"], ["--dry-run"], ["--dry-run", "--show-values"]], ids=str)
def test_personal_values_show_only_when_asked_for_and_the_key_never(brevo, file, capsys, options):
    """Identifiers and contact properties are masked by default, whatever is sent."""
    assert main(["send", file(EVENT), *options]) == 0
    said = "".join(capsys.readouterr())
    assert [value in said for value in PERSONAL] == ["--show-values" in options] * len(PERSONAL)
    assert KEY not in said
    assert '"FIRSTNAME": ' in said
    assert len(brevo.events) == ("--dry-run" not in options)


@pytest.mark.parametrize("option", ["--dry-run", "--validate-only"])
def test_a_dry_run_needs_no_network(connect, file, capsys, option):
    """The request is shown and nothing is opened: there is nobody at that address."""
    connect("brevo_default", "http://127.0.0.1:9/v3")
    assert main(["send", file(EVENT), option]) == 0
    said = capsys.readouterr().out
    assert "POST http://127.0.0.1:9/v3/events\n" in said
    assert said.endswith("The event is valid: nothing was sent.\n")


def test_a_dry_run_of_several_events_shows_the_first_request(brevo, file, capsys):
    """Of a batch one event is shown, and the others are counted."""
    assert main(["send", file(*[EVENT] * 250), "--dry-run"]) == 0
    assert brevo.requests == []
    said = capsys.readouterr().out
    assert said.count("order_completed") == 1
    assert f"POST {brevo.url}/events/batch\n" in said
    assert "and 199 more in the same request" in said
    assert said.endswith("All 250 events are valid: nothing was sent.\n")


def test_a_dry_run_with_oauth_asks_for_no_token(connect, file, capsys):
    """The header with the token is shown, and none is fetched."""
    connect("brevo_default", "http://127.0.0.1:9/v3", key="client-secret", login="client", extra={"auth_type": "oauth"})
    assert main(["send", file(EVENT), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "Authorization: ***\n" in said
    assert "client-secret" not in said


def test_the_token_request_of_oauth_is_not_shown(connect, file, capsys):
    """What goes out and comes back for a token are secrets; the event's request is shown."""
    with Sandbox(oauth_clients={"client": "client-secret"}) as sandbox:
        connect("brevo_default", sandbox.url, key="client-secret", login="client", extra={"auth_type": "oauth"})
        assert main(["send", file(EVENT)]) == 0
        assert len(sandbox.events) == 1
    said = "".join(capsys.readouterr())
    assert said.count("POST ") == 1
    assert "client-secret" not in said
    assert "token" not in said


def test_several_events_go_in_batches(brevo, file, capsys):
    """The engine for many events sends them; on this machine nobody is asked."""
    events = [EVENT | {"event_properties": {"n": number}} for number in range(250)]
    assert main(["send", file(*events)]) == 0
    assert sorted(event.body["event_properties"]["n"] for event in brevo.events) == list(range(250))
    assert {request.path for request in brevo.requests} == {"/v3/events/batch"}
    said = capsys.readouterr().out
    assert said.count("POST ") == 1
    assert '"count": ' in said
    assert "Brevo took 250 of 250 events, in 2 requests and " in said


@pytest.mark.usefixtures("_far_away")
@pytest.mark.parametrize(("typed", "code", "arrived"), [("y\n", 0, 2), ("yes\n", 0, 2), ("n\n", 1, 0), ("", 1, 0)])
def test_several_events_to_another_machine_are_asked_about(brevo, file, answer, capsys, typed, code, arrived):
    """Only a yes sends them."""
    answer(typed)
    assert main(["send", file(EVENT, EVENT)]) == code
    assert len(brevo.events) == arrived
    assert f"Send 2 events to 127.0.0.1:{brevo.port}? [y/N] " in capsys.readouterr().err


@pytest.mark.usefixtures("_far_away")
def test_without_a_terminal_yes_is_needed(brevo, file, monkeypatch, capsys):
    """Where nobody can be asked, several events stay here unless --yes is given."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["send", file(EVENT, EVENT)]) == 2
    assert "there is no terminal to ask on; add --yes" in capsys.readouterr().err
    assert brevo.requests == []
    assert main(["send", file(EVENT, EVENT), "--yes"]) == 0
    assert len(brevo.events) == 2


@pytest.mark.usefixtures("_far_away")
def test_one_event_is_never_asked_about(brevo, file, monkeypatch):
    """One event is what the command is for."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["send", file(EVENT)]) == 0
    assert len(brevo.events) == 1


def test_invalid_events_are_all_told_and_nothing_is_sent(brevo, file, capsys):
    """As `validate` tells them, on stderr."""
    path = file(EVENT, {"event_name": "a b"}, {})
    assert main(["send", path]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{path}:2: /event_name must be " in said.err
    assert f"{path}:3: /identifiers is missing" in said.err
    assert said.err.endswith(f"{path}: 2 of 3 events are invalid, so nothing was sent.\n")
    assert brevo.requests == []


def test_a_tracking_plan_is_checked_before_sending(brevo, file, tmp_path, capsys):
    """An event that isn't in the plan is not sent."""
    plan = tmp_path / "plan.json"
    plan.write_text('{"order_paid": {"type": "object"}}', encoding="utf-8")
    assert main(["send", file(EVENT), "--properties-schema", str(plan)]) == 1
    assert "/event_name is not in the tracking plan" in capsys.readouterr().err
    plan.write_text('{"order_completed": {"type": "object"}}', encoding="utf-8")
    assert main(["send", file(EVENT), "--properties-schema", str(plan)]) == 0
    assert main(["send", file(EVENT, EVENT), "--properties-schema", str(plan)]) == 0
    assert len(brevo.events) == 3


def test_standard_input_is_sent(brevo, monkeypatch):
    """A pipe holds one event, an array or lines; it is read once and sent whole."""
    for content in (json.dumps(EVENT, indent=2), json.dumps([EVENT, EVENT])):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        assert main(["send", "-"]) == 0
    assert [event.body for event in brevo.events] == [EVENT] * 3


def test_a_refusal_is_shown_with_its_cure(brevo, connect, file, capsys):
    """Brevo's status and body are shown, then what to do."""
    connect("wrong", brevo.url, key=KEY.replace("0", "1"))
    assert main(["send", file(EVENT), "--conn-id", "wrong"]) == 1
    said = capsys.readouterr()
    assert "\n401 Unauthorized\n" in said.out
    assert '"message": "Key not found"' in said.out
    assert said.err.endswith("copy the API key again into the connection's password.\n")


def test_each_try_is_shown(brevo, file, capsys):
    """After a fault the request is made again, and both answers are there to see."""
    brevo.add_fault("503,times=1")
    assert main(["send", file(EVENT)]) == 0
    said = capsys.readouterr().out
    assert said.count("POST ") == 2
    assert said.index("503 Service Unavailable") < said.index("204 No Content")


@pytest.mark.parametrize("options", [[], ["--show-values"]], ids=str)
def test_an_answer_that_repeats_what_was_sent_is_cleaned(brevo, file, capsys, options):
    """A server that quotes key and address brings them onto no screen; with --show-values the address is shown."""
    brevo.add_fault(f"400,times=1,message=no {KEY} of jane.doe@example.com")
    assert main(["send", file(EVENT), *options]) == 1
    said = capsys.readouterr()
    assert "400 Bad Request" in said.out
    assert KEY not in said.out + said.err
    assert ("jane.doe@example.com" in said.out) == bool(options)
    assert "jane.doe@example.com" not in said.err


def test_events_that_brevo_rejects_end_with_1(brevo, file, capsys):
    """How many were taken and which were not is told, with no values."""
    brevo.add_fault("partial,indices=0-1,message=Attribute unknown,times=1")
    assert main(["send", file(*[EVENT] * 5)]) == 1
    said = capsys.readouterr()
    assert len(brevo.events) == 3
    assert "Of 5 events 3 were accepted; 2 were rejected" in said.err
    assert "207 Multi-Status" in said.out


def test_a_connection_that_only_validates_sends_nothing(brevo, connect, file, capsys):
    """Staging is safe from the command line too."""
    connect("staging", brevo.url, extra={"sending": "validate_only"})
    assert main(["send", file(EVENT), "--conn-id", "staging"]) == 0
    assert "nothing was sent, as the connection says validate_only" in capsys.readouterr().out
    assert brevo.requests == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": ""}, "The Brevo connection can't be used: the API key is missing"),
        ({"host": "https://example.com"}, "may not be given the key"),
    ],
    ids=["no-key", "host"],
)
def test_a_connection_that_cannot_be_used_ends_with_2(connect, file, capsys, fields, said):
    """Its error is one sentence, before anything is sent."""
    fields = {"password": KEY, "host": "http://127.0.0.1:9/v3"} | fields
    connect("bad", fields["host"], key=fields["password"])
    assert main(["send", file(EVENT), "--conn-id", "bad"]) == 2
    assert said in capsys.readouterr().err


def test_nobody_at_the_address_ends_with_1(connect, file, capsys):
    """A network that doesn't answer is told in a sentence."""
    connect("brevo_default", "http://127.0.0.1:9/v3", extra={"max_retries": 0})
    assert main(["send", file(EVENT)]) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:9 can't be reached; check the base URL" in said
    assert "Traceback" not in said


def test_test_connection_says_what_the_hook_says(brevo, connect, capsys):
    """The sentence of the UI's button, and an exit code."""
    connect("wrong", brevo.url, key=KEY.replace("0", "1"))
    assert main(["test-connection"]) == 0
    assert capsys.readouterr().out == "Connected to Brevo as Sandbox GmbH.\n"
    assert main(["test-connection", "wrong"]) == 1
    assert capsys.readouterr().out.startswith("Brevo does not know this key (HTTP 401")
