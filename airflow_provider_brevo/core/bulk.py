"""Many events: planned, recorded, sent, and gone on with after a crash at any instant.

A batch moves through the states of :data:`TRANSITIONS`. It is recorded as about to be sent before its first request, so
that afterwards every event of the source is settled, recorded as about to be sent, or not planned yet.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.batches import Preparation, Rejection
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions, BulkResult
from airflow_provider_brevo.core.checkpoint import CheckpointStore, InMemory, Progress
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.core.sending import SendingJob
from airflow_provider_brevo.exceptions import BrevoDeliveryError, BrevoIncompleteError, BrevoSourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_brevo.core.dispatch import Sender


def send_events(
    sender: Sender,
    source: Callable[[], Iterable[Any]],
    *,
    options: BulkOptions | None = None,
    prepare: Callable[[int, Any], bytes | Rejection] | None = None,
    store: CheckpointStore | None = None,
    rejected: RejectedEvents | None = None,
    attempt: Attempt | None = None,
    paused: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
    report: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> BulkResult:
    """Send the events of a source, or go on where an earlier try ended.

    :param sender: the client.
    :param source: returns the rows from the beginning: events, or what ``prepare`` makes events of. With
        :class:`~airflow_provider_brevo.core.keys.KeyedRows` a later try goes on from a key.
    :param options: how to send.
    :param prepare: turns a row into an event's JSON, or says why not.
    :param store: where the checkpoint is kept; by default in memory, so that a later try starts from the beginning.
    :param rejected: takes the rejected events.
    :param attempt: which try of the task this is.
    :param paused: what :class:`BulkPaused` carried, where the work goes on after a pause.
    :param warn: takes sentences that somebody should read.
    :param report: is called with the progress before anything is done, and then at most four times a second. It is one
        object that is kept up to date, until the work starts afresh with another one.
    :param stop: tells whether to end early. It is asked some times a second; once it says so, no new request is made,
        those under way are waited for and recorded, and :class:`BrevoBulkError` says how far it came.
    :return: the numbers.
    :raises BrevoInvalidEventsError: events break rules and ``on_invalid`` is ``fail``; nothing was sent.
    :raises BrevoSourceError: the source can't be read.
    :raises BrevoCheckpointError: the checkpoint can't be read or written, or belongs to another source.
    :raises BrevoDeliveryError: ``at_most_once`` can't be promised here.
    :raises BrevoIncompleteError: all is sent that can be, and Brevo didn't take enough of it.
    :raises BrevoRequestError: Brevo can't be spoken to; what was taken until then is recorded.
    :raises BrevoBulkError: it was stopped; a later try goes on.
    :raises BulkPaused: Brevo asks for a long wait.
    """
    options = options or BulkOptions()
    attempt = attempt or Attempt()
    rejected = rejected or RejectedEvents(None)
    if options.validate_only:
        rejected = rejected.of_a_check()
    store = InMemory() if store is None or options.validate_only else store
    progress, cleared = _begin(store, options, attempt, paused, warn)
    if progress.finished:
        rejected.clean_up(progress)  # if the process that finished it died before
        result = result_of(progress, rejected.path_of(progress))
        return BulkResult(total=result.total, skipped=result.total) if cleared else checked(result, progress, options)

    def send(progress: Progress) -> BulkResult:
        report(progress)
        job = SendingJob(
            sender, options, store, rejected, progress, max_tries=attempt.max_tries, warn=warn, report=report, stop=stop
        )
        path = job.run(source(), prepare or Preparation())
        if rejected.lost:
            warn(
                f"{rejected.lost} of the parts of {path} are gone, as if somebody had removed them: their events are"
                " counted as rejected, and not in the file."
            )
        return checked(result_of(progress, path), progress, options)

    try:
        return send(progress)
    except BrevoSourceChangedError as error:
        if not cleared:
            raise
        warn(f"{error.problem}. The task was cleared, so all events are sent from the beginning.")
    return send(Progress(session=progress.session + 1, max_tries=attempt.max_tries))


def _begin(
    store: CheckpointStore, options: BulkOptions, attempt: Attempt, paused: Progress | None, warn: Callable[[str], None]
) -> tuple[Progress, bool]:
    """Return the progress to go on from, and whether somebody has cleared the task since it was written."""
    once = options.delivery == "at_most_once" and not options.validate_only
    if once and not store.durable:
        raise BrevoDeliveryError(
            "at_most_once needs a checkpoint that survives the process, and there is none",
            advice="use Airflow 3.3 with its task state store, or give the task a checkpoint_path that all workers see",
        )
    found = store.load() or paused  # the same, unless a try has gone on since
    if found is None:
        if attempt.try_number > 1 and not options.validate_only:
            missing = f"This is try {attempt.try_number}, and {store.kept_in} holds no checkpoint of an earlier one"
            if once:
                raise BrevoDeliveryError(
                    f"{missing}: nobody knows what was sent, so at_most_once sends nothing",
                    advice="look in Brevo what arrived; to send all of it, trigger a new run",
                )
            warn(f"{missing}: all events are sent from the beginning, also those that Brevo may have taken already.")
        found = Progress(max_tries=attempt.max_tries)
    cleared = found.max_tries != attempt.max_tries
    if found.finished and cleared and options.on_rerun == "send":
        found = Progress(session=found.session, max_tries=attempt.max_tries)
    if not found.finished:
        unsettled = found.uncertain if once else found.waiting
        for start, stop in found.in_flight:
            unsettled.add(start, stop)
        if found.in_flight:
            outcome = (
                "Nobody knows whether Brevo took them, so they are not sent again."
                if once
                else "They are sent again; Brevo may have taken some of them already."
            )
            when = "An earlier try ended while" if paused is None else "As the wait began,"
            warn(f"{when} events {found.in_flight} of the source were in flight. {outcome}")
        found.in_flight.clear()
        found.session += 1
    return found, cleared


def result_of(progress: Progress, rejected_path: str | None = None) -> BulkResult:
    """Return the numbers of a progress."""
    return BulkResult(
        total=progress.total,
        accepted=progress.accepted,
        rejected=progress.rejected,
        skipped=progress.skipped,
        uncertain=progress.uncertain.count(),
        unidentified=progress.unidentified,
        requests=progress.requests,
        seconds=round(progress.seconds, 3),
        rejected_path=rejected_path,
    )


def checked(result: BulkResult, progress: Progress, options: BulkOptions) -> BulkResult:
    """Return the result if it is a success by what was asked for.

    :raises BrevoIncompleteError: too much was rejected, or is uncertain or unidentified.
    """
    most, as_share = options.max_rejected, 0 < options.max_rejected < 1
    problems = []
    if result.rejected / (max(1, result.total) if as_share else 1) > most:
        allowed = f"share of {most:g} that is allowed" if as_share else f"{most:.0f} allowed"
        counted = ", ".join(f"{rule} {count}" for rule, count in sorted(progress.reasons.items()))
        problems.append(f"{result.rejected} were rejected (by rule: {counted}), more than the {allowed}")
    if result.unidentified:
        problems.append(f"{result.unidentified} were not taken by Brevo, which doesn't say which")
    if result.uncertain:
        problems.append(f"of {result.uncertain} nobody knows whether Brevo took them: events {progress.uncertain}")
    if not problems:
        return result
    kept = f"the rejected events are in {result.rejected_path}" if result.rejected_path else "see the log for reasons"
    raise BrevoIncompleteError(
        f"Of {result.total} events {result.accepted} were accepted; {'; '.join(problems)}",
        advice=f"{kept}; clearing the task sends all events again" if result.rejected else "look for them in Brevo",
        result=asdict(result),
    )
