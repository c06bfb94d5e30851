"""How a flat row becomes an event: which of its columns go where, and what their text means."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from airflow_provider_brevo.core.payload import EVENT_FIELDS, MAX_DEPTH, Converted, _unwrap, convert_event, pointer
from airflow_provider_brevo.core.strict_json import load_json
from airflow_provider_brevo.exceptions import BrevoUsageError, Violation

ColumnType = Literal["text", "number", "boolean", "date", "json"]
Nulls = Literal["keep", "drop"]

_Row = Mapping[str, Any]
_Step = Callable[[_Row, list[Violation]], Any]

_ABSENT: Any = object()
_FAILED: Any = object()

_NUMBER = re.compile(r"\s*[+-]?(?:(?:0|[1-9]\d*)(\.\d*)?|(\.\d+))([eE][+-]?\d+)?\s*", re.ASCII)
_LONGEST_DAY = len("2026-01-31")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Column:
    """Stands in an :class:`EventMapping` for the value of a row's column.

    What a row has as text is read by ``type``, blanks around it aside. Other values, as SQL and Parquet have them, are
    taken as they are where they are of the type already, and refused where they aren't. None stays None.

    ========= ==========================================================================================================
    type      text
    ========= ==========================================================================================================
    text      stays as it is, and so does every other value
    number    ``42`` an integer; ``42.0``, ``.5``, ``1e3`` the nearest float. Refused: ``1,5``, ``1_000``, ``0x10``,
              ``nan``, ``inf``, and leading zeros, which a number would lose: ``00123`` is text
    boolean   ``true``, ``yes``, ``1`` or ``false``, ``no``, ``0``, in any case; the numbers 1 and 0 too
    date      ISO 8601: ``2026-01-31`` a date; ``2026-01-31 10:00:00``, with or without an offset, a datetime
    json      any JSON value, read strictly: no NaN, no object with the same key twice
    ========= ==========================================================================================================

    :param name: the column's name, as in the header.
    :param type: what the text of its cells means.
    """

    name: str
    type: ColumnType = "text"


@dataclass(frozen=True, kw_only=True)
class EventMapping:
    """How a flat row, a dict of column and value, becomes an event.

    Columns are told apart from constants by their type::

        EventMapping(
            event_name="order_completed",
            identifiers={"email_id": Column("email")},
            event_properties={"total": Column("total", type="number"), "source": "erp", "tags": [Column("tag")]},
            timezone="Europe/Paris",
        )

    A mapping is checked when it is made, and can't be changed: dicts and lists are copied. Equal definitions are equal,
    hash alike and have the same ``repr``, which shows the whole definition, constants included.

    :param event_name: text, or the column that holds the name.
    :param identifiers: as of an event, at least one. This and the following may be objects whose values are columns,
        constants, or objects and lists of them; or one column that holds the whole, of type ``json``.
    :param event_properties: as of an event.
    :param contact_properties: as of an event.
    :param event_date: a column, or the date of all events.
    :param object: as of an event.
    :param timezone: IANA name, as ``Europe/Paris``, for datetimes without an offset. ``None`` leaves them to the
        conversion of the event, which takes Airflow's default.
    :param nulls: ``drop`` takes NaN, NaT, pandas' NA and columns with the empty text, as CSV has them, for None, which
        is left out of objects. ``keep``, the default, changes nothing: an empty text may be meant, and a NaN that
        wasn't expected is refused by the conversion rather than lost.
    :raises BrevoUsageError: the definition can't be used; the error names everything that is wrong.
    """

    event_name: str | Column
    identifiers: Mapping[str, Any] | Column
    event_properties: Mapping[str, Any] | Column | None = None
    contact_properties: Mapping[str, Any] | Column | None = None
    event_date: Any = None
    object: Mapping[str, Any] | Column | None = None
    timezone: str | None = None
    nulls: Nulls = "keep"

    def __post_init__(self) -> None:
        for name in EVENT_FIELDS:
            object.__setattr__(self, name, _rebuild(getattr(self, name), lambda leaf: leaf))
        if problems := list(_problems(self)):
            raise BrevoUsageError(f"The mapping can't be used: {'; '.join(problems)}")

    def __hash__(self) -> int:
        return hash(tuple(_hashable(getattr(self, field.name)) for field in fields(self)))

    def __getstate__(self) -> dict[str, Any]:
        # What is compiled stays here: functions made inside of functions can't be pickled.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @functools.cached_property
    def columns(self) -> frozenset[str]:
        """The names of all columns that the mapping reads."""
        return frozenset(column.name for column in _columns_of(self._event))

    def missing(self, header: Iterable[str]) -> list[str]:
        """List the columns that the mapping reads and a header lacks, sorted.

        :param header: the names that there are.
        """
        return sorted(self.columns.difference(header))

    def convert(self, row: Mapping[str, Any]) -> Converted:
        """Make an event of a row.

        :param row: its columns. It isn't changed.
        :return: the event with Python's values, as :func:`~airflow_provider_brevo.core.payload.convert_event` takes
            them; places that could not be read are left out, and stand in the violations, by the event's place and the
            column's name. Rules: ``column`` for one that the row lacks, ``type``, ``date``, ``json``.
        """
        violations: list[Violation] = []
        if type(row) is not dict and not isinstance(row, Mapping):
            return Converted(value={}, violations=[_NO_ROW])
        return Converted(value=self._build(row, violations), violations=violations)

    @property
    def _event(self) -> dict[str, Any]:
        return {name: value for name in EVENT_FIELDS if (value := getattr(self, name)) is not None}

    @functools.cached_property
    def _build(self) -> _Step:
        settle = _settler(ZoneInfo(self.timezone) if self.timezone else None, drop=self.nulls == "drop")
        return _step(self._event, "", settle, drop=self.nulls == "drop")


_NO_ROW = Violation(
    pointer="", rule="type", problem="is made of a row that is no dict", advice="pass dicts of column and value"
)


# ------------------------------------------------------------------------------------------------------ the definition


def _rebuild(template: Any, leaf: Callable[[Any], Any], depth: int = 0) -> Any:
    """Make plain dicts and lists of a template's containers, and what ``leaf`` says of all else."""
    if depth <= MAX_DEPTH:
        if isinstance(template, Mapping):
            return {
                key.value if isinstance(key, Enum) else key: _rebuild(inner, leaf, depth + 1)
                for key, inner in template.items()
            }
        if isinstance(template, list | tuple):
            return [_rebuild(inner, leaf, depth + 1) for inner in template]
    return leaf(template)


