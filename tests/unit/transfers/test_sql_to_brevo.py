"""The SQL operator by itself: templates, connections, arguments. Whole runs are in tests/integration."""

import json
import sqlite3

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_brevo.core.keys import KeyedRows, Keys
from airflow_provider_brevo.exceptions import BrevoSourceError, BrevoUsageError
from airflow_provider_brevo.templating import Masked, unmask
from airflow_provider_brevo.transfers.sql_to_brevo import SqlToBrevoEventsOperator

PRIVATE = "jane@private.example.com"


@pytest.fixture
def database(monkeypatch, tmp_path):
    """Make a database, with the connection orders_db leading to it."""
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, email TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(n, f"{n}-{PRIVATE}") for n in range(3)])
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_DB", json.dumps({"conn_type": "sqlite", "host": str(path)}))


def operator(**options):
    """Make the operator."""
    given = {"sql": "SELECT id, email FROM orders", "sql_conn_id": "orders_db", **options}
    return SqlToBrevoEventsOperator(task_id="send", **given)


def rendered(task, folder, **context):
    """Render a task's templates, as Airflow does, in a DAG of a folder with SQL files."""
    with DAG(dag_id="d", schedule=None, template_searchpath=[str(folder)]) as dag:
        dag.add_task(task)
    task.render_template_fields({"params": {}, **context})
    return task


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT {{ n }}", "SELECT 42"),
        ("{{ n }}", "42"),
        ("{{ statement }}", "SELECT '{{ n }}'"),
        ("{% for i in [1] %}SELECT {{ i }}{% endfor %}", "SELECT 1"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_sql_is_text(sql, text, tmp_path):
    """Also where it is one expression."""
    assert rendered(operator(sql=sql), tmp_path, n=42, statement="SELECT '{{ n }}'").sql == text


def test_a_file_of_sql_is_read_and_is_a_template(tmp_path):
    """It may include others, which stand below the same folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "orders.sql").write_text("SELECT {{ n }} FROM {% include 'sub/table.sql' %}\n", encoding="utf-8")
    (tmp_path / "sub" / "table.sql").write_text("orders", encoding="utf-8")
    assert rendered(operator(sql="orders.sql"), tmp_path, n=42).sql == "SELECT 42 FROM orders"


def test_other_fields_that_end_like_a_file_are_none(tmp_path):
    """The name of a file may be a value."""
    task = rendered(operator(parameters={"file": "orders.sql", "files": ["{{ 'a' }}.sql"]}), tmp_path)
    assert unmask(task.parameters) == {"file": "orders.sql", "files": ["a.sql"]}


def test_values_of_parameters_keep_their_types_and_are_not_shown(tmp_path):
    """They may be personal data; their names are not."""
    task = rendered(operator(parameters={"email": "{{ email }}", "n": "{{ n }}"}), tmp_path, email=PRIVATE, n=42)
    assert unmask(task.parameters) == {"email": PRIVATE, "n": 42}
    assert str(task.parameters) == '{"email": "***", "n": "***"}'
    task = rendered(operator(parameters=["{{ n }}", PRIVATE]), tmp_path, n=42)
    assert isinstance(task.parameters, Masked)
    assert unmask(task.parameters) == [42, PRIVATE]
    assert str(task.parameters) == '"***"'


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("nowhere.sql", "/sql names a file that is not found; give its path below the folder of the DAG's file"),
        ("SELECT {{ missing }}", "/sql names 'missing', which is not defined"),
        ("SELECT {{", "/sql is no valid template"),
    ],
)
def test_what_can_not_be_rendered_is_told_and_not_tried_again(sql, error, tmp_path):
    """The error names the field."""
    with pytest.raises(AirflowFailException, match=f"^{error}"):
        rendered(operator(sql=sql), tmp_path)


def test_a_file_is_not_found_without_a_dag():
    """There is no folder to look in."""
    with pytest.raises(AirflowFailException, match="names a file that is not found"):
        operator(sql="orders.sql").render_template("orders.sql", {})


@pytest.mark.usefixtures("database")
def test_rows_come_with_the_types_of_the_database():
    """A source can be read from its beginning as often as it is asked."""
    source = operator(sql="SELECT id, email FROM orders WHERE id > ?", parameters=Masked([1]))._source({})
    assert list(source()) == list(source()) == [{"id": 2, "email": f"2-{PRIVATE}"}]


@pytest.mark.usefixtures("database")
def test_rows_in_the_order_of_a_key():
    """The key is left out of what is an event already."""
    rows = operator(resume_key="id")._source({})()
    assert isinstance(rows, KeyedRows)
    assert [row for _, row in rows.numbered(Keys(column="id"), start=0)] == [
        {"email": f"{n}-{PRIVATE}"} for n in range(3)
    ]


@pytest.mark.usefixtures("database")
def test_the_key_has_to_be_a_column_of_the_query():
    """What the database says of a query that it didn't see so would be hard to read."""
    rows = operator(sql="SELECT email FROM orders", resume_key="id")._source({})()
    with pytest.raises(BrevoSourceError, match=r"can't be run \(OperationalError: no such column: brevo_rows.id\)"):
        list(rows.numbered(Keys(column="id"), start=0))


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sql": None}, "sql is no text; give one SELECT, or the name of a .sql file"),
        ({"sql": " "}, "sql is no text"),
        ({"sql": ["SELECT 1"]}, "sql is no text"),
        ({"parameters": 7}, "parameters are neither a dict nor a list"),
        ({"parameters": "7"}, "parameters are neither a dict nor a list"),
        ({"sql_conn_id": ""}, "sql_conn_id is no id of a connection; give it as text"),
        ({"sql_conn_id": "nowhere"}, "sql_conn_id names the connection 'nowhere', which there is not; add one"),
        ({"sql_conn_id": "odd"}, "the connection 'odd' is of the type 'odd', for which there is no hook"),
        ({"sql_conn_id": "brevo"}, "the connection 'brevo' is of the type 'brevo', whose BrevoHook is no DbApiHook"),
        (
            {"sql_hook_params": {"nowhere": 1}, "sql_conn_id": "brevo"},
            "the connection 'brevo' is of the type 'brevo', for",
        ),
        ({"resume_key": "a; DROP TABLE orders"}, "resume_key is no plain name of a column"),
    ],
)
def test_arguments_that_can_not_be_used(monkeypatch, options, error):
    """They are found when the task runs, before anything is read."""
    monkeypatch.setenv("AIRFLOW_CONN_ODD", "odd://")
    monkeypatch.setenv("AIRFLOW_CONN_BREVO", "brevo://")
    with pytest.raises(BrevoUsageError, match=f"^{error}"):
        operator(**options)._source({})


