"""Sets of whole numbers that are mostly runs of neighbours: millions of events in a few bytes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Ranges:
    """A set of whole numbers from 0, kept as disjoint runs. Adding and removing cost what the number of runs costs.

    :param runs: pairs of first number and number after the last.
    """

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in runs:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Add the numbers from ``start`` up to, and without, ``stop``."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)  # runs that end before start stay as they are
        last = bisect_right(self._starts, stop)  # as do those that begin after stop
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """Remove the numbers from ``start`` up to, and without, ``stop``; those that aren't there don't matter."""
        if start >= stop:
            return
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        if first >= last:
            return
        pieces = [(self._starts[first], start), (stop, self._stops[last - 1])]
        kept = [(low, high) for low, high in pieces if low < high]
        self._starts[first:last] = [low for low, _ in kept]
        self._stops[first:last] = [high for _, high in kept]

    def clear(self) -> None:
        """Remove all."""
        self._starts.clear()
        self._stops.clear()

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._stops[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield each run as its first number and the number after its last."""
        return zip(self._starts, self._stops, strict=True)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # it changes

    def count(self) -> int:
        """Return how many numbers there are."""
        return sum(self._stops) - sum(self._starts)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def __str__(self) -> str:
        """Name the runs for people, both ends included."""
        return ", ".join(f"{start}" if stop - start == 1 else f"{start}-{stop - 1}" for start, stop in self)

    def to_json(self) -> list[int]:
        """Return lengths of gaps and runs in turn: short numbers, however far into the source they lie."""
        deltas: list[int] = []
        at = 0
        for start, stop in self:
            deltas += [start - at, stop - start]
            at = stop
        return deltas

    @classmethod
    def from_json(cls, deltas: list[int]) -> Ranges:
        """Read what :meth:`to_json` wrote.

        :raises ValueError: it isn't that.
        """
        if len(deltas) % 2 or not all(type(delta) is int and delta >= 0 for delta in deltas):
            raise ValueError("no ranges")
        ranges = cls()
        at = 0
        for gap, length in zip(deltas[::2], deltas[1::2], strict=True):
            ranges.add(at + gap, at + gap + length)
            at += gap + length
        return ranges
