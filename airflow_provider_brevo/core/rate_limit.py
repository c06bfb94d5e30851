"""Holding requests back before Brevo has to refuse them.

Brevo announces its limits in the headers of every answer, and no document says which window they describe. So nothing
about them is hard-wired: :mod:`airflow_provider_brevo.core.pacing` infers it, endpoint by endpoint.
"""

from __future__ import annotations

import math
import random
import threading
import time
from typing import TYPE_CHECKING

from airflow_provider_brevo.core.pacing import Pace, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIMIT_HEADER = "x-sib-ratelimit-limit"
REMAINING_HEADER = "x-sib-ratelimit-remaining"
RESET_HEADER = "x-sib-ratelimit-reset"

_TOO_MANY_REQUESTS = 429

_LONGEST_RESET = 86_400.0
"""Seconds; a reset further away than a day is taken for a mistake."""

_HIGHEST_COUNT = 1_000_000_000
"""Requests; a higher limit is taken for a mistake."""


def seconds_until_reset(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds remain until the limit is renewed, or ``None`` where the headers don't say.

    :param headers: headers of an answer, found by lower-case names.
    """
    return _number(headers, RESET_HEADER, at_most=_LONGEST_RESET)


def _count(headers: Mapping[str, str], name: str) -> int | None:
    number = _number(headers, name, at_most=_HIGHEST_COUNT)
    return None if number is None else int(number)


def _number(headers: Mapping[str, str], name: str, *, at_most: float) -> float | None:
    try:
        number = float(headers.get(name, ""))
    except ValueError:
        return None
    return number if 0 <= number <= at_most else None  # NaN is in no range


class RateLimiter:
    """Keeps each endpoint below its limit. Safe to share between threads.

    :param requests_per_second: ceiling set by the user for every endpoint, or ``None``. Headers may only lower it.
    :param clock: a monotonic clock, in seconds.
    :param jitter: returns random numbers from 0 to 1, so that processes that share an account don't move in step.
    """

    def __init__(
        self,
        *,
        requests_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ceiling = requests_per_second or None
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._next_free: dict[str, float] = {}
        self._paces: dict[str, Pace] = {}

    def now(self) -> float:
        """Return the time by the limiter's clock, for ``sent`` of :meth:`learn`."""
        return self._clock()

    def wait_needed(self, endpoint: str, *, at_most: float) -> float:
        """Take the next free place and return the seconds until it comes.

        Who can wait for an answer meanwhile asks with ``at_most=0`` and again when the seconds are over: the answer
        may change them.

        :param endpoint: method and path, the unit that Brevo's limits count by.
        :param at_most: seconds that the caller can wait; no place is taken if more would be needed.
        """
        with self._lock:
            now = self._clock()
            pace = self._pace(endpoint)
            start = max(pace.next_place(now), self._next_free.get(endpoint, now))
            if start - now <= at_most:
                pace.take(start)
                if self._ceiling:
                    self._next_free[endpoint] = start + 1 / self._ceiling
            return start - now

    def learn(self, endpoint: str, headers: Mapping[str, str], *, status: int = 200, sent: float | None = None) -> None:
        """Take over what an answer says about the endpoint's limit.

        :param endpoint: method and path.
        :param headers: headers of the answer, found by lower-case names.
        :param status: HTTP status of the answer.
        :param sent: when its request was sent, by :meth:`now`; just now where ``None``.
        """
        told = Told(
            limit=_count(headers, LIMIT_HEADER),
            remaining=_count(headers, REMAINING_HEADER),
            reset=seconds_until_reset(headers),
        )
        with self._lock:
            now = self._clock()
            sent = now if sent is None or not math.isfinite(sent) else min(sent, now)
            self._pace(endpoint).learn(told, now=now, sent=sent, refused=status == _TOO_MANY_REQUESTS)

    def rate(self, endpoint: str) -> float | None:
        """Return the requests per second that are aimed at, or ``None`` where nothing holds them back evenly.

        :param endpoint: method and path.
        """
        with self._lock:
            rates = [rate for rate in (self._ceiling, self._pace(endpoint).rate) if rate]
        return min(rates, default=None)

    def _pace(self, endpoint: str) -> Pace:
        pace = self._paces.get(endpoint)
        if pace is None:
            pace = self._paces[endpoint] = Pace(jitter=self._jitter)
        return pace
