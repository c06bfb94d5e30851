"""Python values to the JSON values that Brevo gets. The input is never changed."""

from __future__ import annotations

import json
import math
import re
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from airflow_provider_brevo.exceptions import Violation

EVENT_FIELDS = ("event_name", "identifiers", "event_properties", "contact_properties", "event_date", "object")
"""Fields of an event, as Brevo's reference lists them."""

MAX_DEPTH = 32
"""Levels of objects and lists inside one field. Brevo names no limit; ours also ends values that contain themselves."""

_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = 19
_MINUTE = timedelta(minutes=1)

_BELOW_MICROSECONDS = frozenset({"ns", "ps", "fs", "as"})
"""Units of numpy's datetime64 that Python's datetime can't hold."""

_SAFE_KEY = re.compile(r"[A-Za-z0-9_-]{1,255}")
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)

_TEXT_IDENTIFIERS = frozenset({"email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id"})
_OBJECT_IDENTIFIERS = frozenset({"id", "ext_id"})


class _Dropped(Enum):
    """Stands for a value that could not be converted, or a None that is left out."""

    DROPPED = 0


_DROPPED: Final = _Dropped.DROPPED


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A converted event.

    :param value: the event as JSON values; places that could not be converted are left out.
    :param violations: why they could not.
    """

    value: Any
    violations: list[Violation]


def convert_event(event: Mapping[str, Any], *, timezone: tzinfo = UTC) -> Converted:
    """Convert an event to JSON values.

    - datetime: RFC 3339; in ``contact_properties`` only the day, as date attributes of Brevo want it. Without an
      offset it is taken to be in ``timezone``. date: ``YYYY-MM-DD``.
    - Decimal: the number, where it survives the way through a float. UUID: its text. Enum: its value. Scalars of numpy
      and pandas: Python's. Tuples and other sequences: lists. Other mappings: objects.
    - None: left out of objects, refused inside lists.
    - ``contact_id``: "42" and 42.0 become 42. The other identifiers: 42 becomes "42".
    - Refused with their place: NaN, NaT, infinities, bytes, sets, integers beyond 64 bits, keys that aren't strings,
      lone surrogates, more than :data:`MAX_DEPTH` levels, and all that has no JSON form.

    :param event: the fields of the event.
    :param timezone: for datetimes without an offset.
    """
    converter = _Converter(timezone)
    if not isinstance(event, Mapping):
        converter.refuse(
            "", "type", f"must be an object, not of type {_kind(event)}", "pass a dict of the event's fields"
        )
        return Converted(value={}, violations=converter.violations)
    value = {
        key: inner
        for key, place, raw in converter.items(event, "")
        if (inner := converter.field(key, raw, place)) is not _DROPPED
    }
    return Converted(value=value, violations=converter.violations)


def encode(value: Any) -> bytes:
    """Encode a JSON value as it is sent, and as its size is measured: compact, in UTF-8.

    :raises ValueError: the value holds NaN or an infinity.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def pointer(parent: str, key: str | int, position: int = 0) -> str:
    """Append a key to a JSON pointer. A key that breaks the key rules is shown by its position only."""
    if isinstance(key, int):
        return f"{parent}/{key}"
    return f"{parent}/{key}" if _SAFE_KEY.fullmatch(key) else f"{parent}/<key {position + 1}>"


