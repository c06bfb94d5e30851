"""The rules for a batch of events, and the answers to it, from Brevo's guide and reference of ``POST /events/batch``.

Documented are: at most 200 events and 512 KB a request; 202 with ``message`` and ``count``; 400 and 401; and, in the
changelog, 207 for a batch of which a part failed. Not documented is what exceeding a limit gives: here 400 for too many
events, as for anything else that is wrong with a request, and 413 for too many bytes, as HTTP has it. The texts are the
sandbox's own, but for the one of 202.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider_brevo.sandbox.checks import InvalidEventError, check_event, parse_json
from airflow_provider_brevo.sandbox.replies import error

MAX_EVENTS = 200
"""Most events of one request."""

MAX_BYTES = 512_000
"""
Most bytes of one request's body.

"512 KB" may be read as 512,000 or as 524,288 bytes. The stricter reading is taken, since what passes it passes either.
"""

FORMS = ("object", "array")
"""What the body of a batch is: an object with the list ``events``, or that list alone as before 21 April 2026."""

STATUSES = (202, 200, 204, 207)
"""What the call answered at one time or another if all events are valid; today it is the first."""

_ACCEPTED = "Batch accepted. Valid events have been added to the processing queue."
_NO_CONTENT = 204
_MULTI_STATUS = 207
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCall:
    """How the batch call reads and answers.

    :param form: One of :data:`FORMS`.
    :param status: One of :data:`STATUSES`: the answer if all events are valid.
    :raises ValueError: if one of them is unknown.
    """

    form: str = FORMS[0]
    status: int = STATUSES[0]

    def __post_init__(self) -> None:
        """Check the values."""
        if self.form not in FORMS:
            raise ValueError(f"the form of a batch must be one of {', '.join(FORMS)}, not {self.form!r}")
        if self.status not in STATUSES:
            raise ValueError(f"the status of a batch must be one of {', '.join(map(str, STATUSES))}")

    def read(self, body: bytes) -> list[Any]:
        """Read a request body.

        :param body: The bytes that arrived, at most :data:`MAX_BYTES`.
        :return: Its events, unchecked.
        :raises InvalidEventError: if it is no batch.
        """
        events = self._list_in(parse_json(body))
        if not isinstance(events, list):
            raise InvalidEventError("events must be an array")
        if not events:
            raise InvalidEventError("events must hold at least one event")
        if len(events) > MAX_EVENTS:
            raise InvalidEventError(f"events must hold at most {MAX_EVENTS} events, not {len(events)}")
        return events

    def answer(
        self, total: int, errors: Mapping[str, Sequence[int]], *, dropped: int = 0, status: int | None = None
    ) -> web.Response:
        """Answer a batch whose events were looked at one by one.

        :param total: How many there are.
        :param errors: Reasons, with the indices of the events that were rejected for it.
        :param dropped: How many more were not taken, without a reason.
        :param status: The status if events were rejected; by default 207, and 400 if all were.
        """
        failed = sum(map(len, errors.values()))
        if failed == 0 and self.status == _NO_CONTENT:
            return web.Response(status=_NO_CONTENT)
        if failed == 0 and self.status != _MULTI_STATUS:
            return web.json_response({"message": _ACCEPTED, "count": total - dropped}, status=self.status)
        state = "success" if failed == 0 else "partial" if failed < total else "failed"
        said = {
            "status": state,
            "total_events": total,
            "successful_events": total - failed - dropped,
            "failed_events": failed,
            "errors": [{"eventIndex": list(indices), "message": reason} for reason, indices in errors.items()],
        }
        return web.json_response(said, status=status or (_BAD_REQUEST if state == "failed" else _MULTI_STATUS))

    def _list_in(self, read: Any) -> Any:
        if self.form == "array":
            if not isinstance(read, list):
                raise InvalidEventError("The request body must be an array of events")
            return read
        if not isinstance(read, dict):
            raise InvalidEventError("The request body must be an object with the array events")
        if "events" not in read:
            raise InvalidEventError("events is missing")
        for name in read:
            if name != "events":
                raise InvalidEventError(f"Unknown field {name}")
        return read["events"]


def refuse_size(body: bytes) -> web.Response | None:
    """Refuse a body that is too large for a batch; None if it is not.

    :param body: The body.
    """
    if len(body) <= MAX_BYTES:
        return None
    return error(413, f"The request body has {len(body)} bytes, more than {MAX_BYTES}")


def check_batch(events: Sequence[Any]) -> tuple[dict[int, dict[str, Any]], dict[str, list[int]]]:
    """Check every event of a batch by itself.

    :param events: The events.
    :return: The valid ones by index, and the indices of the others by reason, in order.
    """
    valid: dict[int, dict[str, Any]] = {}
    errors: dict[str, list[int]] = {}
    for index, event in enumerate(events):
        try:
            valid[index] = check_event(event)
        except InvalidEventError as refusal:
            errors.setdefault(str(refusal), []).append(index)
    return valid, errors
