"""Airflow's UI beside the sandbox, as ``make sandbox`` starts them for a person to click through.

Starting takes most of a minute, so it is started once. The tests are steps, from the first look to Ctrl-C.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 100
RUN_SECONDS = 60
STOP_SECONDS = 15
TIMEOUT = 60


class Playground:
    """The script in a process of its own, with everything that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.said = ""
        self._api = requests.Session()
        self._output = folder / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, ROOT / "scripts" / "playground.py"),
                    *("--port", "0", "--sandbox-port", "0", "--folder", folder / "playground"),
                ],
                env=os.environ | {"HOME": str(self.home)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Come back when it says where to click."""

        def is_ready() -> bool:
            self.said = self._output.read_text()
            assert self.process.poll() is None, self.said
            return "Ctrl-C stops both" in self.said

        wait_until(is_ready, START_SECONDS)
        token = self.airflow("GET", "/auth/token")["access_token"]
        self._api.headers["Authorization"] = f"Bearer {token}"

    def airflow(self, method: str, path: str, body: object = None) -> Any:
        """Ask Airflow's REST API."""
        return self._ask(method, self._address("Airflow") + path, body)

    def sandbox(self, path: str) -> Any:
        """Ask for what the sandbox's page shows."""
        return self._ask("GET", self._address("Sandbox") + path, None)

    def family(self) -> list[psutil.Process]:
        """Give all processes that it started, directly or not, and the script itself."""
        script = psutil.Process(self.process.pid)
        return [script, *script.children(recursive=True)]

    def stop(self) -> None:
        """End all of it, as far as it still runs, by force if it must be."""
        family = self.family() if self.process.poll() is None else []
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        for process in filter(is_alive, family):
            process.kill()
        self.process.wait()

    def _address(self, name: str) -> str:
        found = re.search(rf"^{name} +(http://127\.0\.0\.1:\d+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    def _ask(self, method: str, url: str, body: object) -> Any:
        answer = self._api.request(method, url, json=body, timeout=TIMEOUT)
        assert answer.ok, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer.json()


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    """Start it once for all tests, and leave nothing of it behind."""
    running = Playground(tmp_path_factory.mktemp("playground"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs. One that has ended may wait for its parent to take note."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(reached: Callable[[], bool], seconds: float) -> None:
    """Come back when something has come true."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def test_nothing_is_sent_before_somebody_asks_for_it(playground: Playground) -> None:
    """No run exists, the DAGs without a schedule are switched on, the others are not."""
    paused = {dag["dag_id"]: dag["is_paused"] for dag in playground.airflow("GET", "/api/v2/dags")["dags"]}
    assert paused == {
        "order_etl": False,
        "video_played": False,
        "mapped_events": False,
        "orders_bulk": False,
        "orders_chunks": False,
        "backfill_orders": True,
        "orders_loaded": True,
    }
    assert playground.airflow("GET", "/api/v2/dags/~/dagRuns")["total_entries"] == 0
    assert playground.sandbox("/_sandbox/entries")["entries"] == []


def test_the_connection_can_be_tested_in_the_ui(playground: Playground) -> None:
    """The request that the button of Airflow's UI makes is answered with the sandbox's account."""
    stored = playground.airflow("GET", "/api/v2/connections/brevo_default")
    as_the_ui_sends_it = {
        **{name: stored[name] or "" for name in ("connection_id", "conn_type", "host", "login", "schema")},
        "description": "",
        "extra": "{}",
        "password": "***",
        "port": int(stored["port"] or 0),
    }
    answer = playground.airflow("POST", "/api/v2/connections/test", as_the_ui_sends_it)
    assert answer["status"] is True, answer


def test_a_triggered_example_arrives_in_the_sandbox(playground: Playground) -> None:
    """The DAG that the script names runs when it is triggered, and its event is on the sandbox's page."""
    runs = "/api/v2/dags/order_etl/dagRuns"
    run = playground.airflow("POST", runs, {"logical_date": None})["dag_run_id"]

    def has_ended() -> bool:
        state = playground.airflow("GET", f"{runs}/{run}")["state"]
        assert state != "failed"
        return state == "success"

    wait_until(has_ended, RUN_SECONDS)
    (event,) = playground.sandbox("/_sandbox/entries?kind=event")["entries"]
    assert (event["name"], event["identifier"], event["status"]) == ("order_completed", "jane.doe@example.com", 204)


def test_only_this_machine_reaches_it(playground: Playground) -> None:
    """It listens with two sockets, Airflow's and the sandbox's, both on loopback."""
    listening = {
        socket.laddr
        for process in playground.family()
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN
    }
    assert len(listening) == 2
    assert all(ip_address(address.ip).is_loopback for address in listening), listening


def test_a_second_start_leaves_the_first_alone(playground: Playground) -> None:
    """It ends at once and says why."""
    second = subprocess.run(
        [sys.executable, ROOT / "scripts" / "playground.py", "--folder", playground.folder / "playground"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == "error: It runs already: stop that one first, or give another --folder.\n"
    assert playground.airflow("GET", "/api/v2/monitor/health")["scheduler"]["status"] == "healthy"


def test_ctrl_c_stops_everything(playground: Playground) -> None:
    """The script ends well, none of its processes is left, and the home of the user is as it was."""
    family = playground.family()
    assert len(family) > 4
    playground.process.send_signal(signal.SIGINT)
    assert playground.process.wait(STOP_SECONDS) == 0
    assert list(filter(is_alive, family)) == []
    assert list(playground.home.iterdir()) == []
