"""The words of sending many events: states, options, results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_brevo.core.checkpoint import Progress
    from airflow_provider_brevo.core.retry import Delivery

MAX_EVENTS = 200
"""Events in one batch, at most (Brevo's batch call)."""

MAX_IN_FLIGHT = 16
"""Requests at the same time, at most, where nothing else is said."""


class State(Enum):
    """What is known of a batch."""

    PLANNED = "planned"
    IN_FLIGHT = "in flight"
    ACCEPTED = "accepted"
    PARTLY_REJECTED = "partly rejected"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"


class Happening(Enum):
    """What happens to a batch."""

    RECORDED = "recorded as about to be sent"
    TAKEN = "Brevo took all of it"
    TAKEN_IN_PART = "Brevo took some of it"
    REFUSED = "Brevo took none of it"
    NOT_TAKEN = "certainly not taken: 429, no connection"
    UNKNOWN = "nobody knows: no answer, 5xx, the process died"


TRANSITIONS: dict[tuple[State, Happening], dict[Delivery, State]] = {
    (State.PLANNED, Happening.RECORDED): {"at_least_once": State.IN_FLIGHT, "at_most_once": State.IN_FLIGHT},
    (State.IN_FLIGHT, Happening.TAKEN): {"at_least_once": State.ACCEPTED, "at_most_once": State.ACCEPTED},
    (State.IN_FLIGHT, Happening.TAKEN_IN_PART): {
        "at_least_once": State.PARTLY_REJECTED,
        "at_most_once": State.PARTLY_REJECTED,
    },
    (State.IN_FLIGHT, Happening.REFUSED): {"at_least_once": State.REJECTED, "at_most_once": State.REJECTED},
    (State.IN_FLIGHT, Happening.NOT_TAKEN): {"at_least_once": State.PLANNED, "at_most_once": State.PLANNED},
    (State.IN_FLIGHT, Happening.UNKNOWN): {"at_least_once": State.PLANNED, "at_most_once": State.UNCERTAIN},
}
"""What follows, by the delivery that was asked for. What isn't here can't happen."""


def next_state(state: State, happening: Happening, delivery: Delivery) -> State:
    """Return the state that follows.

    :raises KeyError: this can't happen to a batch in this state.
    """
    return TRANSITIONS[state, happening][delivery]


@dataclass(frozen=True, kw_only=True)
class BulkOptions:
    """How to send.

    :param on_invalid: ``fail`` sends nothing unless all events are valid, ``skip`` sends the valid ones.
    :param max_rejected: how many rejections there may be, as a count or as a share below 1 of all events.
    :param batch_size: events in one request, 1 to 200.
    :param max_in_flight: requests at the same time, 1 to 16.
    :param delivery: ``at_least_once`` sends again what may have been taken, ``at_most_once`` never does.
    :param on_rerun: what to do once all is sent and the task is cleared: ``send`` again, or ``skip``.
    :param validate_only: check and don't send.
    :param max_retries: how often a batch whose request failed is sent again.
    :param pause_after: seconds that Brevo asks to wait from which on to raise :class:`BulkPaused` rather than wait;
        ``None`` waits however long it takes.
    """

    on_invalid: Literal["fail", "skip"] = "fail"
    max_rejected: float = 0
    batch_size: int = MAX_EVENTS
    max_in_flight: int = MAX_IN_FLIGHT
    delivery: Delivery = "at_least_once"
    on_rerun: Literal["send", "skip"] = "send"
    validate_only: bool = False
    max_retries: int = 5
    pause_after: float | None = None

    def problems(self) -> Iterator[str]:
        """Tell everything that is wrong with the values, one sentence each."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                yield f"{name} is not known: use {' or '.join(allowed)}"
        if not _is_number(self.max_rejected) or (self.max_rejected >= 1 and self.max_rejected % 1):
            yield "max_rejected is neither a count nor a share: give 0, 1, 2, … events, or a share below 1"
        for name, most in (("batch_size", MAX_EVENTS), ("max_in_flight", MAX_IN_FLIGHT)):
            if not _is_number(value := getattr(self, name), int) or not 1 <= value <= most:
                yield f"{name} is out of range: give a whole number from 1 to {most}"
        if not isinstance(self.validate_only, bool):
            yield "validate_only is neither true nor false: give a boolean"
        if not _is_number(self.max_retries, int):
            yield "max_retries is no number of requests: give 0 or more"
        if self.pause_after is not None and not _is_number(self.pause_after):
            yield "pause_after is no number of seconds: give 0 or more, or None"


_CHOICES = {
    "on_invalid": ("fail", "skip"),
    "delivery": ("at_least_once", "at_most_once"),
    "on_rerun": ("send", "skip"),
}


def _is_number(value: Any, kind: Any = (int, float)) -> bool:
    """Tell a finite number of zero or more; a boolean is none."""
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value < float("inf")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Which try of a task this is.

    :param try_number: from 1; a deferral goes on in the same try.
    :param max_tries: how many tries the task has. Clearing a task raises it, a retry doesn't.
    """

    try_number: int = 1
    max_tries: int = 0


@dataclass(frozen=True, kw_only=True)
class BulkResult:
    """What became of the events of a source.

    :param total: events of the source.
    :param accepted: events that Brevo took.
    :param rejected: events that were refused, here or by Brevo.
    :param skipped: events that were checked and, as asked, not sent; or that an earlier run of the task has sent.
    :param uncertain: events of which nobody knows whether Brevo took them (``at_most_once`` only).
    :param unidentified: events that Brevo didn't take and doesn't name: they are not sent again.
    :param requests: requests made.
    :param seconds: seconds that it took, in all tries.
    :param rejected_path: the file of rejected events, or ``None``.
    """

    total: int = 0
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    uncertain: int = 0
    unidentified: int = 0
    requests: int = 0
    seconds: float = 0.0
    rejected_path: str | None = None


class BulkPaused(Exception):  # noqa: N818 # not an error: the work goes on later
    """Brevo asks for a long wait, for its rate limit or with a fault of its own, and no request is under way.

    :param seconds: how long to wait.
    :param progress: from where to go on.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        super().__init__(f"Brevo asks to wait {seconds:.0f} s.")
        self.seconds = seconds
        self.progress = progress
