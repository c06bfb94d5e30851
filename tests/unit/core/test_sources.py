"""Rows of text files, one after another, and what is wrong with them."""

import csv
import gzip
import io
import json

import pytest

from airflow_provider_brevo.core import sources
from airflow_provider_brevo.core.sources import MAX_ARRAY, MAX_LINE, BrokenRow, format_of, read_rows
from airflow_provider_brevo.exceptions import BrevoSourceError

BOM = b"\xef\xbb\xbf"
SECRET = "jane.doe"


class BareReader:
    """The file of an object store: it has ``read`` and little more."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size):
        return self._file.read(min(size, 7))


def rows_of(data, format_, **more):
    """Read all rows; a broken one as (place, rule)."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    rows = list(read_rows(stream, format=format_, **more))
    assert SECRET not in str([row for row in rows if isinstance(row, BrokenRow)])
    return [(row.place, row.violation.rule) if isinstance(row, BrokenRow) else row for row in rows]


def error_of(data, format_, **more):
    """Read until the error, and return its message; no part of the content may be in it, nor in what caused it."""
    stream = io.BytesIO(data.encode()) if isinstance(data, str) else data
    stream = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    with pytest.raises(BrevoSourceError) as caught:
        list(read_rows(stream, format=format_, **more))
    assert SECRET not in str(caught.value)
    assert not isinstance(caught.value.__context__, UnicodeDecodeError | json.JSONDecodeError)
    assert caught.value.advice
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", ("jsonl", False)),
        ("a.ndjson.gz", ("jsonl", True)),
        ("s3://bucket/A.B.CSV.GZ", ("csv", True)),
        ("/data/x.csv", ("csv", False)),
        ("x.parquet", ("parquet", False)),
        ("x.json", ("json", False)),
        ("x.json.gz", ("json", True)),
    ],
)
def test_the_name_tells_the_format(name, expected):
    """The suffix says the format, and .gz that it is packed."""
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["", "x", "x.gz", "x.xlsx", "x.parquet.gz", "x.csv.zip", "csv"])
def test_a_name_without_known_suffix_is_refused(name):
    """The error says what can be read."""
    with pytest.raises(BrevoSourceError, match=r"\.jsonl or \.ndjson, \.csv, \.json, .* or \.parquet"):
        format_of(name)


def test_parquet_is_not_packed_again():
    """Parquet in gzip is refused, since it would have to be unpacked as a whole."""
    assert "Parquet packs its columns itself" in error_of(b"", "parquet", gzipped=True)


# ----------------------------------------------------------------------------------------------------------- JSON Lines


def test_json_lines_are_rows():
    """Blank lines are skipped, line ends may be either kind, the last one may lack it, and a BOM is no content."""
    data = BOM + '{"a": 1}\n\n  \r\n {"a": "é"} \r\n{"a": [{"b": null}]}'.encode()

    assert rows_of(data, "jsonl") == [{"a": 1}, {"a": "é"}, {"a": [{"b": None}]}]
    assert rows_of(b"", "jsonl") == rows_of(BOM, "jsonl") == rows_of(b"\n\n", "jsonl") == []


