"""Bytes of a file as they are read: unpacked, in lines of bounded length, or why nothing more can be read."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from airflow_provider_brevo.exceptions import BrevoSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER = 256 * 1024
"""Bytes read at once."""

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading may raise, gzip's own errors included."""

_BOM = b"\xef\xbb\xbf"


class _Bytes(io.RawIOBase):
    """Makes what BufferedReader wants of any object with ``read``, such as the file of an object store."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        if not data and isinstance(self._stream, gzip.GzipFile) and self._stream.mtime is None:
            # It has met no header: the file is empty, which GzipFile reads as if nothing had been packed.
            raise EOFError
        buffer[: len(data)] = data
        return len(data)


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """Make any object with ``read`` a buffered file.

    :param stream: opened in binary mode. An empty file in a ``GzipFile`` raises ``EOFError``: it was cut off.
    """
    return io.BufferedReader(_Bytes(stream), BUFFER)


@dataclass(frozen=True)
class LongLine:
    r"""Stands for a line that is too long: all that has to be known of it to read CSV on.

    :param quotes: how many quotes it holds.
    :param returns: whether ``\r`` stands in it before its end, as where all lines end in ``\r`` alone.
    """

    quotes: int
    returns: bool


def lines(stream: BinaryIO, *, longest: int) -> Iterator[bytes | LongLine]:
    """Yield the lines of a file, without a byte order mark, and never hold a longer one.

    :param stream: opened in binary mode.
    :param longest: bytes of a line.
    :raises BrevoSourceError: nothing more can be read.
    """
    read = buffered(stream).readline
    number = 0
    try:
        while line := read(longest + 1):
            number += 1
            if len(line) <= longest or line.endswith(b"\n"):
                yield line if number > 1 else line.removeprefix(_BOM)
                continue
            quotes, returns = line.count(b'"'), holds_returns(line)
            while not line.endswith(b"\n") and (line := read(longest)):
                quotes += line.count(b'"')
            yield LongLine(quotes, returns)
    except UNREADABLE as error:
        fail(error, f" after line {number}" if number else "")


def holds_returns(line: bytes) -> bool:
    r"""Tell whether ``\r`` stands in a line before its end."""
    return b"\r" in line.rstrip(b"\r\n")


def fail(error: OSError | EOFError | zlib.error, place: str = "") -> NoReturn:
    """Say why nothing more can be read.

    :param error: one of :data:`UNREADABLE`.
    :param place: how far reading came, beginning with a space.
    :raises BrevoSourceError: always.
    """
    again = "write or copy it again"
    if isinstance(error, gzip.BadGzipFile):
        problem = "The source is no gzip file, or is damaged"
        # The cause would show the first bytes of the content.
        raise BrevoSourceError(problem + place, advice="if it is not packed, take the .gz off its name") from None
    if isinstance(error, EOFError):
        raise BrevoSourceError("The source is a gzip file that ends too early" + place, advice=again) from error
    if isinstance(error, zlib.error):
        raise BrevoSourceError("The source is a damaged gzip file" + place, advice=again) from error
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    failure = BrevoSourceError(
        f"The source can't be read{place} ({reason})", advice="check its storage, and that this worker may read it"
    )
    failure.retry_later = True
    raise failure from error
