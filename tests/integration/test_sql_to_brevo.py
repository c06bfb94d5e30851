"""Rows of an SQLite database as events: real DAG runs, checked by value and type."""

import importlib.util
import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.transfers.sql_to_brevo import SqlToBrevoEventsOperator

ROOT = Path(__file__).parents[2]
KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
PRIVATE = "private.example.com"
MAPPING = EventMapping(
    event_name="order_completed",
    identifiers={"email_id": Column("email")},
    event_properties={"order_id": Column("id"), "total": Column("total"), "coupon": Column("coupon")},
)


@pytest.fixture
def orders(monkeypatch, tmp_path):
    """Make a database of 500 orders, with the connection orders_db leading to it."""
    path = tmp_path / "orders.db"
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_DB", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, email TEXT, total REAL, coupon TEXT)")
        add(connection, range(0, 1000, 2))
        yield connection


def add(connection, numbers):
    """Add orders."""
    rows = [(n, f"{n}@{PRIVATE}", n / 4, "X" if n % 4 else None) for n in numbers]
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
    connection.commit()


def send(**options):
    """Define a task."""
    given = {"task_id": "send", "sql": "SELECT * FROM orders ORDER BY id", "mapping": MAPPING, **options}
    return SqlToBrevoEventsOperator(sql_conn_id="orders_db", **given)


def numbers(sandbox):
    """List which orders have arrived."""
    return sorted(event.body["event_properties"]["order_id"] for event in sandbox.events)


@pytest.mark.usefixtures("orders")
def test_rows_arrive_as_events(new_dag, run, sandbox):
    """Numbers are numbers, a NULL is left out, and nothing of the rows is in log, XCom or rendered fields."""
    with new_dag() as dag:
        send(sql="{{ 'SELECT * FROM orders WHERE id < :below' }}", parameters={"below": "{{ 3 + 1 }}"})
    result = run(dag)
    assert result.states == {"send": "success"}
    assert [event.body for event in sandbox.events] == [
        {
            "event_name": "order_completed",
            "identifiers": {"email_id": f"0@{PRIVATE}"},
            "event_properties": {"order_id": 0, "total": 0.0},
        },
        {
            "event_name": "order_completed",
            "identifiers": {"email_id": f"2@{PRIVATE}"},
            "event_properties": {"order_id": 2, "total": 0.5, "coupon": "X"},
        },
    ]
    assert type(sandbox.events[1].body["event_properties"]["total"]) is float
    (value,) = result.xcoms["send"]
    assert (value["total"], value["accepted"], value["requests"]) == (2, 2, 1)
    (fields,) = result.rendered["send"]
    assert fields["sql"] == "SELECT * FROM orders WHERE id < :below"
    shown = fields["parameters"]
    assert (json.loads(shown) if isinstance(shown, str) else shown) == {"below": "***"}
    texts = [result.output, json.dumps(result.rendered), json.dumps(result.xcoms)]
    assert not [text for text in texts if PRIVATE in text]


@pytest.mark.usefixtures("orders")
def test_rows_that_are_events_need_no_mapping(new_dag, run, sandbox):
    """Columns are the event's fields; what isn't of their type is told with its place."""
    with new_dag() as dag:
        send(mapping=None, sql="SELECT 'paid' AS event_name, id AS identifiers FROM orders WHERE id < 2")
    result = run(dag)
    assert result.states == {"send": "failed"}
    assert "event 0: /identifiers" in result.output
    assert sandbox.events == []


@pytest.mark.usefixtures("orders")
def test_a_file_of_sql(new_dag, run, sandbox, tmp_path):
    """It stands below a folder of the DAG, and works in mapped tasks; a parameter may end like its name."""
    (tmp_path / "orders.sql").write_text(
        "SELECT * FROM {{ params.table }} WHERE id < :below AND 'x.sql' = :file", encoding="utf-8"
    )
    with new_dag(template_searchpath=[str(tmp_path)], params={"table": "orders"}) as dag:
        send(sql="orders.sql", parameters={"below": 4, "file": "x.sql"})
        SqlToBrevoEventsOperator.partial(
            task_id="mapped", sql="orders.sql", sql_conn_id="orders_db", mapping=MAPPING
        ).expand(parameters=[{"below": 2, "file": "x.sql"}, {"below": 4, "file": "x.sql"}])
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert numbers(sandbox) == [0, 0, 0, 2, 2]