class _Converter:
    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._open: set[int] = set()
        self.violations: list[Violation] = []

    def refuse(self, place: str, rule: str, problem: str, advice: str) -> _Dropped:
        self.violations.append(Violation(pointer=place, rule=rule, problem=problem, advice=advice))
        return _DROPPED

    def field(self, name: str, raw: Any, place: str) -> Any:
        """Convert one top-level field, with the rules of its own that it has."""
        if name == "contact_properties":
            return self._value(raw, place, 0, days_only=True)
        value = self._value(raw, place, 0)
        if not isinstance(value, dict):
            return value
        if name == "identifiers":
            return self._identifiers(value, place)
        if name == "object" and isinstance(identifiers := value.get("identifiers"), dict):
            value["identifiers"] = {
                key: _identifier_text(inner) if key in _OBJECT_IDENTIFIERS else inner
                for key, inner in identifiers.items()
            }
        return value

    def items(self, mapping: Mapping[Any, Any], place: str) -> Iterator[tuple[str, str, Any]]:
        """Yield key, place and value of each entry whose key is text and whose value isn't None."""
        for position, (key, raw) in enumerate(mapping.items()):
            if isinstance(key, Enum):
                key = key.value  # noqa: PLW2901 # the rest of the loop means this one
            if not isinstance(key, str):
                inner = f"{place}/<key {position + 1}>"
                self.refuse(inner, "key", f"has a key of type {_kind(key)}", "use text as key")
                continue
            inner = pointer(place, key, position)
            if not _is_unicode(key):
                self.refuse(inner, "key", "has a key that is no valid Unicode", "decode the text properly")
            elif not _is_none(raw):
                yield str.__str__(key), inner, raw

    def _identifiers(self, values: dict[str, Any], place: str) -> dict[str, Any]:
        return {
            key: inner
            for key, value in values.items()
            if (inner := self._identifier(key, value, place)) is not _DROPPED
        }

    def _identifier(self, key: str, value: Any, place: str) -> Any:
        if key in _TEXT_IDENTIFIERS:
            return _identifier_text(value)
        if key != "contact_id":
            return value
        if (isinstance(value, float) and value.is_integer()) or (
            isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)
        ):
            return self._integer(int(value), pointer(place, key))
        return value

    def _value(  # noqa: PLR0911 # one line a type reads best
        self, raw: Any, place: str, depth: int, *, days_only: bool = False
    ) -> Any:
        value = _unwrap(raw)
        if isinstance(value, str):
            text = str.__str__(value)
            if _is_unicode(text):
                return text
            return self.refuse(place, "not-json", "is text that is no valid Unicode", "decode the text properly")
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return self._integer(int(value), place)
        if isinstance(value, float):
            return self._float(float(value), place)
        if isinstance(value, datetime):
            return self._datetime(value, place, days_only=days_only)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return self._decimal(value, place)
        if isinstance(value, uuid.UUID):
            return str(value)
        return self._container(value, place, depth + 1, days_only=days_only)

    def _container(self, value: Any, place: str, depth: int, *, days_only: bool) -> Any:
        is_object = isinstance(value, Mapping)
        if not is_object and (not isinstance(value, Sequence) or isinstance(value, bytes | bytearray | memoryview)):
            return self.refuse(
                place, "not-json", f"is of type {_kind(value)}, which has no JSON form", _advice_for(value)
            )
        if id(value) in self._open:  # told apart from depth, as following several such branches would never end
            return self.refuse(place, "depth", "contains itself", "flatten the value")
        if depth > MAX_DEPTH:
            return self.refuse(place, "depth", f"is nested deeper than {MAX_DEPTH} levels", "flatten the value")
        self._open.add(id(value))
        try:
            if not is_object:
                return list(self._list_items(value, place, depth, days_only=days_only))
            return {
                key: inner
                for key, at, raw in self.items(value, place)
                if (inner := self._value(raw, at, depth, days_only=days_only)) is not _DROPPED
            }
        finally:
            self._open.remove(id(value))

    def _list_items(self, values: Iterable[Any], place: str, depth: int, *, days_only: bool) -> Iterator[Any]:
        for index, raw in enumerate(values):
            at = pointer(place, index)
            if _is_none(raw):
                self.refuse(at, "null", "is None, which a list can't hold", "leave the item out of the list")
            elif (inner := self._value(raw, at, depth, days_only=days_only)) is not _DROPPED:
                yield inner

    def _integer(self, value: int, place: str) -> Any:
        if value in _INT64:
            return value
        return self.refuse(place, "range", "is an integer beyond 64 bits", "send it as text: str(value)")

    def _float(self, value: float, place: str) -> Any:
        if math.isfinite(value):
            return value
        what = "NaN" if math.isnan(value) else "infinite"
        return self.refuse(place, "not-json", f"is {what}, which JSON has no number for", "leave it out or send None")

    def _decimal(self, value: Decimal, place: str) -> Any:
        if not value.is_finite():
            return self.refuse(place, "not-json", "is a Decimal that is no number", "leave it out or send None")
        if value and value.adjusted() >= _INT64_DIGITS:
            return self.refuse(place, "range", "is a number beyond 64 bits", "send it as text: str(value)")
        if value == value.to_integral_value():
            return self._integer(int(value), place)
        number = float(value)
        # repr gives the shortest text that reads back as this float: equal means that nothing was lost.
        if Decimal(repr(number)) == value:
            return number
        return self.refuse(
            place, "precision", "is a Decimal with more digits than a JSON number keeps", "send it as text: str(value)"
        )

    def _datetime(self, value: datetime, place: str, *, days_only: bool) -> Any:
        if value != value:  # noqa: PLR0124 # pandas' NaT is a datetime that differs from itself
            return self.refuse(place, "not-json", "is NaT, which is no date", "leave it out or send None")
        if days_only:
            return value.date().isoformat()
        try:
            offset = value.utcoffset()
            if offset is None:
                value = value.replace(tzinfo=self._timezone)
                offset = value.utcoffset()
            if offset is not None and offset % _MINUTE:
                value = value.astimezone(UTC)  # RFC 3339 has no offsets with seconds, local mean times have
        except OverflowError:
            return self.refuse(place, "date", "is outside of the years 1 to 9999 in UTC", "correct the date")
        return value.isoformat()


def _identifier_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _unwrap(value: Any) -> Any:
    """Take the plain value out of an Enum member, or out of a scalar of numpy or pandas."""
    while isinstance(value, Enum):
        value = value.value
    # Whoever holds a value of numpy or pandas has imported it, so there is no need to import it here.
    if (pandas := sys.modules.get("pandas")) and value is getattr(pandas, "NA", _DROPPED):
        return math.nan
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, getattr(numpy, "generic", ())):
        scalar: Any = value
        plain = scalar.item()
        if not isinstance(scalar, numpy.datetime64 | numpy.timedelta64):
            return plain
        if isinstance(scalar, numpy.datetime64) and numpy.datetime_data(scalar.dtype)[0] in _BELOW_MICROSECONDS:
            plain = scalar.astype("datetime64[us]").item()
        if plain is None:
            return math.nan  # NaT
        # A count of units stands for what Python has no type for. Nobody at Brevo could tell the unit.
        return value if isinstance(plain, int) else plain
    return value


def _is_none(value: Any) -> bool:
    return _unwrap(value) is None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return type(value).__name__


def _advice_for(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return "decode it to text"
    if isinstance(value, set | frozenset):
        return "send sorted(value)"
    if isinstance(value, time | timedelta):
        return "send it as text, or as a number of seconds"
    if hasattr(value, "tolist") and hasattr(value, "__len__"):
        return "send value.tolist()"
    if isinstance(value, Iterable):
        return "make it a list: list(value), or `| list` in a template"
    return "send text, a number, a boolean, a date, a list or a dict"
