"""The link to Brevo's reference, and what tasks tell the assets among their outlets, on real Airflow."""

import importlib
import importlib.util
import json
import sqlite3
from pathlib import Path

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.providers.common.compat.sdk import Asset, BaseHook
from airflow.utils.session import create_session

from airflow_provider_brevo import _compat
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator, BrevoCreateEventOperator

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "orders_asset.py"
VERSION = tuple(int(part) for part in _compat.airflow_version().split(".")[:2])
EVENT = {"event_name": "paid", "identifiers": {"ext_id": "17"}}
REFERENCE = "https://developers.brevo.com/reference"


@pytest.fixture
def asset_events(database):
    """Return a function that lists what was told to an asset: the extra of each of its events."""
    table = "asset" if VERSION >= (3, 0) else "dataset"

    def asset_events(uri):
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                f"select event.extra from {table}_event event join {table} on {table}.id = event.{table}_id"  # noqa: S608 # ours
                f" where {table}.uri = ? order by event.id",
                (uri,),
            )
            return [json.loads(extra) for (extra,) in rows]

    return asset_events


@pytest.fixture
def example(monkeypatch):
    """Return the DAGs of the example's file; any look-up of a connection while it is read would fail."""

    def refuse(*args):  # noqa: ARG001 # it takes anything
        raise AssertionError("parsing a DAG looked up a connection")

    spec = importlib.util.spec_from_file_location("orders_asset_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(BaseHook, "get_connection", refuse)
        spec.loader.exec_module(module)
        return module.orders_asset(), module.orders_asset_consumer()


def serialized(dag):
    """Return a DAG as scheduler and web server know it."""
    module = importlib.import_module("airflow.serialization.serialized_objects")
    form = getattr(module, "DagSerialization", None) or module.SerializedDAG
    for part in vars(module).values():
        if hasattr(part, "_load_operator_extra_links"):
            part._load_operator_extra_links = True  # as for the web server; what runs DAGs has switched it off
    return form.from_dict(json.loads(json.dumps(form.to_dict(dag))))


def links_of(dag, task_id):
    """Return the links that the API gives for a task of a DAG's last run, by name."""
    task = serialized(dag).get_task(task_id)
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag.dag_id).order_by(DagRun.id.desc()).first()
        ti = run.get_task_instance(task_id, session=session)
        return {name: task.get_extra_links(ti, name) for name in task.extra_links}


@pytest.mark.usefixtures("sandbox")
def test_each_task_links_to_the_reference_of_its_call(run, new_dag):
    """The link survives the serialized DAG; a failed task has it too."""
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="one", **EVENT)
        BrevoBulkCreateEventsOperator(task_id="many", events=[EVENT])
        BrevoBulkCreateEventsOperator(task_id="failed", events=[{}])
    assert run(dag).states == {"one": "success", "many": "success", "failed": "failed"}
    assert links_of(dag, "one") == {"Brevo reference": f"{REFERENCE}/create-event"}
    assert links_of(dag, "many") == {"Brevo reference": f"{REFERENCE}/create-batch-events"}
    assert links_of(dag, "failed") == {"Brevo reference": f"{REFERENCE}/create-batch-events"}


def test_mapped_tasks_have_the_link_too(new_dag):
    """The link belongs to the operator, so that every mapped task has it."""
    with new_dag() as dag:
        BrevoCreateEventOperator.partial(task_id="one", event_name="paid").expand(identifiers=[{"ext_id": "17"}])
    assert list(serialized(dag).get_task("one").operator_extra_link_dict) == ["Brevo reference"]


def test_payloads_are_rendered_as_json(new_dag):
    """Airflow's page shows objects as JSON; the serialized DAG says so."""
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="one", **EVENT)
        BrevoBulkCreateEventsOperator(task_id="many", events=[EVENT])
    known = serialized(dag)
    payload = ("identifiers", "event_properties", "contact_properties", "object", "properties_schema")
    assert known.get_task("one").template_fields_renderers == dict.fromkeys(payload, "json")
    assert known.get_task("many").template_fields_renderers == {"properties_schema": "json"}


def test_the_example_tells_the_consumer_how_many_were_sent(sandbox, run, stored, example, asset_events, database):
    """The asset's event carries the counts, the other DAG is due because of it, and reads them."""
    producer, consumer = example
    uri = "brevo://api.brevo.com/events/order_completed"
    counts = {"events_sent": 2, "total": 2, "rejected": 0, "uncertain": 0}
    stored(producer)
    stored(consumer)
    with create_session() as session:
        session.query(DagModel).filter_by(dag_id=consumer.dag_id).update({"is_paused": False})
    assert set(run(producer).states.values()) == {"success"}
    assert sorted(event.body["identifiers"]["ext_id"] for event in sandbox.events) == ["0017", "0042"]
    assert asset_events(uri) == [counts]
    table = "asset" if VERSION >= (3, 0) else "dataset"
    with sqlite3.connect(database) as connection:
        due = connection.execute(f"select target_dag_id from {table}_dag_run_queue").fetchall()  # noqa: S608 # ours
    assert due == [("orders_asset_consumer",)]
    result = run(consumer)
    assert result.states == {"count_orders": "success"}
    assert {"sent": 2, "rejected": 0} in result.xcoms["count_orders"]  # Airflow 2 keeps the inlets there too


@pytest.mark.usefixtures("sandbox")
def test_an_asset_of_one_event(run, stored, new_dag, asset_events):
    """One event that was sent, and one that was only checked."""
    sent, checked = Asset("brevo://127.0.0.1/events/paid"), Asset("brevo://127.0.0.1/events/checked")
    other = Asset("s3://bucket/table")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="one", outlets=[sent, other], **EVENT)
        BrevoCreateEventOperator(task_id="two", outlets=[checked], validate_only=True, **EVENT)
    stored(dag)
    assert set(run(dag).states.values()) == {"success"}
    assert asset_events(sent.uri) == [{"events_sent": 1}]
    assert asset_events(checked.uri) == [{"events_sent": 0}]
    assert asset_events(other.uri) == [{}]


def test_an_asset_of_many_events(sandbox, run, stored, new_dag, asset_events):
    """The counts are those of the whole task; a failed one tells the asset nothing."""
    mixed, nothing = Asset("brevo://127.0.0.1/events/mixed"), Asset("brevo://127.0.0.1/events/nothing")
    sandbox.add_fault("partial,indices=0,times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="mixed", outlets=[mixed], events=[EVENT, EVENT, EVENT, {}], on_invalid="skip", max_rejected=2
        )
        BrevoBulkCreateEventsOperator(task_id="failed", outlets=[nothing], events=[{}])
    stored(dag)
    assert run(dag).states == {"mixed": "success", "failed": "failed"}
    assert asset_events(mixed.uri) == [{"events_sent": 2, "total": 4, "rejected": 2, "uncertain": 0}]
    assert asset_events(nothing.uri) == []


@pytest.mark.usefixtures("sandbox")
def test_an_asset_of_mapped_tasks(run, stored, new_dag, asset_events):
    """Each mapped task tells the asset its own counts."""
    chunks = Asset("brevo://127.0.0.1/events/chunks")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator.partial(task_id="chunks", outlets=[chunks]).expand(
            events=[[EVENT], [EVENT, EVENT]]
        )
    stored(dag)
    assert run(dag).states == {"chunks": "success"}
    assert sorted(extra["events_sent"] for extra in asset_events(chunks.uri)) == [1, 2]
