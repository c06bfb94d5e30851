"""The example for backfills runs on real Airflow, for a day that is given and for a run without one."""

import importlib.util
import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "backfill_orders.py"
DAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def run_for(run, monkeypatch):
    """Run one DAG of the example for a logical date, and with params."""
    spec = importlib.util.spec_from_file_location("backfill_orders_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run_for(name, logical_date, **params):
        dag = getattr(module, name)()
        known = inspect.signature(dag.test).parameters
        given = {"logical_date" if "logical_date" in known else "execution_date": logical_date, "run_conf": params}
        test = dag.test
        monkeypatch.setattr(dag, "test", lambda: test(**given), raising=False)
        return run(dag)

    return run_for


def test_a_daily_event_is_dated_by_its_run(sandbox, run_for):
    """A run for a day of the past gives its event the date of that day, not of today."""
    result = run_for("backfill_orders", DAY)
    assert result.states == {"send_orders_counted": "success"}
    (event,) = sandbox.events
    assert event.body == {
        "event_name": "orders_counted",
        "identifiers": {"ext_id": "shop-17"},
        "event_date": "2026-03-02T00:00:00+00:00",
        "event_properties": {"due_on": "2026-03-02"},
    }


def test_a_rehearsal_checks_the_event_and_sends_nothing(sandbox, run_for):
    """The param validate_only turns the run into a check."""
    result = run_for("backfill_orders", DAY, validate_only=True)
    assert result.states == {"send_orders_counted": "success"}
    assert result.xcoms["send_orders_counted"] == [{"event_name": "orders_counted", "events_sent": 0}]
    assert not sandbox.requests


def test_a_run_without_a_day_of_its_own_is_dated_too(sandbox, run_for):
    """A run as an asset triggers it has no logical date on Airflow 3, and its event still has a date."""
    before = datetime.now(UTC)
    result = run_for("orders_loaded", None)
    assert result.states == {"send_orders_loaded": "success"}
    (event,) = sandbox.events
    assert abs(datetime.fromisoformat(event.body["event_date"]) - before) < timedelta(minutes=10)
