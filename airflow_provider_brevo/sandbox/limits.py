"""Request limits per endpoint, and the headers in which Brevo reports them."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WINDOWS = ("fixed", "sliding")
"""The kinds of window; which of them Brevo keeps is not documented."""

_SECOND = 1_000_000
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER_REACHED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an endpoint still allows at one moment.

    :param limit: Requests a window.
    :param remaining: Requests left in this window.
    :param reset: Seconds until more are allowed, rounded up.
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
    """So many requests a window, for each endpoint by itself.

    - ``fixed``: one window follows the other, whether or not requests come. Where in a second they change is not
      known to a client: it is ``phase``. All endpoints change at once. ``reset`` is the time until the next window.
    - ``sliding``: the requests of the last ``seconds`` count, at every moment anew. ``reset`` is the time until the
      oldest of them stops to count, which makes room for one request, not for all.

    A request that is refused does not count in either: asking again and again while refused costs nothing.

    :param rate: Requests a window for each endpoint; None for a limit that is never reached.
    :param clock: Gives the time.
    :param window: One of :data:`WINDOWS`.
    :param seconds: How long a window is.
    :param phase: When fixed windows begin: so many seconds after every whole multiple of ``seconds``.
    :raises ValueError: if a value is out of range.
    """

    def __init__(
        self,
        *,
        rate: int | None,
        clock: Callable[[], datetime],
        window: str = "fixed",
        seconds: float = 1.0,
        phase: float = 0.0,
    ) -> None:
        if rate is not None and rate < 1:
            raise ValueError("rate must be at least 1 request a window")
        if window not in WINDOWS:
            raise ValueError(f"window must be one of {', '.join(WINDOWS)}, not {window!r}")
        if not _MICROSECOND.total_seconds() <= seconds < float("inf"):
            raise ValueError("a window must last at least a microsecond")
        self._rate = rate
        self._clock = clock
        self._length = round(seconds * _SECOND)
        self._phase = round(phase * _SECOND) % self._length
        self._is_sliding = window == "sliding"
        self._lock = threading.Lock()
        self._used: dict[str, tuple[int, int]] = {}
        self._times: dict[str, deque[int]] = {}

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
        """Forget what was counted."""
        with self._lock:
            self._used.clear()
            self._times.clear()

    def _allowance(self, endpoint: str, *, requests: int) -> Allowance:
        if self._rate is None:
            return Allowance(limit=_NEVER_REACHED, remaining=_NEVER_REACHED, reset=-(-self._length // _SECOND))
        count = self._count_sliding if self._is_sliding else self._count_fixed
        with self._lock:
            # Whole microseconds: sums of floats would move a window's end.
            used, left, exceeded = count(endpoint, (self._clock() - _EPOCH) // _MICROSECOND, self._rate, requests)
        return Allowance(limit=self._rate, remaining=self._rate - used, reset=-(-left // _SECOND), exceeded=exceeded)

    def _count_fixed(self, endpoint: str, now: int, rate: int, requests: int) -> tuple[int, int, bool]:
        """Count in the window of this moment; any other, also a later one of a clock set back, is forgotten."""
        window, elapsed = divmod(now - self._phase, self._length)
        counted, used = self._used.get(endpoint, (window, 0))
        used = used if counted == window else 0
        exceeded = used + requests > rate
        if requests and not exceeded:
            used += requests
            self._used[endpoint] = (window, used)
        return used, self._length - elapsed, exceeded

    def _count_sliding(self, endpoint: str, now: int, rate: int, requests: int) -> tuple[int, int, bool]:
        times = self._times.setdefault(endpoint, deque()) if requests else self._times.get(endpoint, deque())
        if times and times[-1] > now:
            # The clock was set back: what it said before means nothing now.
            times.clear()
        while times and times[0] <= now - self._length:
            times.popleft()
        exceeded = len(times) + requests > rate
        if requests and not exceeded:
            times.append(now)
        return len(times), times[0] + self._length - now if times else self._length, exceeded
