"""Several requests at once, each as soon as the rate limit allows it."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_provider_brevo.core.batch_answers import BatchAnswer
    from airflow_provider_brevo.core.batches import Batch

PATIENCE = 2.0
"""Seconds that a worker waits for the rate limit by itself; longer waits are for whoever gave it the batch."""


_SHORT_WAY = 0.02
"""Seconds of a request below which the network is not what takes the time."""
_ON_A_SHORT_WAY = 4
_NEXT_DOOR = 0.003
"""Seconds of a request below which threads only get into each other's way."""
_FORGETTING = 1.25
"""By how much the shortest of the last requests counts as longer with each that follows."""
_RESERVE = 1.5
_SMOOTHING = 0.2


class Sender(Protocol):
    """What sends one batch: :class:`~airflow_provider_brevo.core.client.BrevoClient`."""

    def wait_for_batch(self, *, at_most: float) -> float:
        """Take the next free place below the rate limit, and return the seconds until it comes."""

    def batch_rate(self) -> float | None:
        """Return the requests a second that the rate limit allows now, if it is known."""

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
        # No SimpleQueue: until Python 3.12 its get() may wait for ever where it is told to wait for a moment.
        self._outcomes: queue.Queue[Outcome] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._halted = threading.Event()
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._latency = self._shortest = 0.0
        self.outstanding = 0

    @property
    def ahead(self) -> int:
        """How many batches no thread has taken yet."""
        return self._ready.qsize()

    def put(self, batch: Batch) -> None:
        """Hand over a batch. Exactly one outcome will follow.

        Next door, a request takes less than another thread needs to get the interpreter, so it is made right here. So
        is the first one, which tells how long the way is.
        """
        idle = self.outstanding == self._outcomes.qsize()  # or it would overtake what threads are to send
        here = idle and self._passes_next_door()
        self.outstanding += 1
        if here:
            self._outcomes.put(self._post(batch))
            return
        self._ready.put(batch)
        if len(self._threads) < min(self._wanted(), self.outstanding):
            thread = threading.Thread(target=self._work, name=f"brevo-batches-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def get(self, seconds: float) -> Outcome | None:
        """Return the next outcome, or ``None`` if there is none within some seconds."""
        try:
            outcome = self._outcomes.get(timeout=seconds) if seconds > 0 else self._outcomes.get_nowait()
        except queue.Empty:
            return None
        self.outstanding -= 1
        return outcome

    def halt(self) -> None:
        """Send nothing more: what wasn't sent yet comes out as an outcome with a wait of zero."""
        self._halted.set()
        with contextlib.suppress(queue.Empty):  # at once, however long the threads are busy
            for batch in iter(self._ready.get_nowait, None):
                self._outcomes.put(Outcome(batch=batch, wait=0.0))

    def proceed(self) -> None:
        """Send again after :meth:`halt`."""
        self._halted.clear()

    def close(self) -> None:
        """Stop the threads, once the requests under way have their answers."""
        self.halt()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()

    def _wanted(self) -> int:
        """Return how many requests at once pay.

        On a short way a few keep the processor busy, and more only get into each other's way. On a long way it takes as
        many as leave during one request's time at the pace that the limit allows, and some in reserve.
        """
        if self._latency < _SHORT_WAY:
            return min(_ON_A_SHORT_WAY, self._max_in_flight)
        rate = self._sender.batch_rate()
        wanted = self._max_in_flight if rate is None else math.ceil(rate * self._latency * _RESERVE) + 1
        return min(max(wanted, _ON_A_SHORT_WAY), self._max_in_flight)

    def _work(self) -> None:
        while (batch := self._ready.get()) is not None:
            self._outcomes.put(self._send(batch))

    def _send(self, batch: Batch) -> Outcome:
        try:
            wait = self._wait_at_gate()
        except BaseException as error:  # noqa: BLE001 # raised again by whoever takes it out
            return Outcome(batch=batch, error=error)
        return self._post(batch) if wait is None else Outcome(batch=batch, wait=wait)

    def _post(self, batch: Batch) -> Outcome:
        started = time.monotonic()
        try:
            answer = self._sender.send_batch(batch.body, count=len(batch.events))
        except BaseException as error:  # noqa: BLE001 # see above
            self._shortest = _NEXT_DOOR  # who fails soon may hang next
            return Outcome(batch=batch, error=error)
        took = time.monotonic() - started
        with self._lock:
            self._latency += (took - self._latency) * _SMOOTHING if self._latency else took
            self._shortest = min(took, self._shortest * _FORGETTING) if self._shortest else took
        return Outcome(batch=batch, answer=answer)

    def _passes_next_door(self) -> bool:
        if self._shortest >= _NEXT_DOOR or self._halted.is_set() or not self._gate.acquire(blocking=False):
            return False
        try:
            return self._sender.wait_for_batch(at_most=0.0) <= 0
        finally:
            self._gate.release()

    def _wait_at_gate(self) -> float | None:
        """Wait for the rate limit; return ``None`` to send now, or how long it would take when nothing is to be sent.

        One thread at a time asks, so that no place is taken long before it comes.
        """
        with self._gate:
            while not self._halted.is_set():
                wait = self._sender.wait_for_batch(at_most=0.0)
                if wait <= 0:
                    return None
                if wait > PATIENCE:
                    return wait
                self._halted.wait(wait)
        return 0.0