@pytest.mark.parametrize(
    ("line", "rule", "problem"),
    [
        (b'{"a": "jane.doe"', "json", "is broken JSON at column 17"),
        (b'{"a": "jane.doe\\x"}', "json", "is broken JSON at column"),
        (b'{"a": 1} {"a": 2}', "json", "is broken JSON at column 10"),
        (b'{"a": NaN}', "json", "holds NaN or Infinity"),
        (b'{"a": [-Infinity]}', "json", "holds NaN or Infinity"),
        (b'{"jane.doe": 1, "jane.doe": 2}', "json", "has an object with the same key twice"),
        (b'{"a": {"b": 1, "b": 1}}', "json", "has an object with the same key twice"),
        (b"[" * 100_000, "json", "is nested too deeply"),
        (b"9" * 5000, "json", "holds a number with too many digits"),
        (b'["jane.doe"]', "type", "is no JSON object"),
        (b'"jane.doe"', "type", "is no JSON object"),
        (b'{"a": "jane.doe\xff"}', "encoding", "is no valid UTF-8"),
        (BOM + b'{"a": 1}', "json", "is broken JSON at column 1"),
    ],
)
def test_a_broken_line_is_told_with_its_number(line, rule, problem):
    """A line that holds no object is a broken row, by its number as an editor shows it, and reading goes on."""
    data = b'{"n": 1}\n\n' + line + b'\n{"n": 2}\n'
    first, broken, last = read_rows(io.BytesIO(data), format="jsonl")

    assert (first, last) == ({"n": 1}, {"n": 2})
    assert (broken.place, broken.violation.rule) == ("line 3", rule)
    assert broken.violation.problem.startswith(problem)
    assert SECRET not in str(broken)


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_is_bounded(end):
    """A line of the longest length is read, a longer one is skipped to its end."""
    empty = len(b'{"a": ""}')
    longest = b'{"a": "' + b"x" * (MAX_LINE - empty) + b'"}'
    assert len(longest) == MAX_LINE

    assert rows_of(longest + end, "jsonl") == [{"a": "x" * (MAX_LINE - empty)}]
    assert rows_of(b"\n" + b" " + longest + end, "jsonl") == [("line 2", "size")]
    assert rows_of(b" " + longest * 3 + b"\n{}" + end, "jsonl") == [("line 1", "size"), {}]


def test_any_object_with_read_is_a_stream():
    """A stream that gives few bytes at a time, and knows no lines, is read all the same."""
    lines = [{"n": n} for n in range(50)]
    data = "\n".join(map(json.dumps, lines)).encode()

    assert list(read_rows(BareReader(data), format="jsonl")) == lines
    assert list(read_rows(BareReader(gzip.compress(data)), format="jsonl", gzipped=True)) == lines
    assert list(read_rows(BareReader(json.dumps(lines).encode()), format="json")) == lines


def test_the_stream_stays_open():
    """Who opens a file closes it."""
    for data, gzipped in ((b"{}", False), (gzip.compress(b"{}"), True)):
        stream = io.BytesIO(data)
        assert list(read_rows(stream, format="jsonl", gzipped=gzipped)) == [{}]
        assert not stream.closed


# ------------------------------------------------------------------------------------------------------------------ CSV


def test_csv_records_are_rows():
    """The first record names the columns; cells are text, may be quoted, and hold commas, quotes and line ends."""
    data = BOM + b'\nemail,total,"the note"\r\na@x.fr,42.50,\n\n"b,b",,"one\n""two"""\r\nc,5" wide,x'

    assert rows_of(data, "csv", columns=["email"]) == [
        {"email": "a@x.fr", "total": "42.50", "the note": ""},
        {"email": "b,b", "total": "", "the note": 'one\n"two"'},
        {"email": "c", "total": '5" wide', "the note": "x"},
    ]
    assert rows_of("a,b\n", "csv") == []


def test_a_broken_record_is_told_with_its_first_line():
    """Wrong numbers of cells, wrong quotes and wrong bytes are broken rows; places count lines, not records."""
    data = b"\n".join(
        [
            b"a,b",
            b'1,"two',
            b'lines"',
            b"jane.doe",
            b"1,2,3",
            b'"1"jane.doe",2"',
            b'1,"jane.doe\xff',
            b'2"',
            b"1,\r2",
            b"1,2",
        ]
    )

    assert rows_of(data, "csv") == [
        {"a": "1", "b": "two\nlines"},
        ("line 4", "cells"),
        ("line 5", "cells"),
        ("line 6", "cells"),
        ("line 7", "encoding"),
        ("line 9", "cells"),
        {"a": "1", "b": "2"},
    ]


