"""From rows to batches that are ready to be sent: converted, checked, encoded, and packed by both of Brevo's limits."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import IO, TYPE_CHECKING, Any

import msgspec

from airflow_provider_brevo.core.bulk_states import MAX_EVENTS, State
from airflow_provider_brevo.core.payload import Converted, convert_event
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.sources import BrokenRow
from airflow_provider_brevo.core.validation import encode_if_valid, encode_plain, violations_of
from airflow_provider_brevo.exceptions import BrevoBulkError, BrevoSourceChangedError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_brevo.core.checkpoint import Progress
    from airflow_provider_brevo.core.mapping import EventMapping

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
    """

    index: int
    where: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    event: bytes = field(default=b"null", repr=False)

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
        return len(json.dumps(Ranges(self.runs()).to_json(), separators=(",", ":"))) + 2 * len(self.indices)

    def part(self, places: Iterable[int]) -> Batch:
        """Return a batch of some of the events, by their places in this one."""
        places = list(places)
        return Batch(
            indices=[self.indices[at] for at in places],
            events=[self.events[at] for at in places],
            attempts=self.attempts,
        )


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How a row becomes an event's JSON.

    :param mapping: for flat rows; ``None`` where rows are events.
    :param timezone: for datetimes without an offset.
    :param validate: check the rules of the Events API.
    """

    mapping: EventMapping | None = None
    timezone: tzinfo = UTC
    validate: bool = True

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
        if self.validate and not violations and (encoded := encode_if_valid(row)) is not None:
            return encoded
        converted = convert_event(row, timezone=self.timezone)
        violations = [*violations, *violations_of(converted, validate=self.validate)]
        if not violations:
            encoded = encode_plain(converted.value)
            if len(encoded) + _ENVELOPE <= MAX_BYTES:
                return encoded
            violations = [_TOO_LARGE]
        return _rejection(index, violations, converted)


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
        self._digest = resumed.digest if resumed else ""
        self._wanted = Ranges(resumed.waiting) if resumed else Ranges()
        self.total = 0

    def batches(self) -> Iterator[Batch]:
        """Yield the batches; a last one may hold nothing but rejections.

        :raises BrevoSourceChangedError: the source isn't the one that an earlier try has worked on.
        """
        digest = hashlib.blake2b(digest_size=16)
        earlier: list[Batch] = []
        batch, size = Batch(), _ENVELOPE
        for index, row in enumerate(self._rows):
            if index == self._planned:
                self._compare(digest.hexdigest())
                yield from self._closed([*earlier, batch], stop=index, digest=digest)
                earlier, batch, size = [], Batch(), _ENVELOPE
            self.total = index + 1
            prepared = self._prepare(index, row)
            if isinstance(prepared, Rejection):
                if index >= self._planned:
                    batch.rejections.append(prepared)
                digest.update(b"!\n")
                if len(batch.rejections) == MAX_EVENTS:
                    yield from self._closed([batch], stop=index + 1, digest=digest)
                    batch, size = Batch(), _ENVELOPE
                continue
            if index >= self._planned or index in self._wanted:
                if len(batch.events) == self._batch_size or size + len(prepared) + 1 > MAX_BYTES:
                    if index < self._planned:
                        earlier.append(batch)
                    else:
                        yield from self._closed([batch], stop=index, digest=digest)
                    batch, size = Batch(), _ENVELOPE
                batch.indices.append(index)
                batch.events.append(prepared)
                size += len(prepared) + 1
            digest.update(prepared)
            digest.update(b"\n")
        if self.total <= self._planned:
            self._compare(digest.hexdigest())
        yield from self._closed([*earlier, batch], stop=self.total, digest=digest)

    def _closed(self, batches: list[Batch], *, stop: int, digest: Any) -> Iterator[Batch]:
        for batch in batches:
            if batch.events or batch.rejections:
                batch.stop, batch.digest = stop, digest.hexdigest()
                yield batch

    def _compare(self, digest: str) -> None:
        if self.total < self._planned:
            raise _changed("it has become shorter")
        if self._planned and digest != self._digest:
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
