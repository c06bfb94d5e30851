"""Sending the rows of a query as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseOperator
from jinja2 import BaseLoader, TemplateNotFound

from airflow_provider_brevo.exceptions import BrevoTemplateError, BrevoUsageError
from airflow_provider_brevo.operators._bulk import BulkTask
from airflow_provider_brevo.templating import TypedTemplates, comes_from_xcom, unmask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from airflow_provider_brevo.core.keys import Span
    from airflow_provider_brevo.core.mapping import EventMapping
    from airflow_provider_brevo.core.retry import Delivery

_SQL_FILE = ".sql"


class SqlToBrevoEventsOperator(BulkTask, BaseOperator):
    """Send the rows of a query to Brevo as events, in batches: ``POST /events/batch``.

    The rows stream from the database through the checks to Brevo, in flat memory. How they are checked, sent and
    recorded, and when the task fails, is as with
    :class:`~airflow_provider_brevo.operators.bulk.BrevoBulkCreateEventsOperator`.

    A later try runs the query again. Without ``resume_key`` it must give the same rows in the same order, new ones at
    its end only, or the try is refused. With it, the rows are read in the order of that column, and a later try reads
    those that are not settled, and those beyond the last one that was planned.

    :param sql: one SELECT, or the name of a ``.sql`` file: below the folder of the DAG's file, or the DAG's
        ``template_searchpath``. A template of it gives text. (templated)
    :param sql_conn_id: id of the connection to the database, of any type whose hook is a ``DbApiHook`` of
        ``apache-airflow-providers-common-sql``. (templated)
    :param sql_hook_params: more arguments for the hook of that connection, by its own names: a database, a warehouse.
    :param mapping: how a row becomes an event. Without one, the columns are an event's fields: ``event_name``,
        ``identifiers``, of a JSON type, and so on.
    :param resume_key: a column of the query whose values are unique and not NULL: whole numbers, text, decimals, dates,
        times or UUIDs, of at most 100 bytes as JSON. The query is ordered by it. Its values stand in the checkpoint, so
        choose none with personal data. Without a mapping it is left out of the event.
    :param parameters: values for the placeholders of ``sql``: a dict or a list. Templates keep types. The values are
        not shown under *Rendered Template*. (templated)
    :param on_invalid: ``fail`` (default) sends nothing unless all events are valid, ``skip`` sends the valid ones.
    :param max_rejected: how many events may be rejected, here or by Brevo: a count, or a share below 1 of all.
    :param rejected_path: a folder, or a URI of one, for a file of the rejected events, with reasons. It holds personal
        data. (templated)
    :param checkpoint_path: a folder that all workers see, or a URI of one, for the record of what was sent. Not needed
        on Airflow 3.3, which keeps it. (templated)
    :param batch_size: events in one request, 1 to 200.
    :param max_in_flight: requests at the same time, at most, 1 to 16. As many as the rate limit allows by default.
    :param delivery: ``at_least_once`` (default) sends again what Brevo may have taken when a connection breaks.
        ``at_most_once`` never does, and fails the task with the places of those events instead; it needs a checkpoint.
    :param on_rerun: what to do if the task is cleared after all was sent: ``send`` (default) it again, or ``skip``.
    :param deferrable: give the worker's slot back during long waits that Brevo asks for. By default as
        ``[operators] default_deferrable`` says.
    :param defer_after: seconds of such a wait from which on it is worth it.
    :param validate: check the rules of the Events API before sending. ``False`` lets pass whatever has a JSON form.
    :param properties_schema: the team's own rules for ``event_properties``, as with the bulk operator. (templated)
    :param validate_only: check and don't send; a boolean. (templated)
    :param brevo_conn_id: id of the connection to Brevo. (templated)
    :return: ``{"total", "accepted", "rejected", "skipped", "uncertain", "unidentified", "requests", "seconds",
        "rejected_path"}``, without personal data. A failing end leaves it in the XCom with the key ``result``.
    """

    template_fields: Sequence[str] = (
        "sql",
        "parameters",
        "sql_conn_id",
        "rejected_path",
        "checkpoint_path",
        "properties_schema",
        "validate_only",
        "brevo_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "parameters": "json",
        "properties_schema": "json",
    }
    masked_fields: ClassVar[frozenset[str]] = frozenset({"parameters"})

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        sql_hook_params: Mapping[str, Any] | None = None,
        mapping: EventMapping | None = None,
        resume_key: str | None = None,
        parameters: Mapping[str, Any] | Sequence[Any] | str | None = None,
        on_invalid: Literal["fail", "skip"] = "fail",
        max_rejected: float = 0,
        rejected_path: str | PathLike[str] | None = None,
        checkpoint_path: str | PathLike[str] | None = None,
        batch_size: int = 200,
        max_in_flight: int | None = None,
        delivery: Delivery = "at_least_once",
        on_rerun: Literal["send", "skip"] = "send",
        deferrable: bool | None = None,
        defer_after: float = 60,
        validate: bool = True,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | None = None,
        validate_only: bool | str = False,
        brevo_conn_id: str = "brevo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.sql_hook_params = sql_hook_params
        self.mapping = mapping
        self.resume_key = resume_key
        self.parameters = parameters
        self.on_invalid = on_invalid
        self.max_rejected = max_rejected
        self.rejected_path = rejected_path
        self.checkpoint_path = checkpoint_path
        self.batch_size = batch_size
        self.max_in_flight = max_in_flight
        self.delivery = delivery
        self.on_rerun = on_rerun
        self.deferrable = deferrable
        self.defer_after = defer_after
        self.validate = validate
        self.properties_schema = properties_schema
        self.validate_only = validate_only
        self.brevo_conn_id = brevo_conn_id

    def _render_field(
        self, field: str | None, content: Any, context: Any, jinja_env: Any, seen_oids: set[int] | None
    ) -> tuple[Any, list[BrevoTemplateError]]:
        """Render ``sql`` to text, also where it is one expression, and read the file that it may name.

        ``template_ext`` can't do that: it counts for every field, and a parameter may be the name of a file.
        """
        is_data = seen_oids is not None and id(content) in seen_oids
        if field != "sql" or not isinstance(content, str) or is_data or comes_from_xcom(self, field, content, context):
            return super()._render_field(field, content, context, jinja_env, seen_oids)
        environment = self._sandboxed(jinja_env)
        try:
            source = self._source_of_sql(content, environment)
            return str(TypedTemplates(environment).render(source, context, field="/sql")), []
        except BrevoTemplateError as error:
            return None, [error]

    def _source_of_sql(self, sql: str, environment: Any) -> str:
        if not sql.endswith(_SQL_FILE):
            return sql
        try:
            source: str = (environment.loader or BaseLoader()).get_source(environment, sql)[0]
        except TemplateNotFound:
            failure = BrevoTemplateError(
                "/sql",
                "names a file that is not found",
                advice="give its path below the folder of the DAG's file, or below the DAG's template_searchpath",
            )
        else:
            return source
        raise failure

    def _source(self, _context: Any) -> Callable[[], Any]:
        from airflow_provider_brevo.core.keys import ALL, KeyedRows  # noqa: PLC0415 # not needed to parse a DAG
        from airflow_provider_brevo.core.sql_rows import cant, query_of_span, read_query  # noqa: PLC0415 # see above

        parameters = unmask(self.parameters)
        _check_query(self.sql, parameters)
        hook = self._hook()
        placeholder = hook.placeholder
        _check_key(self.resume_key, placeholder)
        columns = {*getattr(self.mapping, "columns", ()), *([self.resume_key] if self.resume_key else ())}

        def read(span: Span = ALL[0]) -> Iterator[dict[str, Any]]:
            sql, values = self.sql, parameters
            if self.resume_key is not None:
                sql, values = query_of_span(sql, values, span, column=self.resume_key, placeholder=placeholder)
            try:
                connection = closing(hook.get_conn())
            except Exception as error:  # noqa: BLE001 # each driver has errors of its own
                failure = cant(f"connection {self.sql_conn_id!r} can't be opened", error)
                failure.retry_later = True
            else:
                with connection as opened:
                    yield from read_query(opened, sql, values, columns=columns)
                return
            raise failure

        key = self.resume_key
        return read if key is None else lambda: KeyedRows(key, read, drop=self.mapping is None)

    def _hook(self) -> Any:
        """Return the hook of the database's connection.

        :raises BrevoUsageError: there is no such connection, or it isn't one of a database.
        """
        name = f"the connection {self.sql_conn_id!r}"
        if not isinstance(self.sql_conn_id, str) or not self.sql_conn_id:
            raise BrevoUsageError("sql_conn_id is no id of a connection", advice="give it as text")
        try:
            kind, hook, failure = _hook_of(self.sql_conn_id, self.sql_hook_params)
        except AirflowNotFoundException as error:
            raise BrevoUsageError(
                f"sql_conn_id names {name}, which there is not",
                advice="add one with this id, for the database of the query",
            ) from error
        if failure:
            raise BrevoUsageError(
                f"{name} is of the type {kind!r}, for which there is no hook ({failure})",
                advice="correct the connection's type or sql_hook_params, or install the provider that brings it",
            )
        # By its name, since common-sql is there exactly if a hook is made of it.
        if not any(base.__name__ == "DbApiHook" for base in type(hook).__mro__):
            raise BrevoUsageError(
                f"{name} is of the type {kind!r}, whose {type(hook).__name__} is no DbApiHook",
                advice="name a connection to a SQL database",
            )
        return hook


def _check_query(sql: Any, parameters: Any) -> None:
    if not isinstance(sql, str) or not sql.strip():
        raise BrevoUsageError("sql is no text", advice="give one SELECT, or the name of a .sql file")
    if parameters is not None and (isinstance(parameters, str) or not isinstance(parameters, Mapping | Sequence)):
        raise BrevoUsageError(
            "parameters are neither a dict nor a list", advice="give the values of the placeholders of sql as one"
        )


def _check_key(key: Any, placeholder: Any) -> None:
    from airflow_provider_brevo.core.sql_rows import PLACEHOLDERS, is_column_name  # noqa: PLC0415 # see above

    if key is not None and not is_column_name(key):
        raise BrevoUsageError(
            "resume_key is no plain name of a column", advice="give a column of the query, without quotes or a table"
        )
    if key is not None and placeholder not in PLACEHOLDERS:
        raise BrevoUsageError(
            "resume_key does not work with this database, whose hook marks parameters in a way of its own",
            advice=f"leave it out, or set the connection's extra 'placeholder' to one of {', '.join(PLACEHOLDERS)}",
        )


def _hook_of(conn_id: str, params: Mapping[str, Any] | None) -> tuple[str, Any, str]:
    """Return a connection's type, its hook, and the name of the error if there is none."""
    # A frame of its own: Airflow's connection shows its password in `repr`, and must not be a local variable where an
    # error may be raised.
    from airflow.providers.common.compat.sdk import BaseHook  # noqa: PLC0415 # not needed to parse a DAG

    connection: Any = BaseHook.get_connection(conn_id)
    try:
        return str(connection.conn_type), connection.get_hook(hook_params=params), ""
    except Exception as error:  # noqa: BLE001 # told by whoever asked
        return str(connection.conn_type), None, type(error).__name__
