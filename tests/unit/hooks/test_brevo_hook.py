"""The hook: from an Airflow connection to a request, against the sandbox over sockets."""

import json
import logging
import traceback
from datetime import datetime

import pytest

from airflow_provider_brevo import connection_form
from airflow_provider_brevo.exceptions import BrevoError, BrevoInvalidEventError, BrevoSettingsError
from airflow_provider_brevo.hooks.brevo import BrevoHook
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "order_completed", "identifiers": {"ext_id": 17}}


@pytest.fixture
def sandbox():
    """Run a sandbox that knows one key."""
    with Sandbox(api_key=KEY) as running:
        yield running


@pytest.fixture
def connect(monkeypatch, sandbox):
    """Set the connection brevo_default, as JSON of the given fields."""

    def connect(**fields):
        connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))

    connect()
    return connect


@pytest.fixture
def hook(connect):  # noqa: ARG001 # the connection has to be there
    """Make a hook for the connection, and close it in the end."""
    made = BrevoHook()
    yield made
    made.close()


def test_an_event_is_converted_checked_and_sent(hook, sandbox):
    """create_event sends what the conversion makes of the event, and says that it was sent."""
    assert hook.create_event(EVENT) is True
    (request,) = sandbox.requests
    assert sandbox.events[0].body == {"event_name": "order_completed", "identifiers": {"ext_id": "17"}}
    assert "apache-airflow/" in request.headers["user-agent"]


def test_an_invalid_event_is_not_sent(hook, sandbox):
    """All reasons are listed and no request is made."""
    with pytest.raises(BrevoInvalidEventError) as caught:
        hook.create_event({"eventName": "x", "identifiers": {}, "event_date": "yesterday"})
    assert {violation.pointer for violation in caught.value.violations} == {
        "/event_name",
        "/eventName",
        "/identifiers",
        "/event_date",
    }
    assert sandbox.requests == []


def test_unchecked_fields_pass_without_validation(hook, sandbox):
    """validate=False hands over what has a JSON form, and leaves the judgement to Brevo."""
    with pytest.raises(Exception, match="HTTP 400"):
        hook.create_event({**EVENT, "new_field": 1}, validate=False)
    assert json.loads(sandbox.requests[0].body)["new_field"] == 1


@pytest.mark.parametrize("by", ["argument", "connection"])
def test_validate_only_sends_nothing(hook, connect, sandbox, by):
    """Asked for by the argument or by the connection, an event is checked and not sent."""
    connect(extra={"sending": "validate_only"} if by == "connection" else {})
    assert hook.create_event(EVENT, validate_only=by == "argument") is False
    with pytest.raises(BrevoInvalidEventError):
        hook.create_event({**EVENT, "event_name": "a b"}, validate_only=by == "argument")
    assert sandbox.requests == []


def test_a_datetime_without_zone_is_in_airflows_default_zone(hook, sandbox, monkeypatch):
    """Naive datetimes are taken to be in [core] default_timezone."""
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "Europe/Paris")
    hook.create_event({**EVENT, "event_date": datetime(2026, 7, 1, 12)})  # noqa: DTZ001 # what is tested
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "system")
    hook.create_event({**EVENT, "event_date": datetime(2026, 7, 1, 12)})  # noqa: DTZ001 # what is tested
    assert sandbox.events[0].body["event_date"] == "2026-07-01T12:00:00+02:00"
    assert sandbox.events[1].body["event_date"].startswith("2026-07-01T12:00:00")


def test_the_client_is_made_once(hook):
    """get_conn is lazy and keeps the client, until the hook is closed."""
    client = hook.get_conn()
    assert hook.get_conn() is client
    hook.close()
    assert hook.get_conn() is not client


def test_making_a_hook_looks_nothing_up():
    """A hook for a connection that doesn't exist can be made: the look-up comes with its use."""
    assert BrevoHook("nowhere").brevo_conn_id == "nowhere"


def test_a_uri_connection_works(hook, sandbox, monkeypatch):
    """A URI's host, port and schema become the base URL, and its parameters the extras, as text."""
    uri = f"brevo://:{KEY}@127.0.0.1:{sandbox.port}/v3?timeout=5&max_retries=1&requests_per_second=2.5&proxy="
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", uri)
    settings = hook.get_conn().settings
    assert settings.base_url == sandbox.url
    assert (settings.timeout, settings.max_retries, settings.requests_per_second) == (5, 1, 2.5)
    assert hook.create_event(EVENT) is True


def test_the_least_connection_is_a_key(hook, monkeypatch):
    """With nothing but a password, events go to Brevo's own address."""
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", f"brevo://:{KEY}@")
    assert hook.get_conn().settings.base_url == "https://api.brevo.com/v3"


def test_unset_form_fields_are_null(hook, connect):
    """A connection as Airflow 3's form saves it, with null for each unset extra, works."""
    connect(login="", extra={field.name: None for field in connection_form.EXTRA_FIELDS})
    assert hook.create_event(EVENT) is True


