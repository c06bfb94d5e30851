"""The sandbox's request limits."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.sandbox.limits import Limits


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Move the hands.

        :param seconds: How far.
        """
        self.now += timedelta(seconds=seconds)


def test_a_window_is_used_up_and_opens_again() -> None:
    """Within a second only the rate is allowed; then as much again."""
    clock = Clock()
    limits = Limits(rate=2, clock=clock)
    assert [limits.take("a").remaining for _ in range(2)] == [1, 0]
    clock.move(0.99)
    refused = limits.take("a")
    assert refused.exceeded
    assert (refused.remaining, refused.reset) == (0, 1)
    clock.move(0.01)
    assert not limits.take("a").exceeded


def test_a_refused_request_does_not_prolong_the_window() -> None:
    """Asking again and again while refused costs nothing."""
    clock = Clock()
    limits = Limits(rate=1, clock=clock)
    limits.take("a")
    for _ in range(9):
        clock.move(0.1)
        assert limits.take("a").exceeded
    clock.move(0.1)
    assert not limits.take("a").exceeded


def test_endpoints_are_limited_by_themselves() -> None:
    """One endpoint's requests are not counted for another."""
    limits = Limits(rate=1, clock=Clock())
    limits.take("a")
    assert not limits.take("b").exceeded
    assert limits.take("a").exceeded


def test_looking_costs_nothing() -> None:
    """To peek tells the state and leaves it."""
    limits = Limits(rate=2, clock=Clock())
    limits.take("a")
    assert [limits.peek("a").remaining for _ in range(3)] == [1, 1, 1]
    limits.take("a")
    assert not limits.peek("a").exceeded


def test_a_reset_opens_all_windows() -> None:
    """After a reset nothing has been counted."""
    limits = Limits(rate=1, clock=Clock())
    limits.take("a")
    limits.reset()
    assert not limits.take("a").exceeded


def test_without_a_rate_nothing_is_ever_refused() -> None:
    """The headers then describe a window that stays full."""
    limits = Limits(rate=None, clock=Clock())
    allowances = [limits.take("a") for _ in range(1000)]
    assert not any(allowance.exceeded for allowance in allowances)
    headers = allowances[-1].headers()
    assert headers["x-sib-ratelimit-limit"] == headers["x-sib-ratelimit-remaining"]
    assert headers["x-sib-ratelimit-reset"] == "1"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rate": 0}, "rate must be at least 1"),
        ({"window": "hopping"}, "window must be one of fixed, sliding, not 'hopping'"),
        ({"seconds": 0}, "a window must last at least a microsecond"),
        ({"seconds": float("inf")}, "a window must last at least a microsecond"),
        ({"seconds": float("nan")}, "a window must last at least a microsecond"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(options: dict[str, Any], reason: str) -> None:
    """Nothing allowed, an unknown kind of window, and one without a length or end."""
    with pytest.raises(ValueError, match=reason):
        Limits(**{"rate": 1, "clock": Clock(), **options})


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_a_clock_set_back_opens_a_new_window(window: str) -> None:
    """What was counted in the future is forgotten, so that reset stays within a second."""
    clock = Clock()
    limits = Limits(rate=1, clock=clock, window=window)
    limits.take("a")
    clock.move(-3600)
    allowance = limits.take("a")
    assert not allowance.exceeded
    assert allowance.reset == 1


def test_fixed_windows_do_not_wait_for_the_first_request() -> None:
    """Their phase alone says when they change, for every endpoint and whenever requests come."""
    clock = Clock()
    limits = Limits(rate=1, clock=clock, phase=0.25)
    clock.move(0.2)
    first = limits.take("a")
    assert (first.exceeded, first.reset) == (False, 1)
    clock.move(0.04)
    assert limits.take("a").exceeded
    clock.move(0.01)
    assert not limits.take("a").exceeded
    assert limits.peek("b").reset == 1


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_a_reset_is_told_in_whole_seconds_rounded_up(window: str) -> None:
    """Who waits for so long never comes too early, however long the window is."""
    clock = Clock()
    limits = Limits(rate=1, clock=clock, window=window, seconds=90, phase=clock.now.timestamp() % 90)
    assert limits.peek("a").reset == 90
    assert limits.take("a").reset == 90
    clock.move(0.001)
    assert limits.peek("a").reset == 90
    clock.move(88.999)
    assert limits.peek("a").reset == 1
    clock.move(0.999)
    assert limits.take("a").exceeded
    clock.move(0.001)
    assert not limits.take("a").exceeded
    assert Limits(rate=None, clock=clock, seconds=1.5).peek("a").reset == 2


def test_a_sliding_window_frees_one_request_after_the_other() -> None:
    """Each stops to count when the window's length has passed since it; reset tells when the oldest does."""
    clock = Clock()
    limits = Limits(rate=2, clock=clock, window="sliding", seconds=10)
    limits.take("a")
    clock.move(4)
    limits.take("a")
    clock.move(5.5)
    refused = limits.take("a")
    assert (refused.exceeded, refused.remaining, refused.reset) == (True, 0, 1)
    clock.move(0.5)
    freed = limits.take("a")
    assert (freed.exceeded, freed.remaining, freed.reset) == (False, 0, 4)
    assert limits.take("a").exceeded
    assert not limits.take("b").exceeded


@given(
    steps=st.lists(st.integers(0, 400_000), min_size=1, max_size=150),
    rate=st.integers(1, 5),
    sliding=st.booleans(),
    phase=st.integers(0, 999_999),
)
def test_no_window_takes_more_than_its_rate_and_none_takes_less(
    steps: list[int], *, rate: int, sliding: bool, phase: int
) -> None:
    """A request is refused if and only if as many as are allowed were taken in its window."""
    clock = Clock()
    kind = "sliding" if sliding else "fixed"
    limits = Limits(rate=rate, clock=clock, window=kind, phase=phase / 1_000_000)
    start, taken, now = clock.now, deque[int](), 0
    for step in steps:
        now += step
        clock.now = start + timedelta(microseconds=now)
        if sliding:
            counted = sum(now - 1_000_000 < moment for moment in taken)
        else:
            counted = sum((moment - phase) // 1_000_000 == (now - phase) // 1_000_000 for moment in taken)
        exceeded = limits.take("a").exceeded
        assert exceeded == (counted >= rate)
        if not exceeded:
            taken.append(now)
