"""Rows of a real PostgreSQL as events: types, keys, a cursor in the server, flat memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_brevo.core.keys import Keys, Span
from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.transfers.sql_to_brevo import SqlToBrevoEventsOperator

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import postgres  # noqa: E402 # it lies beside the folders of tests

pytestmark = pytest.mark.skipif(not postgres.PROGRAMS, reason="PostgreSQL is not installed: apt-get install postgresql")

ORDERS = """
    SELECT n AS id, 'no-' || n AS code, md5(n::text)::uuid AS uid, n::numeric(10, 2) / 4 AS total,
           timestamptz '2026-03-01 10:00:00+01' + n * interval '1 second' AS at, date '2026-03-01' + n AS day,
           n || '@example.com' AS email, n %% 2 = 0 AS first, jsonb_build_array(n, 'x') AS items, '100%%' AS note
    FROM generate_series(1, %(orders)s) n
"""
PROPERTIES = ["id", "code", "uid", "total", "day", "first", "items", "note"]
KINDS = ["id", "code", "uid", "total", "at", "day"]


@pytest.fixture(scope="module")
def uri():
    """Run a server for the tests of this file."""
    with postgres.server() as (uri, _):
        yield uri


@pytest.fixture
def _connection(uri, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_DB", uri)


def operator(**options):
    """Make the operator."""
    given = {"sql": ORDERS, "parameters": {"orders": 20}, "sql_conn_id": "orders_db", **options}
    return SqlToBrevoEventsOperator(task_id="send", **given)


@pytest.mark.usefixtures("_connection")
def test_rows_arrive_with_their_types(new_dag, run, sandbox):
    """Decimals are numbers, times have their offset, JSON is what it holds."""
    mapping = EventMapping(
        event_name="order_completed",
        identifiers={"email_id": Column("email")},
        event_date=Column("at"),
        event_properties={name: Column(name) for name in PROPERTIES},
    )
    with new_dag() as dag:
        operator(mapping=mapping, resume_key="id")
        SqlToBrevoEventsOperator(
            task_id="plain",
            sql_conn_id="orders_db",
            sql="SELECT 'paid' AS event_name, jsonb_build_object('ext_id', 'n') AS identifiers, NULL AS object",
        )
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    arrived = [event.body for event in sandbox.events]
    bodies = {body["event_properties"]["id"]: body for body in arrived if "event_date" in body}
    assert sorted(bodies) == list(range(1, 21))
    sent = bodies[6]
    assert sent["identifiers"] == {"email_id": "6@example.com"}
    assert sent["event_date"].replace("09:00:06+00:00", "10:00:06+01:00") == "2026-03-01T10:00:06+01:00"
    assert sent["event_properties"] == {
        "id": 6,
        "code": "no-6",
        "uid": "1679091c-5a88-0faf-6fb5-e6087eb1b2dc",
        "total": 1.5,
        "day": "2026-03-07",
        "first": True,
        "items": [6, "x"],
        "note": "100%",
    }
    assert type(sent["event_properties"]["total"]) is float
    assert {"event_name": "paid", "identifiers": {"ext_id": "n"}} in arrived


@pytest.mark.usefixtures("_connection")
@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("how", ["by name", "by place", "none"])
def test_spans_of_each_kind_of_key(key, how):
    """What the server ordered and gave is what it finds again, given back by way of a checkpoint."""
    sql, parameters = ORDERS, {"orders": 20}
    if how != "by name":
        sql, parameters = (sql.replace("%(orders)s", "%s"), [20])
    if how == "none":
        sql, parameters = sql.replace("%s", "20").replace("%%", "%"), None
    source = operator(sql=sql, parameters=parameters, resume_key=key)._source({})
    column = Keys(column=key)
    found = [row[key] for _, row in _with_key(source(), column, key)]
    assert len(set(found)) == 20
    unread = [Span(found[1], found[3], above=False), Span(found[5], found[5], above=False), Span(found[8], found[9])]
    kept = Keys(column=key, unread=[*unread, Span(found[17])])
    kept = Keys.from_json(json.loads(json.dumps(kept.to_json([]))), [])
    again = [row[key] for _, row in _with_key(source(), kept, key)]
    assert again == [*found[1:4], found[5], found[9], *found[18:]]


def _with_key(rows, keys, column):
    for place, row in rows.numbered(keys, start=0):
        yield place, {**row, column: rows.key}


@pytest.mark.usefixtures("_connection")
@pytest.mark.parametrize("key", ["user", "current_date", "id"])
def test_the_key_is_a_column_even_if_the_server_has_a_value_of_its_name(key):
    """Alone, `user` is who has logged in: nothing would be above the first key then."""
    sql = f'SELECT n AS "{key}" FROM generate_series(1, 5) n ORDER BY n DESC'  # noqa: S608 # of the test
    rows = operator(sql=sql, parameters=None, resume_key=key)._source({})()
    left = Keys(column=key, unread=[Span(1, 3), Span(3)])
    assert [(place, rows.key) for place, _ in rows.numbered(left, start=0)] == [(0, 2), (1, 3), (3, 4), (4, 5)]


@pytest.mark.usefixtures("_connection")
def test_a_wrong_query_is_told_in_the_servers_words():
    """Those of its own errors that speak of the query; others may quote rows."""
    with pytest.raises(Exception, match=r"UndefinedColumn: 42703: column \"nothing\" does not exist") as caught:
        list(operator(sql="SELECT nothing", parameters=None)._source({})())
    assert not caught.value.retry_later
    with pytest.raises(Exception, match=r"^The query can't be .* \(InvalidTextRepresentation: 22P02\)") as caught:
        list(
            operator(sql="SELECT ('secret' || n)::int AS n FROM generate_series(1, 3) n", parameters=None)._source({})()
        )
    assert "secret" not in str(caught.value)


def test_memory_stays_flat(uri):
    """A fiftieth of what `python -m benchmarks.sql` sends, by the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sql", "--rows", "20000", "--uri", uri],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("20,000 rows") == 3
    assert "MISSED" not in done.stdout
