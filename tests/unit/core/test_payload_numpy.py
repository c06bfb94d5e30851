"""Scalars of numpy and pandas as JSON values."""

import math

import numpy as np  # noqa: TID253 # a test of numpy's values
import pandas as pd  # noqa: TID253 # a test of pandas' values
import pytest

from airflow_provider_brevo.core.payload import convert_event


def convert(value, field="event_properties"):
    """Convert one property, and return it with the violations."""
    converted = convert_event({field: {"P": value}})
    return converted.value[field].get("P"), converted.violations


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.bool_(True), True),
        (np.int8(-5), -5),
        (np.int64(2**63 - 1), 2**63 - 1),
        (np.float64(42.5), 42.5),
        (np.float32(0.5), 0.5),
        (np.str_("00123"), "00123"),
        (np.datetime64("2024-01-24T17:39:57"), "2024-01-24T17:39:57+00:00"),
        (np.datetime64("2024-01-24T17:39:57.123456789"), "2024-01-24T17:39:57.123456+00:00"),
        (np.datetime64("2024-01-24"), "2024-01-24"),
        (np.datetime64("2024-01"), "2024-01-01"),
        (pd.Timestamp("2024-01-24 17:39:57", tz="Europe/Paris"), "2024-01-24T17:39:57+01:00"),
        (pd.Timestamp("2024-01-24 17:39:57"), "2024-01-24T17:39:57+00:00"),
        ([np.int64(1), {"a": np.float64(2.5)}], [1, {"a": 2.5}]),
        ({np.str_("a"): 1}, {"a": 1}),
    ],
)
def test_scalars_become_pythons(value, expected):
    """A scalar of numpy or pandas is sent as the Python value that it stands for."""
    converted, violations = convert(value)

    assert violations == []
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        np.float64("nan"),
        np.float32("inf"),
        np.datetime64("NaT"),
        np.datetime64("NaT", "ns"),
        np.timedelta64("NaT"),
        pd.NaT,
        pd.NA,
    ],
)
@pytest.mark.parametrize("field", ["event_properties", "contact_properties"])
def test_missing_values_are_refused_not_dropped(value, field):
    """Whether NaN, NaT or NA means "absent" is the sender's decision."""
    converted, violations = convert(value, field)

    assert converted is None
    assert [(v.pointer, v.rule) for v in violations] == [(f"/{field}/P", "not-json")]
    assert violations[0].advice == "leave it out or send None"


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("10000-01-01"),
        np.datetime64("10000-01-01T00:00:00"),
        np.datetime64(2**61, "s"),
        np.datetime64(-(2**40), "Y"),
        np.timedelta64(5, "ns"),
        np.timedelta64(5, "s"),
        np.timedelta64(5, "M"),
    ],
)
def test_dates_and_durations_that_python_can_not_hold_are_no_numbers(value):
    """Numpy gives plain integers for them, whose unit nobody at Brevo could tell: they are refused."""
    converted, violations = convert(value)

    assert converted is None
    assert [v.rule for v in violations] == ["not-json"]
    assert "64" in violations[0].problem or "timedelta" in violations[0].problem


@pytest.mark.parametrize(
    "value",
    [np.array([1, 2]), np.array(5), pd.Series([1]), pd.Index([1])],
    ids=["array", "0-d array", "Series", "Index"],
)
def test_arrays_are_refused_with_the_way_out(value):
    """An array is not taken apart in silence; its refusal names tolist()."""
    converted, violations = convert(value)

    assert converted is None
    assert [(v.rule, v.advice) for v in violations] == [("not-json", "send value.tolist()")]


@pytest.mark.parametrize(
    "value",
    [
        np.complex128(1),
        np.bytes_(b"a"),
        np.longdouble(1),
        pd.Timedelta(5),
        pd.Period("2024-01"),
        pd.DataFrame({"a": [1]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_types_are_refused(value):
    """What has no Python scalar that JSON knows is refused."""
    assert [v.rule for v in convert(value)[1]] == ["not-json"]


def test_unsigned_integers_beyond_64_bits_signed_are_refused():
    """Numpy's uint64 reaches further than a signed integer of 64 bits."""
    assert [v.rule for v in convert(np.uint64(2**63))[1]] == ["range"]


def test_contact_id_of_a_data_frame_becomes_a_whole_number():
    """A column of ids with gaps holds floats, which are whole numbers all the same."""
    frame = pd.DataFrame({"contact_id": [42, None]})

    converted = convert_event({"identifiers": {"contact_id": frame["contact_id"].iloc[0]}})

    assert converted.value == {"identifiers": {"contact_id": 42}}
    assert type(converted.value["identifiers"]["contact_id"]) is int
