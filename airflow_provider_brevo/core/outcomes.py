"""What follows from what became of a batch: a pure decision, applied by whoever keeps the progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_brevo.core.batches import Batch, Rejection
from airflow_provider_brevo.core.bulk_states import Happening, State, next_state
from airflow_provider_brevo.core.retry import RetryPolicy, pause_before_retry
from airflow_provider_brevo.exceptions import BrevoPayloadTooLargeError, BrevoRateLimitError, BrevoRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_brevo.core.batch_answers import BatchAnswer
    from airflow_provider_brevo.core.bulk_states import BulkOptions

_LONGEST_PAUSE = 30.0


@dataclass(kw_only=True)
class Decision:
    """What follows. Events of the batch that are in none of ``again`` and ``held`` are settled.

    :param accepted: events that Brevo took.
    :param unidentified: events that it didn't take and doesn't name.
    :param rejections: events that are refused for good.
    :param uncertain: whether the whole batch is given up, as nobody knows whether Brevo took it.
    :param again: batches to be sent again, each with the seconds to wait before.
    :param held: the batch, if it is to be sent again only after a pause of all, or by a later try.
    :param pause: seconds for which nothing at all is to be sent.
    :param failure: why nothing more is to be sent.
    """

    accepted: int = 0
    unidentified: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    uncertain: bool = False
    again: list[tuple[Batch, float]] = field(default_factory=list)
    held: Batch | None = None
    pause: float = 0.0
    failure: BrevoRequestError | None = None


def after_answer(batch: Batch, answer: BatchAnswer, options: BulkOptions, *, jitter: float) -> Decision:
    """Decide after an answer of Brevo: only events that it names, or certainly didn't take, are ever sent again.

    :param batch: what was sent; its state is moved.
    :param answer: what Brevo says.
    :param options: how to send.
    :param jitter: a random number from 0 to 1.
    """
    happening = Happening.TAKEN_IN_PART if answer.accepted else Happening.REFUSED
    if answer.accepted == len(batch.events):
        happening = Happening.TAKEN
    batch.state = next_state(batch.state, happening, options.delivery)
    refused = {at: (refusal.reason, refusal.transient) for at, refusal in answer.refused.items()}
    refused |= dict.fromkeys(answer.not_taken, ("the batch was refused, without a reason for this event", True))
    if batch.attempts >= options.max_retries:
        refused = {at: (reason, False) for at, (reason, _) in refused.items()}
    decision = Decision(accepted=answer.accepted, unidentified=answer.unidentified)
    decision.rejections = [_refused(batch, at, reason) for at, (reason, passing) in refused.items() if not passing]
    if again := sorted(at for at, (_, passing) in refused.items() if passing):
        part = _part(batch, again, attempts=batch.attempts + 1)
        part.unknown = False  # Brevo has told what became of it
        decision.again = [(part, min(2.0**batch.attempts, _LONGEST_PAUSE) * (0.5 + jitter / 2))]
    return decision


def after_error(
    batch: Batch, error: BrevoRequestError, options: BulkOptions, *, patience: float, jitter: float
) -> Decision:
    """Decide after a request without an answer that settles anything.

    :param batch: what was sent; its state is moved.
    :param error: what happened.
    :param options: how to send.
    :param patience: seconds beyond which a wait that Brevo asks for concerns all batches.
    :param jitter: a random number from 0 to 1.
    """
    if isinstance(error, BrevoPayloadTooLargeError):
        return _after_too_large(batch, options)
    batch.unknown |= error.uncertain
    happening = Happening.UNKNOWN if error.uncertain else Happening.NOT_TAKEN
    batch.state = next_state(batch.state, happening, options.delivery)
    advised = error.retry_after or 0.0
    if batch.state is State.UNCERTAIN:
        return Decision(uncertain=True, pause=advised if advised > patience else 0.0)
    policy = RetryPolicy(max_retries=options.max_retries, max_wait=float("inf"), delivery=options.delivery)
    pause = pause_before_retry(
        error, policy, retries=batch.attempts, throttled=batch.throttled, waited=0.0, jitter=jitter
    )
    limited = isinstance(error, BrevoRateLimitError)
    batch.throttled, batch.attempts = batch.throttled + limited, batch.attempts + (not limited)
    if pause is None:
        return Decision(held=batch, failure=placed(error, batch))
    if (pause if limited else advised) > patience:
        return Decision(held=batch, pause=pause)
    batch.state = State.IN_FLIGHT  # it is still recorded so
    return Decision(again=[(batch, pause)])


def placed(error: BrevoRequestError, batch: Batch) -> BrevoRequestError:
    """Add to an error which events it is about."""
    error.problem = f"{error.problem}, for {places(batch)}"
    error.attempts = max(1, batch.attempts)
    return error


def places(batch: Batch) -> str:
    """Name the events of a batch by their places in the source."""
    first, last = batch.indices[0], batch.indices[-1]
    return f"event {first} of the source" if first == last else f"events {first} to {last} of the source"


def _after_too_large(batch: Batch, options: BulkOptions) -> Decision:
    """Send the halves of a batch, or reject the one event that it holds."""
    count = len(batch.events)
    if count == 1:
        batch.state = next_state(batch.state, Happening.REFUSED, options.delivery)
        return Decision(rejections=[_refused(batch, 0, "Brevo finds the event too large (HTTP 413)")])
    halves = (range(count // 2), range(count // 2, count))
    return Decision(again=[(_part(batch, half, attempts=batch.attempts), 0.0) for half in halves])


def _part(batch: Batch, places: Iterable[int], *, attempts: int) -> Batch:
    part = batch.part(places)
    part.attempts = attempts
    part.state = State.IN_FLIGHT  # it is still recorded so
    return part


def _refused(batch: Batch, at: int, reason: str) -> Rejection:
    return Rejection(
        index=batch.indices[at], where="Brevo", reasons=(reason,), rules=("refused",), event=batch.events[at]
    )
