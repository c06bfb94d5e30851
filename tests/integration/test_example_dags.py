"""Each example runs on real Airflow, and what arrives is checked by value and type."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import BaseHook

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "example_dags"


@pytest.fixture
def dagbag(monkeypatch):
    """Parse all examples; any look-up of a connection would be an import error."""

    def refuse(*args):  # noqa: ARG001 # it takes anything
        raise AssertionError("parsing a DAG looked up a connection")

    with monkeypatch.context() as patch:
        patch.setattr(BaseHook, "get_connection", refuse)
        bag = DagBag(dag_folder=str(EXAMPLES), include_examples=False) if _has_examples() else DagBag(str(EXAMPLES))
    assert not bag.import_errors
    return bag


def _has_examples():
    import inspect  # noqa: PLC0415 # only here

    return "include_examples" in inspect.signature(DagBag).parameters


def arrived(sandbox):
    """Return the bodies as they arrived, in the order of their JSON: mapped tasks may run in any order."""
    return sorted((event.body for event in sandbox.events), key=str)


def same(actual, expected):
    """Compare values and types: 42 is not 42.0, and True is not 1."""
    assert repr(actual) == repr(expected)


def test_every_example_is_tested(dagbag):
    """An example without a test here would be a claim that nobody checks."""
    assert set(dagbag.dags) == {
        *("video_played", "order_etl", "mapped_events", "backfill_orders", "orders_loaded"),
        *("orders_bulk", "orders_chunks"),
        *("notify_failure", "wait_for_event", "taskflow_events", "orders_from_sql"),
        *("tracking_plan", "orders_asset", "orders_asset_consumer"),
    }


def test_video_played(dagbag, sandbox, run):
    """The documents' own event arrives as they print it."""
    assert run(dagbag.dags["video_played"]).states == {"send_video_played": "success"}
    same(
        arrived(sandbox),
        [
            {
                "event_name": "video_played",
                "identifiers": {"email_id": "jane.doe@example.com"},
                "event_properties": {
                    "video_title": "Brevo — The most approachable CRM suite",
                    "vide_description": "Create your free account today!",
                    "duration": 142,
                    "autoplayed": False,
                    "upload_date": "2023-11-24T12:09:10+01:00",
                },
                "contact_properties": {"AGE": 32, "GENDER": "FEMALE"},
                "event_date": "2024-02-06T20:59:23.383Z",
            }
        ],
    )


def test_order_etl(dagbag, sandbox, run):
    """What an ETL run computed arrives with the types it was computed in."""
    result = run(dagbag.dags["order_etl"])
    assert set(result.states.values()) == {"success"}
    same(
        arrived(sandbox),
        [
            {
                "event_name": "order_completed",
                "identifiers": {"email_id": "jane.doe@example.com", "ext_id": "4711"},
                "event_properties": {
                    "order_id": "00123",
                    "total": 42.5,
                    "item_count": 3,
                    "is_first_order": True,
                    "items": [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}],
                    "summary": "Order 00123",
                },
                "contact_properties": {"LAST_ORDER": "2026-03-01"},
                "event_date": "2026-03-01T14:30:00+00:00",
            }
        ],
    )
    assert result.xcoms["send_order_completed"] == [{"event_name": "order_completed", "events_sent": 1}]


@pytest.fixture
def _guided(monkeypatch, tmp_path):
    """Make the table and the connection by the lines of the guide, in a folder of the test's own."""
    guide = (ROOT / "docs" / "guides" / "sql.md").read_text(encoding="utf-8")
    lines = re.search(r"Try it with SQLite.*?^```\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[1].splitlines()
    (table,) = (line for line in lines if line.startswith("python "))
    (connection,) = (line for line in lines if line.startswith("export AIRFLOW_CONN_"))
    command = shlex.split(table.replace("/tmp", str(tmp_path)))  # noqa: S108 # the guide's folder
    subprocess.run([sys.executable, *command[1:]], cwd=ROOT, check=True)
    name, _, value = shlex.split(connection)[1].partition("=")
    monkeypatch.setenv(name, value.replace("/tmp", str(tmp_path)))  # noqa: S108 # see above
    monkeypatch.setenv("ORDERS_FOLDER", str(tmp_path))


@pytest.mark.usefixtures("_guided")
def test_orders_from_sql_as_in_the_guide(dagbag, sandbox, run):
    """Whoever follows the guide sees the two orders of the shop arrive."""
    result = run(dagbag.dags["orders_from_sql"])
    assert result.states == {"send_orders": "success"}
    assert "Brevo took 2 of 2 events" in result.output
    first, second = arrived(sandbox)
    same(
        first,
        {
            "event_name": "order_completed",
            "identifiers": {"ext_id": "customer-7"},
            "event_properties": {"order_id": "00121", "total": 19.9, "first_order": True, "coupon": "SPRING"},
            "event_date": "2026-03-01T14:30:00+01:00",
        },
    )
    same(second["event_properties"], {"order_id": "00123", "total": 42.5, "first_order": False})


def test_mapped_events(dagbag, sandbox, run):
    """One event for each row, by expand and by expand_kwargs."""
    result = run(dagbag.dags["mapped_events"])
    assert set(result.states.values()) == {"success"}
    events = arrived(sandbox)
    runs = {event["event_properties"].pop("run") for event in events if event["event_name"] == "newsletter_due"}
    assert len(runs) == 1
    same(
        events,
        [
            {"event_name": "newsletter_due", "identifiers": {"ext_id": "0017"}, "event_properties": {"edition": 7}},
            {"event_name": "newsletter_due", "identifiers": {"ext_id": "0042"}, "event_properties": {"edition": 7}},
            {
                "event_name": "trial_ending",
                "identifiers": {"ext_id": "0017"},
                "event_properties": {"days_left": 3, "plan": "pro"},
            },
            {
                "event_name": "trial_ending",
                "identifiers": {"ext_id": "0042"},
                "event_properties": {"days_left": 1, "plan": "team"},
            },
        ],
    )
