"""Several requests at once, each as soon as the rate limit allows it."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_provider_brevo.exceptions import BrevoRequestError

if TYPE_CHECKING:
    from airflow_provider_brevo.core.batch_answers import BatchAnswer
    from airflow_provider_brevo.core.batches import Batch

PATIENCE = 2.0
"""Seconds that a worker waits for the rate limit by itself; longer waits are for whoever gave it the batch."""


class Sender(Protocol):
    """What sends one batch: :class:`~airflow_provider_brevo.core.client.BrevoClient`."""

    def wait_for_batch(self, *, at_most: float) -> float:
        """Take the next free place below the rate limit, and return the seconds until it comes."""

    def send_batch(self, body: bytes, *, count: int) -> BatchAnswer:
        """Make one request."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch.

    :param batch: the batch.
    :param answer: Brevo's, if there was one that makes sense.
    :param error: why there was none.
    :param wait: seconds until the rate limit lets it be sent; it was not sent.
    """

    batch: Batch
    answer: BatchAnswer | None = None
    error: BaseException | None = None
    wait: float | None = None


class Dispatcher:
    """Sends batches in threads. One thread puts batches in and takes outcomes out.

    :param sender: what sends one batch; shared by all threads.
    :param max_in_flight: requests at the same time, at most. Threads start as they are needed.
    """

    def __init__(self, sender: Sender, *, max_in_flight: int) -> None:
        self._sender = sender
        self._max_in_flight = max_in_flight
        self._ready: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._halted = threading.Event()
        self._lock = threading.Lock()
        self._busy = 0
        self.most_in_flight = 0
        self.outstanding = 0

    @property
    def ahead(self) -> int:
        """How many batches no thread has taken yet."""
        return self._ready.qsize()

    def put(self, batch: Batch) -> None:
        """Hand over a batch. Exactly one outcome will follow."""
        self.outstanding += 1
        self._ready.put(batch)
        if len(self._threads) < min(self._max_in_flight, self.outstanding):
            thread = threading.Thread(target=self._work, name=f"brevo-batches-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def get(self, seconds: float) -> Outcome | None:
        """Return the next outcome, or ``None`` if there is none within some seconds."""
        try:
            outcome = self._outcomes.get(timeout=max(0.0, seconds)) if seconds > 0 else self._outcomes.get_nowait()
        except queue.Empty:
            return None
        self.outstanding -= 1
        return outcome

    def halt(self) -> None:
        """Send nothing more: what wasn't sent yet comes out as an outcome with a wait of zero."""
        self._halted.set()

    def proceed(self) -> None:
        """Send again after :meth:`halt`."""
        self._halted.clear()

    def close(self) -> None:
        """Stop the threads, once the requests under way have their answers."""
        self._halted.set()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (batch := self._ready.get()) is not None:
            self._outcomes.put(self._send(batch))

    def _send(self, batch: Batch) -> Outcome:
        try:
            if self._halted.is_set():
                return Outcome(batch=batch, wait=0.0)
            wait = self._sender.wait_for_batch(at_most=PATIENCE)
            if wait > PATIENCE or self._halted.wait(wait):
                return Outcome(batch=batch, wait=max(0.0, wait))
            with self._lock:
                self._busy += 1
                self.most_in_flight = max(self.most_in_flight, self._busy)
            try:
                return Outcome(batch=batch, answer=self._sender.send_batch(batch.body, count=len(batch.events)))
            finally:
                with self._lock:
                    self._busy -= 1
        except BrevoRequestError as error:
            return Outcome(batch=batch, error=error)
        except BaseException as error:  # noqa: BLE001 # raised again by whoever takes it out
            return Outcome(batch=batch, error=error)