def test_the_number_of_cells_is_told():
    """A row that doesn't fit the header says how many cells both have."""
    [broken] = read_rows(io.BytesIO(b"a,b\n1,2,3\n"), format="csv")
    assert broken.violation.problem == "has 3 cells, and the header has 2"


def test_a_long_line_of_csv_keeps_the_quotes_in_step():
    """A record that is too long is one broken row, also where it opens or closes a cell of several lines."""
    long = b"x" * (MAX_LINE + 5)
    after = b"\n3,4\n"

    assert rows_of(b"a,b\n1," + long + after, "csv") == [("line 2", "size"), {"a": "3", "b": "4"}]
    assert rows_of(b'a,b\n1,"' + long + b'\n9,9\n"' + after, "csv") == [("line 2", "size"), {"a": "3", "b": "4"}]
    assert rows_of(b'a,b\n1,"x\n' + long + b'"' + after, "csv") == [("line 2", "size"), {"a": "3", "b": "4"}]


def test_a_cell_may_be_as_long_as_its_record():
    """Python's csv module reads no cell above 131,072 characters by itself, also in columns that nobody asks for."""
    before = csv.field_size_limit(131_072)
    try:
        half = "x" * (MAX_LINE // 2)
        assert rows_of(f"a,b\n1,{half}\n2,3\n", "csv") == [{"a": "1", "b": half}, {"a": "2", "b": "3"}]
        long = half + "\n" + "x" * (MAX_LINE - 5)
        assert rows_of(f'a,b\n1,"{long}"\n2,3\n', "csv") == [{"a": "1", "b": long}, {"a": "2", "b": "3"}]
        assert rows_of("a\n" + "x" * (MAX_LINE + 1) + "\ny", "csv") == [("line 2", "size"), {"a": "y"}]
    finally:
        csv.field_size_limit(before)


def test_the_limit_of_cells_is_never_lowered():
    """It is the whole process's, and another part of it may need more."""
    before = csv.field_size_limit(10 * MAX_LINE)
    try:
        assert rows_of("a\n1\n", "csv") == [{"a": "1"}]
        assert csv.field_size_limit() == 10 * MAX_LINE
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    "data", [b"a,b\r1,2\r", b'a,b\r1,"x\ny"\r', b'"a","b"\r1,2', b"a,b\r" + b"1,2\r" * MAX_LINE, BOM + b"a\r\r1\n"]
)
def test_lines_that_end_in_returns_alone_are_named(data):
    """The whole file would be one line; nothing is wrong with its quotes or its length."""
    assert error_of(data, "csv") == ("The lines of the CSV file end in \\r alone; write lines that end in \\n.")


def test_returns_in_quoted_cells_and_before_line_ends_are_no_line_ends():
    """What csv can read is read, and what isn't UTF-8 is named first."""
    assert rows_of(b'"a\rb",c\r\r\n1,2\r\n', "csv") == [{"a\rb": "1", "c": "2"}]
    assert rows_of(b"a,b\r", "csv") == []
    assert "is no valid UTF-8" in error_of("a,b\r\n1,2\r\n".encode("utf-16"), "csv")


@pytest.mark.parametrize(
    "rest", ["1,2\n" * 3, "x" * 1000 + "\n" + "1,2\n" * 60_000, '1,2\n3,"4"\n', "1,2\n" + 'jane.doe,"x\n"y"\n']
)
def test_a_quote_that_is_not_closed_ends_reading(rest):
    """Where the next row starts can't be told any more, and making one up could send it."""
    message = error_of('a,b\n1,2\n3,"jane.doe\n' + rest, "csv")
    assert message.startswith("Line 3 opens a quoted cell that does not end")


def test_a_record_of_many_lines_is_bounded():
    """Cells of several lines can't add up to a record without end."""
    endless = ',"x\ny"' * 200_000
    assert "Line 2 opens a quoted cell" in error_of(f'a\n"1"{endless}', "csv")