def _columns_of(template: Any) -> list[Column]:
    leaves: list[Any] = []
    _rebuild(template, leaves.append)
    return [leaf for leaf in leaves if isinstance(leaf, Column)]


def _hashable(template: Any) -> Any:
    if isinstance(template, dict):
        return frozenset((key, _hashable(inner)) for key, inner in template.items())
    return tuple(map(_hashable, template)) if isinstance(template, list) else template


def _problems(mapping: EventMapping) -> Iterator[str]:
    """Tell everything that is wrong with a definition."""
    event = mapping._event  # noqa: SLF001 # of this module
    if not (isinstance(mapping.event_name, Column) or (isinstance(mapping.event_name, str) and mapping.event_name)):
        yield "event_name must be text or a Column"
    for name in ("identifiers", "event_properties", "contact_properties", "object"):
        if not isinstance(event.get(name, {}), dict | Column):
            yield f"{name} must be a dict or a Column"
    if event.get("identifiers", {}) == {}:
        yield 'identifiers are empty: name at least one, as {"email_id": Column("email")}'
    yield from _problems_of_columns(_columns_of(event))
    # What has no JSON form in a constant would make every single event invalid.
    constants = _rebuild(event, lambda leaf: "" if isinstance(leaf, Column) else leaf)
    yield from map(str, convert_event(constants).violations)
    if mapping.timezone is not None and not _is_timezone(mapping.timezone):
        yield "timezone must be an IANA name that this machine knows, as Europe/Paris"
    if mapping.nulls not in get_args(Nulls):
        yield f"nulls must be one of {', '.join(get_args(Nulls))}"


def _problems_of_columns(columns: list[Column]) -> Iterator[str]:
    if not columns:
        yield 'no column is named, so all events would be the same: write Column("total") where one is meant'
    for column in columns:
        if not isinstance(column.name, str) or not column.name:
            yield "a Column has no name"
        if column.type not in get_args(ColumnType):
            yield f"the type of column {column.name!r} must be one of {', '.join(get_args(ColumnType))}"


def _is_timezone(name: Any) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, TypeError, OSError):  # what ZoneInfo raises for unknown names, odd ones, folders
        return False
    return isinstance(name, str)


# ------------------------------------------------------------------------------------------------ compiled to functions


def _step(template: Any, place: str, settle: Callable[[Any], Any], *, drop: bool) -> _Step:
    """Compile a template to a function of the row, which collects violations and gives ``_FAILED`` where it fails."""
    if isinstance(template, Column):
        return _column_step(template, place, settle, drop=drop)
    if isinstance(template, dict):
        steps = [
            (key, _step(inner, pointer(place, key, position), settle, drop=drop))
            for position, (key, inner) in enumerate(template.items())
        ]
        return lambda row, violations: {
            key: value for key, step in steps if (value := step(row, violations)) is not _FAILED
        }
    if isinstance(template, list):
        items = [_step(inner, pointer(place, index), settle, drop=drop) for index, inner in enumerate(template)]
        return lambda row, violations: [value for step in items if (value := step(row, violations)) is not _FAILED]
    constant = settle(template)
    return lambda _row, _violations: constant


