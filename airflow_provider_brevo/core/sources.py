"""Rows from files: JSON Lines, CSV, Parquet and JSON arrays, read one after another.

A row that can't be read is a :class:`BrokenRow`, so that whoever reads may count it and go on. What ends reading is a
:class:`~airflow_provider_brevo.exceptions.BrevoSourceError`. Both name a place, and neither holds any of the content.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from airflow_provider_brevo.core import streams
from airflow_provider_brevo.core.strict_json import RefusedJSONError, load_array, load_json
from airflow_provider_brevo.exceptions import BrevoSourceError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import pyarrow as pa

Format = Literal["jsonl", "csv", "parquet", "json"]
Row = dict[str, Any]

MAX_LINE = 1_000_000
"""Bytes of a line, or of a CSV record over several lines. An event may hold 50 KB, so a longer line is no event."""

MAX_ARRAY = 50_000_000
"""Bytes of a JSON array, unpacked. It is held in memory as a whole."""

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".json": "json",
}
_SUPPORTED = "use .jsonl or .ndjson, .csv, .json, each also with .gz after it, or .parquet"

_PARQUET_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class BrokenRow:
    """A row that can't be read.

    :param place: ``line 17`` in a text file, as an editor counts; ``row 17`` in Parquet and in a JSON array, from 1.
        A CSV record over several lines has the line where it starts.
    :param violation: what is wrong with it, by the rules ``json``, ``size``, ``encoding``, ``cells`` and ``type``.
    """

    place: str
    violation: Violation


def format_of(name: str) -> tuple[Format, bool]:
    """Tell a file's format by its name, and whether it is packed with gzip.

    :param name: a path or URI; case doesn't matter.
    :raises BrevoSourceError: the name ends in no suffix that is known.
    """
    plain = name.lower().removesuffix(".gz")
    gzipped = len(plain) < len(name)
    for suffix, found in _SUFFIXES.items():
        if plain.endswith(suffix) and not (gzipped and found == "parquet"):
            return found, gzipped
    raise BrevoSourceError("The source's name does not end in a format that can be read", advice=_SUPPORTED)


def read_rows(
    stream: BinaryIO,
    *,
    format: Format,  # noqa: A002 # the field's word
    gzipped: bool = False,
    columns: Collection[str] = (),
) -> Iterator[Row | BrokenRow]:
    """Read the rows of a file, one after another, in flat memory (a JSON array excepted, which is bounded).

    - JSON Lines: an object a line. Blank lines are skipped, and counted in the places.
    - CSV: by RFC 4180, separated by commas, the first record names the columns; all cells are text. Blank lines are
      skipped.
    - Parquet: needs the extra ``parquet``. Times finer than a microsecond are cut to it.
    - JSON: one array of objects, at most :data:`MAX_ARRAY` bytes.

    Text is UTF-8, with or without a byte order mark. JSON is read strictly: ``NaN`` and ``Infinity`` are refused, and
    so is an object with the same key twice, since nobody could tell which value is meant.

    :param stream: opened in binary mode, and not closed here. For Parquet it has to be seekable.
    :param format: as :func:`format_of` tells it.
    :param gzipped: whether a text format is packed with gzip.
    :param columns: what has to be there, checked against the header of CSV and Parquet before the first row. Of Parquet
        only these are read; empty means all.
    :raises BrevoSourceError: nothing, or nothing more, can be read.
    """
    reader = _READERS[format]
    if not gzipped:
        return reader(stream, columns)
    if format == "parquet":
        raise BrevoSourceError("A Parquet file can't be packed with gzip", advice="Parquet packs its columns itself")
    return reader(gzip.GzipFile(fileobj=stream, mode="rb"), columns)  # type: ignore[arg-type] # reads as one


# --------------------------------------------------------------------------------------------------------- violations


def _violation(rule: str, problem: str, advice: str) -> Violation:
    return Violation(pointer="", rule=rule, problem=problem, advice=advice)


_TOO_LONG = _violation("size", f"is longer than {MAX_LINE:,} bytes", "shorten it; an event may hold 50 KB")
_NOT_UTF8 = _violation("encoding", "is no valid UTF-8", "write the file in UTF-8")
_NO_OBJECT = _violation("type", "is no JSON object", "write each event or row as an object: {…}")
_BAD_QUOTES = _violation(
    "cells", "can't be split into cells", 'put quotes around whole cells and double those inside: ""'
)


def _not_json(problem: str) -> Violation:
    return _violation("json", problem, "write it with a JSON library")


def _as_row(value: Any, place: str) -> Row | BrokenRow:
    return value if isinstance(value, dict) else BrokenRow(place=place, violation=_NO_OBJECT)


# --------------------------------------------------------------------------------------------------------- text files


def _read_jsonl(stream: BinaryIO, _: Collection[str]) -> Iterator[Row | BrokenRow]:
    for number, line in enumerate(streams.lines(stream, longest=MAX_LINE), start=1):
        place = f"line {number}"
        if isinstance(line, streams.LongLine):
            yield BrokenRow(place=place, violation=_TOO_LONG)
        elif content := line.rstrip():
            try:
                row = _as_row(load_json(content.decode()), place)
            except UnicodeDecodeError:
                row = BrokenRow(place=place, violation=_NOT_UTF8)
            except ValueError as error:
                row = BrokenRow(place=place, violation=_not_json(str(error)))
            yield row


# ---------------------------------------------------------------------------------------------------------------- CSV


class _CsvLines:
    """Lines for csv.reader, and what is known of those that the current record took."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = streams.lines(stream, longest=MAX_LINE)
        self.number = 0
        self.begin_record()

    def begin_record(self) -> None:
        self.first = self.number + 1
        self.quotes = self._size = 0
        self.fault: Violation | None = None
        self.returns = False  # whether this is the first line, and holds \r before its end

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > MAX_LINE:
            raise csv.Error
        line = next(self._lines)
        self.number += 1
        if isinstance(line, streams.LongLine):
            if self.number == 1 and line.returns:
                self.returns = True
                raise csv.Error
            self.quotes += line.quotes
            self.fault = _TOO_LONG
            return '"\n' if line.quotes % 2 else " \n"  # opens or closes a cell of several lines, as the line did
        self.returns = self.number == 1 and streams.holds_returns(line)
        self.quotes += line.count(b'"')
        self._size += len(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.fault = _NOT_UTF8
            return line.decode(errors="replace")


def _records(stream: BinaryIO) -> Iterator[tuple[int, list[str] | Violation]]:
    """Yield each record's first line, and its cells or why it has none."""
    # A cell is bounded by its record. The limit is the whole process's, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE))
    lines = _CsvLines(stream)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.returns and not lines.fault:
                raise BrevoSourceError(
                    r"The lines of the CSV file end in \r alone", advice=r"write lines that end in \n"
                ) from error
            # Unless one line is the whole record, nobody knows where the next starts: rows could be made up or lost.
            if lines.quotes % 2 or lines.number > lines.first:
                raise BrevoSourceError(
                    f"Line {lines.first} opens a quoted cell that does not end, read up to line {lines.number}",
                    advice='close the quote, and double quotes inside of cells: ""',
                ) from error
            yield lines.first, lines.fault or _BAD_QUOTES
        else:
            if lines.fault or cells:
                yield lines.first, lines.fault or cells


def _read_csv(stream: BinaryIO, columns: Collection[str]) -> Iterator[Row | BrokenRow]:
    records = _records(stream)
    line, header = next(records, (1, []))
    if isinstance(header, Violation):
        raise BrevoSourceError(f"The header in line {line} {header.problem}", advice=header.advice)
    if not any(header):
        raise BrevoSourceError("The CSV file has no header", advice="name the columns in the first line")
    _check_header(header, columns)
    for line, cells in records:
        if isinstance(cells, Violation):
            yield BrokenRow(place=f"line {line}", violation=cells)
        elif len(cells) != len(header):
            problem = f"has {len(cells)} cells, and the header has {len(header)}"
            violation = _violation("cells", problem, "write one cell for each column, quoted where it holds a comma")
            yield BrokenRow(place=f"line {line}", violation=violation)
        else:
            yield dict(zip(header, cells, strict=True))


def _check_header(names: Sequence[str], columns: Collection[str]) -> None:
    """Refuse a header before anything is sent. Only names of the mapping are shown: a header may be a row of data."""
    if doubled := {name for name, count in Counter(names).items() if count > 1}:
        places = ", ".join(str(place) for place, name in enumerate(names, start=1) if name in doubled)
        raise BrevoSourceError(f"The header names the same column twice, see columns {places}", advice="rename one")
    if missing := sorted(set(columns).difference(names)):
        advice = "correct the mapping, or add what is missing to the source"
        if len(names) == 1 and re.search(r"[;\t|]", names[0]):
            advice = "separate the cells by commas"
        raise BrevoSourceError(
            f"The header lacks {', '.join(map(repr, missing))}, which the mapping names", advice=advice
        )


# --------------------------------------------------------------------------------------------------------- JSON arrays


def _read_array(stream: BinaryIO, _: Collection[str]) -> Iterator[Row | BrokenRow]:
    try:
        data = streams.buffered(stream).read(MAX_ARRAY + 1)
    except streams.UNREADABLE as error:
        streams.fail(error)
    if len(data) > MAX_ARRAY:
        raise BrevoSourceError(f"The JSON array takes more than {MAX_ARRAY:,} bytes", advice="write JSON Lines: .jsonl")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, text = data.count(b"\n", 0, error.start) + 1, None
    if text is None:
        raise BrevoSourceError(f"Line {line} {_NOT_UTF8.problem}", advice=_NOT_UTF8.advice)
    del data
    for number, item in enumerate(load_array(text), start=1):
        place = f"row {number}"
        if isinstance(item, RefusedJSONError):
            yield BrokenRow(place=place, violation=_not_json(str(item)))
        else:
            yield _as_row(item, place)


# ------------------------------------------------------------------------------------------------------------- Parquet


def _read_parquet(stream: BinaryIO, columns: Collection[str]) -> Iterator[Row | BrokenRow]:
    try:
        import pyarrow as pa  # an extra, and heavy
        from pyarrow import parquet
    except ImportError:
        raise BrevoSourceError(
            "Parquet can't be read, since pyarrow is not installed",
            advice="install pyarrow, or this package with its extra parquet",
        ) from None
    damage = (pa.ArrowException, OSError)
    try:
        file = parquet.ParquetFile(stream, buffer_size=streams.BUFFER, pre_buffer=False)
        names = file.schema_arrow.names
    except damage as error:
        raise BrevoSourceError(
            "The source is no Parquet file, or is damaged", advice="write or copy it again"
        ) from error
    _check_header(names, columns)
    batches = file.iter_batches(_PARQUET_ROWS, columns=sorted(columns) or None, use_threads=False)
    number = 0
    while True:
        try:
            batch = next(batches, None)
        except damage as error:
            place = f" after row {number}" if number else ""
            raise BrevoSourceError(f"The Parquet file is damaged{place}", advice="write or copy it again") from error
        if batch is None:
            return
        for number, row in enumerate(_python_rows(batch), start=number + 1):  # noqa: B020 # goes on from batch to batch
            yield row if isinstance(row, dict) else BrokenRow(place=f"row {number}", violation=row)


_NOT_IN_PYTHON = (ValueError, OverflowError, LookupError)
"""What pyarrow raises for the year 10000, an unknown time zone, or a struct with the same field twice."""

_NO_PYTHON_TYPE = _violation("type", "holds a value that Python can't", "cast its column, to text for example")


def _python_rows(batch: pa.RecordBatch) -> Iterator[Row | Violation]:
    import pyarrow as pa  # loaded by now

    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":  # finer than Python's datetime
            cut = batch.column(index).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(index, field.name, cut)
    try:
        yield from batch.to_pylist()
    except _NOT_IN_PYTHON:
        for index in range(batch.num_rows):
            try:
                row = batch.slice(index, 1).to_pylist()[0]
            except _NOT_IN_PYTHON:
                row = _NO_PYTHON_TYPE
            yield row


_READERS: dict[Format, Callable[[BinaryIO, Collection[str]], Iterator[Row | BrokenRow]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
    "json": _read_array,
}
