"""OAuth tokens: fetched, kept, renewed and refused, over a transport and a clock of their own."""

import itertools
import json
import math
import threading
import time
import traceback
from urllib.parse import parse_qs

import pytest

from airflow_provider_brevo.core.auth import ApiKey, OAuthClient
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.rate_limit import RateLimiter
from airflow_provider_brevo.core.tokens import KeyAuthenticator, TokenAuthenticator
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import (
    BrevoAuthenticationError,
    BrevoBadRequestError,
    BrevoConnectError,
    BrevoConnectionLostError,
    BrevoTimeoutError,
    BrevoTLSError,
    BrevoTokenError,
    BrevoTokenRefusedError,
)

URL = "https://api.brevo.com/realms/partner/oauth/token"
ID = "partner-app-0815"
SECRET = "s3cret&with=signs and é"
TOKEN = "eyJhbGciOi.first-token"
EVENT = {"event_name": "order", "identifiers": {"ext_id": "1"}}
TAKEN = Answer(status=204)
UNAUTHORIZED = Answer(status=401, body=b'{"code": "unauthorized", "message": "Key not found"}')


def granted(token=TOKEN, **fields):
    """Answer with a token."""
    return answer(200, access_token=token, token_type="Bearer", **fields)


def answer(status, **content):
    """Answer with a JSON object."""
    return Answer(status=status, body=json.dumps(content).encode())


class Network:
    """A transport that gives prepared answers to the token call and to the events, and a clock that is set."""

    def __init__(self, *tokens, events=(TAKEN,)):
        self.tokens = list(tokens)
        self.events = list(events)
        self.asked = []
        self.sent = []
        self.slept = []
        self.now = 1000.0
        self.takes = 0.0
        self.holds_for = 0.0

    def send(self, method, path, *, headers, body):
        is_event = path == "/events"
        (self.sent if is_event else self.asked).append((method, path, dict(headers), body))
        answers = self.events if is_event else self.tokens
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        self.now += self.takes
        time.sleep(self.holds_for)
        if isinstance(found, Exception):
            raise found
        return found

    def close(self):
        """Nothing is open."""

    def authenticator(self, **client):
        client = OAuthClient(**{"client_id": ID, "client_secret": SECRET, "token_url": URL, **client})
        return TokenAuthenticator(client, self, user_agent="agent/1", clock=lambda: self.now)

    def client(self, **settings):
        auth = settings.pop("auth", OAuthClient(client_id=ID, client_secret=SECRET, token_url=URL))
        settings = BrevoSettings(auth=auth, **settings)
        # Each request is made long after the one before, so the limiter has nothing to hold back.
        limiter = RateLimiter(clock=itertools.count(step=10.0).__next__)
        return BrevoClient(settings, transport=self, limiter=limiter, sleep=self.slept.append, jitter=lambda: 0.0)

    @property
    def authorizations(self):
        return [headers.get("Authorization") for _, _, headers, _ in self.sent]


