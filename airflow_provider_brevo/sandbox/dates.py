"""Dates as the Events API takes them: RFC 3339 timestamps, and plain days in queries."""

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))",
    # RFC 3339, 5.6: "T" and "Z" may be lower case.
    re.ASCII | re.IGNORECASE,
)
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_LAST_HOUR, _LAST_MINUTE = 23, 59
_MONTHS_A_YEAR = 12


def parse_timestamp(text: str) -> datetime | None:
    """Read an RFC 3339 timestamp.

    A leap second (``:60``) and the year 0000 are refused although the RFC has room for them: common date
    libraries, Python's and Go's, know neither. Fractions are cut to microseconds.

    :param text: The text to read.
    :return: The aware time, or None if the text is no such timestamp.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hour, offset_minute = match.groups()[6:]
    zone: timezone = UTC
    if sign is not None:
        if int(offset_hour) > _LAST_HOUR or int(offset_minute) > _LAST_MINUTE:
            return None
        offset = timedelta(hours=int(offset_hour), minutes=int(offset_minute))
        zone = timezone(-offset if sign == "-" else offset)
    microsecond = int(((fraction or "") + "000000")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, zone)
    except ValueError:
        return None


def parse_day(text: str) -> datetime | None:
    """Read a day, ``YYYY-MM-DD``.

    :param text: The text to read.
    :return: Its first moment in UTC, or None if the text is no such day.
    """
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups())
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def end_of_day(day: datetime) -> datetime:
    """Tell the last moment of a day.

    :param day: The day's first moment.
    """
    return day.replace(hour=_LAST_HOUR, minute=_LAST_MINUTE, second=59, microsecond=999_999)


def months_before(moment: datetime, months: int) -> datetime:
    """Go back by calendar months; where the month is too short, to its last day.

    :param moment: Where to start.
    :param months: How many months to go back.
    """
    year, month_index = divmod(moment.year * _MONTHS_A_YEAR + moment.month - 1 - months, _MONTHS_A_YEAR)
    month = month_index + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def format_timestamp(moment: datetime) -> str:
    """Write an RFC 3339 timestamp in UTC.

    :param moment: An aware time.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
