"""Request limits per endpoint, and the headers in which Brevo reports them."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

_WINDOW = timedelta(seconds=1)
_NEVER_REACHED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an endpoint still allows at one moment.

    :param limit: Requests a window.
    :param remaining: Requests left in this window.
    :param reset: Seconds until the window ends, rounded up.
    :param exceeded: Whether the request that asked is one too many.
    """

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Give the headers every answer carries. ``reset`` is time remaining, not a point in time."""
        return {
            "x-sib-ratelimit-limit": str(self.limit),
            "x-sib-ratelimit-remaining": str(self.remaining),
            "x-sib-ratelimit-reset": str(self.reset),
        }


class Limits:
    """A fixed window of one second for each endpoint, opened by its first request.

    Which kind of window Brevo keeps is not documented; a fixed one is the simplest that its headers describe.

    :param rate: Requests a second for each endpoint; None for a limit that is never reached.
    :param clock: Gives the time.
    """

    def __init__(self, *, rate: int | None, clock: Callable[[], datetime]) -> None:
        if rate is not None and rate < 1:
            raise ValueError("rate must be at least 1 request a second")
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[datetime, int]] = {}

    def take(self, endpoint: str) -> Allowance:
        """Count one request.

        :param endpoint: What is limited by itself, such as ``POST /v3/events``.
        """
        return self._allowance(endpoint, requests=1)

    def peek(self, endpoint: str) -> Allowance:
        """Tell the state without counting a request.

        :param endpoint: What is limited by itself, such as ``POST /v3/events``.
        """
        return self._allowance(endpoint, requests=0)

    def reset(self) -> None:
        """Open all windows anew."""
        with self._lock:
            self._windows.clear()

    def _allowance(self, endpoint: str, *, requests: int) -> Allowance:
        if self._rate is None:
            return Allowance(limit=_NEVER_REACHED, remaining=_NEVER_REACHED, reset=1)
        with self._lock:
            now = self._clock()
            opened, used = self._windows.get(endpoint, (now, 0))
            if not opened <= now < opened + _WINDOW:
                opened, used = now, 0
            exceeded = used + requests > self._rate
            if requests and not exceeded:
                used += requests
                self._windows[endpoint] = (opened, used)
            return Allowance(
                limit=self._rate,
                remaining=self._rate - used,
                reset=math.ceil((opened + _WINDOW - now).total_seconds()),
                exceeded=exceeded,
            )
