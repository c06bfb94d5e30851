"""Contenders that take turns, so that a busy moment of the machine hits all of them alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def take_turns(turns: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """Return the median of the rounds for each contender, in seconds.

    Each has one more turn before the rounds, which doesn't count. Every round begins with another contender.

    :param turns: by the contender's name, what takes its turn and returns the seconds it measured.
    :param rounds: how many turns count.
    """
    order = list(turns)
    for name in order:
        turns[name]()
    measured: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            measured[name].append(turns[name]())
        order.append(order.pop(0))
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def repeated(call: Callable[[], object], *, seconds: float) -> Callable[[], float]:
    """Return a turn that makes a call again and again, and returns the seconds that one takes on average.

    :param call: what is measured. It is called twice right away: to warm it up, and to see how long it takes.
    :param seconds: how long a turn should last, about.
    """
    call()
    calls = max(1, round(seconds / _time(call, 1)))
    return lambda: _time(call, calls)


def _time(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls
