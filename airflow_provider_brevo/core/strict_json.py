"""JSON, read strictly: what can be read in two ways, or isn't in the standard, is refused. Messages hold no content."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_brevo.exceptions import BrevoSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANKS = re.compile(r"[ \t\r\n]*")


class RefusedJSONError(ValueError):
    """What Python would read as JSON and we don't; the message says why, and holds nothing of the text."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise RefusedJSONError("has an object with the same key twice")
    return value


def _refuse_constant(_: str) -> NoReturn:
    raise RefusedJSONError("holds NaN or Infinity, which JSON has no number for")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
_LENIENT = json.JSONDecoder()


def _json_problem(error: Exception) -> str:
    if isinstance(error, RefusedJSONError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"is broken JSON at column {error.colno}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return "holds a number with too many digits"  # Python's own limit, 4300


def load_json(text: str) -> Any:
    """Read a JSON value strictly: no ``NaN``, no infinities, no object with the same key twice.

    :raises ValueError: the text is no such JSON. Its message says why, as ``is broken JSON at column 7``, and holds
        nothing of the text.
    """
    try:
        return _STRICT.decode(text)
    except (ValueError, RecursionError) as error:
        problem = _json_problem(error)
    raise ValueError(problem)  # outside of the handler, as the decoder's own error holds the text


def load_array(text: str) -> Iterator[Any]:
    """Yield the elements of a JSON array one by one, and a :class:`RefusedJSONError` in place of what isn't strict.

    :raises BrevoSourceError: the text is no array, or broken; elements before that place are yielded.
    """
    at = _after_blanks(text, 0)
    if not text.startswith("[", at):
        raise BrevoSourceError("The source is no JSON array", advice="write […] around the objects, or use .jsonl")
    at = _after_blanks(text, at + 1)
    more = not text.startswith("]", at)
    while more:
        item, at = _element(text, at)
        yield item
        at = _after_blanks(text, at)
        more = text.startswith(",", at)
        if more:
            at = _after_blanks(text, at + 1)
    if not text.startswith("]", at) or _after_blanks(text, at + 1) < len(text):
        raise _broken_array(text, at)


def _element(text: str, at: int) -> tuple[Any, int]:
    """Read one element, and return it with the place after it."""
    try:
        try:
            return _STRICT.raw_decode(text, at)
        except RefusedJSONError as refused:
            return refused, _LENIENT.raw_decode(text, at)[1]
    except (ValueError, RecursionError) as error:
        problem, at = _json_problem(error), getattr(error, "pos", at)
    raise _broken_array(text, at, problem)


def _broken_array(text: str, at: int, problem: str = "") -> BrevoSourceError:
    place = json.JSONDecodeError("", text, at)
    return BrevoSourceError(
        f"Line {place.lineno} {problem or _json_problem(place)}", advice="write the file with a JSON library"
    )


def _after_blanks(text: str, at: int) -> int:
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr] # no blanks are a match, too
