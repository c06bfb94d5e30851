"""What the page shows of what arrived, as JSON. Secrets are left out here, not in the browser."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_brevo.sandbox.checks import InvalidEventError, parse_json
from airflow_provider_brevo.sandbox.contacts import PRIORITY
from airflow_provider_brevo.sandbox.dates import format_timestamp, parse_day, parse_timestamp
from airflow_provider_brevo.sandbox.hiding import shown_body, shown_headers, shown_query
from airflow_provider_brevo.sandbox.records import Entry
from airflow_provider_brevo.sandbox.store import MAX_ENTRIES, Store

KINDS = ("event", "refused", "other")
"""What an entry can be: an event that was taken, a request that was refused or broken off, any other request."""

MAX_VALUES = 2000
"""How many values of one body are listed one by one; the body itself is shown whole."""

_EVENTS_PATH = "/v3/events"
_MULTI_STATUS = 207


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to show. Empty text means: everything.

    :param kind: One of :data:`KINDS`.
    :param name: Part of the event's name, in any case.
    :param contact: A contact's id, alone or as ``#7``, or part of another identifier in any case.
    :param text: Part of anything that was sent, in any case.
    """

    kind: str = ""
    name: str = ""
    contact: str = ""
    text: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Filter":
        """Read the parameters of the page's request.

        :param query: The parameters.
        """
        return cls(**{name: query.get(name, "").strip() for name in ("kind", "name", "contact", "text")})


def list_entries(store: Store, wanted: Filter) -> dict[str, Any]:
    """Give the newest entries that match, the newest first.

    :param store: Where they are.
    :param wanted: Which ones.
    """
    total, newest = store.newest()
    matches = _matcher(store, wanted)
    counts = dict.fromkeys(KINDS, 0)
    names: set[str] = set()
    found: list[dict[str, Any]] = []
    for entry in newest:
        sent = _sent(entry)
        name = _name(sent)
        if entry.event is not None:
            names.add(name)
        if not matches(entry, sent):
            continue
        kind = kind_of(entry)
        counts[kind] += 1
        if wanted.kind in {"", kind}:
            found.append(_summary(entry, kind, sent))
    return {
        "entries": found,
        "counts": {"": sum(counts.values()), **counts},
        "kept": len(newest),
        "total": total,
        "limit": MAX_ENTRIES,
        "names": sorted(names),
    }


def show_entry(store: Store, key: str) -> dict[str, Any] | None:
    """Give everything about one entry, None if there is no such entry (any more).

    :param store: Where it is.
    :param key: Its key.
    """
    entry = next((entry for entry in store.newest()[1] if entry.key == key), None)
    if entry is None:
        return None
    request = entry.request
    sent = _sent(entry)
    body = shown_body(request.path, request.headers, request.body)
    values, left_out = _values(sent, ignored=_ignored(entry, sent)) if sent is not None else ([], 0)
    return {
        **_summary(entry, kind_of(entry), sent),
        "target": request.path + (f"?{shown_query(request.query)}" if request.query else ""),
        "headers": list(shown_headers(request.headers).items()),
        "body": _text(body),
        "bytes": len(request.body),
        "values": values,
        "left_out": left_out,
        "event_date": None if entry.event is None else format_timestamp(entry.event.event_date),
        "notes": _notes(entry, sent),
    }


def kind_of(entry: Entry) -> str:
    """Tell what an entry is.

    :param entry: The entry.
    """
    if entry.event is not None:
        return "event"
    return "refused" if entry.request.reason is not None else "other"


def _summary(entry: Entry, kind: str, sent: Any) -> dict[str, Any]:
    request, event = entry.request, entry.event
    return {
        "key": entry.key,
        "kind": kind,
        "time": None if request.received_at is None else format_timestamp(request.received_at),
        "method": request.method,
        "path": _clean(request.path),
        "name": _name(sent),
        "contact_id": None if event is None else str(event.contact_id),
        # The contact's id is told beside it.
        "identifier": next((text for field, text in _identifiers(sent) if event is None or field != "contact_id"), ""),
        "status": request.status,
        "reason": request.reason and _clean(request.reason),
        "ignored": event is not None and event.object_ignored,
    }


def _matcher(store: Store, wanted: Filter) -> Callable[[Entry, Any], bool]:
    name, text = wanted.name.casefold(), wanted.text.casefold()
    part = wanted.contact.casefold()
    contacts = store.contacts_like(part) if part else set()

    def is_contact(entry: Entry, sent: Any) -> bool:
        # An event is also its contact's if it names it by another identifier than the one that was typed.
        if entry.event is not None and entry.event.contact_id in contacts:
            return True
        return any(_is_like(part, field, value) for field, value in _identifiers(sent))

    def matches(entry: Entry, sent: Any) -> bool:
        return (
            (not name or name in _name(sent).casefold())
            and (not part or is_contact(entry, sent))
            and (not text or text in _searched(entry, sent))
        )

    return matches


