"""Options of a bulk send: each wrong value is named with its cure."""

import math

import pytest

from airflow_provider_brevo.core.bulk_states import BulkOptions


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_rejected": 0.5},
        {"max_rejected": 10},
        {"max_rejected": 3.0},
        {"batch_size": 1, "max_in_flight": 1, "max_retries": 0, "pause_after": 0},
        {"batch_size": 200, "max_in_flight": 16, "pause_after": 1.5, "validate_only": True},
        {"on_invalid": "skip", "delivery": "at_most_once", "on_rerun": "skip"},
    ],
)
def test_what_can_be_asked_for(options):
    """Values at the ends of their ranges are good."""
    assert list(BulkOptions(**options).problems()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("on_invalid", value) for value in ("ignore", None, True)),
        *(("delivery", value) for value in ("exactly_once", "")),
        *(("on_rerun", value) for value in ("ask", 1)),
        *(("max_rejected", value) for value in (-1, 1.5, math.nan, math.inf, "1", True, None)),
        *(("batch_size", value) for value in (0, 201, 1.0, "200", True, None)),
        *(("max_in_flight", value) for value in (0, 17, 2.0, False)),
        *(("validate_only", value) for value in ("true", 1, None)),
        *(("max_retries", value) for value in (-1, 1.5, None)),
        *(("pause_after", value) for value in (-1, "60", math.nan, True)),
    ],
)
def test_what_cant(name, value):
    """One sentence names the option and what to give instead."""
    (problem,) = BulkOptions(**{name: value}).problems()
    assert problem.startswith(f"{name} is ")
    assert ": " in problem


def test_all_problems_are_told_at_once():
    """Somebody corrects them in one go."""
    assert len(list(BulkOptions(on_invalid="no", batch_size=0, max_retries=-1).problems())) == 3
