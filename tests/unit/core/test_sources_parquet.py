"""Rows of Parquet files."""

import io
import math
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from airflow_provider_brevo.core.sources import BrokenRow, read_rows
from airflow_provider_brevo.exceptions import BrevoSourceError

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    pa = None

needs_pyarrow = pytest.mark.skipif(pa is None, reason="pyarrow, the extra 'parquet', is not installed here")
SECRET = "jane.doe"


def packed(table, **more):
    """Write a table as a Parquet file."""
    file = io.BytesIO()
    parquet.write_table(table, file, **more)
    return file.getvalue()


def rows_of(data, columns=()):
    """Read all rows."""
    return list(read_rows(io.BytesIO(data), format="parquet", columns=columns))


@needs_pyarrow
def test_rows_have_pythons_values():
    """Numbers, dates, Decimals, lists and structs arrive as what they are, nulls as None."""
    row = {
        "n": 1,
        "total": 42.5,
        "exact": Decimal("1.10"),
        "vip": True,
        "day": date(2026, 1, 31),
        "at": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "items": [{"sku": "a", "tags": ["x"]}],
        "name": "é",
    }
    table = pa.Table.from_pylist([row, dict.fromkeys(row)])

    assert rows_of(packed(table)) == [row, dict.fromkeys(row)]


@needs_pyarrow
def test_rows_come_in_order_across_batches_and_groups():
    """Neither batches nor row groups lose, double or reorder a row."""
    table = pa.table({"n": range(3500)})
    assert [row["n"] for row in rows_of(packed(table, row_group_size=700))] == list(range(3500))
    assert rows_of(packed(table.slice(0, 0))) == []


@needs_pyarrow
def test_only_the_named_columns_are_read():
    """With columns given, others are not even unpacked."""
    table = pa.table({"a": [1], "b.c": [2], "d": [math.nan]})
    assert rows_of(packed(table), columns={"b.c", "a"}) == [{"a": 1, "b.c": 2}]


@needs_pyarrow
def test_nanoseconds_are_cut_to_microseconds():
    """Python's datetime has no nanoseconds; the result doesn't depend on whether pandas is there."""
    values = [1_769_853_600_123_456_789, None]
    table = pa.table({"at": pa.array(values, pa.timestamp("ns", "UTC")), "local": pa.array(values, pa.timestamp("ns"))})

    first, last = rows_of(packed(table))
    moment = datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)
    assert first == {"at": moment, "local": moment.replace(tzinfo=None)}
    assert type(first["local"]) is datetime
    assert last == {"at": None, "local": None}


@needs_pyarrow
def test_a_value_beyond_python_is_a_broken_row():
    """One date in the year 10000 costs its own row, and no other."""
    table = pa.table({"day": pa.array([0, 253_402_300_800_000_000, 0], pa.timestamp("us"))})

    first, broken, last = rows_of(packed(table))
    assert first == last == {"day": datetime(1970, 1, 1)}  # noqa: DTZ001 # the file has no time zone
    assert isinstance(broken, BrokenRow)
    assert (broken.place, broken.violation.rule) == ("row 2", "type")


@needs_pyarrow
def test_what_lacks_a_column_is_refused_before_the_first_row():
    """Columns of the mapping that the file lacks are named."""
    rows = read_rows(io.BytesIO(packed(pa.table({SECRET: [1]}))), format="parquet", columns=["email"])
    with pytest.raises(BrevoSourceError, match="The header lacks 'email', which the mapping names") as caught:
        next(rows)
    assert SECRET not in str(caught.value)


@needs_pyarrow
@pytest.mark.parametrize("data", [b"", b"jane.doe\n" * 10, b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_ends_reading(data):
    """Any other file is refused."""
    with pytest.raises(BrevoSourceError, match="The source is no Parquet file, or is damaged"):
        rows_of(data)


@needs_pyarrow
@pytest.mark.parametrize(("first_group", "place"), [(0, ""), (2000, " after row 2000")])
def test_a_damaged_parquet_file_ends_reading(first_group, place):
    """A page that can't be unpacked is told with the rows before it."""
    noise = [f"{n * 7919 % 104729:x}" for n in range(4000)]
    data = bytearray(packed(pa.table({"a": noise}), row_group_size=2000, compression="gzip", use_dictionary=False))
    start = parquet.ParquetFile(io.BytesIO(data)).metadata.row_group(first_group // 2000).column(0).data_page_offset
    data[start + 200 : start + 1000] = b"\xff" * 800

    rows = read_rows(io.BytesIO(bytes(data)), format="parquet")
    read = []
    with pytest.raises(BrevoSourceError, match=f"The Parquet file is damaged{place};"):
        read.extend(rows)
    assert len(read) == first_group


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    """Who has no pyarrow is told how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BrevoSourceError, match="; install pyarrow, or .* its extra parquet[.]$") as caught:
        rows_of(b"")
    assert caught.value.__suppress_context__
