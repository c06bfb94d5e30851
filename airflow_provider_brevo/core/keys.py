"""Sources that are read in the order of a key: a later try goes on from a key, also if rows came between meanwhile.

The places of rows shift when rows come between them, and so does the digest of what was read. Keys don't. What is left
to read is a list of spans of keys: those of events that were planned and not settled, and all beyond the last one that
was planned. Whoever reads compares keys, as a database does: here they are only kept, and tested for being equal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from airflow_provider_brevo.exceptions import BrevoSourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_brevo.core.ranges import Ranges

Key = int | str | Decimal | date | datetime | UUID

MAX_KEY = 100
"""Bytes of a key as JSON, at most: those of several thousand events may have to be recorded at once."""

_TYPES: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    int: ("int", int, int),
    str: ("text", str, str),
    Decimal: ("decimal", str, Decimal),
    date: ("date", date.isoformat, date.fromisoformat),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    UUID: ("uuid", str, UUID),
}
"""By type: its name in the checkpoint, what makes JSON of it, what reads that."""

_ORDERED = (int, date)
"""Types that every database puts in the same order: that of text is a matter of the collation."""

_READERS = {name: read for name, _, read in _TYPES.values()}


def json_bytes(keys: Iterable[Key]) -> int:
    """Return how many bytes keys take in a checkpoint."""
    return len(json.dumps([_TYPES[type(key)][1](key) for key in keys], separators=(",", ":")))


class Span(NamedTuple):
    """A run of keys.

    :param low: where it begins; ``None`` for the first key there is.
    :param high: the last key in it; ``None`` for all that there are.
    :param above: whether ``low`` itself is left out.
    """

    low: Key | None = None
    high: Key | None = None
    above: bool = True

    @property
    def bounds(self) -> tuple[Key | None, ...]:
        """The span in short, as a checkpoint holds it: two keys, the first of which is left out; or one, or three."""
        if self.above:
            return self.low, self.high
        return (self.low,) if self.low == self.high else (self.low, self.low, self.high)

    @classmethod
    def of(cls, *bounds: Key | None) -> Span:
        """Return the span of what :attr:`bounds` gave."""
        return cls(bounds[0], bounds[-1], above=len(bounds) == 2)  # noqa: PLR2004 # see above


ALL = (Span(),)


@dataclass(kw_only=True)
class Keys:
    """What a checkpoint knows of keys.

    :param column: the column that holds them.
    :param unread: what was not planned yet, in order.
    :param of: keys of planned events by their places: of all that are not settled, and of some that are.
    """

    column: str
    unread: Sequence[Span] = ALL
    of: dict[int, Key] = field(default_factory=dict)
    _enough: int = 1000

    @property
    def kind(self) -> type | None:
        """The type of the keys, which is one; ``None`` while none is known."""
        known = [*(span.low for span in self.unread[:1]), *islice(self.of.values(), 1)]
        return next((type(key) for key in known if key is not None), None)

    def note(self, places: Iterable[int], keys: Iterable[Key], unsettled: Iterable[Ranges]) -> None:
        """Remember the keys of events, and forget now and then those of settled ones."""
        self.of.update(zip(places, keys, strict=True))
        if len(self.of) > self._enough:
            self.of = {at: key for at, key in self.of.items() if any(at in ranges for ranges in unsettled)}
            self._enough = 1000 + 2 * len(self.of)

    def read_again(self, unsettled: Ranges) -> None:
        """Count events as not planned, by their places.

        Only a new try may do that: the places of events of earlier tries mean nothing to it.
        """
        again = [Span(self.of[start], self.of[stop - 1], above=False) for start, stop in unsettled]
        self.unread = [*again, *self.unread]
        self.of.clear()

    def to_json(self, unsettled: Iterable[Ranges]) -> dict[str, Any]:
        """Return a JSON object with all that a later try needs.

        :param unsettled: places of the events that are planned and not settled.
        """
        ends = [at for ranges in unsettled for start, stop in ranges for at in {start: 0, stop - 1: 0}]
        name, write, _ = _TYPES[self.kind or int]
        return {
            "column": self.column,
            "type": name,
            "unread": [[None if key is None else write(key) for key in span.bounds] for span in self.unread],
            "ends": [write(self.of[at]) for at in ends],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], unsettled: Iterable[Ranges]) -> Keys:
        """Read what :meth:`to_json` wrote.

        :raises LookupError, TypeError, ValueError, ArithmeticError: it isn't that.
        """
        read = _READERS[content["type"]]
        ends = [at for ranges in unsettled for start, stop in ranges for at in {start: 0, stop - 1: 0}]
        return cls(
            column=str(content["column"]),
            unread=[Span.of(*(None if key is None else read(key) for key in bounds)) for bounds in content["unread"]],
            of=dict(zip(ends, map(read, content["ends"]), strict=True)),
        )


class KeyedRows:
    """The rows of a source, in the order of a key that is unique.

    :param column: the column that holds the key.
    :param read: reads the rows of a span, in the order of their keys.
    :param drop: leave the key out of the rows.
    """

    def __init__(self, column: str, read: Callable[[Span], Iterable[dict[str, Any]]], *, drop: bool = False) -> None:
        self.column = column
        self.count = 0
        self.key: Any = None
        self._read = read
        self._take = dict.pop if drop else dict.get
        self._kind: type | None = None
        self._left: Sequence[Span] = ()
        self._place = -1
        self._at: tuple[int, Key | None] = (0, None)
        self._before: tuple[int, Key | None] = (0, None)

    def numbered(self, keys: Keys, *, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the rows that are left, each with a place that no other row had in any try.

        A place is left free between spans, so that places that are neighbours mean keys that are neighbours.

        :param keys: what is left.
        :param start: the first place.
        :raises BrevoSourceError: a key can't be used.
        """
        self._left, self._kind = keys.unread, keys.kind
        for number, span in enumerate(self._left):
            for row in self._read(span):
                self._place = start + number + self.count
                self.count += 1
                self.key = self._checked(self._take(row, self.column, None))
                self._before, self._at = self._at, (number, self.key)
                yield self._place, row

    def unread(self, stop: int) -> Sequence[Span]:
        """Return what is left beyond a place: the one of the row that was read last, or the one after it."""
        number, key = self._at if stop > self._place else self._before
        if key is None:
            return self._left
        span = self._left[number]
        return [*([] if key == span.high else [Span(key, span.high)]), *self._left[number + 1 :]]

    def _checked(self, key: Any) -> Key:
        kind = type(key)
        if key is None:
            problem, advice = "is NULL", "choose a column without NULLs, or leave such rows out by a WHERE"
        elif kind not in _TYPES or self._kind not in {None, kind}:
            problem = f"is a {kind.__name__}" + (f", after one that is a {self._kind.__name__}" if self._kind else "")
            advice = "choose a column of whole numbers, text, decimals, dates, times or UUIDs, all of one type"
        elif key == self.key:
            problem, advice = "is that of the row before", "choose a column whose values are unique"
        elif kind in _ORDERED and self.key is not None and key < self.key:
            problem, advice = "comes before that of the row before", "choose a column that the query can be ordered by"
        elif json_bytes([key]) > MAX_KEY + 2:
            problem, advice = f"is longer than {MAX_KEY} bytes", "choose a column with shorter values"
        else:
            self._kind = kind
            return key  # type: ignore[no-any-return] # one of the types above
        raise BrevoSourceError(f"The key {self.column!r} of row {self.count} {problem}", advice=advice)
