"""Keeps what arrived, and finds it: requests, events and the contacts they belong to."""

import itertools
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_brevo.sandbox.journal import Journal
from airflow_provider_brevo.sandbox.query import EventQuery
from airflow_provider_brevo.sandbox.records import Entry, ReceivedEvent, ReceivedRequest

MAX_ENTRIES = 1000
"""How many entries, the newest, can be looked at one by one."""

# Reference: contact_id "takes priority over all other identifiers". The order of the rest is undocumented.
PRIORITY = ("contact_id", "email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id")
"""Identifiers, the one that decides first."""

_log = logging.getLogger(__name__)


class Store:
    """Keeps everything that arrived, for one thread that writes and others that look on.

    All of it is in memory, where it is found; a journal keeps it beyond the process as well.

    :param known_objects: Types of object the account has, None if it has all.
    :param clock: Gives the time of arrival.
    :param journal: Where to write it too, None for nowhere.
    """

    def __init__(
        self,
        *,
        known_objects: Collection[str] | None,
        clock: Callable[[], datetime],
        journal: Journal | None = None,
    ) -> None:
        self._known_objects = None if known_objects is None else frozenset(known_objects)
        self._clock = clock
        self._journal = journal
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        # Both go on after a reset: what is still under way then must not be taken for something newer.
        self._numbers = itertools.count(1)
        self._keys = itertools.count(1)
        self._forget()

    def open(self) -> None:
        """Begin to write to the journal, after reading back what it holds.

        :raises DatabaseError: if it can't be used.
        """
        if self._journal is None:
            return
        with self._lock:
            self._journal.open()
            self._forget()
            requests, events = self._journal.load()
            self._requests.extend(requests)
            events_of: dict[int, list[ReceivedEvent]] = {}
            for event in events:
                # Contacts follow from the events, in their order: they need no record of their own.
                self._contact_id(event.body["identifiers"])
                self._events.append(event)
                if event.request is not None:
                    events_of.setdefault(event.request.number, []).append(event)
            for request in requests:
                self._add_entry(request)
                for event in events_of.get(request.number, []):
                    self._show_event(request, event)
            self._numbers = itertools.count(requests[-1].number + 1 if requests else 1)

    def close(self) -> None:
        """Stop writing to the journal. What arrived stays readable here."""
        if self._journal is not None:
            with self._lock:
                self._journal.close()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            if self._journal is not None:
                self._journal.clear()
            self._forget()
        self._tell()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Have something called after every change, in the thread that made it.

        :param listener: What to call.
        :return: Ends that.
        """
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return end

    def events(self) -> list[ReceivedEvent]:
        """Give the events so far, in order of arrival."""
        with self._lock:
            return list(self._events)

    def requests(self) -> list[ReceivedRequest]:
        """Give the requests so far, in order of arrival."""
        with self._lock:
            return [replace(request, headers=dict(request.headers)) for request in self._requests]

    def newest(self) -> tuple[int, list[Entry]]:
        """Give the newest entries, the newest first.

        :return: How many there were so far, and at most :data:`MAX_ENTRIES` of them.
        """
        with self._lock:
            return self._total, list(reversed(self._entries))

    def contacts_like(self, text: str) -> set[int]:
        """Find contacts by their id, alone or as ``#7``, or by a part of another identifier in any case.

        :param text: What to look for.
        """
        part = text.casefold()
        with self._lock:
            return {
                contact_id
                for (name, value), contact_id in self._contacts.items()
                if (text in {str(value), f"#{value}"} if name == "contact_id" else part in str(value).casefold())
            }

    def add_request(self, request: ReceivedRequest) -> None:
        """Keep a request.

        :param request: The request; its body and status are filled in later with :meth:`complete_request`.
        """
        with self._lock:
            request.number = next(self._numbers)
            # First of all, so that it is kept if anything below fails.
            self._requests.append(request)
            self._add_entry(request)
            request.received_at = self._clock()
            if self._journal is not None:
                self._journal.add_request(request)
        self._tell()

    def complete_request(
        self,
        request: ReceivedRequest,
        *,
        body: bytes | None = None,
        status: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Add what became known of a request since it arrived.

        :param request: The request as it was given to :meth:`add_request`.
        :param body: Its body.
        :param status: The status of its answer.
        :param reason: Why it was refused or got no answer.
        """
        with self._lock:
            request.body = request.body if body is None else body
            request.status = request.status if status is None else status
            request.reason = request.reason if reason is None else reason
            if self._journal is not None:
                try:
                    self._journal.update_request(request)
                except sqlite3.Error:
                    # The answer is decided; a full disk must not change it.
                    _log.exception("the sandbox could not write to its database")
        self._tell()

    def add_event(self, body: dict[str, Any], request: ReceivedRequest | None = None) -> ReceivedEvent:
        """Keep an event.

        :param body: An event that passed the checks.
        :param request: The request that brought it.
        """
        with self._lock:
            event = ReceivedEvent(
                body=body,
                received_at=self._clock(),
                contact_id=self._contact_id(body["identifiers"]),
                object_ignored=self._is_ignored(body.get("object")),
                request=request,
            )
            if self._journal is not None:
                self._journal.add_event(event)
            self._events.append(event)
            if request is not None:
                self._show_event(request, event)
        self._tell()
        return event

    def find(self, query: EventQuery) -> tuple[int, list[ReceivedEvent]]:
        """Find events, newest first; of those with the same date, the one that arrived last.

        :param query: What to look for.
        :return: How many match, and those on the page that was asked for.
        """
        found = [event for event in reversed(self.events()) if _matches(event, query)]
        found.sort(key=lambda event: event.event_date, reverse=True)
        return len(found), found[query.offset : query.offset + query.limit]

    def _forget(self) -> None:
        self._events: list[ReceivedEvent] = []
        self._requests: list[ReceivedRequest] = []
        self._contacts: dict[tuple[str, object], int] = {}
        self._next_contact_id = itertools.count(1)
        self._entries: deque[Entry] = deque()
        self._without_event: dict[int, Entry] = {}
        self._total = 0

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _add_entry(self, request: ReceivedRequest, event: ReceivedEvent | None = None) -> None:
        entry = Entry(key=str(next(self._keys)), request=request, event=event)
        if event is None:
            self._without_event[request.number] = entry
        self._entries.append(entry)
        self._total += 1
        if len(self._entries) > MAX_ENTRIES:
            self._without_event.pop(self._entries.popleft().request.number, None)

    def _show_event(self, request: ReceivedRequest, event: ReceivedEvent) -> None:
        """Show an event in place of its request, or after the ones which that brought before."""
        entry = self._without_event.pop(request.number, None)
        if entry is None:
            self._add_entry(request, event)
        else:
            entry.event = event

    def _contact_id(self, identifiers: dict[str, Any]) -> int:
        """Attribute identifiers to a contact, made on first sight.

        The first known identifier decides. The contact then learns the others, unless another has them.
        """
        keys = [(name, identifiers[name]) for name in PRIORITY if name in identifiers]
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
