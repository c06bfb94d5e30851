"""The sandbox's reading of dates."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.sandbox.dates import (
    end_of_day,
    format_timestamp,
    months_before,
    parse_day,
    parse_timestamp,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-06T20:59:23.383Z", datetime(2024, 2, 6, 20, 59, 23, 383_000, UTC)),
        ("2024-01-24T17:39:57+01:00", datetime(2024, 1, 24, 16, 39, 57, tzinfo=UTC)),
        ("2024-01-24T17:39:57-09:30", datetime(2024, 1, 25, 3, 9, 57, tzinfo=UTC)),
        ("2024-01-24t17:39:57z", datetime(2024, 1, 24, 17, 39, 57, tzinfo=UTC)),
        ("2024-02-29T00:00:00.1234567Z", datetime(2024, 2, 29, 0, 0, 0, 123_456, UTC)),
    ],
)
def test_timestamps_of_rfc_3339_are_read(text: str, moment: datetime) -> None:
    """A timestamp with an offset, in either case and with any fraction, gives the right moment."""
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-02-06",
        "2024-02-06T20:59:23",
        "2024-02-06 20:59:23Z",
        "2024-02-06T20:59Z",
        "2024-02-06T20:59:23Z\n",
        " 2024-02-06T20:59:23Z",
        "2024-13-06T20:59:23Z",
        "2024-02-30T20:59:23Z",
        "2023-02-29T20:59:23Z",
        "0000-02-06T20:59:23Z",
        "2024-02-06T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2024-02-06T20:59:23.Z",
        "2024-02-06T20:59:23+0100",
        "2024-02-06T20:59:23+24:00",
        "2024-02-06T20:59:23+01:60",
        "٢٠٢٤-02-06T20:59:23Z",
    ],
)
def test_anything_else_is_no_timestamp(text: str) -> None:
    """Missing parts, impossible days, leap seconds and stray characters are refused."""
    assert parse_timestamp(text) is None


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))))
def test_what_python_writes_is_read_back(moment: datetime) -> None:
    """Every aware time in whole minutes of offset survives the way through text."""
    assert parse_timestamp(moment.isoformat()) == moment


def test_a_day_spans_from_its_first_to_its_last_moment() -> None:
    """A plain day starts at midnight UTC and ends just before the next."""
    day = parse_day("2024-02-29")
    assert day == datetime(2024, 2, 29, tzinfo=UTC)
    assert end_of_day(day) == datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC)


@pytest.mark.parametrize("text", ["2024-02-30", "2024-2-3", "2024-02-06T00:00:00Z", "2024-02-06\n", "yesterday"])
def test_anything_else_is_no_day(text: str) -> None:
    """Only YYYY-MM-DD with a day that exists is a day."""
    assert parse_day(text) is None


def test_months_are_counted_back_by_the_calendar() -> None:
    """Going back crosses years, and ends at the last day of a month that is too short."""
    assert months_before(datetime(2026, 8, 31, tzinfo=UTC), 6) == datetime(2026, 2, 28, tzinfo=UTC)
    assert months_before(datetime(2026, 6, 15, tzinfo=UTC), 6) == datetime(2025, 12, 15, tzinfo=UTC)


def test_times_are_written_in_utc() -> None:
    """A time of arrival is written with Z and milliseconds."""
    moment = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))
    assert format_timestamp(moment) == "2026-01-01T00:00:00.000Z"