def _is_like(part: str, field: str, value: str) -> bool:
    return part in {value, f"#{value}"} if field == "contact_id" else part in value.casefold()


def _searched(entry: Entry, sent: Any) -> str:
    request = entry.request
    is_of_batch = entry.event is not None and entry.event.index is not None
    texts = [
        *(request.method, request.path, shown_query(request.query), request.reason or "", str(request.status or "")),
        # Of a batch only the event itself: its neighbours are entries of their own.
        json.dumps(sent, ensure_ascii=False)
        if is_of_batch
        else _text(shown_body(request.path, request.headers, request.body)),
    ]
    if b"\\" in request.body and sent is not None:
        # Clients may escape any character: what they meant is searched beside what they sent.
        texts.extend(_strings(sent))
    return "\n".join(texts).casefold()


def _sent(entry: Entry) -> Any:
    """Give the event as it was read from the body; of a refused request if it can be read, else None."""
    if entry.event is not None:
        return entry.event.body
    request = entry.request
    if request.path != _EVENTS_PATH or not request.body:
        return None
    try:
        return parse_json(request.body)
    except InvalidEventError:
        return None


def _name(sent: Any) -> str:
    name = sent.get("event_name") if isinstance(sent, dict) else None
    return name if isinstance(name, str) else ""


def _identifiers(sent: Any) -> Iterator[tuple[str, str]]:
    identifiers = sent.get("identifiers") if isinstance(sent, dict) else None
    if isinstance(identifiers, dict):
        for name in PRIORITY:
            if isinstance(identifiers.get(name), (str, int)):
                yield name, str(identifiers[name])


def _ignored(entry: Entry, sent: Any) -> dict[tuple[str, ...], str]:
    """Give the places of an event that Brevo would ignore, with the reason."""
    if entry.event is None:
        return {}
    found: dict[tuple[str, ...], str] = {}
    if entry.event.object_ignored:
        obj = sent["object"]
        if not obj.get("type"):
            reason = "ignored: the object has no type"
        elif not any(obj.get("identifiers", {}).values()):
            reason = "ignored: the object has no identifier"
        else:
            reason = "ignored: the account has no such type of object"
        found["object",] = reason
    if "contact_id" in sent["identifiers"]:
        for name in PRIORITY[1:]:
            found["identifiers", name] = "not used to find the contact: contact_id has priority"
    return found


def _notes(entry: Entry, sent: Any) -> list[str]:
    request, notes = entry.request, []
    if request.body and entry.event is None and request.path == _EVENTS_PATH and sent is None:
        notes.append("The body is not JSON that can be read, so there are no values to list.")
    if entry.event is not None and entry.event.index is not None:
        notes.append(f"The event came in a batch, as events[{entry.event.index}]. The body is that of the whole batch.")
    # A batch of which a part was rejected is no wrong answer to the events that were taken.
    if entry.event is not None and request.reason is not None and request.status != _MULTI_STATUS:
        notes.append("The event was taken, though its sender got another answer, or none.")
    try:
        request.body.decode()
    except UnicodeDecodeError:
        notes.append("The body is not UTF-8; what can't be read is replaced.")
    return notes


def _values(sent: Any, *, ignored: dict[tuple[str, ...], str]) -> tuple[list[dict[str, Any]], int]:
    """List every value with its type, in order, and tell how many were left out."""
    rows: list[dict[str, Any]] = []
    left_out = 0
    waiting: list[tuple[tuple[str, ...], str, Any]] = [((), "", sent)]
    while waiting:
        path, key, value = waiting.pop()
        if path or not isinstance(value, dict):
            if len(rows) < MAX_VALUES:
                note = ignored.get(path, "")
                rows.append({"depth": max(len(path) - 1, 0), "key": key, **_typed(value), "note": note})
            else:
                left_out += 1
        if isinstance(value, dict):
            inner = [((*path, name), name, item) for name, item in value.items()]
        elif isinstance(value, list):
            inner = [((*path, str(place)), f"[{place}]", item) for place, item in enumerate(value)]
        else:
            continue
        waiting.extend(reversed(inner))
    return rows, left_out


def _typed(value: Any) -> dict[str, str]:
    match value:
        case None:
            kind, text = "null", "null"
        case bool():
            kind, text = "boolean", "true" if value else "false"
        case int():
            kind, text = "integer", str(value)
        case float():
            kind, text = "number", repr(value)
        case str():
            is_date = parse_timestamp(value) is not None or parse_day(value) is not None
            kind, text = "string (date)" if is_date else "string", json.dumps(value, ensure_ascii=False)
        case dict():
            kind, text = "object", "" if value else "{}"
        case _:
            kind, text = "list", "" if value else "[]"
    return {"type": kind, "text": text}


def _strings(sent: Any) -> Iterator[str]:
    waiting = [sent]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
