"""OAuth client credentials over real sockets: by the client, and by a hook with an Airflow connection."""

import itertools
import json
import logging
import socket
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.rate_limit import RateLimiter
from airflow_provider_brevo.hooks.brevo import BrevoHook
from airflow_provider_brevo.sandbox import Sandbox

EVENT = {"event_name": "order_completed", "identifiers": {"ext_id": "0017"}}
ID = "partner-app-0815"
SECRET = "s3cret&with=signs+and é"
TOKEN_PATH = "/realms/partner/oauth/token"
BOTH = pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])


class Clock:
    """The sandbox's time, which can be put forward."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock():
    """Make the sandbox's clock."""
    return Clock()


@pytest.fixture
def sandbox(clock):
    """Run a sandbox that knows one OAuth client."""
    with Sandbox(oauth_clients={ID: SECRET}, oauth_scopes={"events", "account"}, clock=clock) as running:
        yield running


@pytest.fixture
def waits():
    """Take the waits of all clients."""
    return []


@pytest.fixture
def connect(waits):
    """Make clients for the OAuth client, and close them in the end."""
    made = []

    def connect(url, *, login=ID, password=SECRET, **extra):
        fields = ConnectionFields(host=url, login=login, password=password, extra={"auth_type": "oauth", **extra})
        # Each request is made long after the one before, so the limiter has nothing to hold back.
        limiter = RateLimiter(clock=itertools.count(step=10.0).__next__)
        client = BrevoClient(read_settings(fields)[0], limiter=limiter, sleep=waits.append, jitter=lambda: 0.5)
        made.append(client)
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def hook(monkeypatch, sandbox):
    """Make hooks by a connection in the environment, and close them in the end."""
    made = []

    def hook(**fields):
        extra = json.dumps({"auth_type": "oauth", "max_retries": 0, **fields.pop("extra", {})})
        connection = {"conn_type": "brevo", "host": sandbox.url, "login": ID, "password": SECRET, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps({**connection, "extra": extra}))
        made.append(BrevoHook())
        return made[-1]

    yield hook
    for each in made:
        each.close()


def sent_to(sandbox, path):
    """Return the requests to a path."""
    return [request for request in sandbox.requests if request.path == path]


def tokens_of(*sandboxes):
    """Return the tokens that came with events."""
    requests = [request for sandbox in sandboxes for request in sent_to(sandbox, "/v3/events")]
    return [request.headers["authorization"].removeprefix("Bearer ") for request in requests]


def assert_hidden(text, tokens=()):
    """Neither the id nor the secret, as given or as a form writes it, nor a token is in a text."""
    for value in (ID, SECRET, "s3cret", "signs%2B", *tokens):
        assert value not in text


def error_of(client, tokens=(), **options):
    """Send the event, and return the error that comes of it, after a look at all that it can show."""
    with pytest.raises(exc.BrevoRequestError) as caught:
        client.create_event(EVENT, **options)
    error = caught.value
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in frames.stack if "airflow_provider_brevo" in frame.filename]
    assert ours
    assert_hidden("".join(traceback.format_exception(error)) + str([frame.locals for frame in ours]), tokens)
    chained = error
    while chained is not None:
        assert_hidden(f"{chained} {chained!r} {vars(chained)} {chained.args}", tokens)
        chained = chained.__cause__ or chained.__context__
    return error


def test_an_event_arrives_with_a_token_and_no_key(sandbox, hook):
    """A connection of auth_type oauth sends events as the bearer of the token that it was given."""
    assert hook().create_event(EVENT) is True
    token_call, event_call = sandbox.requests
    assert (token_call.method, token_call.path, token_call.status) == ("POST", TOKEN_PATH, 200)
    assert token_call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in token_call.headers
    assert token_call.headers["user-agent"] == event_call.headers["user-agent"]
    assert event_call.headers["authorization"].startswith("Bearer ")
    assert not any("api-key" in request.headers for request in sandbox.requests)
    assert [event.body for event in sandbox.events] == [EVENT]


def test_a_connection_as_uri_works(monkeypatch):
    """The client's id and secret may be the user and password of a connection URI."""
    with Sandbox(oauth_clients={"app": "p@ss"}, oauth_scopes={"events"}) as sandbox:
        uri = f"brevo://app:p%40ss@127.0.0.1:{sandbox.port}/v3?auth_type=oauth&oauth_scope=events"
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", uri)
        hook = BrevoHook()
        hook.create_event(EVENT)
        hook.close()
        assert len(sandbox.events) == 1


def test_ten_events_need_one_token(sandbox, hook):
    """A token is kept for the events that follow."""
    one = hook()
    for _ in range(10):
        one.create_event(EVENT)
    assert (sandbox.tokens_issued, len(sandbox.events), len(set(tokens_of(sandbox)))) == (1, 10, 1)


