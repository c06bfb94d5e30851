"""Real Airflow, in this process: a database on SQLite, DAGs run by dag.test(), the sandbox as Brevo."""

import json
import logging
import sqlite3
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.providers.common.compat.sdk import DAG
from airflow.utils import db

try:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
except ImportError:  # Airflow 2, which runs a DAG without having stored it
    sync_bag_to_db = None

from airflow_provider_brevo import _compat
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


@dataclass(frozen=True)
class Result:
    """What a run left behind: states by task, the output, and all text of the database."""

    states: dict[str, str]
    output: str
    rendered: dict[str, list[dict]] = field(repr=False)
    xcoms: dict[str, list[object]] = field(repr=False)
    database: Path = field(repr=False)

    def stored_text(self, *tables: str) -> str:
        """Return everything the given tables hold, as one text."""
        with sqlite3.connect(self.database) as connection:
            rows = [row for table in tables for row in connection.execute(f"select * from {table}")]  # noqa: S608 # our names
        return "\n".join(_text(value) for row in rows for value in row if value is not None)


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@pytest.fixture(scope="session")
def database():
    """Make Airflow's database, once for all tests."""
    db.initdb()
    if sync_bag_to_db:
        DagBundlesManager().sync_bundles_to_db()
    return Path(conf.get("database", "sql_alchemy_conn").removeprefix("sqlite:///"))


@pytest.fixture
def sandbox(monkeypatch):
    """Run a sandbox, with the connection brevo_default leading to it."""
    with Sandbox(api_key=KEY) as running:
        connection = {"conn_type": "brevo", "host": running.url, "password": KEY, "extra": {"max_retries": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def new_dag():
    """Make empty DAGs with ids of their own."""

    def new_dag(**options):
        return DAG(dag_id=f"dag_{uuid.uuid4().hex}", schedule=None, catchup=False, **options)

    return new_dag


@pytest.fixture
def run(database, capfd):
    """Run a DAG to its end, and return what it left behind."""

    def run(dag):
        if sync_bag_to_db:
            bag = DagBag(dag_folder="/dev/null", bundle_path=Path("/dev"), bundle_name="dags-folder")
            bag.bag_dag(dag)
            sync_bag_to_db(bag, "dags-folder", None)
        # Airflow 2 keeps the handler that it made for the first run, whose output is closed by now.
        for handler in [*logging.getLogger("airflow.task").handlers]:
            if type(handler) is logging.StreamHandler:
                logging.getLogger("airflow.task").removeHandler(handler)
        capfd.readouterr()
        dag_run = dag.test()
        with sqlite3.connect(database) as connection:
            key = (dag.dag_id, dag_run.run_id)
            states = connection.execute("select task_id, state from task_instance where dag_id=? and run_id=?", key)
            rendered = connection.execute(
                "select task_id, rendered_fields from rendered_task_instance_fields where dag_id=? and run_id=?"
                " order by map_index",
                key,
            )
            xcoms = connection.execute(
                "select task_id, value from xcom where dag_id=? and run_id=? order by map_index", key
            )
            output = "".join(capfd.readouterr())
            assert "Logging error" not in output
            return Result(
                states=dict(states.fetchall()),
                output=output,
                rendered=_grouped(rendered),
                xcoms=_grouped(xcoms),
                database=database,
            )

    return run


def _grouped(rows):
    grouped = {}
    for task_id, value in rows:
        grouped.setdefault(task_id, []).append(json.loads(_text(value)))
    return grouped


@pytest.fixture
def airflow_version():
    """Return Airflow's version as numbers."""
    return tuple(int(part) for part in _compat.airflow_version().split(".")[:2])