def _column_step(column: Column, place: str, settle: Callable[[Any], Any], *, drop: bool) -> _Step:
    name = column.name
    absent = Violation(
        pointer=place,
        rule="column",
        problem=f"is made of the column {name!r}, which the row lacks",
        advice="give every row this column, and null where it has no value",
    )

    def untyped(row: _Row, violations: list[Violation]) -> Any:
        value = row.get(name, _ABSENT)
        if isinstance(value, str):
            return value if value or not drop else None
        if value is _ABSENT:
            violations.append(absent)
            return _FAILED
        return settle(value)

    if column.type == "text":
        return untyped
    reading = _READINGS[column.type]
    take = reading.take
    read = reading.read if column.type != "date" else lambda text: settle(_read_date(text))
    misfit = Violation(
        pointer=place,
        rule=reading.rule,
        problem=f"is made of the column {name!r}, which does not hold {reading.wanted}",
        advice=f'{reading.advice}, or use nulls="drop" for empty cells',
    )

    def typed(row: _Row, violations: list[Violation]) -> Any:
        value = row.get(name, _ABSENT)
        try:
            if isinstance(value, str):
                return read(value) if value or not drop else None
            value = untyped(row, violations)
            return value if value is None or value is _FAILED else take(value)
        except ValueError:
            violations.append(misfit)
            return _FAILED

    return typed


def _settler(zone: tzinfo | None, *, drop: bool) -> Callable[[Any], Any]:
    """Make the function that gives datetimes their time zone, and None for what counts as it."""

    def settle(value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if kind in _SETTLED or (kind is float and value == value):  # noqa: PLR0124 # NaN differs from itself
            return value
        value = value if kind is datetime else _unwrap(value)
        if isinstance(value, _MAY_BE_NAN):
            if _is_nan(value):
                return None if drop else value
            if zone is not None and isinstance(value, datetime) and (value.tzinfo is None or value.utcoffset() is None):
                return value.replace(tzinfo=zone)
        elif depth <= MAX_DEPTH:  # the conversion refuses what is deeper, or contains itself
            if isinstance(value, Mapping):
                return {key: settle(inner, depth + 1) for key, inner in value.items()}
            if isinstance(value, list | tuple):
                return [settle(inner, depth + 1) for inner in value]
        return value

    return settle


_SETTLED = frozenset({str, int, bool, type(None), date})
_MAY_BE_NAN = (float, Decimal, datetime)
_NUMBERS = (int, float, Decimal)


def _is_nan(value: Any) -> bool:
    """Tell NaN and NaT, which differ from themselves; Decimal's signaling NaN may not even be compared."""
    return value.is_nan() if isinstance(value, Decimal) else bool(value != value)  # noqa: PLR0124 # see above


# --------------------------------------------------------------------------------------------------------------- types


def _read_number(text: str) -> int | float:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError
    return int(text) if match.lastindex is None else float(text)


def _take_number(value: Any) -> Any:
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        raise ValueError  # noqa: TRY004 # both say to the caller that the cell doesn't hold what it should
    return value


def _read_boolean(text: str) -> bool:
    found = _BOOLEANS.get(text.strip().lower())
    if found is None:
        raise ValueError
    return found


def _take_boolean(value: Any) -> bool:
    if not isinstance(value, int) or value not in {0, 1}:
        raise ValueError
    return bool(value)


def _read_date(text: str) -> date:
    text = text.strip().upper()
    return date.fromisoformat(text) if len(text) <= _LONGEST_DAY else datetime.fromisoformat(text)


def _take_date(value: Any) -> date:
    if not isinstance(value, date):
        raise ValueError  # noqa: TRY004 # see above
    return value


class _Reading(NamedTuple):
    """How a type reads what a cell holds.

    :param read: makes a value of text, and raises ValueError where it can't.
    :param take: the same for a value that isn't text.
    :param rule: the rule that is broken then.
    :param wanted: what should be there.
    :param advice: what to do about it.
    """

    read: Callable[[str], Any]
    take: Callable[[Any], Any]
    rule: str
    wanted: str
    advice: str


_READINGS = {
    "number": _Reading(
        _read_number,
        _take_number,
        "type",
        "a number",
        'write 42 or -1.5, use type="text" for digits that are no number',
    ),
    "boolean": _Reading(_read_boolean, _take_boolean, "type", "a boolean", "write true, false, yes, no, 1 or 0"),
    "date": _Reading(_read_date, _take_date, "date", "a date", "write 2026-01-31 or 2026-01-31T10:00:00+01:00"),
    "json": _Reading(load_json, lambda value: value, "json", "JSON, read strictly", "write it with a JSON library"),
}
