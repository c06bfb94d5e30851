"""Rows of queries, on SQLite; on PostgreSQL in tests/integration."""

import sqlite3
import sys
from contextlib import closing
from types import ModuleType, SimpleNamespace

import pytest

from airflow_provider_brevo.core.keys import Span
from airflow_provider_brevo.core.sql_rows import FETCHED, is_column_name, query_of_span, read_query
from airflow_provider_brevo.exceptions import BrevoSourceError


@pytest.fixture
def database():
    """Open a database with a table of numbers."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(2500)])
        yield connection


def test_rows_are_dicts_with_the_values_of_the_driver(database):
    """Types are the database's, names are the query's."""
    rows = list(read_query(database, "SELECT n AS id, n / 2.0 AS half, NULL AS coupon, '0' || n AS code FROM numbers"))
    assert len(rows) == 2500 > 2 * FETCHED
    assert rows[3] == {"id": 3, "half": 1.5, "coupon": None, "code": "03"}


def test_rows_are_fetched_as_they_are_asked_for(database):
    """A query without end gives its first rows all the same."""
    endless = "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT n FROM s"
    assert next(read_query(database, endless)) == {"n": 1}


def test_rows_that_are_dicts_already_are_taken_as_they_are(database):
    """A connection may be set up to give such."""
    database.row_factory = lambda cursor, row: dict(zip([name for name, *_ in cursor.description], row, strict=True))
    assert next(read_query(database, "SELECT n FROM numbers")) == {"n": 0}


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("SELECT n FROM numbers WHERE n = ?", [17]), ("SELECT n FROM numbers WHERE n = :n", {"n": 17})],
)
def test_parameters_are_bound(database, sql, parameters):
    """By place or by name."""
    assert list(read_query(database, sql, parameters)) == [{"n": 17}]


@pytest.mark.parametrize("where", ["", " WHERE n < 0"], ids=["rows", "no rows"])
@pytest.mark.parametrize(
    ("select", "columns", "error"),
    [
        (
            "n, n AS m, n, n AS m",
            [],
            "gives more than one column of the name 'm', 'n'; name each column it selects, with AS where two",
        ),
        ("n, 1 AS one", ["n", "total", "email"], "lacks the column 'email', 'total'; it has 'n', 'one'; select it"),
    ],
)
def test_columns_are_checked_before_the_first_row(database, where, select, columns, error):
    """Also where there is no row."""
    with pytest.raises(BrevoSourceError, match=f"^The query {error}") as caught:
        next(read_query(database, f"SELECT {select} FROM numbers{where}", columns=columns))  # noqa: S608 # of the test
    assert not caught.value.retry_later


def test_no_rows_are_no_error(database):
    """An empty table is a source of no events."""
    assert list(read_query(database, "SELECT n FROM numbers WHERE n < 0", columns=["n"])) == []


def test_what_is_no_select_is_refused(database):
    """It gives no columns."""
    with pytest.raises(BrevoSourceError, match="^The query gives no columns; give one SELECT"):
        list(read_query(database, "DELETE FROM numbers"))


def test_the_drivers_words_about_the_query_are_shown(database):
    """They name what is wrong in it."""
    with pytest.raises(BrevoSourceError) as caught:
        list(read_query(database, "SELECT m FROM numbers"))
    assert str(caught.value) == (
        "The query can't be run (OperationalError: no such column: m); check the query and the database, and run the"
        " task again."
    )
    assert caught.value.retry_later
    assert caught.value.__context__ is None


def test_errors_while_rows_are_read_quote_none_of_them(database):
    """A database may quote the row that it fails at."""

    def explode(value):
        if value == 2000:
            raise ValueError(value)
        return value

    database.create_function("explode", 1, explode)
    rows = read_query(database, "SELECT explode(n) AS n FROM numbers")
    with pytest.raises(BrevoSourceError, match=r"^The query can't be read to its end \(OperationalError: user-defined"):
        list(rows)


class DriverError(Exception):
    """What drivers of other databases raise."""

    def __init__(self, text, **state):
        super().__init__(text)
        self.__dict__.update(state)


@pytest.mark.parametrize(
    ("error", "shown", "later"),
    [
        (
            DriverError('column "m" does not exist\nLINE 1', sqlstate="42703"),
            'DriverError: 42703: column "m" does',
            False,
        ),
        (DriverError("secret", pgcode="22P02"), "DriverError: 22P02", True),
        (DriverError("secret"), "DriverError", True),
        (IndexError("tuple index out of range"), "IndexError: tuple index out of range", True),
        (ValueError("secret"), "ValueError", True),
    ],
)
def test_the_words_of_other_databases_are_shown_where_they_speak_of_the_query(error, shown, later):
    """By the SQL state, where there is one: other texts may quote rows."""

    def execute(_):
        raise error

    connection = SimpleNamespace(cursor=lambda: SimpleNamespace(execute=execute, close=lambda: None))
    with pytest.raises(BrevoSourceError) as caught:
        list(read_query(connection, "SELECT m"))
    assert f"({shown}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "LINE" not in str(caught.value)
    assert caught.value.retry_later is later


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "MySQLdb", "pymysql"])
def test_the_result_stays_in_the_server_where_the_driver_can_do_that(monkeypatch, driver):
    """PostgreSQL's drivers do it for a cursor with a name, MySQL's for one of another class."""
    for name in (driver, f"{driver}.cursors"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[f"{driver}.cursors"].SSCursor = "SSCursor"
    asked = []

    class Connection:
        __module__ = f"{driver}.connections"

        def cursor(self, *args, **named):
            asked.append([*args, *named])
            return SimpleNamespace(
                execute=lambda _: None, fetchmany=lambda _: [], description=[("n",)], close=lambda: None
            )

    class Logging(Connection):  # as some hooks make of it
        __module__ = "airflow.somewhere"

    assert list(read_query(Logging(), "SELECT 1 AS n")) == []
    assert asked == [["name"]] if driver.startswith("psycopg") else [["SSCursor"]]


@pytest.mark.parametrize(
    ("span", "wanted"),
    [
        (Span(), [0, 1, 2, 3, 4]),
        (Span(2), [3, 4]),
        (Span(1, 3), [2, 3]),
        (Span(1, 3, above=False), [1, 2, 3]),
        (Span(2, 2, above=False), [2]),
    ],
)
@pytest.mark.parametrize("parameters", [None, (), (5,), [5], {"limit": 5}])
def test_the_rows_of_a_span_are_those_of_its_keys_in_their_order(database, span, wanted, parameters):
    """Whatever the query's own parameters and order, and if it ends in a semicolon or a comment."""
    limit = {tuple: "?", list: "?", dict: ":limit"}.get(type(parameters) if parameters else None, "5")
    sql = f"SELECT n AS id, '%' AS sign FROM numbers WHERE n < {limit} ORDER BY n DESC -- all;\n; "  # noqa: S608 # of the test
    given = parameters.copy() if isinstance(parameters, list | dict) else parameters
    query, values = query_of_span(sql, parameters, span, column="id", placeholder="?")
    assert [(row["id"], row["sign"]) for row in read_query(database, query, values)] == [(n, "%") for n in wanted]
    assert parameters == given


