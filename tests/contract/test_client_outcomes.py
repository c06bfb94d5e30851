"""Every outcome of a call, over real sockets, and the one error it becomes."""

import socket
import time

import pytest
import urllib3.util.connection

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.sandbox import Sandbox

EVENT = {
    "event_name": "order_completed",
    "identifiers": {"email_id": "jane.doe@example.com", "phone_id": "+33612345678"},
    "event_properties": {"total": 42.5, "secret_word": "abracadabra-simsalabim", "short": "xyz"},
}
VALUES = ["jane.doe@example.com", "33612345678", "42.5", "abracadabra", "simsalabim", "xyz"]


def error_of(client, **options):
    """Send the event, and return the error that comes of it."""
    with pytest.raises(exc.BrevoError) as caught:
        client.create_event(EVENT, **options)
    return caught.value


def assert_clean(error):
    """No value of the payload and no key in any text that the error, or what it is chained to, can show."""
    seen = []
    while error is not None:
        seen += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    for text in seen:
        assert "xkeysib-0123" not in text
        for value in VALUES:
            assert value.casefold() not in text.casefold()


def test_an_event_arrives_as_it_was_sent(sandbox, clients):
    """What Brevo gets is what was given, in value and type, with the required headers and one key."""
    client = clients(sandbox.url)
    client.create_event(EVENT)
    assert [event.body for event in sandbox.events] == [EVENT]
    (request,) = sandbox.requests
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("airflow-provider-brevo/")
    assert request.headers["api-key"].startswith("xkeysib-0123")
    assert "authorization" not in request.headers


def test_connections_are_kept_open(sandbox, clients, monkeypatch):
    """Several calls of one client share a connection."""
    client = clients(sandbox.url)
    opened = []
    original = urllib3.util.connection.create_connection

    def counting(*args, **kwargs):
        opened.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr("urllib3.util.connection.create_connection", counting)
    for _ in range(5):
        client.create_event(EVENT)
    assert len(sandbox.events) == 5
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("fault", "error", "status", "requests"),
    [
        ("400", exc.BrevoBadRequestError, 400, 1),
        ("402", exc.BrevoRefusedError, 402, 1),
        ("403", exc.BrevoAccessDeniedError, 403, 1),
        ("404", exc.BrevoNotFoundError, 404, 1),
        ("405", exc.BrevoMethodNotAllowedError, 405, 1),
        ("413", exc.BrevoPayloadTooLargeError, 413, 1),
        ("422", exc.BrevoRefusedError, 422, 1),
        ("408", exc.BrevoServerError, 408, 3),
        ("500", exc.BrevoServerError, 500, 3),
        ("503", exc.BrevoServerError, 503, 3),
        ("599", exc.BrevoServerError, 599, 3),
        ("unknown-ip", exc.BrevoUnrecognisedIPError, 401, 1),
        ("restricted", exc.BrevoRestrictedKeyError, 403, 1),
        ("restricted,status=401", exc.BrevoRestrictedKeyError, 401, 1),
        ("redirect", exc.BrevoRedirectError, 302, 1),
        ("redirect,status=308", exc.BrevoRedirectError, 308, 1),
        ("non-json", exc.BrevoServerError, 502, 3),
        ("non-json,status=200", exc.BrevoUnexpectedAnswerError, 200, 1),
        ("empty", exc.BrevoServerError, 500, 3),
        ("empty,status=400", exc.BrevoBadRequestError, 400, 1),
        ("echo", exc.BrevoBadRequestError, 400, 1),
    ],
)
def test_each_answer_becomes_one_typed_error(sandbox, clients, fault, error, status, requests):
    """An answer that is no success has one type, a status and advice, and is repeated only where that may help."""
    sandbox.add_fault(fault)
    caught = error_of(clients(sandbox.url, max_retries=2))
    assert type(caught) is error
    assert caught.status == status
    assert caught.advice
    assert caught.attempts == requests == len(sandbox.requests)
    assert not sandbox.events
    assert_clean(caught)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", exc.BrevoConnectionLostError),
        ("close", exc.BrevoConnectionLostError),
        ("truncated", exc.BrevoConnectionLostError),
        ("hang", exc.BrevoTimeoutError),
    ],
)
@pytest.mark.parametrize(("delivery", "requests"), [("at_least_once", 2), ("at_most_once", 1)])
def test_an_uncertain_fate_is_repeated_only_at_least_once(sandbox, clients, fault, error, delivery, requests):
    """Where Brevo may have taken the event, the delivery decides whether it is sent again."""
    sandbox.add_fault(fault)
    caught = error_of(clients(sandbox.url, max_retries=1, timeout=0.3), delivery=delivery)
    assert type(caught) is error
    assert caught.uncertain
    assert len(sandbox.requests) == requests
    assert_clean(caught)


def test_a_fault_that_passes_is_not_seen(sandbox, clients):
    """A fault of Brevo that a retry overcomes costs a wait and nothing else."""
    sandbox.add_fault("503,times=2")
    client = clients(sandbox.url)
    client.create_event(EVENT)
    assert [event.body for event in sandbox.events] == [EVENT]
    assert clients.waits == [0.75, 1.5]


def test_an_event_taken_before_the_fault_arrives_twice_at_least_once(sandbox, clients):
    """At least once means that: an event taken before the connection broke is there twice after the retry."""
    sandbox.add_fault("reset,times=1,taken")
    clients(sandbox.url).create_event(EVENT)
    assert len(sandbox.events) == 2


