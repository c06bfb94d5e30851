"""When the next request to one endpoint may be sent: places in time, handed out one by one.

Known: every answer tells a limit, how much of it remains, and in how many whole seconds it is renewed; a request too
many gets a 429. Not known: which window this describes, whether it is fixed or slides, and who else uses the account.

Inferred: the window is as long as the longest reset told lately.

*A window of about a second* is paced. A share of ``k`` whole requests is spread evenly over a cycle a little longer
than the window, so no window of either kind, wherever it begins, ever holds more than ``k``. Whole numbers are what
lets processes that don't know of each other share an account: as long as their shares add up to the limit, nobody is
ever refused. An answer proves a bound for the share: what remained, and what this process itself sent in the cycle
before. The rest is somebody else's. So shares shrink at once, mostly before a 429 has to say so. They grow by chance
and slowly, as in a fixed window what seems to remain may be about to be used. Now and then a request is given up, so
that a newcomer finds a place.

*A longer window* is not paced: requests go as they come while something remains, the ones on their way counted; then
all wait for the reset, after which single requests find out how things stand.

*A limit that the headers don't show*, told by a 429 although something remains or no header comes, is treated as
one of a second: the share is what was taken in the second before.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_INTERVAL = 0.1
"""Seconds between requests before the first answer, and after a long wait: Brevo's lowest known limit by the second."""

_PACED_WINDOW = 2.0
"""Seconds; longer windows are used as requests come."""

_MARGIN = 0.016
"""How much longer than the window a cycle is: room for requests that come 16 ms closer together than they were sent."""

_CATCH_UP = 0.009
"""Seconds that a late sender may make up for. Unlimited, they would use up the margin; none, and each would be lost."""

_PERIODS = 2.5
"""Cycles between two looks at whether the share may grow."""

_GIVE_UP = 0.005
"""Chance per cycle of giving up one request of the share."""

_HIDDEN_GROWTH = 0.1
"""Chance per period of asking for more where no header tells what remains."""

_LONGEST_BACKOFF = 16
"""Cycles between the attempts of a process that finds every place taken."""

_LAST = 100
"""Requests remaining of a longer window that are not sent as they come."""

_PROBE_PAUSE = 1.0
"""Seconds until one more request is let through when answers to those on their way are overdue."""

_REMEMBERED = 10.0
"""Seconds before the last cycle for which places are remembered, so that late answers find theirs."""


class Told(NamedTuple):
    """What the headers of an answer say; ``None`` where they say nothing that makes sense.

    :param limit: requests a window.
    :param remaining: requests that are left of it.
    :param reset: seconds until it is renewed.
    """

    limit: int | None
    remaining: int | None
    reset: float | None


