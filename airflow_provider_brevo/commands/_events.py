"""Events from a file or from standard input, each with its place, and what is wrong with them."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
import zlib
from dataclasses import dataclass
from datetime import UTC
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_brevo.core.batches import Preparation, Rejection
from airflow_provider_brevo.core.sources import MAX_LINE, Format, format_of, read_rows
from airflow_provider_brevo.exceptions import BrevoSourceError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_brevo.core.tracking_plan import TrackingPlan

_BOM = b"\xef\xbb\xbf"
_CHUNK = 65_536
_KEPT_IN_MEMORY = 4_000_000
_EVENTS_BETWEEN_REPORTS = 500


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One reason why one event is invalid.

    :param file: the file's name as it was given.
    :param line: the line of the event, from 1, in JSON Lines; else ``None``.
    :param index: the event's place among the events, from 0.
    :param violation: what is wrong, without any value.
    """

    file: str
    line: int | None
    index: int
    violation: Violation

    def __str__(self) -> str:
        place = f"{self.file}: event {self.index}" if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.violation}"


@dataclass(kw_only=True)
class Checked:
    """How many events were checked.

    :param total: all of them.
    :param invalid: those that break rules.
    """

    total: int = 0
    invalid: int = 0

    def __str__(self) -> str:
        events = "event" if self.total == 1 else "events"
        if self.invalid:
            return f"{self.invalid} of {self.total} {events} {'is' if self.invalid == 1 else 'are'} invalid"
        return f"{self.total} {events} checked, all valid"


class Events:
    """The events of a file. They can be read as often as wanted, standard input too.

    :param name: the file, or ``-`` for standard input.
    :raises BrevoSourceError: it can't be opened, or not as events.
    """

    def __init__(self, name: str) -> None:
        self.name = "<stdin>" if name == "-" else name
        self._format: Format = "jsonl"
        self._gzipped = False
        if name != "-":
            self._format, self._gzipped = _format_of(name)
        self._file = _standard_input() if name == "-" else _opened(name)
        self._one = False
        if name == "-" or self._format == "json":
            self._look(may_be_lines=name == "-")
        self.size = self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self) -> int:
        """Return how many bytes of the file were read."""
        return self._file.tell()

    def __iter__(self) -> Iterator[Any]:
        """Yield the events from the beginning."""
        return (event for _, event in self.located())

    def located(self) -> Iterator[tuple[int | None, Any]]:
        """Yield the events from the beginning, each with its line in JSON Lines and ``None`` elsewhere.

        :raises BrevoSourceError: nothing, or nothing more, can be read.
        """
        stream: Any = _LineByLine(self._unpacked()) if self._format == "jsonl" else self._unpacked()
        if self._one:
            stream = _InBrackets(stream)
        try:
            rows = read_rows(stream, format=self._format)
            for row in _the_only(rows) if self._one else rows:
                yield stream.number if self._format == "jsonl" else None, row
        except BrevoSourceError as error:
            error.problem = f"{self.name}: {error.problem}"
            raise

    def check(
        self, prepare: Preparation, checked: Checked, report: Callable[[int], None] = lambda _: None
    ) -> Iterator[Finding]:
        """Check the events, and yield all that is wrong with them.

        :param prepare: turns an event into its JSON, or says why not.
        :param checked: takes the counts.
        :param report: is called with the bytes read, from time to time.
        :raises BrevoSourceError: nothing, or nothing more, can be read; or there are no events.
        """
        for index, (line, row) in enumerate(self.located()):
            checked.total += 1
            prepared = prepare(index, row)
            if isinstance(prepared, Rejection):
                checked.invalid += 1
                for violation in prepared.violations:
                    yield Finding(file=self.name, line=line, index=index, violation=violation)
            if index % _EVENTS_BETWEEN_REPORTS == 0:
                report(self.read())
        if not checked.total:
            raise BrevoSourceError(f"{self.name} holds no events", advice="check what was to write it")

    def preparation(self, plan: TrackingPlan | None) -> Preparation:
        """Return how the events are checked.

        :param plan: the team's own rules, if any.
        """
        timezone: Any = UTC
        if self._format == "parquet":  # JSON has no datetimes, and does without Airflow
            from airflow_provider_brevo._compat import default_timezone  # noqa: PLC0415 # see above

            timezone = default_timezone()
        return Preparation(timezone=timezone, plan=plan)

    def _unpacked(self) -> Any:
        self._file.seek(0)
        return gzip.GzipFile(fileobj=self._file, mode="rb") if self._gzipped else self._file

    def _look(self, *, may_be_lines: bool) -> None:
        """Tell one event, an array, and one event a line apart."""
        try:
            stream = self._unpacked()
            line = stream.readline(MAX_LINE + 1).removeprefix(_BOM).strip()
            while not line and (more := stream.readline(MAX_LINE + 1)):
                line = more.strip()
        except (OSError, EOFError, zlib.error):  # told when it is read
            return
        if line.startswith(b"{"):
            self._one = not (may_be_lines and line.endswith(b"}"))
        elif may_be_lines and line and not line.startswith(b"["):
            raise BrevoSourceError(
                f"{self.name} holds no events", advice="give JSON: one event, an array of events, or one event a line"
            )
        if self._one or line.startswith(b"["):
            self._format = "json"


