"""What arrives: requests, and the events they bring."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_brevo.sandbox.dates import format_timestamp, parse_timestamp


@dataclass(slots=True, kw_only=True)
class ReceivedRequest:
    """A request that reached the sandbox, whatever became of it.

    :param method: The HTTP method.
    :param path: The path, decoded, without query.
    :param query: The query string as it was sent. Not in the repr: it may hold a secret by mistake.
    :param headers: The headers, with lower-case names. Not in the repr: they hold the key.
    :param body: The body. Not in the repr: it holds personal data. Empty if it was too large to be read.
    :param status: The status of the answer, None if there is none (yet).
    :param reason: Why it was refused or got no answer, None if neither happened. Not in the repr: it may
        quote the body.
    :param received_at: When it arrived.
    :param number: Its number in order of arrival, from 1.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    status: int | None = None
    reason: str | None = field(default=None, repr=False)
    received_at: datetime | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An event the sandbox took.

    :param body: The event as it was sent. It is shared with the sandbox: copy it before changing it.
    :param received_at: When it arrived.
    :param contact_id: The contact it was attributed to.
    :param object_ignored: Whether it names an object that this account doesn't have.
    :param request: The request that brought it, None if that is unknown. It is shared with the sandbox too.
    :param index: Its place in its batch, from 0; None if it came alone.
    :param visible_at: When ``GET /events`` and the page show it, None for at once.
    """

    body: dict[str, Any]
    received_at: datetime
    contact_id: int
    object_ignored: bool
    request: ReceivedRequest | None = field(default=None, repr=False, compare=False)
    index: int | None = None
    visible_at: datetime | None = field(default=None, compare=False)

    @property
    def event_date(self) -> datetime:
        """When it happened: as the event says, else when it arrived."""
        sent = self.body.get("event_date")
        return (parse_timestamp(sent) if sent is not None else None) or self.received_at

    @property
    def object_type(self) -> str | None:
        """The type of the object it belongs to, None if it has none or if that was ignored."""
        return None if self.object_ignored else self.body.get("object", {}).get("type")

    def listed(self) -> dict[str, Any]:
        """Give the event as ``GET /events`` shows it: without identifiers, and without an id of its own."""
        name: str = self.body["event_name"]
        return {
            "contact_id": self.contact_id,
            "event_date": self.body.get("event_date", format_timestamp(self.received_at)),
            "event_name": name,
            "event_filter_id": hashlib.sha256(name.encode()).hexdigest()[:24],
            "object_type": self.object_type,
            "event_properties": self.body.get("event_properties", {}),
            "contact_properties": self.body.get("contact_properties", {}),
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One line of what arrived: an event with its request, or a request that brought none.

    :param key: Tells it from the others.
    :param request: The request.
    :param event: The event.
    """

    key: str
    request: ReceivedRequest
    event: ReceivedEvent | None = None
