"""Attempts, waits and headers of the client, over a transport and a clock of its own."""

import json

import pytest

from airflow_provider_brevo import __version__
from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.rate_limit import RateLimiter
from airflow_provider_brevo.core.transport import Answer, RequestsTransport
from airflow_provider_brevo.exceptions import (
    BrevoBadRequestError,
    BrevoConnectError,
    BrevoRateLimitError,
    BrevoServerError,
    BrevoTimeoutError,
    BrevoTLSError,
    BrevoUnexpectedAnswerError,
)

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "order", "identifiers": {"ext_id": "é"}}
TAKEN = Answer(status=204)
BROKEN = Answer(status=503)
LIMITED = Answer(status=429, headers={"x-sib-ratelimit-reset": "10"})


class Server:
    """A transport that gives prepared answers, and a clock that moves when somebody sleeps."""

    def __init__(self, *answers, **settings):
        self.answers = list(answers)
        self.requests = []
        self.slept = []
        self.closed = False
        self.now = 1000.0
        self.client = BrevoClient(
            BrevoSettings(auth=ApiKey(KEY), **settings),
            user_agent="airflow/3.3.2",
            transport=self,
            limiter=RateLimiter(requests_per_second=settings.get("requests_per_second"), clock=lambda: self.now),
            sleep=self.sleep,
            jitter=lambda: 0.0,
        )

    def send(self, method, path, *, headers, body):
        self.requests.append((method, path, dict(headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_event_goes_out_as_compact_json_with_all_headers():
    """POST /events carries the body as it was measured, the key, and the headers that Brevo wants."""
    server = Server(TAKEN)

    server.client.create_event(EVENT)

    assert server.requests == [
        (
            "POST",
            "/events",
            {
                "accept": "application/json",
                "User-Agent": f"airflow-provider-brevo/{__version__} airflow/3.3.2",
                "api-key": KEY,
                "Content-Type": "application/json",
            },
            '{"event_name":"order","identifiers":{"ext_id":"é"}}'.encode(),
        )
    ]
    assert server.slept == []


def test_account_is_returned():
    """GET /account has no body and returns what Brevo says."""
    server = Server(Answer(status=200, body=json.dumps({"companyName": "X"}).encode()))

    assert server.client.get_account() == {"companyName": "X"}
    assert [(method, path, body) for method, path, _, body in server.requests] == [("GET", "/account", None)]


@pytest.mark.parametrize(("max_retries", "requests"), [(None, 6), (0, 1), (2, 3)])
def test_account_takes_its_own_number_of_retries(max_retries, requests):
    """A test of the connection may be more impatient than the connection's setting."""
    server = Server(BROKEN)

    with pytest.raises(BrevoServerError):
        server.client.get_account(max_retries=max_retries)
    assert len(server.requests) == requests


def test_passing_fault_is_outlived():
    """After two faults the third request succeeds, with growing pauses between."""
    server = Server(BROKEN, BrevoConnectError("No way", advice="look"), TAKEN)

    server.client.create_event(EVENT)

    assert len(server.requests) == 3
    assert server.slept == [0.5, 1.0]


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_retries_end_with_the_last_error(max_retries):
    """When the retries are used up, the last error comes out and says how many requests there were."""
    server = Server(BROKEN, max_retries=max_retries)

    with pytest.raises(BrevoServerError) as caught:
        server.client.create_event(EVENT)

    assert len(server.requests) == caught.value.attempts == max_retries + 1
    assert len(server.slept) == max_retries


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=400), BrevoBadRequestError),
        (Answer(status=200, body=b"<html>"), BrevoUnexpectedAnswerError),
        (BrevoTLSError("No", advice="look"), BrevoTLSError),
    ],
)
def test_what_can_not_get_better_is_asked_once(answer, error):
    """A refusal is not worth a second request."""
    server = Server(answer)

    with pytest.raises(error):
        server.client.create_event(EVENT)
    assert len(server.requests) == 1
    assert server.slept == []


