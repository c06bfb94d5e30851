"""Timestamps by RFC 3339."""

import pytest

from airflow_provider_brevo.core.dates import is_rfc3339


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-24T17:39:57+01:00",
        "2024-01-24T17:39:57Z",
        "2024-01-24t17:39:57z",
        "2024-01-24T17:39:57.1Z",
        "2024-01-24T17:39:57.123456789-08:00",
        "2024-01-24T00:00:00-00:00",
        "2024-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59+23:59",
    ],
)
def test_timestamps_of_the_rfc_pass(text):
    """Every form that RFC 3339 allows is taken."""
    assert is_rfc3339(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-24",
        "17:39:57Z",
        "2024-01-24 17:39:57Z",
        "2024-01-24T17:39:57",
        "2024-01-24T17:39Z",
        "2024-01-24T17:39:57.Z",
        "2024-01-24T17:39:57,5Z",
        "2024-01-24T17:39:57+0100",
        "2024-01-24T17:39:57+01",
        "2024-01-24T17:39:57+24:00",
        "2024-01-24T17:39:57+01:60",
        "2024-01-24T17:39:57+01:00:30",
        "2024-01-24T24:00:00Z",
        "2024-01-24T17:60:00Z",
        "2016-12-31T23:59:60Z",
        "2024-00-24T17:39:57Z",
        "2024-13-24T17:39:57Z",
        "2024-02-30T17:39:57Z",
        "2023-02-29T17:39:57Z",
        "1900-02-29T17:39:57Z",
        "2024-04-31T17:39:57Z",
        "2024-01-00T17:39:57Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "24-01-24T17:39:57Z",
        "2024-1-24T17:39:57Z",
        "2024-01-24T17:39:57Z\n",
        "\n2024-01-24T17:39:57Z",
        " 2024-01-24T17:39:57Z",
        "2024-01-24T17:39:57Z ",
        "2024-01-24T17:39:57Z\0",
        "٢٠٢٤-01-24T17:39:57Z",
        "2024-01-24T17:39:57.\u0665Z",
        "2024\u201301\u201324T17:39:57Z",
        "1706114397",
        "yesterday",
    ],
)
def test_what_is_no_timestamp_is_refused(text):
    """Days that don't exist, missing offsets, leap seconds, the year 0 and anything around a timestamp are refused."""
    assert not is_rfc3339(text)


@pytest.mark.parametrize("value", [None, 5, True, [], {}])
def test_what_is_no_text_is_left_to_the_check_of_types(value):
    """A value of the wrong type is not reported a second time as a wrong date."""
    assert is_rfc3339(value)
