"""Whatever headers come, the user's ceiling holds, and nobody waits much longer than was announced."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.rate_limit import RateLimiter

EVENTS = "POST /events"
LONGEST_BACKOFF = 16 * 2.1
"""Seconds after many refusals in a row, by the longest window that is paced."""

counts = st.sampled_from(["0", "1", "2", "10", "60", "100", "36000", "1000000000", "2.5", " 7 "])
absurd = st.sampled_from(["-1", "nan", "inf", "-inf", "1e999", "1e30", "soon", "", "0x10", "²"]) | st.text(max_size=4)
resets = st.sampled_from(["0", "1", "2", "3", "60", "3600", "86400"])


def headers(limit, remaining, reset):
    """Any of the three may be missing."""
    return st.fixed_dictionaries(
        {},
        optional={
            "x-sib-ratelimit-limit": limit,
            "x-sib-ratelimit-remaining": remaining,
            "x-sib-ratelimit-reset": reset,
        },
    )


def answers(statuses):
    """Headers, status, seconds on the way, seconds until the next request."""
    any_headers = headers(counts | absurd, counts | absurd, resets | absurd)
    return st.lists(st.tuples(any_headers, statuses, st.floats(0, 40), st.floats(0, 5)), min_size=1, max_size=40)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@given(answers(st.sampled_from([202, 204, 400, 429, 500])), st.floats(0.1, 1000), st.integers(0, 2**32))
def test_ceiling_of_the_user_always_holds(script, ceiling, seed):
    """Between two places there is never less than the ceiling's interval, whatever the answers say."""
    clock = Clock()
    limiter = RateLimiter(requests_per_second=ceiling, clock=clock, jitter=random.Random(seed).random)
    last = None
    for told, status, seconds, pause in script:
        for _ in range(3):
            place = clock.now + limiter.wait_needed(EVENTS, at_most=1e9)
            assert last is None or place - last >= 1 / ceiling * (1 - 1e-9) - 1e-9
            last = place
        limiter.learn(EVENTS, told, status=status, sent=clock.now - seconds)
        rate = limiter.rate(EVENTS)
        assert 0 < rate <= ceiling
        clock.now += pause


@pytest.mark.parametrize(
    ("statuses", "more"), [([202, 400, 500], 1.0), ([202, 429], LONGEST_BACKOFF)], ids=["without 429s", "with 429s"]
)
@given(st.data())
def test_no_wait_is_much_longer_than_announced(statuses, more, data):
    """The next place is at most the longest announced reset and a second away, or the bounded pause after refusals."""
    script = data.draw(answers(st.sampled_from(statuses)))
    clock = Clock()
    limiter = RateLimiter(clock=clock, jitter=random.Random(data.draw(st.integers(0, 2**32))).random)
    announced = 0.0
    for told, status, seconds, pause in script:
        wait = limiter.wait_needed(EVENTS, at_most=0.0)
        assert 0 <= wait <= announced + more
        clock.now += wait
        if wait:
            assert limiter.wait_needed(EVENTS, at_most=1e-6) <= 1e-6
        sent = clock.now
        clock.now += seconds
        limiter.learn(EVENTS, told, status=status, sent=sent)
        announced = max(announced, announced_by(told))
        clock.now += pause


def announced_by(told):
    """Seconds that a sane reset announces."""
    try:
        seconds = float(told.get("x-sib-ratelimit-reset", "0"))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds <= 86_400 else 0.0
