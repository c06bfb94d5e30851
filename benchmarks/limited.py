"""What the senders of a limited account do, each in a process of its own, until a time is over."""

from __future__ import annotations

import json
import multiprocessing
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import BulkOptions
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.exceptions import BrevoRateLimitError
from benchmarks.order import order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_brevo.core.batch_answers import BatchAnswer
    from airflow_provider_brevo.core.checkpoint import Progress

LATENCY_MS = 100
BATCH_SIZE = 5

_GREETING = re.compile(r"http://127\.0\.0\.1:\d+/v3")


@dataclass(frozen=True, kw_only=True)
class Case:
    """An account with a limit, and who sends to it.

    :param rate: requests a second that the account may make.
    :param window: ``fixed`` or ``sliding``.
    :param senders: processes that send to it at the same time.
    :param writes: how long the checkpoint's writes take, in seconds, over and over; none where it is kept in memory.
    """

    rate: int
    window: str
    senders: int = 1
    writes: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one sender did in its time.

    :param accepted: requests that were taken.
    :param refused: requests that got a 429.
    :param in_flight: requests at the same time, at most.
    :param writes_per_second: of the checkpoint.
    :param bytes_per_write: of the largest checkpoint.
    """

    accepted: int
    refused: int
    in_flight: int
    writes_per_second: float
    bytes_per_write: int


def send_at_once(cases: Sequence[Case], *, seconds: float) -> list[list[Sent]]:
    """Let all senders of all cases begin at the same moment, and return what each of a case did.

    :param cases: each has a sandbox of its own.
    :param seconds: how long they send.
    """
    spawning = multiprocessing.get_context("spawn")
    senders = sum(case.senders for case in cases)
    with ExitStack() as stack:
        urls = [stack.enter_context(_sandbox(case)) for case in cases]
        jobs = [(case, url, seconds) for case, url in zip(cases, urls, strict=True) for _ in range(case.senders)]
        ready = spawning.Barrier(senders)
        pool = stack.enter_context(spawning.Pool(senders, initializer=_wait_for_all, initargs=(ready,)))
        done = iter(pool.starmap(_send, jobs, chunksize=1))
        return [[next(done) for _ in range(case.senders)] for case in cases]


@contextmanager
def _sandbox(case: Case) -> Iterator[str]:
    options = {"port": 0, "keep": 1000, "rate": case.rate, "window": case.window, "latency": LATENCY_MS}
    words = [word for name, value in options.items() for word in (f"--{name}", f"{value}")]
    command = [sys.executable, "-m", "airflow_provider_brevo.sandbox", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _GREETING.search(process.stdout.readline())[0]
        finally:
            process.terminate()


def _wait_for_all(ready: Any) -> None:
    ready.wait()


def _send(case: Case, url: str, seconds: float) -> Sent:
    until = time.monotonic() + seconds
    sender = _Watched(BrevoClient(BrevoSettings(auth=ApiKey("any-key"), base_url=url)), until)
    store = _SlowStore(case.writes) if case.writes else None
    options = BulkOptions(on_invalid="skip", batch_size=BATCH_SIZE, max_retries=100)
    send_events(sender, lambda: _orders(until), options=options, store=store)
    return Sent(
        accepted=sender.answers["accepted"],
        refused=sender.answers["refused"],
        in_flight=sender.most,
        writes_per_second=store.per_second if store else 0.0,
        bytes_per_write=store.largest if store else 0,
    )


def _orders(until: float) -> Iterator[dict[str, Any]]:
    number = 0
    while time.monotonic() < until:
        yield order(number)
        number += 1


class _Watched:
    """A client that counts the requests that begin before a time is over.

    :param client: the client.
    :param until: the time, by the monotonic clock.
    """

    def __init__(self, client: BrevoClient, until: float) -> None:
        self.wait_for_batch = client.wait_for_batch
        self.batch_rate = client.batch_rate
        self._client = client
        self._until = until
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.answers: Counter[str] = Counter()

    def send_batch(self, body: bytes, *, count: int) -> BatchAnswer:
        """Make one request."""
        in_time = time.monotonic() < self._until
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        said = "accepted"
        try:
            return self._client.send_batch(body, count=count)
        except BrevoRateLimitError:
            said = "refused"
            raise
        finally:
            with self._lock:
                self._now -= 1
                self.answers[said] += in_time


class _SlowStore:
    """A store of checkpoints whose writes take their time.

    :param writes: the seconds that one write after the other takes, over and over.
    """

    durable = True
    kept_in = "a store of the benchmark's"

    def __init__(self, writes: Sequence[float]) -> None:
        self._writes = writes
        self._times: list[float] = []
        self.largest = 0

    def load(self) -> Progress | None:
        """Return ``None``."""
        return None

    def save(self, progress: Progress) -> None:
        """Take as long as the store would."""
        self._times.append(time.monotonic())
        self.largest = max(self.largest, len(json.dumps(progress.to_json(), separators=(",", ":"))))
        time.sleep(self._writes[len(self._times) % len(self._writes)])

    @property
    def per_second(self) -> float:
        """Writes a second, from the first to the last."""
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])