def shown(error):
    """Return all that an error, what it is chained to, and the local variables on its way can show."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in frames.stack if "airflow_provider_brevo" in frame.filename]
    texts = ["".join(traceback.format_exception(error)), *(str(frame.locals) for frame in ours)]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def assert_hidden(text):
    """Neither the id nor the secret, as given or as a form writes it, nor a token is in a text."""
    for value in (ID, SECRET, "s3cret", "signs+and", TOKEN, "first-token", "second-token"):
        assert value not in text


def refusal(*tokens, **client):
    """Return the error of a token call."""
    with pytest.raises((BrevoTokenError, BrevoTokenRefusedError)) as caught:
        Network(*tokens).authenticator(**client).headers()
    assert_hidden(shown(caught.value))
    return caught.value


@pytest.mark.parametrize("scope", [None, "", "events:write account"])
def test_a_token_is_asked_for_by_a_form(scope):
    """The first use asks for a token as RFC 6749, 4.4.2 writes it, with a scope where one is set."""
    network = Network(granted())
    authenticator = network.authenticator(scope=scope)
    assert network.asked == []

    assert authenticator.headers() == {"Authorization": f"Bearer {TOKEN}"}
    ((method, url, headers, body),) = network.asked
    assert (method, url) == ("POST", URL)
    assert headers == {
        "accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "agent/1",
    }
    form = {"grant_type": ["client_credentials"], "client_id": [ID], "client_secret": [SECRET]}
    assert parse_qs(body.decode("ascii"), strict_parsing=True) == ({**form, "scope": [scope]} if scope else form)


def test_the_form_shows_itself_to_nobody():
    """The body of the token call has no repr with the secret in it."""
    network = Network(granted())
    network.authenticator().headers()
    body = network.asked[0][3]
    assert repr(body) == "_SecretBody(…)"
    assert f"{body}" == "_SecretBody(…)"


def test_a_secret_that_is_no_text_is_sent_all_the_same():
    """A lone surrogate, which JSON can hold, is the server's to refuse: encoding it raises no error with the secret."""
    network = Network(granted())
    network.authenticator(client_secret="a\ud800b").headers()
    assert b"client_secret=a%ED%A0%80b" in network.asked[0][3]


@pytest.mark.parametrize(
    ("life", "used"),
    [
        ({"expires_in": 3600}, 3540),
        ({"expires_in": 600}, 540),
        ({"expires_in": 300}, 270),
        ({"expires_in": 10.0}, 9),
        ({"expires_in": 1e6}, 1e6 - 60),
        ({}, 540),
        *[
            ({"expires_in": nonsense}, 540)
            for nonsense in (None, 0, -1, True, "3600", [], {}, math.nan, math.inf, 10**400)
        ],
    ],
)
def test_a_token_is_kept_until_shortly_before_its_end(life, used):
    """A token is renewed 60 s or a tenth of its life before its end; a life that isn't told counts as ten minutes."""
    network = Network(granted(**life), granted("second-token"))
    authenticator = network.authenticator()
    authenticator.headers()
    start = network.now

    network.now = start + used - 0.01
    assert authenticator.headers() == {"Authorization": f"Bearer {TOKEN}"}
    assert len(network.asked) == 1
    network.now = start + used
    assert authenticator.headers() == {"Authorization": "Bearer second-token"}
    assert len(network.asked) == 2


def test_a_life_begins_before_the_answer_arrives():
    """A slow answer takes its time out of the token's life."""
    network = Network(granted(expires_in=100), granted("second-token"))
    network.takes = 50.0
    authenticator = network.authenticator()
    authenticator.headers()
    network.now = 1090.0
    assert authenticator.headers() == {"Authorization": "Bearer second-token"}


def test_all_events_of_a_client_share_a_token():
    """Ten events need one token call, and carry no key."""
    network = Network(granted())
    client = network.client()
    for _ in range(10):
        client.create_event(EVENT)
    assert len(network.asked) == 1
    assert network.authorizations == [f"Bearer {TOKEN}"] * 10
    assert not any("api-key" in headers for _, _, headers, _ in network.sent)


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_a_refused_token_is_renewed_once(delivery):
    """A 401 renews the token and repeats the request without a pause or a retry: Brevo has not taken the event."""
    network = Network(granted(), granted("second-token"), events=[UNAUTHORIZED, TAKEN])
    network.client(max_retries=0).create_event(EVENT, delivery=delivery)
    assert network.authorizations == [f"Bearer {TOKEN}", "Bearer second-token"]
    assert network.slept == []


def test_a_second_refusal_is_final():
    """A new token that is refused too ends the call, with advice that fits an OAuth client."""
    network = Network(granted(), granted("second-token"), events=[UNAUTHORIZED])
    with pytest.raises(BrevoAuthenticationError, match="OAuth client") as caught:
        network.client().create_event(EVENT)
    assert (len(network.asked), len(network.sent), caught.value.attempts) == (2, 2, 2)
    assert_hidden(shown(caught.value))