@pytest.mark.usefixtures("database")
def test_a_mapping_that_is_none_is_left_to_the_list_of_what_is_wrong():
    """The columns it names can't be known."""
    assert callable(operator(mapping={"event_name": "x"})._source({}))


@pytest.mark.usefixtures("database")
def test_the_hook_gets_more_arguments():
    """By its own names."""
    assert operator(sql_hook_params={"schema": "shop"})._hook().__dict__["_DbApiHook__schema"] == "shop"
    assert operator()._hook().__dict__["_DbApiHook__schema"] is None


@pytest.mark.usefixtures("database")
def test_a_database_whose_parameters_nobody_knows_has_no_resume_key(monkeypatch):
    """Its query can't be given the key."""
    task = operator(resume_key="id")
    monkeypatch.setattr(task, "_hook", lambda: type("Hook", (), {"placeholder": "~"}))
    with pytest.raises(BrevoUsageError, match="^resume_key does not work with this database"):
        task._source({})


def test_a_database_that_can_not_be_opened_may_be_tried_again(monkeypatch, tmp_path):
    """It may be back by then."""
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS_DB", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/no/such.db"}))
    with pytest.raises(BrevoSourceError, match="^The connection 'orders_db' can't be opened") as caught:
        list(operator()._source({})())
    assert caught.value.retry_later