def test_eight_threads_need_one_token(sandbox, connect):
    """Threads that start together wait for one token, however slow it is, and share it."""
    sandbox.add_fault(f"hang,seconds=0.2,times=1,path={TOKEN_PATH}")
    client = connect(sandbox.url)
    barrier = threading.Barrier(8)

    def send():
        barrier.wait()
        client.create_event(EVENT)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (sandbox.tokens_issued, len(sandbox.events), len(set(tokens_of(sandbox)))) == (1, 8, 1)
    assert len(sent_to(sandbox, TOKEN_PATH)) == 1


def test_a_token_is_renewed_before_it_ends(connect):
    """A token that lives for a second is renewed in time: no event is answered with 401."""
    with Sandbox(oauth_clients={ID: SECRET}, token_seconds=1) as sandbox:
        client = connect(sandbox.url)
        client.create_event(EVENT)
        time.sleep(1)
        client.create_event(EVENT)
        assert (sandbox.tokens_issued, len(sandbox.events), len(set(tokens_of(sandbox)))) == (2, 2, 2)
        assert [request.status for request in sent_to(sandbox, "/v3/events")] == [204, 204]


@BOTH
def test_an_expired_token_is_renewed(sandbox, connect, clock, waits, delivery):
    """A token that ended early costs a 401 and a new token, and the event arrives once."""
    client = connect(sandbox.url, max_retries=0)
    client.create_event(EVENT)
    clock.ahead = timedelta(hours=2)
    client.create_event(EVENT, delivery=delivery)
    assert [request.status for request in sent_to(sandbox, "/v3/events")] == [204, 401, 204]
    assert (sandbox.tokens_issued, len(sandbox.events), waits) == (2, 2, [])


@BOTH
def test_a_forgotten_token_is_renewed(sandbox, connect, delivery):
    """A token that the server no longer knows is renewed once, and the event arrives once."""
    client = connect(sandbox.url, max_retries=0)
    client.create_event(EVENT)
    sandbox.reset()
    client.create_event(EVENT, delivery=delivery)
    assert [request.status for request in sent_to(sandbox, "/v3/events")] == [401, 204]
    assert (sandbox.tokens_issued, len(sandbox.events)) == (1, 1)


def test_a_restarted_server_is_outlived(connect):
    """After a restart, the kept connection and the kept token are both replaced."""
    with Sandbox(oauth_clients={ID: SECRET}) as first:
        port, client = first.port, connect(first.url)
        client.create_event(EVENT)
    with Sandbox(oauth_clients={ID: SECRET}, port=port) as second:
        client.create_event(EVENT)
        assert (second.tokens_issued, len(second.events)) == (1, 1)


def test_a_token_that_never_works_is_renewed_once(sandbox, connect, waits):
    """A 401 that stays is raised after one renewal, with advice that fits OAuth."""
    sandbox.add_fault("unknown-ip,message=Key not found")
    caught = error_of(connect(sandbox.url))
    assert type(caught) is exc.BrevoAuthenticationError
    assert "oauth_scope" in caught.advice
    assert (sandbox.tokens_issued, len(sent_to(sandbox, "/v3/events")), waits) == (2, 2, [])


@pytest.mark.parametrize(
    ("fields", "code", "advice"),
    [
        ({"password": "s3cret-but-wrong"}, "invalid_client", "its secret (password)"),
        ({"login": f"{ID}-x"}, "invalid_client", "client ID (login)"),
        ({"login": "my_prod_client"}, "invalid_client", "client ID (login)"),
        ({"oauth_scope": "events everything"}, "invalid_scope", "oauth_scope"),
    ],
)
def test_wrong_credentials_are_refused_with_advice(sandbox, connect, waits, fields, code, advice):
    """A wrong id, secret or scope ends the call at the token server's first answer, and says what to mend."""
    caught = error_of(connect(sandbox.url, **fields))
    assert type(caught) is exc.BrevoTokenRefusedError
    assert (caught.code, caught.attempts, caught.uncertain) == (code, 1, False)
    assert not caught.retry_later
    assert advice in str(caught)
    assert (len(sandbox.requests), sandbox.events, waits) == (1, [], [])


@pytest.mark.parametrize("scope", ["events", "account events", None])
def test_a_scope_is_asked_for_where_it_is_set(sandbox, connect, scope):
    """The scope of the connection is asked for; without one the server decides."""
    connect(sandbox.url, oauth_scope=scope).create_event(EVENT)
    body = sandbox.requests[0].body
    assert (b"scope=" in body) == bool(scope)
    assert len(sandbox.events) == 1


