"""What differs between the versions of Airflow. Nothing else in this package asks for the version."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

if TYPE_CHECKING:
    from datetime import tzinfo


def airflow_version() -> str:
    """Return the version of Airflow, such as ``3.3.2``."""
    import airflow  # noqa: PLC0415 # in a module that DAG files import, only what they need is imported

    return airflow.__version__


def default_timezone() -> tzinfo:
    """Return the time zone that ``[core] default_timezone`` names: for datetimes without one of their own."""
    from pendulum import local_timezone, timezone  # noqa: PLC0415 # see above

    name = conf.get("core", "default_timezone", fallback="utc")
    return local_timezone() if name == "system" else timezone(name)


def allowed_hosts() -> list[str]:
    """Return the hosts that ``[brevo] allowed_hosts`` lists."""
    listed = conf.get("brevo", "allowed_hosts", fallback="") or ""
    return [host.strip() for host in listed.split(",") if host.strip()]


def local_roots() -> list[str]:
    """Return the folders that ``[brevo] local_roots`` lists; none means that all local files may be used."""
    listed = conf.get("brevo", "local_roots", fallback="") or ""
    return [folder.strip() for folder in listed.split(",") if folder.strip()]


def default_deferrable() -> bool:
    """Return what ``[operators] default_deferrable`` says."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def runs_on_one_machine() -> bool:
    """Tell whether all tasks run on the scheduler's machine, so that its folders are good for all of them."""
    executors = conf.get("core", "executor", fallback="LocalExecutor").split(",")
    return all(name.rpartition(".")[2].rpartition(":")[2].strip() in _LOCAL_EXECUTORS for name in executors)


_LOCAL_EXECUTORS = {"LocalExecutor", "SequentialExecutor", "DebugExecutor"}


def count(name: str, by: int) -> None:
    """Add to one of Airflow's counters.

    :param name: such as ``brevo.events.accepted``; Airflow puts its own prefix before it.
    :param by: how much.
    """
    from airflow.providers.common.compat.sdk import Stats  # noqa: PLC0415 # not needed to parse a DAG

    Stats.incr(name, by)


def stored_connection(conn_id: str) -> Any:
    """Return a connection, for a process that is neither a task nor a server.

    From Airflow 3.1 on, ``BaseHook.get_connection`` asks no database there, and finds none that was saved in the UI.

    :param conn_id: its id.
    :raises AirflowNotFoundException: there is none, or none that can be read.
    """
    from airflow.models.connection import Connection  # noqa: PLC0415 # heavy, and nothing for tasks
    from airflow.providers.common.compat.sdk import AirflowNotFoundException  # noqa: PLC0415 # nor is this

    # Airflow 2 logs the whole traceback of a secrets backend, or a database, that isn't there, and of a broken extra.
    loggers = [logging.getLogger(f"{Connection.__module__}{name}") for name in ("", ".Connection")]
    for logger in loggers:
        logger.addFilter(_without_traceback)
    try:
        connection = Connection.get_connection_from_secrets(conn_id)
    finally:
        for logger in loggers:
            logger.removeFilter(_without_traceback)
    if not _is_object(connection.extra):  # which Airflow 2 takes for no extra at all
        raise AirflowNotFoundException(f"The extra of the connection {conn_id!r} is no JSON object")
    return connection


def _is_object(extra: str | None) -> bool:
    try:
        return isinstance(json.loads(extra or "{}"), dict)
    except ValueError:
        return False


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def storage_path(uri: str) -> Any:
    """Return Airflow's path for a URI of an object store.

    :param uri: such as ``s3://conn_id@bucket/folder/events.jsonl``.
    :raises Exception: Airflow doesn't know the scheme, or has no connection for it.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: PLC0415 # heavy

    return ObjectStoragePath(uri)


def task_state_store(context: Any) -> Any:
    """Return the store that survives the tries of a task, or ``None`` before Airflow 3.3."""
    return context.get("task_state_store")


def is_backfill(context: Any) -> bool:
    """Tell whether the run is part of a backfill."""
    run_type = getattr(context.get("dag_run"), "run_type", None)
    return getattr(run_type, "value", run_type) == "backfill"
