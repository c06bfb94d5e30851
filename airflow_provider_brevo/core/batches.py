"""From rows to batches that are ready to be sent: converted, checked, encoded, and packed by both of Brevo's limits."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import pickle
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import IO, TYPE_CHECKING, Any

import msgspec

from airflow_provider_brevo.core.bulk_states import MAX_EVENTS, State
from airflow_provider_brevo.core.keys import KeyedRows, Keys, json_bytes
from airflow_provider_brevo.core.payload import Converted, convert_event
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.shapes import Shape
from airflow_provider_brevo.core.sources import BrokenRow
from airflow_provider_brevo.core.validation import encode_plain, violations_of
from airflow_provider_brevo.exceptions import BrevoBulkError, BrevoSourceChangedError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_brevo.core.checkpoint import Progress
    from airflow_provider_brevo.core.keys import Key, Span
    from airflow_provider_brevo.core.mapping import EventMapping
    from airflow_provider_brevo.core.tracking_plan import TrackingPlan

MAX_BYTES = 512_000
"""Bytes of one batch in UTF-8, at most. Brevo says "512 KB": this is the reading that is valid under both."""

_OPEN, _CLOSE = b'{"events":[', b"]}"
_ENVELOPE = len(_OPEN) + len(_CLOSE)
_SPOOLED_IN_MEMORY = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An event that was not, or will not be, taken.

    :param index: place of the event in the source, from 0.
    :param where: ``here`` if it was refused before sending, ``Brevo`` if Brevo refused it.
    :param reasons: why, one sentence each, without values.
    :param rules: the rules by which to count it.
    :param event: the event as JSON, as far as it has a JSON form.
    :param violations: why, where it was refused before sending.
    """

    index: int
    where: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    event: bytes = field(default=b"null", repr=False)
    violations: tuple[Violation, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"event {self.index}: {'; '.join(self.reasons)}"

    def to_line(self) -> bytes:
        """Return the rejection as a line of JSON."""
        head = {"index": self.index, "where": self.where, "reasons": self.reasons}
        return msgspec.json.encode(head)[:-1] + b',"event":' + self.event + b"}\n"


@dataclass(kw_only=True)
class Batch:
    """Events to be sent in one request.

    :param indices: their places in the source.
    :param events: their JSON.
    :param stop: everything of the source before this place is planned once this batch is.
    :param digest: digest of everything before ``stop``.
    :param rejections: events before ``stop`` that break rules, and were not in an earlier batch.
    :param attempts: how often it was sent without an answer that settles it.
    :param throttled: how often the rate limit refused it.
    :param state: what is known of it.
    :param unknown: whether nobody knows what became of one of its requests.
    :param keys: of a source that is read by keys, those of the events.
    :param unread: of such a source, what is left to read once everything before ``stop`` is planned.
    """

    indices: list[int] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list, repr=False)
    stop: int = 0
    digest: str = ""
    rejections: list[Rejection] = field(default_factory=list, repr=False)
    attempts: int = 0
    throttled: int = 0
    state: State = State.PLANNED
    unknown: bool = False
    keys: list[Key] = field(default_factory=list, repr=False)
    unread: Sequence[Span] = field(default=(), repr=False)

    @property
    def body(self) -> bytes:
        """The request's body."""
        return b"".join((_OPEN, b",".join(self.events), _CLOSE))

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the places in the source as runs."""
        if self.indices and self.indices[-1] - self.indices[0] + 1 == len(self.indices):
            yield self.indices[0], self.indices[-1] + 1
        else:
            yield from ((index, index + 1) for index in self.indices)

    @property
    def record_bytes(self) -> int:
        """Bytes that a record of its events takes at most, if any of them are settled and the others are not."""
        places = len(json.dumps(Ranges(self.runs()).to_json(), separators=(",", ":"))) + 2 * len(self.indices)
        return places + json_bytes(self.keys)

    def part(self, places: Iterable[int]) -> Batch:
        """Return a batch of some of the events, by their places in this one."""
        places = list(places)
        return Batch(
            indices=[self.indices[at] for at in places],
            events=[self.events[at] for at in places],
            attempts=self.attempts,
            unknown=self.unknown,
            keys=[self.keys[at] for at in places] if self.keys else [],
        )


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How a row becomes an event's JSON.

    :param mapping: for flat rows; ``None`` where rows are events.
    :param timezone: for datetimes without an offset.
    :param validate: check the rules of the Events API.
    :param plan: check the team's own rules for ``event_properties``.
    """

    mapping: EventMapping | None = None
    timezone: tzinfo = UTC
    validate: bool = True
    plan: TrackingPlan | None = None
    _shape: Shape = field(default_factory=Shape, init=False, repr=False, compare=False)

    def __call__(self, index: int, row: Any) -> bytes | Rejection:
        """Convert, check and encode one row.

        :param index: its place in the source.
        :param row: an event, a flat row, or a :class:`BrokenRow`.
        """
        if isinstance(row, BrokenRow):
            return _rejection(index, [row.violation], None, place=row.place)
        violations: list[Violation] = []
        if self.mapping is not None:
            mapped = self.mapping.convert(row)
            row, violations = mapped.value, mapped.violations
        if self.validate and not violations and (encoded := self._shape.encode(row)) is not None and self._allowed(row):
            return encoded
        converted = convert_event(row, timezone=self.timezone)
        converted = Converted(value=converted.value, violations=[*violations, *converted.violations])
        violations = violations_of(converted, validate=self.validate, plan=self.plan)
        if not violations:
            encoded = encode_plain(converted.value)
            if len(encoded) + _ENVELOPE <= MAX_BYTES:
                return encoded
            violations = [_TOO_LARGE]
        return _rejection(index, violations, converted)

    def together(self, rows: list[Any]) -> list[bytes] | None:
        """Return the JSON of rows that are valid events as they are; ``None`` says nothing.

        :param rows: neighbours in a source.
        """
        if self.mapping is not None or not self.validate:
            return None
        events = self._shape.encode_all(rows)
        return events if events is not None and all(map(self._allowed, rows)) else None

    def _allowed(self, event: Mapping[str, Any]) -> bool:
        return self.plan is None or self.plan.allows(event)


