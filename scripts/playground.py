"""The sandbox beside a real Airflow with its UI, both on 127.0.0.1 only, for a person to click through.

``airflow standalone`` is not used: it always starts Airflow's log servers, and these listen on every address of the
machine. Here its four components are started without them, each in a session of its own, which is also how all of
their processes are found and stopped.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import psutil
import requests

from airflow_provider_brevo.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
KEY = "xkeysib-playground"  # made up: the sandbox takes any
COMPONENTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)
# Those without a schedule: nothing is sent before somebody asks for it.
SWITCHED_ON = (
    *("mapped_events", "notify_failure", "order_etl", "orders_asset", "orders_bulk", "orders_chunks"),
    *("orders_from_sql", "taskflow_events", "tracking_plan", "video_played", "wait_for_event"),
)
START_SECONDS = 180
STOP_SECONDS = 3  # most end in half a second, the DAG processor does not; nothing of theirs is used again
LAST_LINES = 20


class PlaygroundError(Exception):
    """Airflow did not start, or did not stay up."""


class StoppedError(Exception):
    """Somebody stopped it before it was ready."""


class Airflow:
    """The newest Airflow, with a database of its own, for use in a ``with`` statement.

    :param folder: Where it keeps everything; emptied first.
    :param port: The port of its UI.
    :param stopped: Set as soon as it is to end.
    :param dags: The folder of its DAGs.
    :param switched_on: Which of them can run.
    :param settings: More of its settings, as environment variables.
    """

    python = sys.executable  # the environment that Airflow is installed in

    def __init__(
        self,
        *,
        folder: Path,
        port: int,
        stopped: threading.Event,
        dags: Path = ROOT / "example_dags",
        switched_on: Iterable[str] = SWITCHED_ON,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self.log = folder / "airflow.log"
        self._home = folder / "airflow"
        self._stopped = stopped
        self._switched_on = tuple(switched_on)
        self._api = requests.Session()
        self._api.trust_env = False  # no proxy stands between two processes of one machine
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not (name.startswith("AIRFLOW") or name.upper().endswith("_PROXY"))
            },
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",  # a server more
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **(settings or {}),
        }

    def __enter__(self) -> Self:
        """Make room. Nothing runs yet."""
        shutil.rmtree(self._home, ignore_errors=True)
        self.log.write_bytes(b"")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process, those of running tasks too."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - time.monotonic()))
        # What was stopped may have left children behind.
        while left := members(self.sessions()):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.1)
        for process in self._processes:
            process.wait()

    def start(self, brevo: str) -> None:
        """Start it, and come back when the connection and the DAGs can be used.

        :param brevo: The base URL to which the connection ``brevo_default`` leads.
        :raises PlaygroundError: if it does not get that far.
        :raises StoppedError: if it is to stop before.
        """
        self._migrate()
        for component in COMPONENTS:
            self.run(*component)
        self._wait_until(self._is_healthy, f"{self.url}/api/v2/monitor/health does not say that all is healthy")
        token = self.call("GET", "/auth/token").json()["access_token"]
        self._api.headers["Authorization"] = f"Bearer {token}"
        self.call("POST", "/api/v2/connections", connection_to(brevo)).raise_for_status()
        self._wait_until(lambda: all(map(self._switch_on, self._switched_on)), "not all DAGs have been read")

    def watch(self) -> None:
        """Come back when it is to stop.

        :raises PlaygroundError: if one of its components ends before.
        """
        while not self._stopped.wait(1):
            self._check()

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        """Ask its REST API, as somebody who may do everything.

        :param method: The HTTP method.
        :param path: The path, from ``/``.
        :param body: What is sent as JSON.
        """
        return self._api.request(method, self.url + path, json=body, timeout=60)

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of Airflow's, which ends with the rest at the latest.

        :param arguments: The command line after ``airflow``.
        """
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [self.python, "-m", "airflow", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def sessions(self) -> set[int]:
        """Give the ids of the sessions that its processes belong to."""
        return {process.pid for process in self._processes}

    def _migrate(self) -> None:
        migration = self.run("db", "migrate")
        while migration.poll() is None:
            if self._stopped.wait(0.2):
                raise StoppedError
        if migration.returncode:
            raise PlaygroundError("Airflow's database could not be set up.")
        self._processes.remove(migration)

    def _wait_until(self, reached: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(requests.RequestException):
                if reached():
                    return
            if self._stopped.wait(0.5):
                raise StoppedError
            self._check()
            if time.monotonic() > deadline:
                raise PlaygroundError(f"Airflow was not ready after {START_SECONDS} s: {otherwise}.")

    def _check(self) -> None:
        for process, component in zip(self._processes, COMPONENTS, strict=False):
            if process.poll() is not None:
                raise PlaygroundError(f"Airflow's {component[0]} ended by itself, with status {process.returncode}.")

    def _is_healthy(self) -> bool:
        health = self.call("GET", "/api/v2/monitor/health").json()
        return all(part["status"] == "healthy" for part in health.values())

    def _switch_on(self, dag_id: str) -> bool:
        return self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False}).ok