def test_an_event_taken_before_the_fault_arrives_once_at_most_once(sandbox, clients):
    """At most once reports the uncertain event instead of sending it again."""
    sandbox.add_fault("reset,times=1,taken")
    caught = error_of(clients(sandbox.url), delivery="at_most_once")
    assert caught.uncertain
    assert len(sandbox.events) == 1


@pytest.mark.parametrize("advice", ["retry_after=7", "reset=7"])
def test_the_servers_advice_wins_over_the_backoff(sandbox, clients, advice):
    """After a 429 the wait is what the server asks for, plus a little spread."""
    sandbox.add_fault(f"429,times=1,{advice}")
    clients(sandbox.url).create_event(EVENT)
    assert 7 <= clients.waits[0] <= 7.5
    assert len(sandbox.events) == 1


def test_a_limit_that_lasts_too_long_is_left_to_airflow(sandbox, clients):
    """A 429 that asks for more than max_wait is raised at once, with the seconds."""
    sandbox.add_fault("429,reset=90")
    caught = error_of(clients(sandbox.url), max_wait=60)
    assert type(caught) is exc.BrevoRateLimitError
    assert caught.retry_after == 90
    assert "90 s" in str(caught)
    assert clients.waits == []
    assert len(sandbox.requests) == 1


def test_a_used_up_limit_holds_the_next_request_back(clients):
    """Once an answer says that nothing remains, the next request waits without asking Brevo."""
    with Sandbox(rate=2) as sandbox:
        client = clients(sandbox.url, sleep=time.sleep)
        for _ in range(5):
            client.create_event(EVENT)
        assert [request.status for request in sandbox.requests] == [204] * 5


def test_the_key_is_asked_for_by_the_sandbox(sandbox, clients):
    """A key that Brevo doesn't know gives its own error, with a hint at what looks wrong with the key."""
    caught = error_of(clients(sandbox.url, key="xsmtpsib-123"))
    assert type(caught) is exc.BrevoUnknownKeyError
    assert caught.code == "unauthorized"
    assert "SMTP key" in str(caught)
    caught = error_of(clients(sandbox.url, key="xkeysib-0123"))
    assert "cut off" in str(caught)


def test_what_the_sandbox_quotes_is_cleaned(sandbox, clients):
    """Brevo's message may quote the value at fault; the error doesn't, but it names the field."""
    with pytest.raises(exc.BrevoBadRequestError) as caught:
        clients(sandbox.url).create_event({**EVENT, "event_name": "order of Jane Doe"})
    assert "Jane" not in str(caught.value)
    assert "event_name" in str(caught.value)
    assert caught.value.code == "invalid_parameter"


def test_a_refused_connection_was_certainly_not_taken(clients):
    """Nobody listening is a connect error, tried again in both deliveries."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    caught = error_of(clients(f"http://127.0.0.1:{port}/v3", max_retries=2), delivery="at_most_once")
    assert type(caught) is exc.BrevoConnectError
    assert not caught.uncertain
    assert caught.attempts == 3
    assert_clean(caught)


def test_a_name_that_does_not_exist_is_a_connect_error(clients):
    """A host name that can't be resolved says so."""
    caught = error_of(clients("https://nowhere.invalid.brevo.com/v3", max_retries=0))
    assert type(caught) is exc.BrevoConnectError
    assert "resolved" in str(caught)
    assert_clean(caught)


def test_a_connection_that_is_never_taken_times_out(clients):
    """A full backlog is a connect timeout: not taken, and told apart from a slow answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
            caught = error_of(clients(f"http://127.0.0.1:{port}/v3", max_retries=0, timeout=0.3))
        finally:
            for filler in fillers:
                filler.close()
    assert type(caught) is exc.BrevoConnectError
    assert not caught.uncertain


def test_an_endless_answer_is_cut(clients, monkeypatch):
    """A body that doesn't end is given up at a bound instead of filling the memory."""
    monkeypatch.setattr("airflow_provider_brevo.core.transport._MAX_ANSWER_BYTES", 10)
    with Sandbox() as sandbox, pytest.raises(exc.BrevoConnectionLostError):
        clients(sandbox.url, max_retries=0).get_account()


def test_the_account_is_an_object(sandbox, clients):
    """GET /account returns what Brevo says, and an error where that is no object."""
    assert clients(sandbox.url).get_account()["companyName"]
    sandbox.add_fault("non-json,status=200,path=/v3/account")
    with pytest.raises(exc.BrevoUnexpectedAnswerError, match="text/html"):
        clients(sandbox.url).get_account()
    sandbox.clear_faults()
    sandbox.add_fault("empty,status=200,path=/v3/account")
    with pytest.raises(exc.BrevoUnexpectedAnswerError, match="empty body"):
        clients(sandbox.url).get_account()


def test_what_we_accept_the_sandbox_accepts(sandbox, clients):
    """The documents' own event passes our rules and the sandbox's, which are written apart."""
    event = prepare_event(
        {
            "event_name": "video_played",
            "event_date": "2024-02-06T20:59:23.383Z",
            "identifiers": {"email_id": "jane.doe@example.com"},
            "contact_properties": {"AGE": 32, "GENDER": "FEMALE"},
            "event_properties": {
                "video_title": "Brevo — The most approachable CRM suite",
                "vide_description": "Create your free account today!",
                "duration": 142,
                "autoplayed": False,
                "upload_date": "2023-11-24T12:09:10+01:00",
            },
        }
    )
    clients(sandbox.url).create_event(event)
    assert [received.body for received in sandbox.events] == [event]
