"""Rows of a query, read one after another through a connection of Python's database API (PEP 249)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.exceptions import BrevoSourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from airflow_provider_brevo.core.keys import Span

Parameters = Mapping[str, Any] | Sequence[Any]

FETCHED = 1000
"""Rows that are fetched at once."""

PLACEHOLDERS = ("%s", "?")
"""How a database's driver marks the place of a parameter, of those that bounds of keys can be given to."""

# Semicolons, and comments after them. None of a text: a quote would follow.
_END = re.compile(r";[;\s]*(?:--[^\n'\"`$\]*]*(?:\n\s*|\Z))*\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FAULT_OF_THE_QUERY = "42"
"""Class of SQL states: syntax errors, names that there are not, missing privileges."""
_FAULT_OF_THE_SYNTAX = "42601"
_QUOTE_NO_ROWS = ("psycopg", "psycopg2", "sqlite3", "builtins")
_OF_THE_DRIVER = ("ProgrammingError", "OperationalError", "IndexError", "TypeError")
"""Errors of these modules and names quote no rows where they have no SQL state: the driver itself raises them."""


def read_query(
    connection: Any, sql: str, parameters: Parameters | None = None, *, columns: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Run a query and read its rows as dicts of column and value, in flat memory where the driver allows it.

    psycopg2 and psycopg keep the result in the server, MySQLdb and PyMySQL leave it in the connection, sqlite3 computes
    it row by row. Other drivers do with it what theirs is to do.

    :param connection: an open connection; it isn't closed here.
    :param sql: one SELECT.
    :param parameters: the values of its placeholders.
    :param columns: what has to be among the columns, checked before the first row.
    :raises BrevoSourceError: the query can't be run or read, two of its columns have one name, or a column is missing.
    """
    with closing(_cursor(connection)) as cursor:
        names: list[str] | None = None
        while rows := _fetched(cursor, sql, parameters, first=names is None):
            if names is None:
                names = _names(cursor, columns)
            for row in rows:
                yield dict(row) if isinstance(row, Mapping) else dict(zip(names, row, strict=True))
        if names is None:
            _names(cursor, columns)


def query_of_span(
    sql: str, parameters: Parameters | None, span: Span, *, column: str, placeholder: str
) -> tuple[str, Parameters | None]:
    """Return a query, and its parameters, for some of a query's rows, in the order of their keys.

    :param sql: one SELECT.
    :param parameters: the values of its placeholders.
    :param span: the keys that are wanted.
    :param column: the one of the keys.
    :param placeholder: one of :data:`PLACEHOLDERS`.
    """
    both = (("brevo_low", ">" if span.above else ">=", span.low), ("brevo_high", "<=", span.high))
    limits = [limit for limit in both if limit[2] is not None]
    sql = _END.sub("", sql.strip())
    key = f"brevo_rows.{column}"  # alone, `user` would be the user of the database
    if limits and not parameters and placeholder == "%s":
        sql = sql.replace("%", "%%")  # which a driver takes for what it is only as long as there are no parameters
    if isinstance(parameters, Mapping):
        tests = [f"{key} {test} {f'%({name})s' if placeholder == '%s' else f':{name}'}" for name, test, _ in limits]
        parameters = {**parameters, **{name: bound for name, _, bound in limits}}
    else:
        tests = [f"{key} {test} {placeholder}" for _, test, _ in limits]
        parameters = [*(parameters or ()), *(bound for *_, bound in limits)]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    # On lines of their own, since the query may end in a comment.
    return f"SELECT * FROM (\n{sql}\n) brevo_rows{where} ORDER BY {key}", parameters or None  # noqa: S608 # is checked


def is_column_name(name: object) -> bool:
    """Tell whether a name can stand in a query as it is, without quotes.

    :param name: of a column.
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def cant(what: str, error: BaseException, *, with_values: bool = False) -> BrevoSourceError:
    """Return the error for one of a database's driver.

    Only what speaks of the query itself is quoted: other texts of databases quote the rows.

    :param what: what was tried, as ``query be run``.
    :param error: the driver's.
    :param with_values: whether values were put into the query; then what it says of the syntax may quote one.
    """
    state = str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
    of_the_query = state.startswith(_FAULT_OF_THE_QUERY)
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    said = [name, *([state] if state else [])]
    of_the_driver = not state and name in _OF_THE_DRIVER and module in _QUOTE_NO_ROWS
    if (of_the_query or of_the_driver) and not (with_values and state == _FAULT_OF_THE_SYNTAX):
        said.append(next(iter(str(error).splitlines()), ""))
    advice = "check the query" if of_the_query else "check the query and the database, and run the task again"
    failure = BrevoSourceError(f"The {what} ({': '.join(said)})", advice=advice)
    failure.retry_later = not of_the_query
    return failure


def _cursor(connection: Any) -> Any:
    """Return a cursor that leaves the result where it is until it is fetched, where the driver has one."""
    drivers = {base.__module__.partition(".")[0] for base in type(connection).__mro__}
    if drivers & {"psycopg", "psycopg2"}:
        return connection.cursor(name="brevo_rows")
    for driver in drivers & {"MySQLdb", "pymysql"}:
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()


def _fetched(cursor: Any, sql: str, parameters: Parameters | None, *, first: bool) -> Sequence[Any]:
    try:
        if first:
            cursor.execute(*((sql, parameters) if parameters else (sql,)))
        rows: Sequence[Any] = cursor.fetchmany(FETCHED)
    except Exception as error:  # noqa: BLE001 # each driver has errors of its own
        what = f"query can't be {'run' if first else 'read to its end'}"
        failure = cant(what, error, with_values=bool(parameters))
    else:
        return rows
    raise failure  # outside of the except block, since errors of databases may quote rows


def _names(cursor: Any, columns: Collection[str]) -> list[str]:
    names = [column[0] for column in cursor.description or ()]
    if not names:
        raise BrevoSourceError("The query gives no columns", advice="give one SELECT")
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise BrevoSourceError(
            f"The query gives more than one column of the name {', '.join(map(repr, twice))}",
            advice="name each column it selects, with AS where two have one name",
        )
    if missing := sorted(set(columns).difference(names)):
        raise BrevoSourceError(
            f"The query lacks the column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, names))}",
            advice="select it, or correct the name; databases may change the case of names",
        )
    return names