def main() -> int:
    """Run both until Ctrl-C; 0 unless Airflow did not start or did not stay up."""
    options = parser().parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with (
            alone(folder),
            Sandbox(port=free_port(options.sandbox_port)) as sandbox,
            Airflow(folder=folder, port=free_port(options.port), stopped=stopped) as airflow,
        ):
            print(f"Airflow is starting, which takes a minute. Its log: {shown(airflow.log)}", flush=True)
            return click_through(airflow, sandbox)
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def click_through(airflow: Airflow, sandbox: Sandbox) -> int:
    """Say when both are ready, and wait until they are to stop.

    :param airflow: The Airflow, which does not run yet.
    :param sandbox: The sandbox, which runs.
    :return: 1 if Airflow did not start or did not stay up, with the end of its log printed.
    """
    try:
        airflow.start(sandbox.url)
        airflow.call("POST", "/api/v2/connections", orders_in(airflow.log.parent)).raise_for_status()
        print(greeting(airflow, sandbox), flush=True)
        airflow.watch()
    except (PlaygroundError, requests.RequestException) as error:
        lines = airflow.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        print(
            *lines,
            f"error: {error}",
            f"The lines above are the end of {shown(airflow.log)}.",
            sep="\n",
            file=sys.stderr,
        )
        return 1
    except StoppedError:
        pass
    print("\nStopping both …", flush=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """Give what reads the command line."""
    made = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    made.add_argument("--port", type=int, default=8080, help="of Airflow's UI; default 8080, or a free one")
    made.add_argument("--sandbox-port", type=int, default=8025, help="of the sandbox; default 8025, or a free one")
    made.add_argument(
        "--folder", type=Path, default=ROOT / ".cache" / "playground", help="for Airflow's files; emptied at each start"
    )
    return made


def greeting(airflow: Airflow, sandbox: Sandbox) -> str:
    """Say where to click.

    :param airflow: The Airflow that runs.
    :param sandbox: The sandbox that runs.
    """
    return f"""
Airflow  {airflow.url}
Sandbox  {sandbox.origin}

1. Look at the connection brevo_default and test it:  {airflow.url}/connections
2. Trigger the DAG order_etl:                         {airflow.url}/dags/order_etl
3. Watch its event arrive, with its types:            {sandbox.origin}

For an Airflow of your own:
{sandbox.connection}

Ctrl-C stops both."""


def connection_to(brevo: str) -> dict[str, object]:
    """Give the connection ``brevo_default`` as Airflow's REST API takes it.

    :param brevo: The base URL to which it leads.
    """
    return {
        "connection_id": "brevo_default",
        "conn_type": "brevo",
        "host": brevo,
        # Said twice: the UI of 3.3.2 can't test a connection without a port (apache/airflow#73298).
        "port": urlsplit(brevo).port,
        "password": KEY,
    }


def orders_in(folder: Path) -> dict[str, object]:
    """Make the table that the DAG ``orders_from_sql`` reads, and give its connection as Airflow's REST API takes it.

    :param folder: Where its file is written.
    """
    path = folder / "orders.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((ROOT / "example_dags" / "orders_db.sql").read_text(encoding="utf-8"))
    return {"connection_id": "orders_db", "conn_type": "sqlite", "host": str(path)}


def free_port(wanted: int) -> int:
    """Give a port of 127.0.0.1 on which nothing listens.

    :param wanted: The port to take if it is free; 0 for any.
    """
    for port in (wanted, 0):
        with suppress(OSError, OverflowError), socket.create_server((HOST, port)) as probe:
            return probe.getsockname()[1]
    raise PlaygroundError(f"No port of {HOST} is free.")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder, so that a second start does not empty it under the first.

    :param folder: The folder.
    :raises PlaygroundError: if it is held already.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PlaygroundError("It runs already: stop that one first, or give another --folder.") from None
        yield


def members(sessions: set[int]) -> list[psutil.Process]:
    """Give the processes of some sessions. Airflow's tasks leave the process group, but never the session.

    :param sessions: The ids of the sessions, which are those of their first processes.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def shown(path: Path) -> Path:
    """Give a path as it is shortest, from the checkout where it lies inside.

    :param path: An absolute path.
    """
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
