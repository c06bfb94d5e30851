"""The batch call of the client, over a transport and a clock of its own."""

import pytest

from airflow_provider_brevo.core.auth import ApiKey, OAuthClient
from airflow_provider_brevo.core.batch_answers import BatchAnswer
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.rate_limit import RateLimiter
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import BrevoAuthenticationError, BrevoServerError

TOKEN = Answer(status=200, body=b'{"access_token":"%s","expires_in":3600,"token_type":"Bearer"}' % (b"t" * 40))
TAKEN = Answer(status=202, body=b'{"message":"accepted","count":2}')
BODY = b'{"events":[{},{}]}'


class Network:
    """A transport that gives prepared answers to batches, and a token to whoever asks."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def send(self, method, path, *, headers, body):
        assert headers
        if path != "/events/batch":
            return TOKEN
        self.sent.append((method, path, body))
        return self.answers.pop(0)

    def close(self):
        pass


def client(network, auth=None, **settings):
    """Return a client on this network that must not sleep."""
    auth = auth or ApiKey("xkeysib-" + "0" * 64 + "-AbCdEfGhIjKlMnOp")
    limiter = RateLimiter(requests_per_second=settings.get("requests_per_second"), clock=lambda: 1000.0)
    return BrevoClient(BrevoSettings(auth=auth, **settings), transport=network, limiter=limiter, sleep=pytest.fail)


def test_a_batch_is_one_request():
    """The body goes out as it was packed, and the answer comes back read."""
    network = Network(TAKEN)
    assert client(network).send_batch(BODY, count=2) == BatchAnswer(accepted=2)
    assert network.sent == [("POST", "/events/batch", BODY)]


def test_a_batch_that_fails_is_not_sent_again():
    """Whoever sends many batches decides that for all of them."""
    network = Network(Answer(status=503))
    with pytest.raises(BrevoServerError):
        client(network, max_retries=5).send_batch(BODY, count=2)
    assert len(network.sent) == 1


def test_a_refused_key_is_not_renewed():
    """There is no other key."""
    network = Network(Answer(status=401))
    with pytest.raises(BrevoAuthenticationError):
        client(network).send_batch(BODY, count=2)
    assert len(network.sent) == 1


@pytest.mark.parametrize("last", [TAKEN, Answer(status=401)])
def test_a_token_that_is_not_taken_is_renewed_once(last):
    """A 401 took nothing, so the batch goes out once more with a new token, and not a third time."""
    network = Network(Answer(status=401), last)
    auth = OAuthClient(client_id="app", client_secret="s3cret", token_url="https://auth.brevo.com/token")  # made up
    sending = client(network, auth)
    if last is TAKEN:
        assert sending.send_batch(BODY, count=2).accepted == 2
    else:
        with pytest.raises(BrevoAuthenticationError):
            sending.send_batch(BODY, count=2)
    assert len(network.sent) == 2


def test_the_users_ceiling_is_kept():
    """A place is taken if it comes soon enough, and only then."""
    limited = client(Network(), requests_per_second=4.0)
    assert limited.wait_for_batch(at_most=0.0) == 0.0
    assert limited.wait_for_batch(at_most=0.0) == pytest.approx(0.25, abs=0.01)
    assert limited.batch_rate() == pytest.approx(4.0)
    assert client(Network()).batch_rate() is None