def test_every_call_may_renew():
    """The next call renews a refused token again."""
    network = Network(granted(), events=[UNAUTHORIZED, TAKEN, UNAUTHORIZED, TAKEN])
    client = network.client()
    client.create_event(EVENT)
    client.create_event(EVENT)
    assert (len(network.asked), len(network.sent)) == (3, 4)


def test_a_key_is_not_renewed():
    """There is but one key: a 401 is final, and no token is asked for."""
    key = KeyAuthenticator(ApiKey("xkeysib-1"))
    assert key.renew(key.headers()) is False
    assert key.secrets() == ["xkeysib-1"]
    network = Network(granted(), events=[UNAUTHORIZED])
    with pytest.raises(BrevoAuthenticationError):
        network.client(auth=ApiKey("xkeysib-1")).create_event(EVENT)
    assert (network.asked, len(network.sent)) == ([], 1)


def test_a_token_that_was_renewed_meanwhile_is_kept():
    """A late 401 for the old token doesn't drop the one that another thread has fetched since."""
    network = Network(granted(), granted("second-token"), granted("third-token"))
    authenticator = network.authenticator()
    old = authenticator.headers()
    assert authenticator.renew(old)
    new = authenticator.headers()
    assert authenticator.renew(old)
    assert authenticator.headers() is new
    assert len(network.asked) == 2


def test_many_threads_fetch_one_token():
    """Threads that need a token at the same time wait for one fetch, first and after a refusal."""
    network = Network(granted(), granted("second-token"))
    network.holds_for = 0.05
    authenticator = network.authenticator()
    barrier = threading.Barrier(16)
    firsts, seconds = [], []

    def use():
        barrier.wait()
        first = authenticator.headers()
        firsts.append(first["Authorization"])
        barrier.wait()
        authenticator.renew(first)
        seconds.append(authenticator.headers()["Authorization"])

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert firsts == [f"Bearer {TOKEN}"] * 16
    assert seconds == ["Bearer second-token"] * 16
    assert len(network.asked) == 2


@pytest.mark.parametrize(
    ("failure", "can_pass", "advice"),
    [
        (BrevoConnectError("No way there", advice="look"), True, "oauth_token_url"),
        (BrevoTimeoutError("No answer", advice="look"), True, "oauth_token_url"),
        (BrevoConnectionLostError("It broke", advice="look"), True, "oauth_token_url"),
        (BrevoTLSError("Not trusted", advice="name the ca_bundle"), False, "name the ca_bundle"),
    ],
)
def test_a_failed_token_call_leaves_nothing_uncertain(failure, can_pass, advice):
    """Whatever happens to the token call, the event was not sent; it is tried again where that may help."""
    error = refusal(failure)
    assert type(error) is BrevoTokenError
    assert (error.uncertain, error.retry_here, error.retry_later) == (False, can_pass, can_pass)
    assert failure.problem in str(error)
    assert advice in str(error)
    assert error.__cause__ is failure


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 599])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "server_error"}', b'{"error": 5}'])
def test_a_fault_of_the_token_server_can_pass(status, body):
    """A 408, 429 or 5xx is a fault that passes, whatever its body says."""
    error = refusal(Answer(status=status, body=body))
    assert type(error) is BrevoTokenError
    assert (error.uncertain, error.retry_here, error.retry_later) == (False, True, True)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_a_token_call_is_retried_within_max_retries(delivery):
    """Faults of the token server cost retries and pauses, in both deliveries, and no request to Brevo."""
    faults = [BrevoTimeoutError("No answer", advice=""), Answer(status=500), granted()]
    network = Network(*faults)
    network.client(max_retries=2).create_event(EVENT, delivery=delivery)
    assert (len(network.asked), len(network.sent), network.slept) == (3, 1, [0.5, 1.0])
    network = Network(*faults)
    with pytest.raises(BrevoTokenError) as caught:
        network.client(max_retries=1).create_event(EVENT, delivery=delivery)
    assert (len(network.asked), network.sent, caught.value.attempts) == (2, [], 2)


