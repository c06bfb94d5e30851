"""Holding requests back before Brevo has to refuse them.

Brevo announces its limits in the headers of every answer, and no document says which window they describe. So nothing
about them is hard-wired: whatever the window, a remaining count of zero means waiting for the announced reset.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REMAINING_HEADER = "x-sib-ratelimit-remaining"
RESET_HEADER = "x-sib-ratelimit-reset"

_LONGEST_RESET = 86_400.0
"""Seconds; a reset further away than a day is taken for a mistake."""


def seconds_until_reset(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds remain until the limit is renewed, or ``None`` where the headers don't say.

    :param headers: headers of an answer, found by lower-case names.
    """
    try:
        seconds = float(headers.get(RESET_HEADER, ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= _LONGEST_RESET else None


class RateLimiter:
    """Keeps each endpoint below its limit. Safe to share between threads.

    :param requests_per_second: ceiling set by the user for every endpoint, or ``None``.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, *, requests_per_second: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next_free: dict[str, float] = {}
        self._blocked_until: dict[str, float] = {}

    def wait_needed(self, endpoint: str, *, at_most: float) -> float:
        """Take the next free place and return the seconds until it comes.

        :param endpoint: method and path, the unit that Brevo's limits count by.
        :param at_most: seconds that the caller can wait; no place is taken if more would be needed.
        """
        with self._lock:
            now = self._clock()
            start = max(now, self._next_free.get(endpoint, now), self._blocked_until.get(endpoint, now))
            if start - now <= at_most:
                self._next_free[endpoint] = start + self._interval
            return start - now

    def learn(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """Take over what an answer says about the endpoint's limit.

        :param endpoint: method and path.
        :param headers: headers of the answer, found by lower-case names.
        """
        if headers.get(REMAINING_HEADER, "").strip() != "0":
            return
        reset = seconds_until_reset(headers)
        if reset is not None:
            with self._lock:
                self._blocked_until[endpoint] = max(self._blocked_until.get(endpoint, 0.0), self._clock() + reset)
