"""The limiter of each endpoint."""

import threading

import pytest

from airflow_provider_brevo.core.rate_limit import RateLimiter, seconds_until_reset

EVENTS = "POST /events"
USED_UP = {"x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": "7"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """Stand for the monotonic clock."""
    return Clock()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0.5", 0.5),
        ("86400", 86_400.0),
        ("86401", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_reset_header_is_read_or_ignored(value, expected):
    """A number of seconds up to a day is taken, anything else counts as no header."""
    assert seconds_until_reset({"x-sib-ratelimit-reset": value}) == expected


def test_missing_reset_header_says_nothing():
    """Without the header nobody knows when the limit is renewed."""
    assert seconds_until_reset({}) is None


def test_requests_go_singly_until_something_is_known(clock):
    """Before the first answer requests are a tenth of a second apart."""
    limiter = RateLimiter(clock=clock)

    assert [limiter.wait_needed(EVENTS, at_most=1.0) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2], abs=0.01)
    assert limiter.rate(EVENTS) is None


def test_nothing_is_held_back_without_ceiling_and_headers(clock):
    """A limiter that was answered and told of no limit never waits."""
    limiter = RateLimiter(clock=clock)
    limiter.learn(EVENTS, {})

    assert [limiter.wait_needed(EVENTS, at_most=0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_ceiling_spreads_requests_evenly(clock):
    """With 4 requests a second each place is a quarter of a second behind the last."""
    limiter = RateLimiter(requests_per_second=4, clock=clock)

    assert [limiter.wait_needed(EVENTS, at_most=60.0) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_unused_time_is_not_saved_up(clock):
    """After a pause requests don't come in a burst."""
    limiter = RateLimiter(requests_per_second=4, clock=clock)
    limiter.wait_needed(EVENTS, at_most=60.0)
    clock.now += 100

    assert [limiter.wait_needed(EVENTS, at_most=60.0) for _ in range(2)] == [0.0, 0.25]


def test_no_place_is_taken_by_who_can_not_wait(clock):
    """A caller that gives up doesn't make the next one wait longer."""
    limiter = RateLimiter(requests_per_second=4, clock=clock)
    limiter.wait_needed(EVENTS, at_most=60.0)

    assert limiter.wait_needed(EVENTS, at_most=0.1) == 0.25
    assert limiter.wait_needed(EVENTS, at_most=60.0) == 0.25


def test_used_up_limit_blocks_until_its_reset(clock):
    """A remaining count of zero holds requests back until the announced reset, and no longer."""
    limiter = RateLimiter(clock=clock)
    limiter.learn(EVENTS, USED_UP)

    assert limiter.wait_needed(EVENTS, at_most=0.0) == 7.0
    clock.now += 7
    assert limiter.wait_needed(EVENTS, at_most=0.0) == 0.0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-sib-ratelimit-remaining": "1", "x-sib-ratelimit-reset": "7"},
        {"x-sib-ratelimit-remaining": "0"},
        {"x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": "soon"},
        {"x-sib-ratelimit-remaining": "none", "x-sib-ratelimit-reset": "7"},
        {"x-sib-ratelimit-reset": "7"},
    ],
)
def test_other_headers_hold_nothing_back(clock, headers):
    """As long as something remains, or the headers make no sense, requests go on."""
    limiter = RateLimiter(clock=clock)
    limiter.learn(EVENTS, headers)

    assert limiter.wait_needed(EVENTS, at_most=60.0) == 0.0


def test_earlier_reset_does_not_shorten_a_later_one(clock):
    """Of two announcements the later reset holds, as answers may overtake each other."""
    limiter = RateLimiter(clock=clock)
    limiter.learn(EVENTS, USED_UP)
    limiter.learn(EVENTS, {**USED_UP, "x-sib-ratelimit-reset": "1"})

    assert limiter.wait_needed(EVENTS, at_most=60.0) == 7.0


def test_endpoints_have_limits_of_their_own(clock):
    """What one endpoint has used up doesn't hold back another."""
    limiter = RateLimiter(requests_per_second=1, clock=clock)
    limiter.learn(EVENTS, USED_UP)
    limiter.wait_needed(EVENTS, at_most=60.0)

    assert limiter.wait_needed("GET /account", at_most=60.0) == 0.0


def test_rate_is_the_lower_of_ceiling_and_limit(clock):
    """What is aimed at is what the user wants, or a little less than what Brevo allows."""
    limits = {"x-sib-ratelimit-limit": "10", "x-sib-ratelimit-remaining": "9", "x-sib-ratelimit-reset": "1"}
    by_user, by_brevo = RateLimiter(requests_per_second=4, clock=clock), RateLimiter(clock=clock)
    for limiter in (by_user, by_brevo):
        limiter.wait_needed(EVENTS, at_most=0.0)
        limiter.learn(EVENTS, limits)

    assert by_user.rate(EVENTS) == 4
    assert 9.7 <= by_brevo.rate(EVENTS) < 10


@pytest.mark.parametrize("sent", [float("nan"), float("-inf"), 2000.0, 999.0])
def test_time_of_sending_may_be_anything(clock, sent):
    """A time that can't be, as of another clock, does no harm."""
    limiter = RateLimiter(clock=clock)
    assert limiter.now() == 1000.0
    limiter.learn(EVENTS, USED_UP, status=429, sent=sent)

    assert limiter.wait_needed(EVENTS, at_most=0.0) == 7.0


def test_threads_never_share_a_place(clock):
    """Requests of many threads get places of their own, all as far apart as the ceiling wants."""
    limiter = RateLimiter(requests_per_second=8, clock=clock)
    waits, start = [], threading.Barrier(8)

    def work():
        start.wait()
        waits.extend(limiter.wait_needed(EVENTS, at_most=1e9) for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(waits) == [n / 8 for n in range(400)]