def tracking_plan(name: str | None) -> TrackingPlan | None:
    """Return the tracking plan in a file.

    :param name: a JSON file of schemas by event name, or ``None``.
    :raises BrevoUsageError: it holds none that can be used.
    :raises BrevoSourceError: it can't be opened.
    """
    if name is None:
        return None
    from airflow_provider_brevo.core.tracking_plan import TrackingPlan  # noqa: PLC0415 # seldom needed

    with _opened(name) as file:
        return TrackingPlan.of_file(file.read(), name)


class _LineByLine:
    """Gives out a file line by line, and knows the number of the last one.

    The reader of JSON Lines asks for more only when it needs the next line.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._within = False
        self.number = 0

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.readline(size)
        self.number += not self._within
        self._within = not piece.endswith(b"\n")
        return piece


class _InBrackets:
    """Makes an array of the one value in a file."""

    def __init__(self, stream: Any) -> None:
        self._pieces = self._read(stream)

    def read(self, _: int) -> bytes:
        return next(self._pieces, b"")

    def _read(self, stream: Any) -> Iterator[bytes]:
        yield b"["
        piece = stream.read(_CHUNK).removeprefix(_BOM)
        while piece:
            yield piece
            piece = stream.read(_CHUNK)
        yield b"]"


def _the_only(rows: Iterator[Any]) -> Iterator[Any]:
    for index, row in enumerate(rows):
        if index:
            raise BrevoSourceError(
                "The source holds more than one event", advice="write […] around them, or one a line as .jsonl"
            )
        yield row


def _format_of(name: str) -> tuple[Format, bool]:
    try:
        found, gzipped = format_of(name)
    except BrevoSourceError as error:
        raise BrevoSourceError(
            f"The name of {name} does not end in a format that can be read",
            advice="use .json, .jsonl or .ndjson, each also with .gz after it, or .parquet",
        ) from error
    if found == "csv":
        raise BrevoSourceError(
            f"{name} is CSV, which is events only by an EventMapping",
            advice="check and send it by BrevoBulkCreateEventsOperator with mapping= and, to check only,"
            " validate_only=True",
        )
    return found, gzipped


def _opened(name: str) -> IO[bytes]:
    try:
        file = open(name, "rb")  # noqa: PTH123, SIM115 # closed by close()
        return file if file.seekable() else _copy_of(file)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
    raise BrevoSourceError(f"{name} can't be opened ({reason})", advice="check the name, and that you may read it")


def _standard_input() -> IO[bytes]:
    try:
        if sys.stdin is None:
            raise OSError("it is closed")  # noqa: TRY301 # as Python has it
        return _copy_of(sys.stdin.buffer)
    except OSError as error:
        reason = error.strerror or error
    raise BrevoSourceError(f"Standard input can't be read ({reason})", advice="name a file, or pipe events into it")


def _copy_of(pipe: IO[bytes]) -> IO[bytes]:
    copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY)  # noqa: SIM115 # closed by close()
    shutil.copyfileobj(pipe, copy)
    return copy