@pytest.mark.parametrize("data", [b"", b"\n\n", BOM, b",,\n1,2,3\n", b'""\n'])
def test_csv_needs_a_header(data):
    """An empty file has no header, and neither has one whose first record is empty."""
    assert error_of(data, "csv").startswith("The CSV file has no header; ")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"jane.doe,b,jane.doe,c,c", "The header names the same column twice, see columns 1, 3, 4, 5;"),
        (b"jane.doe,total", "The header lacks 'a', 'b', which the mapping names; correct the mapping"),
        (b"a;b;jane.doe", "The header lacks 'a', 'b', which the mapping names; separate the cells by commas"),
        (b"a,jane.doe\xff", "The header in line 1 is no valid UTF-8;"),
        (b'"a"x,""', "The header in line 1 can't be split into cells;"),
        (b"x" * (MAX_LINE + 1), "The header in line 1 is longer than 1,000,000 bytes;"),
    ],
)
def test_a_wrong_header_is_refused_before_the_first_row(header, problem):
    """What the header lacks is named; what it holds is not, since it may be a row of data."""
    rows = read_rows(io.BytesIO(header + b"\n1,2\n"), format="csv", columns={"b", "a"})
    with pytest.raises(BrevoSourceError) as caught:
        next(rows)
    assert str(caught.value).startswith(problem)
    assert SECRET not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- JSON arrays


def test_a_json_array_is_rows():
    """The array may be spread over lines, have a BOM, and be empty."""
    assert rows_of(BOM + b' [ {"a": 1} ,\n{"a": [2]}\n]\n', "json") == [{"a": 1}, {"a": [2]}]
    assert rows_of("[ ]", "json") == rows_of("[]\n", "json") == []


def test_a_broken_element_is_told_with_its_number():
    """An element that is no object, or isn't strict JSON, is a broken row, and reading goes on."""
    data = '[{"a": 1}, "jane.doe", {"a": NaN}, {"jane.doe": 1, "jane.doe": 2}, {"a": 2}]'

    assert rows_of(data, "json") == [{"a": 1}, ("row 2", "type"), ("row 3", "json"), ("row 4", "json"), {"a": 2}]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "The source is no JSON array;"),
        (b'{"jane.doe": 1}', "The source is no JSON array;"),
        (b'[{"a": 1},\n {"a": jane.doe}]', "Line 2 is broken JSON at column 8;"),
        (b'[{"a": 1}\n {"a": 2}]', "Line 2 is broken JSON at column 2;"),
        (b'[{"a": 1},]', "Line 1 is broken JSON at column 11;"),
        (b'[{"a": 1}', "Line 1 is broken JSON at column 10;"),
        (b"[] jane.doe", "Line 1 is broken JSON at column 2;"),
        (b'[{"a": NaN, "b": jane.doe}]', "Line 1 is broken JSON at column 18;"),
        (b"[\n" + b"[" * 100_000, "Line 2 is nested too deeply;"),
        (b"[" + b"9" * 5000 + b"]", "Line 1 holds a number with too many digits;"),
        (b'[{"a": 1},\n{"a": "jane.doe\xff"}]', "Line 2 is no valid UTF-8;"),
    ],
)
def test_a_broken_array_ends_reading(data, problem):
    """A syntax error has its line and column, and nothing of what stands there."""
    assert error_of(data, "json").startswith(problem)


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_array_is_bounded(gzipped):
    """What is larger when unpacked than the bound is refused, with the format that has none."""
    data = b"[]" + b" " * (MAX_ARRAY - 2)
    pack = gzip.compress if gzipped else bytes

    assert rows_of(pack(data), "json", gzipped=gzipped) == []
    assert "takes more than 50,000,000 bytes; write JSON Lines" in error_of(pack(data + b" "), "json", gzipped=gzipped)


def test_every_format_has_a_reader():
    """The table of readers has all formats that a name can tell."""
    assert set(sources._READERS) == set(sources._SUFFIXES.values())