def test_the_token_servers_advice_to_wait_is_taken():
    """A Retry-After of the token server wins over the backoff, as one of Brevo does."""
    network = Network(Answer(status=503, headers={"retry-after": "7"}), granted())
    network.client().create_event(EVENT)
    assert network.slept == [7.0]


@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("invalid_client", "client ID (login) and its secret (password)"),
        ("invalid_scope", "oauth_scope"),
        ("unauthorized_client", "client_credentials"),
    ],
)
@pytest.mark.parametrize("client_id", [ID, "prod_client", "valid_scope"])
def test_a_refusal_has_its_advice_and_is_not_retried(status, code, advice, client_id):
    """RFC 6749's codes are told apart, also where the id looks like one, and end the call at the first request."""
    said = answer(status, error=code, error_description=f"{client_id} with {SECRET} is wrong")
    error = refusal(said, client_id=client_id)
    assert type(error) is BrevoTokenRefusedError
    assert (error.status, error.code, error.message) == (status, code, "*** with *** is wrong")
    assert advice in str(error)
    assert (error.uncertain, error.retry_here, error.retry_later) == (False, False, False)
    network = Network(said)
    with pytest.raises(BrevoTokenRefusedError):
        network.client().create_event(EVENT)
    assert (len(network.asked), network.sent, network.slept) == (1, [], [])


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (answer(400, error="invalid_grant"), "invalid_grant"),
        (answer(400, error=f"no {ID}"), "no ***"),
        (answer(403, error=["invalid_client"], error_description={}), None),
        (answer(401, error=" "), None),
        (Answer(status=302, headers={"location": "https://evil.example.com"}), None),
        (Answer(status=404, body=b"<html>not here</html>"), None),
        (Answer(status=200, body=b"<html>log in</html>"), None),
        (Answer(status=200, body=b""), None),
        (Answer(status=200, body=b'["token"]'), None),
        (Answer(status=200, body=b"[" * 100_000), None),
        (Answer(status=200, body=b"\xff\xfe\xfa"), None),
        (answer(200), None),
        (answer(201, access_token=TOKEN), None),
        *[(granted(odd), None) for odd in ("", 5, None, f"{TOKEN}\nX-Evil: 1", f"{TOKEN}\r", f"{TOKEN}é", [TOKEN])],
    ],
)
def test_anything_else_is_a_refusal(refused, code):
    """An answer without a token that fits a header is final, and advises to check the OAuth fields."""
    error = refusal(refused)
    assert type(error) is BrevoTokenRefusedError
    assert (error.status, error.code) == (refused.status, code)
    assert "check the connection's OAuth fields and its extra oauth_token_url" in str(error)


def test_what_a_server_says_is_cut():
    """A long description doesn't flood the log."""
    assert len(refusal(answer(400, error="x" * 5000, error_description="y " * 5000)).message) == 200


def test_what_brevo_quotes_of_the_credentials_is_hidden():
    """Brevo's answer to an event may quote id, secret, this token or the one before: none is shown."""
    quoted = answer(400, code="invalid_parameter", message=f"{ID} {SECRET} {TOKEN} second-token no")
    network = Network(granted(), granted("second-token"), events=[UNAUTHORIZED, quoted])
    with pytest.raises(BrevoBadRequestError, match="no") as caught:
        network.client().create_event(EVENT)
    assert_hidden(shown(caught.value))


def test_nothing_in_memory_shows_the_credentials():
    """No repr of what holds the id, the secret or the token shows them."""
    network = Network(granted())
    client, authenticator = network.client(), network.authenticator()
    client.create_event(EVENT)
    assert_hidden(repr([client, client.settings, client.settings.auth, vars(client), authenticator.headers()]))
    assert_hidden(repr(vars(authenticator)))
    assert_hidden(repr(vars(client._authenticator)))
