"""The process that :mod:`crash` kills: the bulk engine at work on a source, and what starts it quickly."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import sqlite3
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.batches import Preparation
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions
from airflow_provider_brevo.core.checkpoint import InFile, InStateStore
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import BrevoError, BrevoIncompleteError

if TYPE_CHECKING:
    from collections.abc import Iterator

PHASES = ("before the first write", "between writes", "writing the checkpoint", "writing rejections", "merging", "done")
START, BETWEEN, SAVING, FLUSHING, MERGING, DONE = range(len(PHASES))

_TIMEOUT = 1.0
_INVALID = ({"event_name": "no identifier"}, {"event_name": "e", "identifiers": {"email_id": 1.5}}, "no event", None)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One try, as the process that makes it is told."""

    folder: str
    url: str
    seed: int
    serial: int
    try_number: int
    delivery: Any
    on_invalid: Any
    stored: str
    count: int
    batch_size: int
    max_in_flight: int

    def rows(self) -> Iterator[Any]:
        """Yield the source: each valid event has its place as ``order_id``."""
        for index in range(self.count):
            if self.is_invalid(index):
                yield _INVALID[index % len(_INVALID)]
            else:
                properties = {"order_id": index, "note": "x" * (index * 7919 % 400)}
                identifiers = {"email_id": f"{index}@example.com"}
                yield {"event_name": "order_completed", "identifiers": identifiers, "event_properties": properties}

    def is_invalid(self, index: int) -> bool:
        """Tell whether an event breaks rules: one of about thirty, where these are skipped."""
        dice = random.Random(f"{self.seed} {index}")  # noqa: S311 # dice, no secrets
        return self.on_invalid == "skip" and dice.random() < 1 / 30

    @property
    def store(self) -> InFile | InStateStore:
        """Where the checkpoint is."""
        folder = Path(self.folder)
        if self.stored == "file":
            return InFile(folder / "checkpoint.json")
        return InStateStore(SlowStore(folder / "state.db"))

    @property
    def rejected(self) -> Path:
        """The file of rejected events."""
        return Path(self.folder) / "rejected.jsonl"


class SlowStore:
    """A state store in a database, whose writes take 11 ms."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT)")

    def get(self, key: str) -> Any:
        """Return the value of a key, or ``None``."""
        found = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None

    def set(self, key: str, value: Any) -> None:
        """Store a value, with a wait before and after."""
        time.sleep(0.0055)
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))
        time.sleep(0.0055)


class Board:
    """Two bytes that outlive the process: what it does, and how many requests are on the wire."""

    def __init__(self, folder: Path) -> None:
        path = folder / "board"
        if not path.exists():
            path.write_bytes(bytes(2))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 2)
        self._lock = threading.Lock()

    @property
    def phase(self) -> int:
        """What the process does."""
        return self._bytes[0]

    @phase.setter
    def phase(self, phase: int) -> None:
        self._bytes[0] = phase

    @property
    def on_wire(self) -> int:
        """How many requests have no answer yet."""
        return self._bytes[1]

    def clear(self) -> None:
        """Begin anew."""
        self._bytes[:] = bytes(2)

    def count(self, more: int) -> None:
        """Count a request, or its end."""
        with self._lock:
            self._bytes[1] += more

    @contextlib.contextmanager
    def during(self, phase: int, *, after: int | None = None) -> Iterator[None]:
        """Show a phase, and afterwards another one or that of before."""
        before, self.phase = self.phase, phase
        yield
        self.phase = before if after is None else after


def work(job: Job) -> None:
    """Make one try, and write down how it ended."""
    board = Board(Path(job.folder))
    board.phase = START

    class Client(BrevoClient):
        def send_batch(self, body: bytes, *, count: int) -> Any:
            board.count(1)
            try:
                return super().send_batch(body, count=count)
            finally:
                board.count(-1)

    class Rejected(RejectedEvents):
        def flush(self, progress: Any) -> None:
            with board.during(FLUSHING):
                super().flush(progress)

        def merge(self, progress: Any) -> Any:
            with board.during(MERGING):
                return super().merge(progress)

        def clean_up(self, progress: Any) -> None:
            with board.during(MERGING):
                super().clean_up(progress)

    class Store:
        durable = True

        def __init__(self) -> None:
            self._store = job.store
            self.kept_in, self.load = self._store.kept_in, self._store.load

        def save(self, progress: Any) -> None:
            with board.during(SAVING, after=BETWEEN):
                self._store.save(progress)

    settings = BrevoSettings(auth=ApiKey("any-key"), base_url=job.url, timeout=_TIMEOUT)
    options = BulkOptions(
        delivery=job.delivery,
        on_invalid=job.on_invalid,
        batch_size=job.batch_size,
        max_in_flight=job.max_in_flight,
        max_rejected=job.count,
    )
    try:
        result = send_events(
            Client(settings, user_agent=f"try/{job.serial}"),
            job.rows,
            options=options,
            prepare=Preparation(),
            store=Store(),
            rejected=Rejected(job.rejected),
            attempt=Attempt(try_number=job.try_number),
        )
        ended: dict[str, Any] = {"result": asdict(result)}
    except BrevoIncompleteError as error:
        ended = {"result": error.result}
    except BrevoError as error:
        later = getattr(error, "retry_later", False)
        ended = {"error": type(error).__name__, "message": str(error), "retry_later": later}
    board.phase = DONE
    (Path(job.folder) / "ended.json").write_text(json.dumps(ended))


def serve() -> None:
    """Start a process for each line of standard input.

    Answers with its id, with a line once it has ended, and after another line with its status: until then nobody else
    gets its id.
    """
    Preparation()(0, {"event_name": "warm", "identifiers": {"ext_id": "up"}})
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                random.seed()
                work(Job(**json.loads(line)))
                status = 0
            except BaseException:  # noqa: BLE001 # this process must not go on with the loop
                traceback.print_exc()
            finally:
                os._exit(status)
        print(pid, flush=True)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print("ended", flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
