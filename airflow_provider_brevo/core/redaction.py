"""Cleaning what a server said of everything that was sent to it.

Error messages of a server may quote the request: an address, an attribute's value, the key. Such a message goes to logs
that more people can read than the data. Whole short values and pieces of long ones are replaced by ``***``.
"""

from __future__ import annotations

import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MASK = "***"
_PIECE = 8
"""Characters; a run of this length that also stands in the payload counts as quoted from it."""

_MAX_READ = 4_000
"""Characters of a server's text that are looked at."""

_ROUNDS = 3
"""How often a text is unescaped: a server may quote an answer of another, which quotes the request."""

_REMEMBERED = 10_000
"""Pieces of texts of which a cleaner remembers whether they were sent."""

# Personal data and keys by their look, whatever the payload was: an earlier request's, another encoding's.
_BY_LOOK = re.compile(
    r"[^\s\"'<>:,;()]+@[^\s\"'<>:,;()]+|\+?\d(?:[ ()/-]{0,2}\d){6,}|x(?:keysib|smtpsib)-\S*|(?i:bearer)\s+\S+"
)

_JSON_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")  # several at once, as some letters are made of two


def clean_text(text: str, *, sent: bytes | None, secrets: Iterable[str], max_length: int) -> str:
    """Remove from a server's text everything that was sent, make it one line and cut it.

    :param text: what the server said.
    :param sent: the JSON body of the request, or ``None``.
    :param secrets: keys and tokens that were sent along.
    :param max_length: characters to keep.
    """
    return Cleaner(sent=sent, secrets=secrets).clean(text, max_length)


class Cleaner:
    """Cleans many texts of what was sent once: a batch is read a single time, whatever its answer lists.

    :param sent: the JSON body of the request, or ``None``.
    :param secrets: keys and tokens that were sent along.
    """

    def __init__(self, *, sent: bytes | None, secrets: Iterable[str]) -> None:
        values = sorted({value for value in (*secrets, *_sent_values(sent)) if value.strip()}, key=len, reverse=True)
        haystack = "\0".join(value.casefold() for value in values if len(value) >= _PIECE)
        # Texts of one answer are alike, so most pieces of the next one were looked for already.
        self._is_quoted = lru_cache(_REMEMBERED)(haystack.__contains__)
        short = "|".join(re.escape(value) for value in values if len(value) < _PIECE)
        self._short = re.compile(rf"(?<![^\W_])(?:{short})(?![^\W_])", re.IGNORECASE) if short else None

    def clean(self, text: str, max_length: int) -> str:
        """Make a text one line without anything that was sent, and cut it.

        :param text: what the server said.
        :param max_length: characters to keep.
        """
        text = _unescaped(text[:_MAX_READ])
        line = self._mask(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
        return line if len(line) <= max_length else line[: max_length - 1] + "…"

    def _mask(self, line: str) -> str:
        # What is quoted and what looks personal is found in the same text, and before the short values: each
        # replacement would break the rest into pieces too short to find.
        hidden = {place for match in _BY_LOOK.finditer(line) for place in range(*match.span())}
        folded = line.casefold()
        origin = [place for place, char in enumerate(line) for _ in char.casefold()]  # "ß" folds to two letters
        for start in range(len(folded) - _PIECE + 1):
            if self._is_quoted(folded[start : start + _PIECE]):
                hidden.update(origin[start : start + _PIECE])
        line = re.sub("\0+", _MASK, "".join("\0" if place in hidden else char for place, char in enumerate(line)))
        return self._short.sub(_MASK, line) if self._short else line


def _unescaped(text: str) -> str:
    """Undo the escapes of JSON, HTML and URLs, which hide a value, until none is left or the rounds are used up."""
    for _ in range(_ROUNDS):
        before = text
        text = _JSON_ESCAPES.sub(lambda match: json.loads(f'"{match[0]}"'), text)
        text = unquote(html.unescape(text))
        if text == before:
            break
    return text


def _sent_values(sent: bytes | None) -> Iterator[str]:
    if sent is not None:
        for value in _leaves(json.loads(sent)):
            yield value
            yield json.dumps(value, ensure_ascii=False)[1:-1]  # as a server writes it that escapes quotes
            yield " ".join(_unescaped(value).split())  # as it is searched


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
