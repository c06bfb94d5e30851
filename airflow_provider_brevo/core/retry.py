"""Whether and when to make a request again: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_brevo.exceptions import BrevoRateLimitError, BrevoRequestError

Delivery = Literal["at_least_once", "at_most_once"]
"""What to do with a request whose fate is uncertain: make it again, or never."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_SPREAD = 0.5
"""Seconds at most added to the server's advice, so that many tasks that were told the same don't come back at once."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Bounds for one call.

    :param max_retries: requests after the first one. A 429 doesn't count: it is bounded by ``max_wait`` alone.
    :param max_wait: seconds in all that a call may spend waiting for the rate limit.
    :param delivery: ``at_most_once`` never repeats a request that may have been taken.
    """

    max_retries: int
    max_wait: float
    delivery: Delivery = "at_least_once"


def pause_before_retry(
    error: BrevoRequestError, policy: RetryPolicy, *, retries: int, throttled: int = 0, waited: float, jitter: float
) -> float | None:
    """Decide what to do after an error.

    The server's advice wins over our own backoff, which doubles from one second up to thirty.

    :param error: what happened.
    :param policy: the bounds.
    :param retries: retries made so far, those for the rate limit not counted.
    :param throttled: retries for the rate limit made so far.
    :param waited: seconds spent waiting for the rate limit so far.
    :param jitter: a random number from 0 to 1.
    :return: seconds to wait before the next request, or ``None`` to give up.
    """
    if not error.retry_here or (error.uncertain and policy.delivery == "at_most_once"):
        return None
    limited = isinstance(error, BrevoRateLimitError)
    backoff = min(_FIRST_PAUSE * 2.0 ** min(throttled if limited else retries, 10), _LONGEST_PAUSE) * (0.5 + jitter / 2)
    advised = error.retry_after
    # Advice below a second is no help if it doesn't: then our own backoff counts.
    pause = backoff if advised is None or advised < _FIRST_PAUSE else advised + jitter * _SPREAD
    if limited:
        return pause if waited + pause <= policy.max_wait else None
    if retries >= policy.max_retries or (advised is not None and advised > policy.max_wait):
        return None
    return pause