def test_marks_of_other_drivers():
    """They tell a mark by its percent sign, once there are parameters."""
    sql = "SELECT id FROM t WHERE name LIKE 'a%'"
    assert query_of_span(sql, None, Span(), column="id", placeholder="%s") == (
        f"SELECT * FROM (\n{sql}\n) brevo_rows ORDER BY brevo_rows.id",  # noqa: S608 # see above
        None,
    )
    query, parameters = query_of_span(sql, None, Span(7), column="id", placeholder="%s")
    assert query.endswith("LIKE 'a%%'\n) brevo_rows WHERE brevo_rows.id > %s ORDER BY brevo_rows.id")
    assert parameters == [7]
    by_name = "SELECT id FROM t WHERE name LIKE 'a%%' AND day = %(day)s"
    query, parameters = query_of_span(by_name, {"day": 1}, Span(7, 9), column="id", placeholder="%s")
    assert query.endswith(
        "LIKE 'a%%' AND day = %(day)s\n) brevo_rows"
        " WHERE brevo_rows.id > %(brevo_low)s AND brevo_rows.id <= %(brevo_high)s ORDER BY brevo_rows.id"
    )
    assert parameters == {"day": 1, "brevo_low": 7, "brevo_high": 9}


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("", ""),
        (" ;;\n; ", " "),
        ("; -- all", ""),
        (";\n-- one\n\n -- two; three\n", ""),
        (" -- no end; here 'x'", " -- no end; here 'x'"),
        (" WHERE a = ';--'", " WHERE a = ';--'"),
        (" WHERE a = ';\n--\n'", " WHERE a = ';\n--\n'"),
        (" /* ; -- x */", " /* ; -- x */"),
        (";" + "--" * 3000 + "'", ";" + "--" * 3000 + "'"),
    ],
)
def test_what_stands_behind_a_query_is_left_out(end, left):
    """Semicolons and the comments after them, but none that a text or another comment may hold."""
    query, _ = query_of_span(f"SELECT a FROM t{end}", None, Span(), column="a", placeholder="?")  # noqa: S608 # of the test
    assert query == f"SELECT * FROM (\nSELECT a FROM t{left}\n) brevo_rows ORDER BY brevo_rows.a"  # noqa: S608 # see above


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("order_id", True),
        ("_n1", True),
        ("", False),
        ("1n", False),
        ('"Id"', False),
        ("a.b", False),
        ("a\n", False),
        (None, False),
    ],
)
def test_names_that_need_no_quotes(name, is_one):
    """Everything else could change the query."""
    assert is_column_name(name) is is_one


def test_what_is_said_of_the_syntax_is_not_shown_where_values_were_put_in():
    """Drivers that put them into the text themselves let the database quote one."""

    def execute(*_):
        raise DriverError("syntax error at or near \"'jane@example.com'\"", pgcode="42601")

    connection = SimpleNamespace(cursor=lambda: SimpleNamespace(execute=execute, close=lambda: None))
    with pytest.raises(BrevoSourceError) as caught:
        list(read_query(connection, "SELECT %s", ["jane@example.com"]))
    assert "(DriverError: 42601)" in str(caught.value)
    with pytest.raises(BrevoSourceError, match="syntax error at or near"):
        list(read_query(connection, "SELECT 1 +"))
