"""Servers that a test starts for itself: a Redis and sandboxes, each on a free port of 127.0.0.1."""

import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests
from playground import HOST, free_port
from waiting import wait_until

STOP_SECONDS = 15
# A request that a sandbox took.
TAKEN = 202
BUSIEST = 5


@contextmanager
def running(command: list[Any], *, stop: signal.Signals = signal.SIGTERM, **how: Any) -> Iterator[psutil.Popen]:
    """Run a program in a session of its own until the end of the block."""
    process = psutil.Popen([*map(str, command)], start_new_session=True, **how)
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):  # it was stopped before
            process.send_signal(stop)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()


def sockets(processes: Iterable[psutil.Process]) -> list[Any]:
    """Return the sockets of processes, as far as they have an address. A process may end while they are read."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found += [socket for socket in process.net_connections("inet") if socket.laddr]
    return found


def listening(processes: Iterable[psutil.Process]) -> set[Any]:
    """Return the addresses at which processes take connections."""
    return {socket.laddr for socket in sockets(processes) if socket.status == psutil.CONN_LISTEN}


@contextmanager
def redis() -> Iterator[tuple[psutil.Popen, str]]:
    """Run an empty Redis that keeps nothing; give the process and its URI."""
    server = shutil.which("redis-server")
    assert server, "Redis is needed: apt-get install redis-server"
    password, port = secrets.token_hex(), free_port(0)
    settings = f'bind {HOST}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
    with (
        tempfile.TemporaryDirectory(prefix="redis-") as folder,
        running([server, "-"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process,
    ):
        process.stdin.write(settings.encode())
        process.stdin.close()
        wait_until(lambda: any(socket.laddr.port == port for socket in process.net_connections("tcp")))
        yield process, f"redis://:{password}@{HOST}:{port}/0"


class Brevo:
    """A sandbox in a process of its own. What arrived can be read event by event when it has stopped.

    :param url: its base URL.
    :param process: the process.
    :param journal: the file of what arrived.
    """

    def __init__(self, url: str, process: psutil.Popen, journal: Path) -> None:
        self.url = url
        self.process = process
        self._journal = journal

    def ask(self, path: str) -> Any:
        """Ask for counts of what arrived."""
        answer = requests.get(self.url.removesuffix("/v3") + path, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def answers(self) -> dict[str, int]:
        """Return how many batches were answered with each status; ``none`` stands for no answer."""
        return self.ask("/_sandbox/stats")["requests"]["POST /v3/events/batch"]

    def pace(self) -> tuple[float, float]:
        """Return how many batches it took a second: over all, and in the busiest five seconds. It has stopped."""
        taken = sorted(
            datetime.fromisoformat(at).timestamp()
            for (at,) in self._read("SELECT received_at FROM requests WHERE status = ?", TAKEN)
        )
        most = max(bisect_left(taken, start + BUSIEST) - index for index, start in enumerate(taken))
        return (len(taken) - 1) / (taken[-1] - taken[0]), most / BUSIEST

    def arrived(self) -> list[int]:
        """Return the number of each event that arrived; it has stopped."""
        number = "SELECT json_extract(body, '$.event_properties.number') FROM events"
        return [found for (found,) in self._read(number)]

    def stop(self) -> None:
        """Stop it, so that what arrived can be read."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._journal)) as database:
            return database.execute(statement, values).fetchall()


@contextmanager
def brevo(journal: Path, *options: str) -> Iterator[Brevo]:
    """Run a sandbox.

    :param journal: a file that it makes.
    :param options: more of its command line.
    """
    command = [sys.executable, "-m", "airflow_provider_brevo.sandbox", "--port", "0", "--db", journal, *options]
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().removeprefix("Brevo sandbox on ").partition(",")[0]
        yield Brevo(url, process, journal)
