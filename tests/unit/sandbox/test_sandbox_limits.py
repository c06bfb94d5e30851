"""The sandbox's request limits."""

from datetime import UTC, datetime, timedelta

import pytest

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
    """Within a second of the first request only the rate is allowed; then as much again."""
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


def test_a_rate_below_one_is_refused() -> None:
    """A limit that allows nothing makes no sense."""
    with pytest.raises(ValueError, match="rate must be at least 1"):
        Limits(rate=0, clock=Clock())


def test_a_clock_set_back_opens_a_new_window() -> None:
    """A window that would start in the future is forgotten, so that reset stays within a second."""
    clock = Clock()
    limits = Limits(rate=1, clock=clock)
    limits.take("a")
    clock.move(-3600)
    allowance = limits.take("a")
    assert not allowance.exceeded
    assert allowance.reset == 1
