"""Files that are packed, cut off, damaged, or on a storage that fails, in every text format."""

import errno
import gzip
import io

import pytest

from airflow_provider_brevo.core.sources import read_rows
from airflow_provider_brevo.exceptions import BrevoSourceError

SECRET = "jane.doe"


class Unreadable(io.BytesIO):
    """A file whose storage fails once its content is read."""

    def read(self, size=-1):
        data = super().read(size)
        if not data:
            raise self.error
        return data

    error = OSError(errno.EIO, SECRET)


def rows_of(data, format_, **more):
    """Read all rows."""
    return list(read_rows(io.BytesIO(data), format=format_, **more))


def error_of(data, format_, **more):
    """Read until the error, and return its message; no part of the content may be in it."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    with pytest.raises(BrevoSourceError) as caught:
        list(read_rows(stream, format=format_, **more))
    assert SECRET not in str(caught.value)
    assert caught.value.advice
    return str(caught.value)


@pytest.mark.parametrize(("format_", "text"), [("jsonl", '{"a": "1"}\n'), ("csv", "a\n1\n"), ("json", '[{"a": "1"}]')])
def test_text_formats_may_be_packed(format_, text):
    """Each text format is read through gzip, also in several members."""
    packed = gzip.compress(text[:3].encode()) + gzip.compress(text[3:].encode())
    assert rows_of(packed, format_, gzipped=True) == [{"a": "1"}]


@pytest.mark.parametrize("format_", ["jsonl", "csv", "json"])
def test_a_wrong_gzip_ends_reading(format_):
    """What isn't gzip, is cut off, or damaged, is told apart."""
    packed = gzip.compress(b"[" + b", ".join(b'"%d"' % n for n in range(1000)) + b"]")
    damaged = bytearray(packed)
    damaged[20:40] = b"\xff" * 20
    wrong_sum = packed[:-8] + bytes(8)

    assert error_of(b"jane.doe\n" * 9, format_, gzipped=True) == (
        "The source is no gzip file, or is damaged; if it is not packed, take the .gz off its name."
    )
    assert "is a gzip file that ends too early" in error_of(packed[:-20], format_, gzipped=True)
    assert "is a damaged gzip file" in error_of(bytes(damaged), format_, gzipped=True)
    assert "is no gzip file, or is damaged" in error_of(wrong_sum, format_, gzipped=True)


@pytest.mark.parametrize("format_", ["jsonl", "csv", "json"])
def test_an_empty_file_is_no_gzip_file(format_):
    """A copy that was cut off at once is no success without rows."""
    assert error_of(b"", format_, gzipped=True) == (
        "The source is a gzip file that ends too early; write or copy it again."
    )


def test_packed_nothing_is_no_cut_off_file():
    """A gzip file of an empty file has no rows, as the empty file has none."""
    assert rows_of(gzip.compress(b""), "jsonl", gzipped=True) == rows_of(b"", "jsonl") == []


def test_a_truncated_gzip_is_noticed_after_the_rows_before():
    """The error says after which line the file broke off."""
    data = b"".join(b'{"n": %d, "x": "%s"}\n' % (n, b"x" * (n % 97)) for n in range(20_000))
    rows = read_rows(io.BytesIO(gzip.compress(data)[:-100]), format="jsonl", gzipped=True)

    read = []
    with pytest.raises(BrevoSourceError, match="ends too early after line") as caught:
        read.extend(rows)
    assert len(read) > 1000
    assert f"after line {len(read)};" in str(caught.value)


@pytest.mark.parametrize("format_", ["jsonl", "csv", "json"])
def test_storage_that_fails_ends_reading(format_):
    """An error of the storage is told with its place, and never taken for the end of the file."""
    message = error_of(Unreadable(b'{"a": 1}\n'), format_)

    place = "" if format_ == "json" else " after line 1"
    assert message.startswith(f"The source can't be read{place} (Input/output error); check its storage")
    stream = Unreadable(b"")
    stream.error = PermissionError(SECRET)
    assert error_of(stream, format_).startswith("The source can't be read (PermissionError);")
