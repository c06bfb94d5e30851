"""Keeps what arrived, and finds it: requests, events and the contacts they belong to."""

import itertools
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_brevo.sandbox.contacts import Contacts
from airflow_provider_brevo.sandbox.counts import Counts, Duplicates, Stats, duplicates_among
from airflow_provider_brevo.sandbox.journal import Journal
from airflow_provider_brevo.sandbox.query import EventQuery
from airflow_provider_brevo.sandbox.records import Entry, ReceivedEvent, ReceivedRequest

MAX_ENTRIES = 1000
"""How many entries, the newest, can be looked at one by one."""

KEEP = 100_000
"""How many events, and how many requests, are kept by default: the newest."""

MAX_BYTES = 64 * 1024 * 1024
"""Most bytes of the bodies of all kept requests; past it the oldest requests are dropped."""

_log = logging.getLogger(__name__)


class Store:
    """Keeps what arrived, for one thread that writes and others that look on.

    The newest of it is in memory, where it is found, and everything is counted; a journal keeps all of it, beyond the
    process as well.

    :param known_objects: Types of object the account has, None if it has all.
    :param clock: Gives the time of arrival.
    :param journal: Where to write it too, None for nowhere.
    :param keep: How many events, and how many requests, to keep.
    :raises ValueError: if nothing would be kept.
    """

    def __init__(
        self,
        *,
        known_objects: Collection[str] | None,
        clock: Callable[[], datetime],
        journal: Journal | None = None,
        keep: int = KEEP,
    ) -> None:
        if keep < 1:
            raise ValueError("keep must be at least 1")
        self._keep = keep
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
            events_of: dict[int, list[ReceivedEvent]] = {}
            for event in events:
                # Contacts follow from the events, in their order: they need no record of their own.
                self._contacts.find(event.body["identifiers"])
                self._counts.add_event(event.body)
                self._events.append(event)
                if event.request is not None:
                    events_of.setdefault(event.request.number, []).append(event)
            for request in requests:
                self._counts.add_answer(request.method, request.path, request.status)
                self._keep_request(request)
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
            self._release_due()
            return self._total, list(reversed(self._entries))

    def contacts_like(self, text: str) -> set[int]:
        """Find contacts by their id, alone or as ``#7``, or by a part of another identifier in any case.

        :param text: What to look for.
        """
        with self._lock:
            return self._contacts.like(text)

    def duplicates(self, name: str) -> Duplicates:
        """Count how often the values of a property repeat, among all events so far.

        :param name: The property, of the top level of ``event_properties``; lists and objects are not counted.
        """
        with self._lock:
            hashes = self._counts.hashes(name)
        return duplicates_among(hashes)

    def stats(self) -> Stats:
        """Tell how much arrived so far."""
        with self._lock:
            return self._counts.stats()

    def add_request(self, request: ReceivedRequest) -> None:
        """Keep a request.

        :param request: The request; its body and status are filled in later with :meth:`complete_request`.
        """
        with self._lock:
            request.number = next(self._numbers)
            # First of all, so that it is kept if anything below fails.
            self._keep_request(request)
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
            if body is not None:
                more, request.body = len(body) - len(request.body), body
                self._count_bytes(request, more)
            request.status = request.status if status is None else status
            request.reason = request.reason if reason is None else reason
            if self._journal is not None:
                try:
                    self._journal.update_request(request)
                except sqlite3.Error:
                    # The answer is decided; a full disk must not change it.
                    _log.exception("the sandbox could not write to its database")
        self._tell()

    def count_answer(self, request: ReceivedRequest) -> None:
        """Count a request that came to its end.

        :param request: The request, completed.
        """
        with self._lock:
            self._counts.add_answer(request.method, request.path, request.status)

    def add_event(self, body: dict[str, Any], request: ReceivedRequest | None = None) -> ReceivedEvent:
        """Keep an event that came alone.

        :param body: An event that passed the checks.
        :param request: The request that brought it.
        """
        (event,) = self._add_events({None: body}, request)
        return event

    def add_batch(
        self, bodies: Mapping[int, dict[str, Any]], request: ReceivedRequest | None = None, *, delay: float = 0.0
    ) -> None:
        """Keep the events of a batch: all of them or, if that fails, none.

        :param bodies: Events that passed the checks, by their place in the batch.
        :param request: The request that brought them.
        :param delay: Seconds until they are shown; :meth:`release` has to be called then.
        """
        self._add_events(bodies, request, delay=delay)

    def release(self) -> None:
        """Show on the page the events that became visible by now."""
        with self._lock:
            self._release_due()
        self._tell()

    def find(self, query: EventQuery) -> tuple[int, list[ReceivedEvent]]:
        """Find events, newest first; of those with the same date, the one that arrived last.

        :param query: What to look for.
        :return: How many match, and those on the page that was asked for.
        """
        now = self._clock()
        found = [
            event
            for event in reversed(self.events())
            if (event.visible_at is None or event.visible_at <= now) and _matches(event, query)
        ]
        found.sort(key=lambda event: event.event_date, reverse=True)
        return len(found), found[query.offset : query.offset + query.limit]

    def _forget(self) -> None:
        self._events: deque[ReceivedEvent] = deque(maxlen=self._keep)
        self._requests: deque[ReceivedRequest] = deque()
        self._bytes = 0
        self._contacts = Contacts()
        self._counts = Counts()
        # Taken, but not shown yet; the next to be shown comes first.
        self._queued: deque[ReceivedEvent] = deque(maxlen=self._keep)
        self._entries: deque[Entry] = deque()
        self._without_event: dict[int, Entry] = {}
        self._total = 0

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _add_events(
        self, bodies: Mapping[int, Any] | Mapping[None, Any], request: ReceivedRequest | None, *, delay: float = 0.0
    ) -> list[ReceivedEvent]:
        with self._lock:
            now = self._clock()
            events = [
                ReceivedEvent(
                    body=body,
                    received_at=now,
                    contact_id=self._contacts.find(body["identifiers"]),
                    object_ignored=self._is_ignored(body.get("object")),
                    request=request,
                    index=index,
                    visible_at=now + timedelta(seconds=delay) if delay else None,
                )
                for index, body in bodies.items()
            ]
            if self._journal is not None:
                self._journal.add_events(events)
            self._events.extend(events)
            for event in events:
                self._counts.add_event(event.body)
            if delay:
                self._queued.extend(events)
            else:
                self._show(events)
        self._tell()
        return events

    def _release_due(self) -> None:
        now = self._clock() if self._queued else None
        while now is not None and self._queued:
            visible_at = self._queued[0].visible_at
            if visible_at is not None and visible_at > now:
                return
            self._show([self._queued.popleft()])

    def _show(self, events: Iterable[ReceivedEvent]) -> None:
        for event in events:
            if event.request is not None:
                self._show_event(event.request, event)

    def _keep_request(self, request: ReceivedRequest) -> None:
        self._requests.append(request)
        self._count_bytes(request, len(request.body))
        if len(self._requests) > self._keep:
            self._drop_request()

    def _count_bytes(self, request: ReceivedRequest, more: int) -> None:
        if not self._requests or request.number < self._requests[0].number:
            # It is not kept any more.
            return
        self._bytes += more
        while self._bytes > MAX_BYTES and len(self._requests) > 1:
            self._drop_request()

    def _drop_request(self) -> None:
        self._bytes -= len(self._requests.popleft().body)

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