@pytest.mark.usefixtures("orders")
def test_a_wrong_query_names_what_is_wrong(new_dag, run, sandbox):
    """A column that the mapping needs is missed before anything is sent."""
    with new_dag() as dag:
        send(sql="SELECT id, email AS mail, total, coupon FROM orders")
        send(task_id="twice", sql="SELECT id, id, email, total, coupon FROM orders")
        send(task_id="nowhere", sql="SELECT * FROM nowhere", validate_only=True)
    result = run(dag)
    assert set(result.states.values()) == {"failed"}
    assert "The query lacks the column 'email'; it has 'id', 'mail', 'total', 'coupon'" in result.output
    assert "more than one column of the name 'id'" in result.output
    assert "OperationalError: no such table: nowhere" in result.output
    assert sandbox.events == []


@pytest.fixture
def retried(sandbox, monkeypatch, orders, tmp_path):
    """Let a first try end at its second batch, and orders come in before the next one."""
    connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, "extra": {"max_retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
    sandbox.add_fault("partial,indices=0,times=1")  # of the first batch all but one are taken
    sandbox.add_fault("unknown-ip,times=1")

    def come_in(context):
        if context["ti"].try_number > 1:
            add(orders, [1, 3, 1001, 1003])

    return {
        "pre_execute": come_in,
        "batch_size": 50,
        "max_in_flight": 1,
        "max_rejected": 1,
        "checkpoint_path": str(tmp_path / "checkpoints"),
        "retries": 1,
        "retry_delay": timedelta(0),
    }


def test_a_retry_goes_on_from_the_key_while_rows_come_in(new_dag, run, sandbox, retried):
    """Orders behind the last one that was planned are sent too, those between settled ones are not, and none twice."""
    with new_dag() as dag:
        send(sql="SELECT * FROM orders", resume_key="id", **retried)
    result = run(dag)
    assert result.states == {"send": "success"}
    assert numbers(sandbox) == [*range(2, 1000, 2), 1001, 1003]
    (value,) = result.xcoms["send"]
    assert (value["total"], value["accepted"], value["rejected"]) == (502, 501, 1)


def test_a_retry_without_a_key_is_refused_if_rows_came_in_between(new_dag, run, sandbox, retried):
    """Nobody could tell which ones were sent."""
    with new_dag() as dag:
        send(**retried)
    result = run(dag)
    assert result.states == {"send": "failed"}
    assert "The source isn't the one that an earlier try has sent events of" in result.output
    arrived = numbers(sandbox)
    assert 49 <= len(arrived) == len(set(arrived)) < 499
    assert not {1, 3, 1001, 1003} & set(arrived)


def test_orders_from_sql(monkeypatch, sandbox, run, tmp_path):
    """The example sends the orders of one shop."""
    path = tmp_path / "orders.db"
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_DB", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    monkeypatch.setenv("ORDERS_FOLDER", str(tmp_path))
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer INTEGER, total REAL, first_order INTEGER,"
            " coupon TEXT, ordered_at TEXT, shop TEXT)"
        )
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (f"{n:05}", n % 50, n / 4, n % 2, None, f"2026-03-01 {n % 24:02}:30:00", ["paris", "rome"][n % 3 == 0])
                for n in range(600)
            ],
        )
    file = ROOT / "example_dags" / "orders_from_sql.py"
    spec = importlib.util.spec_from_file_location("orders_from_sql_example", file)
    made, leave = [], DAG.__exit__
    with monkeypatch.context() as patch:
        patch.setattr(DAG, "__exit__", lambda dag, *args: (made.append(dag), leave(dag, *args))[1])
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    result = run(made[0])
    assert result.states == {"send_orders": "success"}
    orders = {event.body["event_properties"]["order_id"]: event.body for event in sandbox.events}
    assert len(orders) == len(sandbox.events) == 400
    assert orders["00007"] == {
        "event_name": "order_completed",
        "identifiers": {"ext_id": "7"},
        "event_date": "2026-03-01T07:30:00+01:00",
        "event_properties": {"order_id": "00007", "total": 1.75, "first_order": True},
    }
