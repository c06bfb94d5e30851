"""Cleaning what a server said of everything that was sent to it.

Error messages of a server may quote the request: an address, an attribute's value, the key. Such a message goes to logs
that more people can read than the data. Whole short values and pieces of long ones are replaced by ``***``.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MASK = "***"
_PIECE = 8
"""Characters; a run of this length that also stands in the payload counts as quoted from it."""

_MAX_READ = 4_000
"""Characters of a server's text that are looked at."""

# Personal data and keys by their look, whatever the payload was: an earlier request's, another encoding's.
_BY_LOOK = re.compile(
    r"[^\s\"'<>:,;()]+@[^\s\"'<>:,;()]+|\+?\d(?:[ ()/-]{0,2}\d){6,}|x(?:keysib|smtpsib)-\S*|(?i:bearer)\s+\S+"
)


def clean_text(text: str, *, sent: bytes | None, secrets: Iterable[str], max_length: int) -> str:
    """Remove from a server's text everything that was sent, make it one line and cut it.

    :param text: what the server said.
    :param sent: the JSON body of the request, or ``None``.
    :param secrets: keys and tokens that were sent along.
    :param max_length: characters to keep.
    """
    text = unquote(html.unescape(text[:_MAX_READ]))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    values = sorted({value for value in (*secrets, *_sent_values(sent)) if value.strip()}, key=len, reverse=True)
    line = _mask_values(line, values)
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def _mask_values(line: str, values: list[str]) -> str:
    # What is quoted and what looks personal is found in the same text, and before the short values: each replacement
    # would break the rest into pieces too short to find.
    hidden = {place for match in _BY_LOOK.finditer(line) for place in range(*match.span())}
    haystack = "\0".join(value.casefold() for value in values if len(value) >= _PIECE)
    folded = line.casefold()
    origin = [place for place, char in enumerate(line) for _ in char.casefold()]  # "ß" folds to two letters
    for start in range(len(folded) - _PIECE + 1):
        if folded[start : start + _PIECE] in haystack:
            hidden.update(origin[start : start + _PIECE])
    line = re.sub("\0+", _MASK, "".join("\0" if place in hidden else char for place, char in enumerate(line)))
    if short := [re.escape(value) for value in values if len(value) < _PIECE]:
        line = re.sub(rf"(?<![^\W_])(?:{'|'.join(short)})(?![^\W_])", _MASK, line, flags=re.IGNORECASE)
    return line


def _sent_values(sent: bytes | None) -> Iterator[str]:
    if sent is not None:
        for value in _leaves(json.loads(sent)):
            yield value
            yield json.dumps(value)[1:-1]  # as a server writes it that escapes what isn't ASCII
            yield " ".join(value.split())


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