def test_the_test_of_a_connection_says_that_it_works(hook):
    """With the right credentials the test of the connection reads the account."""
    assert hook(extra={"oauth_scope": "account"}).test_connection()[0] is True


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"password": "wrong-secret"}, "check the OAuth client ID (login) and its secret (password)"),
        ({"extra": {"oauth_scope": "all"}}, "check the connection's extra oauth_scope"),
        ({"password": ""}, "the OAuth client secret is missing"),
        ({"login": ""}, "the OAuth client ID is missing"),
        ({"extra": {"oauth_token_url": "https://evil.example.com/token"}}, "may not be given the key"),
        ({"extra": {"oauth_token_url": "http://127.0.0.1:1/token"}}, "No OAuth token could be fetched"),
    ],
)
def test_the_test_of_a_connection_says_what_is_wrong(hook, fields, sentence):
    """What is wrong with an OAuth connection is said in one sentence, with what to do, and without a secret."""
    works, said = hook(**fields).test_connection()
    assert works is False
    assert sentence in said
    assert "\n" not in said
    assert said.endswith(".")
    assert_hidden(said, ["wrong-secret", "evil"])


@BOTH
@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "close", "truncated", "hang", "empty", "non-json"])
def test_a_fault_of_the_token_server_is_retried(sandbox, connect, waits, fault, delivery):
    """Faults of the token server pass with a retry: the event was not sent before, so nothing is uncertain."""
    sandbox.add_fault(f"{fault},times=2,path={TOKEN_PATH}")
    connect(sandbox.url, timeout=0.3, max_retries=2).create_event(EVENT, delivery=delivery)
    assert waits == ([1.25, 1.25] if fault == "429" else [0.75, 1.5])  # the sandbox's 429 asks to wait a second
    assert (len(sandbox.events), len(sent_to(sandbox, "/v3/events"))) == (1, 1)
    sandbox.reset()
    sandbox.add_fault(f"{fault},path={TOKEN_PATH}")
    caught = error_of(connect(sandbox.url, timeout=0.3, max_retries=1), delivery=delivery)
    assert type(caught) is exc.BrevoTokenError
    assert (caught.attempts, caught.uncertain, caught.retry_later) == (2, False, True)
    assert sent_to(sandbox, "/v3/events") == []


def test_a_token_server_that_is_down_leaves_nothing_uncertain(sandbox, connect):
    """Nobody at the token URL is tried again, and advises to check that URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/token"
    caught = error_of(connect(sandbox.url, oauth_token_url=url, max_retries=2), delivery="at_most_once")
    assert type(caught) is exc.BrevoTokenError
    assert (caught.attempts, caught.uncertain) == (3, False)
    assert "oauth_token_url" in str(caught)
    assert sandbox.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_call_is_refused(sandbox, connect, status):
    """A token server that points elsewhere is an error, and the secret doesn't go there."""
    with Sandbox() as elsewhere:
        sandbox.add_fault(f"redirect,status={status},location={elsewhere.origin}{TOKEN_PATH},path={TOKEN_PATH}")
        caught = error_of(connect(sandbox.url))
        assert elsewhere.requests == []
    assert type(caught) is exc.BrevoTokenRefusedError
    assert caught.status == status
    assert len(sandbox.requests) == 1


def test_a_token_url_elsewhere_is_used(sandbox, connect):
    """The extra oauth_token_url decides where the secret goes; the base URL sees the token alone."""
    with Sandbox(oauth_clients={ID: SECRET}) as desk:
        error_of(connect(sandbox.url, oauth_token_url=desk.origin + TOKEN_PATH))
        assert desk.tokens_issued == 2  # the sandbox doesn't know tokens of another
    assert {request.path for request in sandbox.requests} == {"/v3/events"}


def test_what_quotes_the_token_is_cleaned(sandbox, connect):
    """An answer that quotes the request with its token is shown without it."""
    client = connect(sandbox.url)
    client.create_event(EVENT)
    sandbox.add_fault("echo")
    assert type(error_of(client, tokens_of(sandbox))) is exc.BrevoBadRequestError


def test_nothing_secret_is_logged(sandbox, hook, caplog, capfd):
    """Whatever goes well or wrong, no log line and nothing printed holds the id, the secret or a token."""
    caplog.set_level(logging.DEBUG)
    one = hook(extra={"timeout": 0.3})
    tokens = set()
    for fault in (None, "echo,times=1", "500,times=1", "hang,times=1", f"reset,times=1,path={TOKEN_PATH}"):
        sandbox.reset()
        if fault:
            sandbox.add_fault(fault)
        for _ in range(3):
            with suppress(exc.BrevoRequestError):
                one.create_event(EVENT)
        one.test_connection()
        tokens |= set(tokens_of(sandbox))
    hook(password="s3cret-but-wrong").test_connection()
    logging.getLogger("test").warning("%r %r %r", one, one.get_conn(), vars(one.get_conn()))
    printed = capfd.readouterr()
    assert "HTTP/1.1" in caplog.text
    assert len(tokens) == 5
    assert_hidden(caplog.text + printed.out + printed.err, tokens)
