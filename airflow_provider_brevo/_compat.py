"""What differs between the versions of Airflow. Nothing else in this package asks for the version."""

from __future__ import annotations

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


def task_state_store(context: Any) -> Any:
    """Return the store that survives the tries of a task, or ``None`` before Airflow 3.3."""
    return context.get("task_state_store")


def is_backfill(context: Any) -> bool:
    """Tell whether the run is part of a backfill."""
    run_type = getattr(context.get("dag_run"), "run_type", None)
    return getattr(run_type, "value", run_type) == "backfill"
