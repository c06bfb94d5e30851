"""The examples for many events run on real Airflow, and what arrives is checked by value and type."""

import importlib.util
import json
import re
import stat
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dag_of(monkeypatch, tmp_path):
    """Load the DAG that a file makes, with a folder of its own for what it writes."""
    monkeypatch.setenv("ORDERS_FOLDER", str(tmp_path))

    def dag_of(path):
        spec = importlib.util.spec_from_file_location(f"{path.stem}_example", path)
        module = importlib.util.module_from_spec(spec)
        made = {}
        leave = DAG.__exit__
        with monkeypatch.context() as patch:
            patch.setattr(DAG, "__exit__", lambda dag, *args: (made.update({dag.dag_id: dag}), leave(dag, *args))[1])
            spec.loader.exec_module(module)
        (dag,) = made.values()
        return dag

    return dag_of


@pytest.fixture
def readme_dag(dag_of, tmp_path, airflow_version):
    """Load the DAG of the README's section on many events, with its paths below a folder of the test."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Many events\n")[2]
    text = re.search(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)[1]
    assert text.count('"/data/') == 3
    if airflow_version < (3, 0):
        text = text.replace("from airflow.sdk import dag", "from airflow.decorators import dag")
    path = tmp_path / "readme_orders.py"
    path.write_text(text.replace('"/data/', f'"{tmp_path}/'), encoding="utf-8")
    return dag_of(path)


def totals(result, task_id):
    """Add up the results of a task, or of its mapped tasks."""
    returned = result.xcoms[task_id]
    return {name: sum(one[name] for one in returned) for name in ("total", "accepted", "rejected", "requests")}


def test_orders_bulk(dag_of, sandbox, run, tmp_path):
    """Each row of the CSV file arrives as the mapping says, and the broken one is told of in a file."""
    result = run(dag_of(ROOT / "example_dags" / "orders_bulk.py"))
    assert result.states == {"export_orders": "success", "send_orders": "success"}
    assert totals(result, "send_orders") == {"total": 1000, "accepted": 999, "rejected": 1, "requests": 5}
    orders = {event.body["event_properties"]["order_id"]: event.body for event in sandbox.events}
    assert set(orders) == {f"{number:05}" for number in range(1000) if number != 1}
    assert len(sandbox.events) == 999
    assert repr(orders["00123"]) == repr(
        {
            "event_name": "order_completed",
            "identifiers": {"ext_id": "23"},
            "event_properties": {"order_id": "00123", "total": 30.75, "first_order": True, "source": "shop"},
            "event_date": "2026-03-01T03:30:00+01:00",
        }
    )

    (returned,) = result.xcoms["send_orders"]
    rejected = Path(returned["rejected_path"])
    assert rejected.is_relative_to(tmp_path / "rejected")
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    (line,) = rejected.read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "index": 1,
        "where": "here",
        "reasons": [
            "/event_properties/total is made of the column 'total', which does not hold a number: "
            + json.loads(line)["reasons"][0].partition("a number: ")[2]
        ],
        "event": {
            "event_name": "order_completed",
            "identifiers": {"ext_id": "1"},
            "event_properties": {"order_id": "00001", "first_order": True, "source": "shop"},
            "event_date": "2026-03-01T01:30:00+01:00",
        },
    }


def test_orders_chunks(dag_of, sandbox, run):
    """Each chunk is sent by a mapped task of its own in the pool, and no event twice."""
    result = run(dag_of(ROOT / "example_dags" / "orders_chunks.py"))
    assert set(result.states.values()) == {"success"}
    assert len(result.xcoms["send_orders"]) == 4
    assert totals(result, "send_orders") == {"total": 2000, "accepted": 2000, "rejected": 0, "requests": 12}
    assert sandbox.duplicates("order_id") == {"events": 2000, "distinct": 2000, "duplicates": 0}


def test_rejected_events_are_mended_and_sent(dag_of, sandbox, run, new_dag, tmp_path):
    """The events of the rejected file, mended and written alone, are a source without a mapping."""
    (returned,) = run(dag_of(ROOT / "example_dags" / "orders_bulk.py")).xcoms["send_orders"]
    with Path(returned["rejected_path"]).open(encoding="utf-8") as file:
        events = [json.loads(line)["event"] for line in file]
    for event in events:
        event["event_properties"]["total"] = 0.25
    (tmp_path / "mended.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    with new_dag() as mended:
        BrevoBulkCreateEventsOperator(task_id="send_mended_orders", path=tmp_path / "mended.jsonl")
    result = run(mended)
    assert totals(result, "send_mended_orders") == {"total": 1, "accepted": 1, "rejected": 0, "requests": 1}
    assert sandbox.duplicates("order_id") == {"events": 1000, "distinct": 1000, "duplicates": 0}


def test_the_readme_sends_a_table(readme_dag, sandbox, run, tmp_path):
    """The DAG of "Many events" runs as it is printed, but for its paths."""
    rows = ["email,ordered_at,order_id,total"]
    rows += [f"jane{n}@example.com,2026-07-01 10:00:00,{n:05},{'n/a' if n == 7 else n / 2}" for n in range(200)]
    (tmp_path / "orders.csv").write_text("\n".join(rows), encoding="utf-8")
    result = run(readme_dag)
    assert result.states == {"send_orders": "success"}
    assert totals(result, "send_orders") == {"total": 200, "accepted": 199, "rejected": 1, "requests": 1}
    bodies = [event.body for event in sandbox.events]
    assert repr(bodies[3]) == repr(
        {
            "event_name": "order_completed",
            "identifiers": {"email_id": "jane3@example.com"},
            "event_properties": {"order_id": "00003", "total": 1.5},
            "event_date": "2026-07-01T10:00:00+02:00",
        }
    )
    assert len(list((tmp_path / "rejected").rglob("*.jsonl"))) == 1
