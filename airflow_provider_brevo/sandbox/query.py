"""The parameters of ``GET /v3/events``."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_brevo.sandbox.dates import end_of_day, months_before, parse_day, parse_timestamp

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 100
DEFAULT_MONTHS = 6

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_MAX_INT64 = 2**63 - 1


class InvalidQueryError(ValueError):
    """A parameter is wrong; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What to look for. An empty set means: any.

    :param start: Earliest event date.
    :param end: Latest event date, None for no bound.
    :param limit: Most events on the page.
    :param offset: Events before the page.
    :param contact_ids: Contacts.
    :param event_names: Names.
    :param object_types: Types of object.
    """

    start: datetime
    end: datetime | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    contact_ids: frozenset[int] = frozenset()
    event_names: frozenset[str] = frozenset()
    object_types: frozenset[str] = frozenset()


def parse_query(pairs: Iterable[tuple[str, str]], *, now: datetime) -> EventQuery:
    """Read the parameters; unknown ones are ignored.

    Without dates, events of the last six months are meant. Brevo documents no upper bound for this case,
    so events dated in the future are included.

    :param pairs: Names and values in the order of the query string.
    :param now: The time from which six months are counted back.
    :raises InvalidQueryError: at the first parameter that is wrong.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    start_text, end_text = _single(values, "startDate"), _single(values, "endDate")
    if (start_text is None) != (end_text is None):
        raise InvalidQueryError("startDate and endDate must be given together")
    start, end = months_before(now, DEFAULT_MONTHS), None
    if start_text is not None and end_text is not None:
        start = _date(start_text, "startDate", whole_day=lambda day: day)
        end = _date(end_text, "endDate", whole_day=end_of_day)
        if start > end:
            raise InvalidQueryError("startDate must not be after endDate")
    return EventQuery(
        start=start,
        end=end,
        limit=_number(values, "limit", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
        offset=_number(values, "offset", minimum=0, maximum=_MAX_INT64, default=0),
        contact_ids=frozenset(
            _integer(text, "contact_id", minimum=-_MAX_INT64 - 1, maximum=_MAX_INT64)
            for text in values.get("contact_id", [])
        ),
        event_names=frozenset(values.get("event_name", [])),
        object_types=frozenset(values.get("object_type", [])),
    )


def _single(values: Mapping[str, list[str]], name: str) -> str | None:
    given = values.get(name, [])
    if len(given) > 1:
        raise InvalidQueryError(f"{name} must be given only once")
    return given[0] if given else None


def _number(values: Mapping[str, list[str]], name: str, *, minimum: int, maximum: int, default: int) -> int:
    text = _single(values, name)
    return default if text is None else _integer(text, name, minimum=minimum, maximum=maximum)


def _integer(text: str, name: str, *, minimum: int, maximum: int) -> int:
    if not _INTEGER.fullmatch(text) or not minimum <= int(text) <= maximum:
        raise InvalidQueryError(f'Invalid value "{text}" for {name}')
    return int(text)


def _date(text: str, name: str, *, whole_day: Callable[[datetime], datetime]) -> datetime:
    day = parse_day(text)
    moment = parse_timestamp(text) if day is None else whole_day(day)
    if moment is None:
        raise InvalidQueryError(f'Invalid value "{text}" for {name}: neither YYYY-MM-DD nor RFC 3339')
    return moment
