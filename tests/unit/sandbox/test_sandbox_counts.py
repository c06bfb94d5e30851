"""What the sandbox counts."""

import tracemalloc
from typing import Any

import pytest

from airflow_provider_brevo.sandbox.counts import Counts, duplicates_among


def repeated(*values: Any) -> tuple[int, int, int]:
    """Count events whose property p has these values."""
    counts = Counts()
    for value in values:
        counts.add_event({"event_properties": {"p": value}})
    found = duplicates_among(counts.hashes("p"))
    return found["events"], found["distinct"], found["duplicates"]


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        ([], (0, 0, 0)),
        (["a", "b", "a", "a"], (4, 2, 2)),
        ([1, "1", 1.0, True, "True", "1.0"], (6, 6, 0)),
        ([-1, -2, 0, False], (4, 4, 0)),
        ([2**63 - 1, 2**63 - 1, -(2**63)], (3, 2, 1)),
        ([["a"], ["a"], {"a": 1}], (0, 0, 0)),
    ],
)
def test_values_that_repeat_are_counted(values: list[Any], counted: tuple[int, int, int]) -> None:
    """Values of different types are different; lists and objects are left out."""
    assert repeated(*values) == counted


def test_properties_are_counted_by_themselves() -> None:
    """Another property, and an event without properties, change nothing but the number of events."""
    counts = Counts()
    counts.add_event({"event_properties": {"p": 1, "q": 1}})
    counts.add_event({"event_properties": {"q": 1}})
    counts.add_event({})
    assert [len(counts.hashes(name)) for name in ("p", "q", "r")] == [1, 2, 0]
    assert counts.stats()["events"] == 3


def test_a_value_costs_few_bytes() -> None:
    """A hundred thousand values need less than two megabytes."""
    counts = Counts()
    tracemalloc.start()
    for number in range(100_000):
        counts.add_event({"event_properties": {"order_id": f"order-number-{number}"}})
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert duplicates_among(counts.hashes("order_id"))["distinct"] == 100_000
    assert used < 2_000_000


def test_answers_are_counted_by_endpoint_and_status() -> None:
    """What is no documented call is counted together, however many names clients invent."""
    counts = Counts()
    for status in (202, 202, 429, None):
        counts.add_answer("POST", "/v3/events/batch", status)
    for number in range(100):
        counts.add_answer("GET", f"/v3/{number}", 404)
    counts.add_answer("DELETE", "/v3/events", 405)
    assert counts.stats()["requests"] == {
        "POST /v3/events/batch": {"202": 2, "429": 1, "none": 1},
        "other": {"404": 100, "405": 1},
    }
