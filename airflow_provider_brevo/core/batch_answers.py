"""What an answer to a batch means, event by event.

Brevo's batch call has answered 204, 207 and 202 within weeks, so the body counts and not the status: what it lists as
errors was not taken, whatever the status says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.answers import raise_for_status, unexpected
from airflow_provider_brevo.exceptions import BrevoBadRequestError

if TYPE_CHECKING:
    from airflow_provider_brevo.core.answers import Sent
    from airflow_provider_brevo.core.transport import Answer

_BAD_REQUEST = 400
_NUMBERS = ("total_events", "count", "successful_events", "failed_events")
_MAX_REASON = 300
_FAR_OFF = 10_000
_CONTRADICTION = "its numbers contradict each other"

_PASSING = re.compile(
    r"\b(?:rate[ -]?limit(?:s|ed|ing)?|too many requests|timed out|(?:request|gateway|connection) time-?out"
    r"|temporar(?:y|ily)|try again|internal (?:server )?error|unavailable|overloaded)\b",
    re.IGNORECASE,
)
"""Reasons that have nothing to do with the event, so that sending it again may help. Whole words, as attributes may be
called RETRY_COUNT or TIMEOUT."""

_REFUSED_WHOLE = "Brevo refuses the batch as a whole, without saying which event is wrong"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why Brevo didn't take an event.

    :param reason: Brevo's sentence, cleaned of everything that was sent.
    :param transient: whether sending the event again may help.
    """

    reason: str
    transient: bool


@dataclass(frozen=True, kw_only=True)
class BatchAnswer:
    """What became of the events of one batch.

    :param accepted: how many events Brevo took.
    :param refused: why it didn't take others, by their places in the batch.
    :param not_taken: places of events that Brevo certainly didn't take and says nothing about: send them again.
    :param unidentified: how many events it didn't take without saying which.
    """

    accepted: int
    refused: dict[int, Refusal] = field(default_factory=dict)
    not_taken: tuple[int, ...] = ()
    unidentified: int = 0


def expect_batch(answer: Answer, sent: Sent, *, count: int) -> BatchAnswer:
    """Read the answer to a batch.

    :param answer: the answer.
    :param sent: the request, to clean Brevo's reasons of it.
    :param count: how many events were sent.
    :raises BrevoRefusedError: the batch as a whole was refused.
    :raises BrevoUnexpectedAnswerError: the answer makes no sense: nobody knows what was taken.
    :raises BrevoResponseError: any other answer that is no success.
    """
    content = _as_object(answer.body)
    errors = content.get("errors") if content else None
    if answer.status == _BAD_REQUEST:
        if not errors:
            _raise_bad_request(answer, sent, count=count)
    else:
        raise_for_status(answer, sent)
    if content is None:
        if answer.body.strip():
            raise unexpected(answer, sent)
        return BatchAnswer(accepted=count)
    bad = answer.status == _BAD_REQUEST
    if not bad and {"code", "message"} <= content.keys():
        raise unexpected(answer, sent)
    try:
        return _read(content, sent, count=count, bad=bad)
    except _NonsenseError as nonsense:
        raise unexpected(answer, sent, why=str(nonsense)) from None


class _NonsenseError(Exception):
    """What makes no sense in an answer."""


def _read(content: dict[str, Any], sent: Sent, *, count: int, bad: bool) -> BatchAnswer:
    refused = _refused(content.get("errors"), sent, count=count)
    taken = _taken(content, count=count)
    if taken is None:
        taken = 0 if bad else count - len(refused)
    rest = count - len(refused) - taken
    if rest < 0:
        raise _NonsenseError(_CONTRADICTION)
    if bad and not taken:
        # What no error names isn't to blame.
        return BatchAnswer(accepted=0, refused=refused, not_taken=tuple(sorted(set(range(count)) - refused.keys())))
    return BatchAnswer(accepted=taken, refused=refused, unidentified=rest)


def _refused(errors: Any, sent: Sent, *, count: int) -> dict[int, Refusal]:
    """Return the refusals by place."""

    @cache
    def refusal(text: str) -> Refusal:
        return Refusal(reason=sent.clean(text, _MAX_REASON), transient=bool(_PASSING.search(text)))

    refused: dict[int, Refusal] = {}
    for error in errors if isinstance(errors, list) else [errors] if errors else []:
        places = error.get("eventIndex") if isinstance(error, dict) else None
        places = [places] if type(places) is int else places
        if not isinstance(places, list) or not places or not all(type(at) is int for at in places):
            raise _NonsenseError("it lists an error that names no event by its number")
        if beyond := [at for at in places if not 0 <= at < count]:
            raise _NonsenseError(f"it names event {_shown(beyond[0])} of a batch of {count}, counted from 0")
        message = error.get("message")
        text = message if isinstance(message, str) and message.strip() else "no reason given"
        refused.update(dict.fromkeys(places, refusal(text)))
    return refused


def _taken(content: dict[str, Any], *, count: int) -> int | None:
    """Return how many events were taken by the numbers of the answer, ``None`` where it has none."""
    numbers = {name: content[name] for name in _NUMBERS if content.get(name) is not None}
    for name, number in numbers.items():
        if type(number) is not int:
            raise _NonsenseError(f"its {name} is no whole number")
        if not (count if name == "total_events" else 0) <= number <= count:
            raise _NonsenseError(f"its {name} is {_shown(number)}, and {count} events were sent")
    numbers.pop("total_events", None)
    if "failed_events" in numbers:
        numbers["failed_events"] = count - numbers["failed_events"]
    if len(set(numbers.values())) > 1:
        raise _NonsenseError(_CONTRADICTION)
    return next(iter(numbers.values()), None)


def _shown(number: int) -> str:
    """Write a number that counts events, and nothing that may be somebody's."""
    return str(number) if abs(number) < _FAR_OFF else "***"


def _as_object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _raise_bad_request(answer: Answer, sent: Sent, *, count: int) -> None:
    """Raise the refusal of a whole batch; with advice where a server wants the form of before April 2026."""
    try:
        raise_for_status(answer, sent)
    except BrevoBadRequestError as error:
        if count > 1:
            error.problem = error.problem.replace(error.what, _REFUSED_WHOLE, 1)
            error.advice = "send its events one by one (batch_size=1) to find it, and correct it as the message says"
        if "array" in (error.message or "").lower():
            error.advice = (
                "this server wants a batch as a bare array, as Brevo did before 21 April 2026: check the base URL of"
                " the connection, and what stands between here and Brevo"
            )
        raise
