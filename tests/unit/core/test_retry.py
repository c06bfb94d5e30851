"""Whether and when a request is made again."""

import pytest

from airflow_provider_brevo.core.retry import RetryPolicy, pause_before_retry
from airflow_provider_brevo.exceptions import (
    BrevoBadRequestError,
    BrevoConnectError,
    BrevoConnectionLostError,
    BrevoRateLimitError,
    BrevoRedirectError,
    BrevoServerError,
    BrevoTimeoutError,
    BrevoTLSError,
    BrevoUnexpectedAnswerError,
    BrevoUnrecognisedIPError,
)


def _transport(cls):
    return cls("No answer", advice="look")


def _answer(cls, status=500, retry_after=None):
    return cls(status=status, advice="look", retry_after=retry_after)


POLICY = RetryPolicy(max_retries=5, max_wait=60.0)
ONCE = RetryPolicy(max_retries=5, max_wait=60.0, delivery="at_most_once")

WORTH_IT = [
    _transport(BrevoConnectError),
    _transport(BrevoTimeoutError),
    _transport(BrevoConnectionLostError),
    _answer(BrevoServerError),
    _answer(BrevoRateLimitError, 429),
]
POINTLESS = [
    _transport(BrevoTLSError),
    _answer(BrevoRedirectError, 301),
    _answer(BrevoBadRequestError, 400),
    _answer(BrevoUnrecognisedIPError, 401),
    _answer(BrevoUnexpectedAnswerError, 200),
]


def _name(error):
    return type(error).__name__


@pytest.mark.parametrize("error", WORTH_IT, ids=_name)
def test_passing_faults_are_retried(error):
    """What may be gone in a moment is tried again."""
    assert pause_before_retry(error, POLICY, retries=0, waited=0.0, jitter=0.5) is not None


@pytest.mark.parametrize("error", POINTLESS, ids=_name)
@pytest.mark.parametrize("policy", [POLICY, ONCE], ids=["at least once", "at most once"])
def test_what_can_not_get_better_is_never_retried(error, policy):
    """A refusal and an untrusted certificate would come again, so the first one is the last."""
    assert pause_before_retry(error, policy, retries=0, waited=0.0, jitter=0.5) is None


@pytest.mark.parametrize("error", WORTH_IT, ids=_name)
def test_at_most_once_retries_only_what_was_certainly_not_taken(error):
    """With at_most_once a request of uncertain fate is never repeated, and one that was not taken is."""
    pause = pause_before_retry(error, ONCE, retries=0, waited=0.0, jitter=0.5)

    assert (pause is None) == error.uncertain


@pytest.mark.parametrize(
    ("retries", "jitter", "expected"),
    [
        (0, 0.0, 0.5),
        (0, 1.0, 1.0),
        (1, 1.0, 2.0),
        (2, 1.0, 4.0),
        (3, 0.0, 4.0),
        (4, 1.0, 16.0),
        (5, 1.0, 30.0),
        (6, 1.0, 30.0),
        (2000, 1.0, 30.0),
    ],
)
def test_own_backoff_doubles_up_to_thirty_seconds(retries, jitter, expected):
    """Without advice the pauses double from one second up to thirty, shortened by up to a half at random."""
    policy = RetryPolicy(max_retries=10_000, max_wait=0.0)

    assert pause_before_retry(
        _transport(BrevoConnectError), policy, retries=retries, waited=0.0, jitter=jitter
    ) == pytest.approx(expected)


@pytest.mark.parametrize(("retries", "goes_on"), [(0, True), (4, True), (5, False), (6, False)])
def test_retries_are_bounded(retries, goes_on):
    """After max_retries retries it is over."""
    pause = pause_before_retry(_answer(BrevoServerError), POLICY, retries=retries, waited=0.0, jitter=0.5)

    assert (pause is not None) == goes_on


@pytest.mark.parametrize("error", [_answer(BrevoServerError, 503, 20.0), _answer(BrevoRateLimitError, 429, 20.0)])
@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 20.0), (1.0, 20.5)])
def test_advice_of_the_server_wins(error, jitter, expected):
    """The server's number of seconds takes the place of the backoff, plus a spread of half a second at most."""
    assert pause_before_retry(error, POLICY, retries=0, waited=0.0, jitter=jitter) == pytest.approx(expected)


def test_advice_longer_than_the_bound_ends_it():
    """A server that asks for more than max_wait is not waited for."""
    for error in (_answer(BrevoServerError, 503, 61.0), _answer(BrevoRateLimitError, 429, 61.0)):
        assert pause_before_retry(error, POLICY, retries=0, waited=0.0, jitter=0.0) is None


@pytest.mark.parametrize(("waited", "expected"), [(0.0, 10.0), (49.0, 10.0), (50.0, 10.0), (50.1, None), (60.0, None)])
def test_waits_for_the_rate_limit_are_bounded_by_time_alone(waited, expected):
    """A 429 is waited for until max_wait is used up, however many retries there were."""
    error = _answer(BrevoRateLimitError, 429, 10.0)

    assert pause_before_retry(error, POLICY, retries=99, waited=waited, jitter=0.0) == expected


def test_advice_of_no_wait_still_makes_a_pause():
    """A server that says 429 and zero seconds can't make the client ask without end."""
    assert pause_before_retry(_answer(BrevoRateLimitError, 429, 0.0), POLICY, retries=0, waited=0.0, jitter=0.0) > 0


def test_a_limit_that_goes_on_is_asked_less_and_less_often():
    """Without useful advice, the pauses double with each 429 in a row."""
    for advice in (None, 0.0):
        error = _answer(BrevoRateLimitError, 429, advice)
        pauses = [
            pause_before_retry(error, POLICY, retries=0, throttled=count, waited=0.0, jitter=1.0) for count in range(4)
        ]
        assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_no_wait_allowed_means_no_wait():
    """With max_wait 0 the first 429 is the last."""
    policy = RetryPolicy(max_retries=5, max_wait=0.0)

    assert pause_before_retry(_answer(BrevoRateLimitError, 429), policy, retries=0, waited=0.0, jitter=0.0) is None
