"""Real Airflow, in this process: a database on SQLite, DAGs run by dag.test(), the sandbox as Brevo."""

import functools
import importlib
import json
import logging
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import clear_task_instances
from airflow.providers.common.compat.sdk import DAG
from airflow.utils import db

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag

from airflow_provider_brevo import _compat
from airflow_provider_brevo.sandbox import Sandbox

VERSION = tuple(int(part) for part in _compat.airflow_version().split(".")[:2])
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


def store(dag):
    """Store a DAG in the database: Airflow 3 runs no other, and reads the files of the DAGs folder only."""
    in_bundle = {"bundle_name": "dags-folder"} if VERSION >= (3, 2) else {}
    bag = DagBag(dag_folder="/dev/null", bundle_path=Path("/dev"), **in_bundle)
    if VERSION >= (3, 1):
        bag.bag_dag(dag)
        sync = importlib.import_module(DagBag.__module__).sync_bag_to_db
        sync(bag, "dags-folder", None)
    else:
        dag.relative_fileloc = "dag.py"  # which this version expects of whoever read the file
        bag.bag_dag(dag=dag)
        bag.sync_to_db("dags-folder", None)


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@pytest.fixture(scope="session")
def database():
    """Make Airflow's database, once for all tests."""
    db.initdb()
    if VERSION >= (3, 0):
        from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415 # only Airflow 3 has it

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
def stored(database):  # noqa: ARG001 # it has to be there
    """Store DAGs, as Airflow does once it has read their files."""
    return store if VERSION >= (3, 0) else lambda dag: dag.sync_to_db()


@pytest.fixture
def new_dag():
    """Make empty DAGs with ids of their own."""

    def new_dag(**options):
        return DAG(dag_id=f"dag_{uuid.uuid4().hex}", schedule=None, catchup=False, **options)

    return new_dag


@pytest.fixture
def _logged_as_by_workers():
    """Log as workers do: before Airflow 3.1 dag.test() prints tracebacks for people, with all local variables."""
    if VERSION == (3, 0):
        import structlog  # noqa: PLC0415 # Airflow 2 doesn't have it

        processors = importlib.import_module("airflow.sdk.log").logging_processors(enable_pretty_log=False)[0]
        with open(2, "wb", buffering=0, closefd=False) as output:
            factory = structlog.BytesLoggerFactory(output)
            structlog.configure(processors, structlog.make_filtering_bound_logger(logging.INFO), logger_factory=factory)
            yield
        structlog.reset_defaults()
    else:
        yield


@pytest.fixture
def _quick(monkeypatch):
    """Spare tests what Airflow's own scheduler would spread over time."""
    # Some versions wait for seconds between two tasks, for schedulers that don't run here.
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
    if (3, 0) <= VERSION < (3, 3):
        # They build Airflow's API anew for each task, at more than a second each. From 3.3 on it is kept.
        supervisor = importlib.import_module("airflow.sdk.execution_time.supervisor")
        monkeypatch.setattr(supervisor, "in_process_api_server", _api_server)


@functools.cache
def _api_server():
    return importlib.import_module("airflow.api_fastapi.execution_api.app").InProcessExecutionAPI()


@pytest.fixture
def run(database, capfd, _quick, _logged_as_by_workers):
    """Run a DAG to its end, and return what it left behind."""

    def run(dag):
        if VERSION >= (3, 0):
            store(dag)
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
                # Airflow 3 keeps the links of tasks there as well.
                "select task_id, value from xcom where dag_id=? and run_id=? and key not like '@_link@_%' escape '@'"
                " order by map_index",
                key,
            )
            output = "".join(capfd.readouterr())
            assert "Logging error" not in output
            return Result(
                states=dict(states.fetchall()),
                output="\n".join(map(_unpacked, output.splitlines())),
                rendered=_grouped(rendered),
                xcoms=_grouped(xcoms),
                database=database,
            )

    return run


@pytest.fixture
def run_again(run, monkeypatch):
    """Clear all tasks of a DAG's last run, as somebody does in the UI, and run them again."""

    def run_again(dag):
        def cleared(*, session, **options):
            dag_run = session.query(DagRun).filter_by(dag_id=dag.dag_id).order_by(DagRun.id.desc()).first()
            in_dag = {} if VERSION >= (3, 0) else {"dag": dag}
            clear_task_instances(dag_run.get_task_instances(session=session), session, **in_dag)
            dag_run.set_state("running")
            session.commit()
            dag_run.dag = options["dag"]
            return dag_run

        with monkeypatch.context() as patch:
            where, name = ("airflow.models.dagrun", "get_or_create_dagrun")
            if VERSION < (3, 1):
                where, name = "airflow.models.dag", "_get_or_create_dagrun"
            patch.setattr(importlib.import_module(where), name, cleared)
            return run(dag)

    return run_again


def _unpacked(line):
    """Return the texts of a line that is JSON, any other line as it is."""
    texts = []
    try:
        json.loads(line, object_hook=lambda entry: texts.extend(v for v in entry.values() if isinstance(v, str)))
    except ValueError:
        return line
    return "\n".join(texts) or line


def _grouped(rows):
    grouped = {}
    for task_id, value in rows:
        grouped.setdefault(task_id, []).append(json.loads(_text(value)))
    return grouped


@pytest.fixture
def airflow_version():
    """Return Airflow's version as numbers."""
    return VERSION