def test_unknown_extras_are_warned_about(hook, connect, caplog, capfd):
    """An extra that means nothing is named in the log, without its value."""
    connect(extra={"tiemout": "secret value"})
    with caplog.at_level(logging.WARNING):
        hook.get_conn()
    log = caplog.text + "".join(capfd.readouterr())  # Airflow 3 writes to the output where no task runs
    assert "tiemout" in log
    assert "secret value" not in log


def test_hosts_of_the_deployment_are_allowed(hook, connect, monkeypatch):
    """[brevo] allowed_hosts lets a gateway have the key; without it the host is refused."""
    connect(host="https://gateway.example.com/brevo/v3")
    with pytest.raises(BrevoSettingsError, match="allowed_hosts"):
        hook.get_conn()
    monkeypatch.setenv("AIRFLOW__BREVO__ALLOWED_HOSTS", "other.example.com, gateway.example.com")
    assert hook.get_conn().settings.base_url == "https://gateway.example.com/brevo/v3"


@pytest.mark.parametrize(
    ("conn_id", "shown"), [("nowhere", "'nowhere'"), ("xkeysib-0123", "'***' (that looks like a key")]
)
def test_a_connection_that_there_is_not_is_told(conn_id, shown):
    """By its id, unless somebody gave the key in its place."""
    works, message = BrevoHook(conn_id).test_connection()
    assert not works
    assert message.startswith(f"There is no connection {shown}")
    assert "0123" not in message


def test_a_working_connection_is_told(hook):
    """The test names the company, and nothing else of the account."""
    works, message = hook.test_connection()
    assert works
    assert message.startswith("Connected to Brevo as ")
    assert "@" not in message


@pytest.mark.parametrize(
    ("fields", "fault", "advice"),
    [
        ({"password": "xkeysib-" + "0" * 64 + "-AbCdEfGhIjKlMnOp"}, None, "copy the API key again"),
        ({"password": ""}, None, "API key is missing"),
        ({"password": "xsmtpsib-123"}, None, "it is an SMTP key"),
        ({"password": "xkeysib-0123"}, None, "cut off"),
        ({}, "unknown-ip", "app.brevo.com/security/authorised_ips"),
        ({}, "401,message=authentication not found in headers", "removes the header api-key"),
        ({}, "401,message=Unauthorized", "check the key"),
        ({}, "500", "try again later"),
        ({}, "429", "asks to wait 1 s"),
        ({}, "non-json,status=200", "check the base URL"),
        ({}, "redirect", "check the base URL"),
        ({"host": "http://127.0.0.1:9/v3"}, None, "check the base URL"),
        ({"host": "https://gateway.example.com"}, None, "allowed_hosts"),
        ({"extra": {"timeout": "soon", "sending": "perhaps"}}, None, "extra 'timeout'"),
    ],
)
def test_a_connection_that_does_not_work_is_explained(hook, connect, sandbox, fields, fault, advice):
    """One sentence says what is wrong and what to do; it holds no key, and no fault is retried while somebody waits."""
    connect(**fields)
    if fault:
        sandbox.add_fault(fault)
    works, message = hook.test_connection()
    assert not works
    assert advice in message
    assert "0123456789abcdef" not in message
    assert len(sandbox.requests) <= 1


def test_tls_trouble_is_explained(hook, connect, sandbox):
    """A base URL with https to a port that doesn't speak it is told apart."""
    connect(host=sandbox.url.replace("http:", "https:"))
    works, message = hook.test_connection()
    assert not works
    assert "TLS" in message


def test_a_restricted_key_is_a_success(hook, sandbox):
    """A key that may not read the account is valid: it may still send events."""
    sandbox.add_fault("restricted,path=/v3/account")
    works, message = hook.test_connection()
    assert works
    assert "restricted" in message


def test_an_account_must_be_an_object(hook, sandbox):
    """An answer that is no account is no success, even with status 200."""
    sandbox.add_fault("non-json,status=200,path=/v3/account,times=1")
    assert hook.test_connection()[0] is False
    assert hook.test_connection()[0] is True


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"host": "https://gateway.example.com"}, None),
        ({"extra": {"timeout": "soon"}}, None),
        ({}, "500"),
        ({}, "reset"),
        ({}, "echo"),
        ({"login": "client", "extra": {"auth_type": "oauth"}}, "500,path=/realms/partner/oauth/token"),
    ],
)
def test_tracebacks_with_local_variables_hold_no_key(hook, connect, sandbox, fields, fault):
    """Tools that print local variables beside a traceback find no key in any frame, of ours or below."""
    extra = {"max_retries": 0, **fields.pop("extra", {})}
    connect(**fields, extra=extra)
    if fault:
        sandbox.add_fault(fault)
    with pytest.raises(BrevoError) as caught:
        hook.create_event(EVENT)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "0123456789abcdef" not in shown