@pytest.mark.parametrize(
    "answer", [BROKEN, BrevoTimeoutError("Late", advice="look")], ids=["server's fault", "timeout"]
)
def test_at_most_once_sends_an_uncertain_event_once(answer):
    """With at_most_once nothing uncertain is repeated."""
    server = Server(answer, TAKEN)

    with pytest.raises(type(answer) if isinstance(answer, Exception) else BrevoServerError):
        server.client.create_event(EVENT, delivery="at_most_once")
    assert len(server.requests) == 1


def test_at_most_once_repeats_what_was_certainly_not_taken():
    """With at_most_once a refused connection and a 429 are still retried."""
    server = Server(BrevoConnectError("No way", advice="look"), LIMITED, TAKEN)

    server.client.create_event(EVENT, delivery="at_most_once")
    assert len(server.requests) == 3


def test_rate_limit_is_waited_for_as_told():
    """A 429 waits exactly as long as Brevo says, and doesn't count as a retry."""
    server = Server(LIMITED, LIMITED, TAKEN, max_retries=0)

    server.client.create_event(EVENT)
    assert server.slept == [10.0, 10.0]


@pytest.mark.parametrize(("max_wait", "requests"), [(0, 1), (9.9, 1), (10, 2), (29.9, 3), (30, 4)])
def test_waits_end_at_max_wait(max_wait, requests):
    """The waits for the rate limit add up to max_wait at most, then the error comes out."""
    server = Server(LIMITED, max_retries=99)

    with pytest.raises(BrevoRateLimitError) as caught:
        server.client.create_event(EVENT, max_wait=max_wait)
    assert len(server.requests) == requests
    assert sum(server.slept) <= max_wait
    assert caught.value.retry_after == 10.0


def test_limit_that_never_gives_a_wait_ends_too():
    """A server that says 429 and zero seconds for ever gets a bounded number of requests."""
    server = Server(Answer(status=429, headers={"retry-after": "0"}))

    with pytest.raises(BrevoRateLimitError):
        server.client.create_event(EVENT, max_wait=1.0)
    assert len(server.requests) <= 11


def test_used_up_limit_is_waited_for_before_asking():
    """After an answer that leaves nothing, the next request waits for the reset."""
    used_up = {"x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": "3"}
    server = Server(Answer(status=204, headers=used_up), TAKEN)

    server.client.create_event(EVENT)
    assert server.slept == []
    server.client.create_event(EVENT)
    assert server.slept == [3.0]


def test_wait_beyond_max_wait_sends_nothing():
    """Where the reset is further away than the call may wait, no request is made, and the error tells the seconds."""
    used_up = {"x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": "300"}
    server = Server(Answer(status=204, headers=used_up))
    server.client.create_event(EVENT)

    with pytest.raises(BrevoRateLimitError) as caught:
        server.client.create_event(EVENT, max_wait=60)

    assert len(server.requests) == 1
    assert server.slept == []
    assert caught.value.retry_after == 300.0
    assert caught.value.attempts == 0
    assert "due in 300 s" in str(caught.value)


def test_users_ceiling_spreads_requests():
    """With a ceiling of two requests a second, every request but the first waits half a second."""
    server = Server(TAKEN, requests_per_second=2.0)

    for _ in range(3):
        server.client.create_event(EVENT)
    assert server.slept == [0.5, 0.5]


def test_client_closes_its_transport():
    """Leaving the with block closes the connections."""
    server = Server(TAKEN)

    with server.client as client:
        assert client is server.client
        assert not server.closed
    assert server.closed


def test_client_comes_with_transport_and_limiter():
    """Without any parts given, the client has real ones, and shows no key."""
    with BrevoClient(BrevoSettings(auth=ApiKey(KEY))) as client:
        assert isinstance(client._transport, RequestsTransport)
        assert KEY not in repr(client)
        assert client._headers["User-Agent"] == f"airflow-provider-brevo/{__version__}"
