"""What an answer to a batch means, event by event.

Brevo's batch call has answered 204, 207 and 202 within weeks, so the body counts and not the status: what it lists as
errors was not taken, whatever the status says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.answers import raise_for_status, unexpected
from airflow_provider_brevo.exceptions import BrevoBadRequestError

if TYPE_CHECKING:
    from airflow_provider_brevo.core.answers import Sent
    from airflow_provider_brevo.core.transport import Answer

_BAD_REQUEST = 400
_NUMBERS = ("total_events", "count", "successful_events", "failed_events")
_MAX_REASON = 300

_PASSING = re.compile(
    r"rate.?limit|too many|time.?out|timed out|tempor|try again|retry|internal|unavailable|overload", re.IGNORECASE
)
"""Reasons that have nothing to do with the event, so that sending it again may help."""


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
            _raise_bad_request(answer, sent)
    else:
        raise_for_status(answer, sent)
    if content is None:
        if answer.body.strip():
            raise unexpected(answer, sent)
        return BatchAnswer(accepted=count)
    refused = _refused(errors, sent, count=count)
    numbers = _numbers(content, count=count)
    bad = answer.status == _BAD_REQUEST
    if refused is None or numbers is None or len(numbers) > 1 or (not bad and {"code", "message"} <= content.keys()):
        raise unexpected(answer, sent)
    taken = numbers.pop() if numbers else 0 if bad else count - len(refused)
    rest = count - len(refused) - taken
    if rest < 0:
        raise unexpected(answer, sent)
    if bad and not taken:
        # What no error names isn't to blame.
        return BatchAnswer(accepted=0, refused=refused, not_taken=tuple(sorted(set(range(count)) - refused.keys())))
    return BatchAnswer(accepted=taken, refused=refused, unidentified=rest)


def _refused(errors: Any, sent: Sent, *, count: int) -> dict[int, Refusal] | None:
    """Return the refusals by place, ``None`` if they make no sense."""
    refused: dict[int, Refusal] = {}
    for error in errors if isinstance(errors, list) else [errors] if errors else []:
        places = error.get("eventIndex") if isinstance(error, dict) else None
        places = [places] if type(places) is int else places
        if not isinstance(places, list) or not places or not all(type(at) is int and 0 <= at < count for at in places):
            return None
        message = error.get("message")
        text = message if isinstance(message, str) and message.strip() else "no reason given"
        refusal = Refusal(reason=sent.clean(text, _MAX_REASON), transient=bool(_PASSING.search(text)))
        refused.update(dict.fromkeys(places, refusal))
    return refused


def _numbers(content: dict[str, Any], *, count: int) -> set[int] | None:
    """Return how many events were taken by each number of the answer, ``None`` where one makes no sense."""
    numbers = {name: content[name] for name in _NUMBERS if content.get(name) is not None}
    if not all(type(number) is int and 0 <= number <= count for number in numbers.values()):
        return None
    if numbers.pop("total_events", count) != count:
        return None
    if "failed_events" in numbers:
        numbers["failed_events"] = count - numbers["failed_events"]
    return set(numbers.values())


def _as_object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _raise_bad_request(answer: Answer, sent: Sent) -> None:
    """Raise the refusal of a whole batch; with advice where a server wants the form of before April 2026."""
    try:
        raise_for_status(answer, sent)
    except BrevoBadRequestError as error:
        if "array" in (error.message or "").lower():
            error.advice = (
                "this server wants a batch as a bare array, as Brevo did before 21 April 2026: check the base URL of"
                " the connection, and what stands between here and Brevo"
            )
        raise
