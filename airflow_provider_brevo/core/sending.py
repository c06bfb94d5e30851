"""The work of one try: plan a window of batches, record it, send it, take over what Brevo says."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.backlog import Backlog
from airflow_provider_brevo.core.batches import Batch, Planner, Rejection, Spool
from airflow_provider_brevo.core.bulk_states import BulkPaused, Happening, State, next_state
from airflow_provider_brevo.core.checkpoint import MAX_BYTES, Progress, size_of
from airflow_provider_brevo.core.dispatch import PATIENCE, Dispatcher, Outcome, Sender
from airflow_provider_brevo.core.outcomes import Decision, after_answer, after_error, placed
from airflow_provider_brevo.core.recording import Recorder
from airflow_provider_brevo.core.spooling import spool_if_valid
from airflow_provider_brevo.core.telling import Telling
from airflow_provider_brevo.exceptions import (
    BrevoBulkError,
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
    :param stop: tells whether to end early.
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
        stop: Callable[[], bool],
    ) -> None:
        self._options = options
        self._rejected = rejected
        self._progress = progress
        self._max_tries = max_tries
        self._warn = warn
        self._report = report
        self._stop = stop
        self._recorder = Recorder(store, rejected, progress)
        self._telling = Telling(warn, in_order=options.max_in_flight == 1)
        self._dispatcher = Dispatcher(sender, max_in_flight=options.max_in_flight)
        self._window = _FIRST_WINDOW
        self._backlog = Backlog()
        self._failure: BaseException | None = None
        self._resume_at: float | None = None
        self._fault: tuple[BrevoRequestError, Batch] | None = None
        self._unknown_in_a_row = 0
        self._record_bytes = 0
        self._batch_bytes = 0
        self._last_report = time.monotonic()

    # ------------------------------------------------------------------------------------------------ the whole job

    def run(self, rows: Iterable[Any], prepare: Callable[[int, Any], bytes | Rejection]) -> str | None:
        """Send all that isn't settled yet.

        :param rows: the source, from its beginning.
        :param prepare: turns a row into an event's JSON, or says why not.
        :return: where the rejected events are, or ``None``. Everything is settled.
        """
        self._progress.begin(rows)
        self._recorder.save()  # which shows that it can be written, before anything is sent
        planner = Planner(rows, prepare, batch_size=self._options.batch_size, resumed=self._progress)
        spool = Spool()
        try:
            batches = planner.batches()
            if self._options.validate_only:
                self._only_check(batches)
            elif self._options.on_invalid == "fail":
                spool_if_valid(planner, spool, self._rejected, self._progress, tell=self._tell_or_end)
                batches = spool.batches()
            try:
                if not self._options.validate_only:
                    self._send_all(batches)
                return self._finish(planner)
            except BaseException as error:
                self._wind_down(record=not isinstance(error, BrevoCheckpointError))
                raise
        finally:
            self._dispatcher.close()
            spool.close()

    def _finish(self, planner: Planner) -> str | None:
        if not planner.total:
            self._warn("The source has no events: nothing was sent.")
        self._telling.ended()
        self._progress.planned = planner.stop
        self._rejected.flush(self._progress)
        if self._recorder.dirty and self._rejected.path_of(self._progress):
            self._recorder.wait_and_save()  # what Brevo took, lest it be lost with a file that can't be put together
        path = self._rejected.merge(self._progress)
        self._progress.finished, self._progress.max_tries = True, self._max_tries
        self._recorder.wait_and_save()
        self._rejected.clean_up(self._progress)
        return path

    def _wind_down(self, *, record: bool) -> None:
        """Something ends the job early: take over what is known by now, and don't let that hide what has happened."""
        self._dispatcher.close()
        if not record or not self._recorder.whole:
            return  # what the last checkpoint says stands
        while (outcome := self._dispatcher.get(0)) is not None:
            self._take(outcome)
        self._release()
        if self._recorder.dirty:
            with contextlib.suppress(BrevoCheckpointError):
                self._recorder.wait_and_save()

    def _only_check(self, batches: Iterator[Batch]) -> None:
        for batch in batches:
            self._take_rejections(batch)
            self._progress.skipped += len(batch.events)
            if self._rejected.is_full:
                self._rejected.flush(self._progress)
            self._tell_or_end()

    def _send_all(self, batches: Iterator[Batch]) -> None:
        exhausted = False
        while True:
            stopping = self._is_stopping()
            if stopping:
                self._release()
            else:
                if self._wants_more(exhausted=exhausted) and not self._recorder.next_write_in:
                    exhausted = self._plan(batches)
                for batch in self._backlog.due(time.monotonic()):
                    self._dispatcher.put(batch)
            self._recorder.save_if_due()
            if not self._take_over(self._patience(stopping=stopping)) and not self._dispatcher.outstanding:
                if stopping:
                    self._settle()
                elif exhausted and not self._backlog:
                    return
            self._tell()

    def _is_stopping(self) -> bool:
        """Tell whether nothing more is to be sent for now."""
        if self._stop():
            self._dispatcher.halt()
            return True
        return self._failure is not None or self._resume_at is not None

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._last_report >= _TICK:
            self._last_report = now
            self._recorder.count_seconds()
            self._report(self._progress)

    def _tell_or_end(self) -> None:
        """Nothing is under way: tell how far it is, or end if that is asked for."""
        if self._stop():
            recorded = "what it took is recorded, and a retry goes on from there"
            stopped = BrevoBulkError(
                f"The task was stopped after Brevo took {self._progress.accepted} events",
                advice=recorded if self._recorder.durable else "a retry starts from the beginning",
            )
            stopped.retry_later = True
            raise stopped
        self._tell()

    # ----------------------------------------------------------------------------------------- planning and recording

    def _wants_more(self, *, exhausted: bool) -> bool:
        if not self._backlog.held and (exhausted or self._is_crowded()):
            return False
        # Each write of a durable checkpoint fills the window up; without one there is no hurry.
        return self._dispatcher.ahead < (self._room() if self._recorder.durable else self._window // 2 + 1)

    def _is_crowded(self) -> bool:
        """Tell whether enough waits to be sent again. Brevo may be down: it and our memory are spared new batches."""
        return self._backlog.delayed > 2 * self._options.max_in_flight

    def _room(self) -> int:
        """Return how many batches may be recorded and not yet be under way."""
        return min(self._window, max(2, _WINDOW_BYTES // max(1, self._batch_bytes)))

    def _plan(self, batches: Iterator[Batch]) -> bool:
        """Record the next window of batches and hand it over; return whether the source is exhausted."""
        if not self._dispatcher.ahead and self._batch_bytes:  # all of the last window is under way or answered
            self._window = min(self._window * 2, _LARGEST_WINDOW if self._recorder.durable else _ENOUGH)
        room = max(1, self._room() - self._dispatcher.ahead)
        fits = 0 if self._is_crowded() else self._fitting_bytes()
        window = self._backlog.held[:room]
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
        with self._recorder.changing():
            del self._backlog.held[:held]
            for batch in window:
                self._record(batch)
            self._progress.max_tries = self._max_tries
            self._recorder.save()
        for batch in window:
            if batch.events:
                self._is_stopping()  # by now, maybe
                self._telling.about_to_send(batch)
                self._dispatcher.put(batch)
                self._take_over(0)  # a failure stops the rest
        return exhausted

    def _fitting_bytes(self) -> int:
        """Return how much the checkpoint may still grow, whatever becomes of the batches that are not settled."""
        unsettled = self._dispatcher.outstanding + len(self._backlog)
        fits = _FULL
        if self._recorder.durable:
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
        self._recorder.dirty = True
        self._telling.rejected(rejection)

    # ---------------------------------------------------------------------------------------------- sending and waiting

    def _patience(self, *, stopping: bool) -> float:
        """Return how long to wait for an outcome, until there is something else to do."""
        if stopping:
            return _TICK if self._dispatcher.outstanding else 0.0
        durable = self._recorder.durable
        if not (self._dispatcher.outstanding or self._backlog.delayed or durable):
            return 0.0
        # Where it may be written already, there is nothing to write until an outcome comes.
        next_write = (self._recorder.next_write_in or _TICK) if durable else 0.05
        return max(0.002, min(_TICK, next_write, self._backlog.next_at - time.monotonic()))

    def _settle(self) -> None:
        """Nothing is under way: record that, then give up, pause, or wait and go on."""
        self._release()
        wait = (self._resume_at or 0.0) - time.monotonic()
        pausing = self._options.pause_after is not None and wait >= self._options.pause_after
        if pausing and self._fault is not None:
            self._progress.faults += 1
            if self._progress.faults > self._options.max_retries:
                self._progress.faults = 0  # a later try has its own
                self._fail(placed(*self._fault))
        self._recorder.wait_and_save()
        if self._failure is not None:
            raise self._failure
        self._tell_or_end()
        if pausing:
            raise BulkPaused(wait, self._progress)
        while (wait := (self._resume_at or 0.0) - time.monotonic()) > 0:
            self._progress.pause = wait
            time.sleep(min(wait, _TICK))
            self._tell_or_end()
        self._progress.pause = 0.0
        self._resume_at = self._fault = None
        self._dispatcher.proceed()

    def _release(self) -> None:
        """Nothing more is sent for now: what certainly wasn't taken is waiting, and no longer in flight."""
        with self._recorder.changing():
            for batch in self._backlog.hold_all():
                if not batch.unknown and batch.indices[0] in self._progress.in_flight:
                    self._recorder.dirty = True
                    for start, stop in batch.runs():
                        self._progress.in_flight.remove(start, stop)
                        self._progress.waiting.add(start, stop)

    # ------------------------------------------------------------------------------------------------ what became of it

    def _take_over(self, seconds: float) -> bool:
        """Take all outcomes, so that none pile up; return whether one came within some seconds."""
        came = False
        while outcome := self._dispatcher.get(0 if came else seconds):
            came = True
            with self._recorder.changing():
                self._take(outcome)
        return came

    def _take(self, outcome: Outcome) -> None:
        batch = outcome.batch
        if outcome.wait is not None:
            self._backlog.held.append(batch)
            if outcome.wait > PATIENCE:
                self._pause(outcome.wait)
            return
        jitter = random.random()  # noqa: S311 # no secret
        if outcome.answer is not None:
            self._progress.requests += 1
            self._progress.faults = self._unknown_in_a_row = 0
            self._apply(batch, after_answer(batch, outcome.answer, self._options, jitter=jitter))
        elif isinstance(outcome.error, BrevoRequestError):
            self._progress.requests += 1
            throttled, was_unknown = isinstance(outcome.error, BrevoRateLimitError), batch.unknown
            pausing = self._resume_at is not None
            self._progress.throttled += throttled
            decision = after_error(batch, outcome.error, self._options, patience=PATIENCE, jitter=jitter)
            self._apply(batch, decision)
            if decision.pause and not throttled:
                self._fault = outcome.error, batch
            if decision.uncertain:
                self._count_unknown(batch, outcome.error, in_a_row=not pausing)
            elif outcome.error.retry_here and not throttled and decision.failure is None:
                self._telling.sent_again(batch, outcome.error, doubtful=batch.unknown and not was_unknown)
        else:
            batch.unknown = True
            self._backlog.held.append(batch)
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
                self._backlog.delay(again, until=time.monotonic() + seconds)
        else:
            self._backlog.held.append(decision.held)
        if decision.pause:
            self._pause(decision.pause)
        progress.accepted += decision.accepted
        progress.unidentified += decision.unidentified
        for rejection in decision.rejections:
            self._reject(rejection)
        if decision.failure is not None:
            self._fail(decision.failure)
        self._recorder.dirty = True

    def _count_unknown(self, batch: Batch, error: BrevoRequestError, *, in_a_row: bool) -> None:
        """Warn of events that are given up, and end when that happens to one batch after the other."""
        self._telling.given_up(batch, error)
        self._unknown_in_a_row += in_a_row
        if size_of(self._progress.uncertain.to_json()) > MAX_BYTES // 2:
            problem = f"Too many single events are uncertain for a checkpoint of {MAX_BYTES:,} bytes"
            self._fail(BrevoCheckpointError(problem, advice="look for them in Brevo, and send the others by a new run"))
        if self._unknown_in_a_row > self._options.max_retries:
            self._fail(placed(error, batch))

    def _pause(self, seconds: float) -> None:
        self._dispatcher.halt()
        self._resume_at = max(self._resume_at or 0.0, time.monotonic() + seconds)

    def _fail(self, error: BaseException | None) -> None:
        self._dispatcher.halt()
        self._failure = self._failure or error
