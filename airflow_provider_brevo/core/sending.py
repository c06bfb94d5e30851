"""The work of one try: plan a window of batches, record it, send it, take over what Brevo says."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.batches import Batch, Planner, Rejection, Spool
from airflow_provider_brevo.core.bulk_states import BulkPaused, Happening, State, next_state
from airflow_provider_brevo.core.checkpoint import MAX_BYTES, SECONDS_BETWEEN_WRITES, Progress, size_of
from airflow_provider_brevo.core.dispatch import PATIENCE, Dispatcher, Outcome, Sender
from airflow_provider_brevo.core.outcomes import Decision, after_answer, after_error, placed, places
from airflow_provider_brevo.core.spooling import SHOWN, spool_if_valid
from airflow_provider_brevo.exceptions import (
    BrevoCheckpointError,
    BrevoRateLimitError,
    BrevoRequestError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_brevo.core.bulk_states import BulkOptions
    from airflow_provider_brevo.core.checkpoint import CheckpointStore
    from airflow_provider_brevo.core.rejections import RejectedEvents

_FIRST_WINDOW, _ENOUGH, _LARGEST_WINDOW, _WINDOW_BYTES = 8, 16, 128, 8_000_000
_TICK = 0.25
_FULL = MAX_BYTES - 2_000  # leaves room for one more batch


class SendingJob:
    """Sends the batches of a source, once. One thread calls it; it alone touches progress, checkpoint and files.

    :param sender: the client.
    :param options: how to send.
    :param store: where the checkpoint is kept.
    :param rejected: takes the rejected events.
    :param progress: from where to go on; it is kept up to date.
    :param max_tries: the task's; recorded once the source was compared, as only then a clear is dealt with.
    :param warn: takes sentences that somebody should read.
    :param report: is called with the progress at most four times a second.
    """

    def __init__(
        self,
        sender: Sender,
        options: BulkOptions,
        store: CheckpointStore,
        rejected: RejectedEvents,
        progress: Progress,
        *,
        max_tries: int,
        warn: Callable[[str], None],
        report: Callable[[Progress], None],
    ) -> None:
        self._options = options
        self._store = store
        self._rejected = rejected
        self._progress = progress
        self._max_tries = max_tries
        self._warn = warn
        self._report = report
        self._dispatcher = Dispatcher(sender, max_in_flight=options.max_in_flight)
        self._window = _FIRST_WINDOW
        self._again: list[Batch] = []  # to be recorded and sent before anything new
        self._delayed: list[tuple[float, int, Batch]] = []  # recorded; due at a time
        self._order = itertools.count()
        self._failure: BaseException | None = None
        self._resume_at: float | None = None
        self._unknown_in_a_row = 0
        self._shown = 0
        self._warned_of_order = options.max_in_flight == 1
        self._dirty = False
        self._whole = True  # whether the progress may be recorded as it is
        self._record_bytes = 0
        self._batch_bytes = 0
        self._started = self._last_write = self._last_report = time.monotonic()
        self._seconds_before = progress.seconds

    # ------------------------------------------------------------------------------------------------ the whole job

    def run(self, rows: Iterable[Any], prepare: Callable[[int, Any], bytes | Rejection]) -> str | None:
        """Send all that isn't settled yet.

        :param rows: the source, from its beginning.
        :param prepare: turns a row into an event's JSON, or says why not.
        :return: where the rejected events are, or ``None``. Everything is settled.
        """
        self._progress.begin(rows)
        self._save()  # which shows that it can be written, before anything is sent
        planner = Planner(rows, prepare, batch_size=self._options.batch_size, resumed=self._progress)
        spool = Spool()
        try:
            batches = planner.batches()
            if self._options.validate_only:
                self._only_check(batches)
            else:
                if self._options.on_invalid == "fail":
                    spool_if_valid(planner, spool, self._rejected, self._progress, tell=self._tell)
                    batches = spool.batches()
                try:
                    self._send_all(batches)
                except BaseException as error:
                    self._wind_down(record=not isinstance(error, BrevoCheckpointError))
                    raise
        finally:
            self._dispatcher.close()
            spool.close()
        if not planner.total:
            self._warn("The source has no events: nothing was sent.")
        self._progress.planned = planner.stop
        return self._finish()

    def _finish(self) -> str | None:
        self._rejected.flush(self._progress)
        path = self._rejected.merge(self._progress)
        self._progress.finished, self._progress.max_tries = True, self._max_tries
        self._wait_to_write()
        self._save()
        self._rejected.clean_up(self._progress)
        return path

    def _wind_down(self, *, record: bool) -> None:
        """Something ends the job early: take over what is known by now, and don't let that hide what has happened."""
        self._dispatcher.close()
        if not record or not self._whole:
            return  # what the last checkpoint says stands
        while (outcome := self._dispatcher.get(0)) is not None:
            self._take(outcome)
        self._release()
        if self._dirty:
            self._wait_to_write()
            with contextlib.suppress(BrevoCheckpointError):
                self._save()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the progress: it isn't recorded half changed, if a signal ends the task meanwhile."""
        self._whole = False
        yield
        self._whole = True

    def _only_check(self, batches: Iterator[Batch]) -> None:
        for batch in batches:
            self._take_rejections(batch)
            self._progress.skipped += len(batch.events)
            if self._rejected.is_full:
                self._rejected.flush(self._progress)
            self._tell()

    def _send_all(self, batches: Iterator[Batch]) -> None:
        exhausted = False
        while True:
            stopping = self._failure is not None or self._resume_at is not None
            if not stopping:
                if self._wants_more(exhausted=exhausted) and self._may_write():
                    exhausted = self._plan(batches)
                self._put_delayed()
            if self._dirty and self._may_write() and (self._store.durable or self._rejected.is_full):
                self._save()
            if not self._take_over(self._patience(stopping=stopping)) and not self._dispatcher.outstanding:
                if stopping:
                    self._settle()
                elif exhausted and not self._again and not self._delayed:
                    return
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._last_report >= _TICK:
            self._last_report = now
            self._progress.seconds = self._seconds_before + now - self._started
            self._report(self._progress)

    # ----------------------------------------------------------------------------------------- planning and recording

    def _wants_more(self, *, exhausted: bool) -> bool:
        if exhausted and not self._again:
            return False
        # Each write of a durable checkpoint fills the window up; without one there is no hurry.
        return self._dispatcher.ahead < (self._room() if self._store.durable else self._window // 2 + 1)

    def _room(self) -> int:
        """Return how many batches may be recorded and not yet be under way."""
        return min(self._window, max(2, _WINDOW_BYTES // max(1, self._batch_bytes)))

    def _plan(self, batches: Iterator[Batch]) -> bool:
        """Record the next window of batches and hand it over; return whether the source is exhausted."""
        if not self._dispatcher.ahead and self._batch_bytes:  # all of the last window is under way or answered
            self._window = min(self._window * 2, _LARGEST_WINDOW if self._store.durable else _ENOUGH)
        room = max(1, self._room() - self._dispatcher.ahead)
        fits = self._fitting_bytes()
        window = self._again[:room]
        held = len(window)
        deadline = time.monotonic() + _TICK
        exhausted = False
        while len(window) < room and fits > 0 and time.monotonic() < deadline:
            batch = next(batches, None)
            if batch is None:
                exhausted = True
                break
            window.append(batch)
            self._batch_bytes = sum(map(len, batch.events))
            fits -= (record_bytes := batch.record_bytes)
            self._record_bytes = max(self._record_bytes, record_bytes)
        if not window:
            return exhausted
        with self._changing():
            del self._again[:held]
            for batch in window:
                self._record(batch)
            self._progress.max_tries = self._max_tries
            self._save()
        for batch in window:
            if batch.events:
                self._warn_of_order(batch)
                self._dispatcher.put(batch)
                self._take_over(0)  # a failure stops the rest
        return exhausted

    def _fitting_bytes(self) -> int:
        """Return how much the checkpoint may still grow, whatever becomes of the batches that are not settled."""
        unsettled = self._dispatcher.outstanding + len(self._delayed) + len(self._again)
        fits = _FULL
        if self._store.durable:
            fits -= size_of(self._progress.to_json()) + unsettled * self._record_bytes
        return fits if unsettled else max(1, fits)

    def _record(self, batch: Batch) -> None:
        self._take_rejections(batch)
        batch.state = next_state(State.PLANNED, Happening.RECORDED, self._options.delivery)
        self._progress.record(batch)

    def _take_rejections(self, batch: Batch) -> None:
        for rejection in batch.rejections:
            self._reject(rejection)
        batch.rejections = []

    def _reject(self, rejection: Rejection) -> None:
        self._progress.rejected += 1
        self._progress.reasons.update(rejection.rules)
        self._rejected.add(rejection)
        self._dirty = True
        if self._shown < SHOWN:
            self._shown += 1
            more = " Further rejections are counted, and not shown." if self._shown == SHOWN else ""
            self._warn(f"Rejected: {rejection}.{more}")

    def _warn_of_order(self, batch: Batch) -> None:
        if not self._warned_of_order and b'"contact_properties":' in b"".join(batch.events):
            self._warned_of_order = True
            self._warn(
                "Events with contact_properties are sent by several requests at once: two updates of one contact may"
                " overtake each other. max_in_flight=1 keeps their order, unless a request has to be made again."
            )

    def _may_write(self) -> bool:
        return not self._store.durable or time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES

    def _wait_to_write(self) -> None:
        while not self._may_write():
            time.sleep(0.01)

    def _save(self) -> None:
        self._rejected.flush(self._progress)
        self._progress.seconds = self._seconds_before + time.monotonic() - self._started
        if self._store.durable:
            self._last_write = time.monotonic()
            self._store.save(self._progress)
        self._dirty = False

    # ---------------------------------------------------------------------------------------------- sending and waiting

    def _put_delayed(self) -> None:
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            self._dispatcher.put(heapq.heappop(self._delayed)[2])

    def _patience(self, *, stopping: bool) -> float:
        """Return how long to wait for an outcome, until there is something else to do."""
        if stopping:
            return _TICK if self._dispatcher.outstanding else 0.0
        if not (self._dispatcher.outstanding or self._delayed or self._store.durable):
            return 0.0
        now = time.monotonic()
        moments = [self._last_write + SECONDS_BETWEEN_WRITES - now if self._store.durable else 0.05, _TICK]
        if self._delayed:
            moments.append(self._delayed[0][0] - now)
        return max(0.002, min(moments))

    def _settle(self) -> None:
        """Nothing is under way: record that, then give up, pause, or wait and go on."""
        self._release()
        self._wait_to_write()
        self._save()
        if self._failure is not None:
            raise self._failure
        wait = (self._resume_at or 0.0) - time.monotonic()
        if self._options.pause_after is not None and wait >= self._options.pause_after:
            raise BulkPaused(wait, self._progress)
        while (wait := (self._resume_at or 0.0) - time.monotonic()) > 0:
            time.sleep(min(wait, _TICK))
            self._tell()
        self._resume_at = None
        self._dispatcher.proceed()

    def _release(self) -> None:
        """Nothing is under way: what certainly wasn't taken is waiting, and no longer in flight."""
        self._again += (batch for _, _, batch in sorted(self._delayed))
        self._delayed.clear()
        for batch in self._again:
            if not batch.unknown and batch.indices[0] in self._progress.in_flight:
                self._dirty = True
                for start, stop in batch.runs():
                    self._progress.in_flight.remove(start, stop)
                    self._progress.waiting.add(start, stop)

    # ------------------------------------------------------------------------------------------------ what became of it

    def _take_over(self, seconds: float) -> bool:
        """Take all outcomes, so that none pile up; return whether one came within some seconds."""
        came = False
        while outcome := self._dispatcher.get(0 if came else seconds):
            came = True
            with self._changing():
                self._take(outcome)
        return came

    def _take(self, outcome: Outcome) -> None:
        batch = outcome.batch
        if outcome.wait is not None:
            self._again.append(batch)
            if outcome.wait > PATIENCE:
                self._pause(outcome.wait)
            return
        jitter = random.random()  # noqa: S311 # no secret
        if outcome.answer is not None:
            self._progress.requests += 1
            self._unknown_in_a_row = 0
            self._apply(batch, after_answer(batch, outcome.answer, self._options, jitter=jitter))
        elif isinstance(outcome.error, BrevoRequestError):
            self._progress.requests += 1
            self._progress.throttled += isinstance(outcome.error, BrevoRateLimitError)
            decision = after_error(batch, outcome.error, self._options, patience=PATIENCE, jitter=jitter)
            self._apply(batch, decision)
            if decision.uncertain:
                self._count_unknown(batch, outcome.error)
        else:
            batch.unknown = True
            self._again.append(batch)
            self._fail(outcome.error)

    def _apply(self, batch: Batch, decision: Decision) -> None:
        progress = self._progress
        if decision.held is None:
            for start, stop in batch.runs():
                progress.in_flight.remove(start, stop)
                if decision.uncertain:
                    progress.uncertain.add(start, stop)
            for again, seconds in decision.again:
                for start, stop in again.runs():
                    progress.in_flight.add(start, stop)
                self._delay(again, seconds)
        else:
            self._again.append(decision.held)
        if decision.pause:
            self._pause(decision.pause)
        progress.accepted += decision.accepted
        progress.unidentified += decision.unidentified
        for rejection in decision.rejections:
            self._reject(rejection)
        if decision.failure is not None:
            self._fail(decision.failure)
        self._dirty = True

    def _count_unknown(self, batch: Batch, error: BrevoRequestError) -> None:
        """Warn of events that are given up, and end when that happens to one batch after the other."""
        self._warn(f"Nobody knows whether Brevo took {places(batch)}: {error}")
        self._unknown_in_a_row += 1
        if size_of(self._progress.uncertain.to_json()) > MAX_BYTES // 2:
            problem = f"Too many single events are uncertain for a checkpoint of {MAX_BYTES:,} bytes"
            self._fail(BrevoCheckpointError(problem, advice="look for them in Brevo, and send the others by a new run"))
        if self._unknown_in_a_row > self._options.max_retries:
            self._fail(placed(error, batch))

    def _delay(self, batch: Batch, seconds: float) -> None:
        heapq.heappush(self._delayed, (time.monotonic() + seconds, next(self._order), batch))

    def _pause(self, seconds: float) -> None:
        self._dispatcher.halt()
        self._resume_at = max(self._resume_at or 0.0, time.monotonic() + seconds)

    def _fail(self, error: BaseException | None) -> None:
        self._dispatcher.halt()
        self._failure = self._failure or error