_TOO_LARGE = Violation(
    pointer="",
    rule="size",
    problem=f"is too large for a batch of {MAX_BYTES:,} bytes",
    advice="send fewer or shorter properties",
)


def _rejection(index: int, violations: list[Violation], converted: Converted | None, *, place: str = "") -> Rejection:
    prefix = f"{place}: " if place else ""
    return Rejection(
        index=index,
        where="here",
        reasons=tuple(f"{prefix}{violation}" for violation in violations),
        rules=tuple(sorted({violation.rule for violation in violations})),
        event=b"null" if converted is None else encode_plain(converted.value),
        violations=tuple(violations),
    )


class Planner:
    """Turns the rows of a source into batches, in order and in flat memory.

    :param rows: the source, from its beginning.
    :param prepare: turns a row into an event's JSON, or says why not.
    :param batch_size: events in one batch, at most.
    :param resumed: what an earlier try left behind. What it settled is read, compared and left out.
    """

    def __init__(
        self,
        rows: Iterable[Any],
        prepare: Callable[[int, Any], bytes | Rejection],
        *,
        batch_size: int = MAX_EVENTS,
        resumed: Progress | None = None,
    ) -> None:
        self._rows = rows
        self._prepare = prepare
        self._batch_size = batch_size
        self._planned = resumed.planned if resumed else 0
        self._earlier_digest = resumed.digest if resumed else ""
        self._wanted = Ranges(resumed.waiting) if resumed else Ranges()
        self._keyed = rows if isinstance(rows, KeyedRows) else None
        self._keys = (resumed and resumed.keys) or Keys(column="")
        self._settled = resumed.total if resumed else 0
        self.stop = self._planned if self._keyed else 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._undigested: list[bytes] = []
        self._resent: list[Batch] = []
        self._batch, self._size = Batch(), _ENVELOPE

    @property
    def total(self) -> int:
        """How many events the source has, as far as it was read."""
        return self.stop if self._keyed is None else self._settled + self._keyed.count

    def batches(self) -> Iterator[Batch]:
        """Yield the batches; a last one may hold nothing but rejections.

        :raises BrevoSourceChangedError: the source isn't the one that an earlier try has worked on.
        """
        for index, rows in self._pieces():
            if index == self._planned:
                self._compare()
                yield from self._closed(index)
            if not self._take_all(index, rows):
                for at, row in enumerate(rows, start=index):
                    yield from self._take(at, self._prepare(at, row))
            if len(self._batch.events) == self._batch_size and self.stop > self._planned:
                yield from self._closed(self.stop)
        if self.stop <= self._planned:
            self._compare()
        yield from self._closed(self.stop)

    def _pieces(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield the rows, as many as still fit into a batch, and the place of the first of them."""
        if self._keyed is not None:
            for index, row in self._keyed.numbered(self._keys, start=self._planned):
                yield index, [row]
            return
        rows = iter(self._rows)
        while piece := list(itertools.islice(rows, self._room())):
            yield self.stop, piece
            self._digested()

    def _room(self) -> int:
        if self.stop <= self._planned:  # a batch of earlier events ends there
            return min(self._batch_size, self._planned - self.stop or self._batch_size)
        return self._batch_size - len(self._batch.events)

    def _take_all(self, index: int, rows: list[Any]) -> bool:
        """Add rows that are valid as they are; return whether they are."""
        if index < self._planned or self._keyed is not None or not isinstance(self._prepare, Preparation):
            return False
        events = self._prepare.together(rows)
        if events is None or self._size + (size := sum(map(len, events)) + len(events)) > MAX_BYTES:
            return False
        self.stop = index + len(rows)
        self._batch.indices += range(index, self.stop)
        self._batch.events += events
        self._size += size
        self._undigested += events
        return True

    def _take(self, index: int, prepared: bytes | Rejection) -> Iterator[Batch]:
        self.stop = index + 1
        is_new = index >= self._planned
        if isinstance(prepared, Rejection):
            self._undigested.append(b"!")
            if is_new:
                self._batch.rejections.append(prepared)
                if len(self._batch.rejections) == MAX_EVENTS:
                    yield from self._closed(self.stop)
            return
        if is_new or index in self._wanted:
            if self._size + len(prepared) + 1 > MAX_BYTES or len(self._batch.events) == self._batch_size:
                if is_new:
                    yield from self._closed(index)
                else:
                    self._resent.append(self._batch)
                    self._batch, self._size = Batch(), _ENVELOPE
            self._batch.indices.append(index)
            self._batch.events.append(prepared)
            if self._keyed is not None:
                self._batch.keys.append(self._keyed.key)
            self._size += len(prepared) + 1
        self._undigested.append(prepared)

    def _closed(self, stop: int) -> Iterator[Batch]:
        for batch in (*self._resent, self._batch):
            if batch.events or batch.rejections:
                batch.stop, batch.digest = stop, self._digested()
                if self._keyed is not None:
                    batch.unread = self._keyed.unread(stop)
                yield batch
        self._resent, self._batch, self._size = [], Batch(), _ENVELOPE

    def _digested(self) -> str:
        """Return the digest of all rows until here."""
        if self._undigested:
            self._undigested.append(b"")
            self._digest.update(b"\n".join(self._undigested))
            self._undigested.clear()
        return self._digest.hexdigest()

    def _compare(self) -> None:
        if self._keyed is not None:
            return
        if self.stop < self._planned:
            raise _changed("it has become shorter")
        if self._planned and self._digested() != self._earlier_digest:
            raise _changed("events at its beginning have changed")


def _changed(how: str) -> BrevoSourceChangedError:
    return BrevoSourceChangedError(
        f"The source isn't the one that an earlier try has sent events of: {how}",
        advice="give the task the same source again, with new rows at its end only; to send this one from its"
        " beginning, clear the task",
    )


class Spool:
    """Batches in a temporary file that nobody else can open: what was checked is what is sent.

    Small sources stay in memory.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_IN_MEMORY)  # noqa: SIM115 # closed by close

    def add(self, batch: Batch) -> None:
        """Append a batch.

        :raises BrevoBulkError: the file can't be written, as for a full disk.
        """
        with _explained():
            pickle.dump(batch, self._file, protocol=pickle.HIGHEST_PROTOCOL)

    def batches(self) -> Iterator[Batch]:
        """Yield the batches in the order in which they were added.

        :raises BrevoBulkError: the file can't be written.
        """
        with _explained():
            self._file.seek(0)  # writes what is buffered
        with contextlib.suppress(EOFError):
            while True:
                yield pickle.load(self._file)  # noqa: S301 # nobody else can have written to it

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # from a last write, which nobody needs
            self._file.close()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        failure = BrevoBulkError(
            f"The events can't be spooled to a temporary file ({error.strerror or type(error).__name__})",
            advice="nothing was sent; make room in the folder for temporary files (TMPDIR), or use"
            " on_invalid='skip', which needs no file",
        )
        failure.retry_later = True
        raise failure from error
