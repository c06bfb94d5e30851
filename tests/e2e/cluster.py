"""A cluster of Airflow: every component and each Celery worker a process of its own, beside PostgreSQL and Redis."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import playground
import postgres
import psutil
from services import Brevo, redis
from waiting import wait_until

from airflow_provider_brevo.core.checkpoint import Progress

NOT_FOUND = 404
STOP_SECONDS = 15
ENDED = {"success", "failed"}
# A task whose worker is gone is noticed by its missing heartbeats: within seconds, not five minutes.
SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "14",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


class Cluster:
    """The cluster, which runs.

    :param airflow: all of Airflow.
    :param servers: PostgreSQL, Redis and whatever else belongs to it.
    """

    def __init__(self, airflow: playground.Airflow, servers: Iterable[psutil.Process]) -> None:
        self.servers = [*servers]
        self.call = airflow.call
        self.log = airflow.log
        self._airflow = airflow
        self._workers: dict[str, psutil.Process] = {}

    def use(self, *names: str) -> None:
        """Let just these workers run, each with one slot; come back when they are ready."""
        for name in set(self._workers) - set(names):
            self._workers[name].terminate()
            self._workers.pop(name).wait(STOP_SECONDS)
        said = len(self.log.read_bytes())
        new = [name for name in names if name not in self._workers]
        for name in new:
            pid_file = self.log.parent / f"worker-{name}-{time.monotonic_ns()}.pid"
            command = ("--celery-hostname", name, "--concurrency", "1", "--pid", str(pid_file), "--skip-serve-logs")
            self._workers[name] = psutil.Process(self._airflow.run("celery", "worker", *command).pid)
        wait_until(lambda: all(f"{name} ready." in self._said(said) for name in new))

    def kill(self, name: str) -> None:
        """Kill a worker, with the supervisors and tasks that it runs, and come back when they are gone."""
        session = self._workers.pop(name).pid
        while left := playground.members({session}):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.05)

    def worker_of(self, pid: int | None) -> str | None:
        """Return the worker which runs a task, by the task's process; None if none does any more."""
        with suppress(ProcessLookupError):
            session = pid and os.getsid(pid)
            return next((name for name, worker in self._workers.items() if worker.pid == session), None)
        return None

    def processes(self) -> list[psutil.Process]:
        """Return every process of it, and those that they started."""
        first = self._airflow.sessions() | {server.pid for server in self.servers}
        found = set(playground.members(first))
        for pid in first:
            with suppress(psutil.NoSuchProcess):
                found |= set(psutil.Process(pid).children(recursive=True))
        return [*found]

    def connect(self, connection: str, brevo: Brevo) -> None:
        """Make a connection to a sandbox."""
        self.servers.append(brevo.process)
        body = playground.connection_to(brevo.url) | {"connection_id": connection}
        self.call("POST", "/api/v2/connections", body).raise_for_status()

    def trigger(self, dag_id: str) -> "Run":
        """Start a run of a DAG."""
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        return Run(self, f"{runs}/{self.call('POST', runs, {'logical_date': None}).json()['dag_run_id']}")

    def _said(self, since: int) -> str:
        return self.log.read_bytes()[since:].decode(errors="replace")


class Run:
    """The run of a DAG.

    :param cluster: where it runs.
    :param path: its path in Airflow's REST API.
    """

    def __init__(self, cluster: Cluster, path: str) -> None:
        self._cluster = cluster
        self.path = path

    def state(self) -> str:
        """Return its state."""
        return self._cluster.call("GET", self.path).json()["state"]

    def tasks(self, *states: str, task_id: str = "send") -> dict[int, dict[str, Any]]:
        """Return its instances of a task by their map index, -1 if there is but one; those in some states only."""
        found = self._cluster.call("GET", f"{self.path}/taskInstances").json()["task_instances"]
        return {
            task["map_index"]: task
            for task in found
            if task["task_id"] == task_id and (not states or task["state"] in states)
        }

    def progress(self, map_index: int) -> Progress:
        """Return what the task state store holds of a task."""
        path = f"{self.path}/taskInstances/send/state-store/brevo_bulk"
        answer = self._cluster.call("GET", f"{path}?map_index={map_index}")
        if answer.status_code == NOT_FOUND:
            return Progress()
        answer.raise_for_status()
        return Progress.from_json(answer.json()["value"], kept_in="the store")

    def end(self) -> None:
        """Come back when it has succeeded."""
        wait_until(lambda: self.state() in ENDED)
        assert self.state() == "success", f"the logs are in {self._cluster.log.parent}"


@contextmanager
def cluster(folder: Path, *, dags: Path, switched_on: Iterable[str], settings: Mapping[str, str]) -> Iterator[Cluster]:
    """Start it, without a worker, and leave nothing of it behind.

    :param folder: for its files.
    :param dags: the folder of its DAGs.
    :param switched_on: the DAGs which can run.
    :param settings: more of its settings, as environment variables.
    """
    with ExitStack() as stack:
        uri, database = stack.enter_context(postgres.server())
        broker, broker_url = stack.enter_context(redis())
        airflow = playground.Airflow(
            folder=folder,
            port=playground.free_port(0),
            stopped=threading.Event(),
            dags=dags,
            switched_on=switched_on,
            settings={
                **SETTINGS,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": uri.replace("://", "+psycopg2://"),
                "AIRFLOW__CELERY__BROKER_URL": broker_url,
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{uri}".replace("://", "+psycopg2://"),
                **settings,
            },
        )
        stack.enter_context(airflow)
        airflow.start("http://127.0.0.1:9/v3")  # a connection that no DAG uses
        yield Cluster(airflow, (psutil.Process(database), broker))