class Pace:
    """The state of one endpoint. All times are seconds of one monotonic clock.

    :param jitter: returns random numbers from 0 to 1.
    """

    def __init__(self, *, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._places: list[float] = []  # when requests were sent or will be; the refused ones are taken out
        self._due = -math.inf  # the next place by the even spacing
        self._answered = False
        self._window = 0.0
        self._window_seen = -math.inf
        self._last_reset = 0.0
        # A window of about a second:
        self._paced = False
        self._share: int | None = None  # requests a cycle
        self._cycle = 1.0 + _MARGIN
        self._backoff = 1
        self._look_at = 0.0  # end of the period in which the next four were observed
        self._least, self._most = 0, 0  # remaining
        self._others = 0  # requests of others in one window
        self._refused = False
        # A longer window:
        self._remaining: int | None = None  # without the requests on their way
        self._remaining_at = -math.inf
        self._spread = 0.0
        self._blocked_until = -math.inf

    @property
    def rate(self) -> float | None:
        """Requests per second that are aimed at, or ``None`` where nothing holds them back evenly."""
        return None if self._share is None else self._share / self._cycle

    def next_place(self, now: float) -> float:
        """Tell when the next request may be sent, without taking the place.

        :param now: the time.
        """
        start = max(now, self._due, self._blocked_until)
        # Even spacing sees to this as long as the share stays; after it shrank, what is used up must become free first.
        if self._share is not None and len(self._places) >= self._share:
            start = max(start, self._places[-self._share] + self._cycle - _CATCH_UP)
        if self._remaining is not None and self._remaining < 1 and self._blocked_until <= now:
            start = max(start, self._places[-1] + _PROBE_PAUSE if self._places else now)
        return start

    def take(self, place: float) -> None:
        """Take a place.

        :param place: what :meth:`next_place` has told.
        """
        if -math.inf < self._blocked_until <= place:
            self._blocked_until, self._remaining, self._answered = -math.inf, None, False
        if self._remaining is not None:
            self._remaining -= 1
        if self._share is not None:
            interval = self._cycle / self._share * self._backoff
        else:
            interval = self._spread if self._answered else FIRST_INTERVAL
        self._due = max(self._due, place - _CATCH_UP) + interval
        if self._places and self._places[0] < place - 2 * (self._cycle + _REMEMBERED):
            del self._places[: bisect_right(self._places, place - self._cycle - _REMEMBERED)]
        self._places.append(place)

    def learn(self, told: Told, *, now: float, sent: float, refused: bool) -> None:
        """Take over what an answer says.

        :param told: its headers.
        :param now: when it came.
        :param sent: when its request was sent.
        :param refused: whether it is a 429.
        """
        first, self._answered = not self._answered, True
        if told.reset is not None:
            self._see_window(told.reset, now)
        if refused:
            self._take_out(sent)
        if told.limit is not None and told.remaining is not None and 0 < self._window <= _PACED_WINDOW:
            self._learn_short(max(1, told.limit), 0 if refused else told.remaining, now, sent, refused=refused)
        elif refused and (told.remaining or told.reset is None):
            self._learn_hidden(now, sent)
        elif told.remaining is not None or refused:
            self._learn_long(told, now, sent)
        elif self._share is not None and not self._paced:
            self._look_hidden(now)
        if first and not refused:
            self._due = min(self._due, now + (1 / self.rate if self.rate else 0.0))

    def _see_window(self, reset: float, now: float) -> None:
        """Keep the longest reset told lately. A longer one needs two answers in a row: one may be a slip."""
        longer = min(reset, self._last_reset or reset)
        self._last_reset = reset
        if longer >= self._window or now > self._window_seen + 2 * self._window:
            self._window, self._window_seen = max(1.0, longer), now

    def _take_out(self, sent: float) -> None:
        """Forget the place of a refused request: it has used up nothing."""
        index = bisect_right(self._places, sent)
        if index:
            del self._places[index - 1]

    def _own(self, sent: float) -> int:
        """Count the places of the cycle that ends with a request, itself included."""
        return bisect_right(self._places, sent) - bisect_right(self._places, sent - self._cycle + 1e-6)

    def _learn_short(self, limit: int, remaining: int, now: float, sent: float, *, refused: bool) -> None:
        if now - sent > _REMEMBERED:
            return  # what was our own then is forgotten
        if not self._paced:
            self._paced, self._remaining = True, None
            # Whoever finds others at work begins with half of what they leave.
            self._share = limit if limit - remaining <= 1 else max(1, remaining // 2)
            self._begin_period(now, remaining)
        self._cycle = self._window * (1 + _MARGIN)
        own = self._own(sent)
        # A refusal with all but one of the requests our own needs nobody else: some have overtaken each other.
        jostled = refused and own >= limit - 1
        self._others = max(self._others, limit - remaining - own - jostled)
        self._least, self._most = min(self._least, remaining), max(self._most, remaining)
        self._bound(limit if jostled else own + remaining, own, now, refused=refused)
        if now < self._look_at:
            return
        share = self._share or 1
        if self._others <= 0:
            share *= 2
        elif not self._refused and self._jitter() < 2 * (self._least / (self._most + 1)) ** 2:
            share += max(1, self._least // 4)
        if share > 1 and self._jitter() < _GIVE_UP * _PERIODS:
            share = min(share, limit) - 1
        self._share = max(1, min(share, limit))
        self._begin_period(now, remaining)

    def _bound(self, bound: int, own: int, now: float, *, refused: bool) -> None:
        self._share = max(1, min(self._share or bound, bound))
        if not refused:
            if self._backoff > 1:
                self._backoff, self._due = 1, min(self._due, now + self._cycle)
            return
        self._refused = True
        if own == 0:
            self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF)
            self._due = max(self._due, now + self._cycle * self._backoff * (0.5 + self._jitter() / 2))

    def _begin_period(self, now: float, remaining: int) -> None:
        self._look_at = now + _PERIODS * self._cycle * (0.75 + self._jitter() / 2)
        self._least = self._most = remaining
        self._others, self._refused = 0, False

    def _learn_hidden(self, now: float, sent: float) -> None:
        own = self._own(sent)
        if self._share is None:
            self._cycle = 1.0 + _MARGIN
            self._begin_period(now, 0)
        self._bound(own, own, now, refused=True)

    def _look_hidden(self, now: float) -> None:
        self._backoff = 1
        if now < self._look_at:
            return
        if self._share is not None and not self._refused and self._jitter() < _HIDDEN_GROWTH:
            self._share += max(1, self._share // 20)
        self._begin_period(now, 0)

    def _learn_long(self, told: Told, now: float, sent: float) -> None:
        if self._paced:
            self._paced, self._share = False, None
        if told.remaining is not None and sent >= self._remaining_at:
            self._remaining_at = sent
            self._remaining = told.remaining - (len(self._places) - bisect_right(self._places, sent))
            # Others may have as many requests on their way: the last ones go singly, where that loses nothing.
            self._spread = 0.0
            if told.limit and told.remaining < _LAST:
                self._spread = min(FIRST_INTERVAL, self._window / told.limit / 2)
        if not told.remaining and told.reset is not None:
            self._remaining = None
            self._blocked_until = max(self._blocked_until, now + told.reset)
        elif self._share is not None:
            self._look_hidden(now)
