"""What arrived: requests, events and the contacts they belong to."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_provider_brevo.sandbox.dates import format_timestamp, parse_timestamp
from airflow_provider_brevo.sandbox.query import EventQuery

# Reference: contact_id "takes priority over all other identifiers". The order of the rest is undocumented.
_PRIORITY = ("contact_id", "email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An event the sandbox took.

    :param body: The event as it was sent. It is shared with the sandbox: copy it before changing it.
    :param received_at: When it arrived.
    :param contact_id: The contact it was attributed to.
    :param object_ignored: Whether it names an object that this account doesn't have.
    """

    body: dict[str, Any]
    received_at: datetime
    contact_id: int
    object_ignored: bool

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


@dataclass(slots=True, kw_only=True)
class ReceivedRequest:
    """A request that reached the sandbox, whatever became of it.

    :param method: The HTTP method.
    :param path: The path, decoded, without query.
    :param query: The query string as it was sent.
    :param headers: The headers, with lower-case names. Not in the repr: they hold the key.
    :param body: The body. Not in the repr: it holds personal data. Empty if it was too large to be read.
    :param status: The status of the answer, None if there is none (yet).
    """

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    status: int | None = None


class Store:
    """Keeps everything that arrived, for one thread that writes and others that look on.

    :param known_objects: Types of object the account has, None if it has all.
    :param clock: Gives the time of arrival.
    """

    def __init__(self, *, known_objects: Collection[str] | None, clock: Callable[[], datetime]) -> None:
        self._known_objects = None if known_objects is None else frozenset(known_objects)
        self._clock = clock
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._events: list[ReceivedEvent] = []
            self._requests: list[ReceivedRequest] = []
            self._contacts: dict[tuple[str, object], int] = {}
            self._next_contact_id = itertools.count(1)

    def events(self) -> list[ReceivedEvent]:
        """Give the events so far, in order of arrival."""
        with self._lock:
            return list(self._events)

    def requests(self) -> list[ReceivedRequest]:
        """Give the requests so far, in order of arrival."""
        with self._lock:
            return [replace(request, headers=dict(request.headers)) for request in self._requests]

    def add_request(self, request: ReceivedRequest) -> None:
        """Keep a request.

        :param request: The request; its body and status are filled in later with :meth:`complete_request`.
        """
        with self._lock:
            self._requests.append(request)

    def complete_request(
        self, request: ReceivedRequest, *, body: bytes | None = None, status: int | None = None
    ) -> None:
        """Add what became known of a request since it arrived.

        :param request: The request as it was given to :meth:`add_request`.
        :param body: Its body.
        :param status: The status of its answer.
        """
        with self._lock:
            if body is not None:
                request.body = body
            if status is not None:
                request.status = status

    def add_event(self, body: dict[str, Any]) -> ReceivedEvent:
        """Keep an event.

        :param body: An event that passed the checks.
        """
        with self._lock:
            event = ReceivedEvent(
                body=body,
                received_at=self._clock(),
                contact_id=self._contact_id(body["identifiers"]),
                object_ignored=self._is_ignored(body.get("object")),
            )
            self._events.append(event)
            return event

    def find(self, query: EventQuery) -> tuple[int, list[ReceivedEvent]]:
        """Find events, newest first; of those with the same date, the one that arrived last.

        :param query: What to look for.
        :return: How many match, and those on the page that was asked for.
        """
        found = [event for event in reversed(self.events()) if _matches(event, query)]
        found.sort(key=lambda event: event.event_date, reverse=True)
        return len(found), found[query.offset : query.offset + query.limit]

    def _contact_id(self, identifiers: dict[str, Any]) -> int:
        """Attribute identifiers to a contact, made on first sight.

        The first known identifier decides. The contact then learns the others, unless another has them.
        """
        keys = [(name, identifiers[name]) for name in _PRIORITY if name in identifiers]
        if "contact_id" in identifiers:
            contact_id: int = identifiers["contact_id"]
        else:
            known = next((self._contacts[key] for key in keys if key in self._contacts), None)
            contact_id = self._new_contact_id() if known is None else known
        for key in (("contact_id", contact_id), *keys):
            self._contacts.setdefault(key, contact_id)
        return contact_id

    def _new_contact_id(self) -> int:
        return next(n for n in self._next_contact_id if ("contact_id", n) not in self._contacts)

    def _is_ignored(self, obj: dict[str, Any] | None) -> bool:
        """Tell what the reference calls: "Ignored if the object type or identifier … does not exist"."""
        if obj is None:
            return False
        if not obj.get("type") or not any(obj.get("identifiers", {}).values()):
            return True
        return self._known_objects is not None and obj["type"] not in self._known_objects


def _matches(event: ReceivedEvent, query: EventQuery) -> bool:
    if query.contact_ids and event.contact_id not in query.contact_ids:
        return False
    if query.event_names and event.body["event_name"] not in query.event_names:
        return False
    if query.object_types and event.object_type not in query.object_types:
        return False
    return query.start <= event.event_date and (query.end is None or event.event_date <= query.end)
