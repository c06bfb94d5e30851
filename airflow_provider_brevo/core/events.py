"""Looking up the events that Brevo has: ``GET /events``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.answers import expect_object, raise_for_status
from airflow_provider_brevo.core.payload import convert_event
from airflow_provider_brevo.core.validation import violations_of
from airflow_provider_brevo.exceptions import (
    BrevoBadRequestError,
    BrevoRefusedError,
    BrevoRequestError,
    BrevoUnexpectedAnswerError,
    BrevoUsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_brevo.core.answers import Sent
    from airflow_provider_brevo.core.transport import Answer

DEFAULT_PAGE_SIZE = 1_000
"""Events in one answer: few requests, as Brevo may allow a hundred an hour, and an answer of a few megabytes."""

MAX_PAGE_SIZE = 10_000
"""Events that Brevo puts into one answer at most."""

_REFUSED = "The events can't be looked up as asked"

_PLACES = {
    "event_name": ("event_name",),
    "contact_id": ("identifiers", "contact_id"),
    "object_type": ("object", "type"),
    "since": ("event_date",),
    "until": ("event_date",),
}
"""Where an event has what a filter is compared with: what may stand there may be looked for."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events to look up. All conditions that are given have to be met.

    :param event_names: names, one of which the event has; none means any.
    :param contact_ids: Brevo's numbers of contacts, one of which the event belongs to; none means any.
    :param object_types: types of objects, one of which the event belongs to; none means any.
    :param since: earliest date of the event by RFC 3339; ``None`` leaves it to Brevo, which shows six months.
    :param until: latest date of the event by RFC 3339; by default the moment of the request.
    """

    event_names: tuple[str, ...] = ()
    contact_ids: tuple[int, ...] = field(default=(), repr=False)
    object_types: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    @classmethod
    def of(  # the names that surfaces give to it
        cls,
        *,
        event_name: str | Sequence[str] | None = None,
        contact_id: int | str | Sequence[int | str] | None = None,
        object_type: str | Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        timezone: tzinfo = UTC,
    ) -> EventFilter:
        """Convert and check what to look for, by the rules for events themselves.

        :param event_name: a name, or several.
        :param contact_id: Brevo's number of a contact, or several; text that is a number will do.
        :param object_type: a type of object, or several.
        :param since: earliest date: a datetime, or text by RFC 3339.
        :param until: latest date, in the same way; only together with ``since``, as Brevo wants both or none.
        :param timezone: for datetimes without an offset.
        :raises BrevoUsageError: something can't be looked for; the error lists all of it, without the values.
        """
        given = {
            "event_name": event_name,
            "contact_id": contact_id,
            "object_type": object_type,
            "since": since,
            "until": until,
        }
        problems: list[str] = []
        found = {name: _converted(name, value, timezone, problems) for name, value in given.items()}
        problems += [f"{name} is a list: give one moment" for name in ("since", "until") if len(found[name]) > 1]
        if until is not None and since is None:
            problems.append("until stands alone: give since too")
        if problems:
            raise BrevoUsageError.of_problems(_REFUSED, problems)
        since, until = next(iter(found["since"]), None), next(iter(found["until"]), None)
        if since is not None and until is not None and _moment(until) < _moment(since):
            raise BrevoUsageError.of_problems(_REFUSED, ["until is before since: exchange them"])
        return cls(
            event_names=tuple(found["event_name"]),
            contact_ids=tuple(found["contact_id"]),
            object_types=tuple(found["object_type"]),
            since=since,
            until=until,
        )

    def arguments(self) -> dict[str, Any]:
        """Return JSON values from which :meth:`of` makes this filter again."""
        return {
            "event_name": list(self.event_names) or None,
            "contact_id": list(self.contact_ids) or None,
            "object_type": list(self.object_types) or None,
            "since": self.since,
            "until": self.until,
        }

    def query(self, *, limit: int, offset: int, now: datetime) -> dict[str, Any]:
        """Return the parameters of the request.

        :param limit: events on the page.
        :param offset: events before the page.
        :param now: the moment of the request: the end of the range where none was given.
        """
        query: dict[str, Any] = {"limit": limit, "offset": offset}
        query |= {"event_name": list(self.event_names)} if self.event_names else {}
        query |= {"contact_id": list(self.contact_ids)} if self.contact_ids else {}
        query |= {"object_type": list(self.object_types)} if self.object_types else {}
        if self.since is not None:
            end = max(_moment(self.since), now).isoformat(timespec="milliseconds")
            query |= {"startDate": self.since, "endDate": self.until or end}
        return query

    def admits(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event has a name and a contact that were asked for.

        :param event: as Brevo shows it.
        """
        names = {name.casefold() for name in self.event_names}
        return (not names or event["event_name"].casefold() in names) and (
            not self.contact_ids or event.get("contact_id") in self.contact_ids
        )


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """One answer of ``GET /events``.

    :param events: the events, newest first.
    :param count: how many there are in all, by Brevo's OpenAPI description; ``None`` if the answer doesn't say.
    """

    events: list[dict[str, Any]]
    count: int | None = None

    def is_last(self, *, asked: int, offset: int) -> bool:
        """Tell whether there is nothing behind this page.

        :param asked: how many events were asked for.
        :param offset: how many events came before the page.
        """
        here = len(self.events)
        if here and self.count is not None and self.count > here:
            return offset + here >= self.count
        return here < asked  # also where the count should be that of the page


def check_bounds(*, limit: Any, page_size: Any) -> None:
    """Check how many events are to be read.

    :param limit: events in all, at least 1, or ``None``.
    :param page_size: events in one answer, 1 to 10,000.
    :raises BrevoUsageError: one of them is no such number.
    """
    problems = []
    if limit is not None and (type(limit) is not int or limit < 1):
        problems.append("limit is no number of events: give 1 or more, or None for all")
    if type(page_size) is not int or not 1 <= page_size <= MAX_PAGE_SIZE:
        problems.append(f"page_size is no number of events in one answer: give 1 to {MAX_PAGE_SIZE:,}")
    if problems:
        raise BrevoUsageError.of_problems(_REFUSED, problems)


def read_pages(read: Callable[[int, int], EventPage], *, limit: int | None, page_size: int) -> Iterator[dict[str, Any]]:
    """Yield events page by page, each page when its first event is asked for.

    :param read: reads one page: so many events, behind so many others.
    :param limit: events in all, or ``None`` for all there are.
    :param page_size: events in one answer.
    """
    offset = 0
    while limit is None or offset < limit:
        asked = page_size if limit is None else min(page_size, limit - offset)
        page = read(asked, offset)
        yield from page.events
        if page.is_last(asked=asked, offset=offset):
            return
        offset += len(page.events)


def expect_events(answer: Answer, sent: Sent, *, events: EventFilter, asked: int) -> EventPage:
    """Read the answer to ``GET /events``.

    :param answer: the answer.
    :param sent: the request, to clean Brevo's reasons of it.
    :param events: what was asked for.
    :param asked: how many events were asked for.
    :raises BrevoRefusedError: Brevo can't make sense of what was asked for.
    :raises BrevoUnexpectedAnswerError: the answer makes no sense, or is about other events.
    :raises BrevoResponseError: any other answer that is no success.
    """
    try:
        raise_for_status(answer, sent)
    except BrevoBadRequestError as error:
        refused = BrevoRefusedError(
            status=error.status, code=error.code, message=error.message, advice="correct what is looked for"
        )
        raise refused from None
    content = expect_object(answer, sent)
    found, count = content.get("events"), content.get("count")
    if found is None and count == 0:
        found = []
    if not isinstance(found, list) or len(found) > asked or not all(map(_is_event, found)):
        raise _nonsense(answer, "no list of the events asked for")
    if count is not None and (type(count) is not int or count < len(found)):
        raise _nonsense(answer, "a count that does not fit its events")
    if not all(map(events.admits, found)):
        raise _nonsense(answer, "events of another name or contact than asked for")
    return EventPage(events=found, count=count)


def settle(error: BrevoRequestError) -> None:
    """Take back what an error says of events that may have been taken: a request that reads changes nothing.

    :param error: of a request that only reads.
    """
    if error.uncertain:
        error.uncertain = False
        error.advice = (
            "check the base URL of the connection, and what stands between here and Brevo"
            if isinstance(error, BrevoUnexpectedAnswerError)
            else "nothing was changed by it: ask again later"
        )


def count_and_dates(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Say of events what may be said without personal data: how many they are, and when they happened.

    :param events: as Brevo shows them, newest first.
    :return: ``{"count": …, "first_event_date": …, "last_event_date": …}``, the dates as Brevo gives them.
    """
    dates = [event["event_date"] for event in events]
    return {
        "count": len(dates),
        "first_event_date": dates[-1] if dates else None,
        "last_event_date": dates[0] if dates else None,
    }


def _converted(name: str, value: Any, timezone: tzinfo, problems: list[str]) -> list[Any]:
    """Return the values of a filter, each as an event would have it."""
    if value is None:
        return []
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if not values:
        problems.append(f"{name} is an empty list: leave it out where anything will do")
    return [
        converted
        for at, one in enumerate(values)
        if (converted := _as_in_event(name, one, timezone, problems, f"{name}/{at}" if len(values) > 1 else name))
        is not None
    ]


def _as_in_event(name: str, value: Any, timezone: tzinfo, problems: list[str], shown: str) -> Any:
    path = _PLACES[name]
    pointer = "/" + "/".join(path)
    event = value
    for key in reversed(path):
        event = {key: event}
    converted = convert_event(event, timezone=timezone)
    found = [
        f"{shown} {violation.problem}: {violation.advice}"
        for violation in violations_of(converted)
        if violation.rule != "required" and f"{violation.pointer}/".startswith(f"{pointer}/")
    ]
    result = converted.value
    for key in path:
        result = result.get(key) if isinstance(result, dict) else None
    if result is None and not found:
        found.append(f"{shown} is None: leave it out")
    problems += found
    return None if found else result


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper())


def _is_event(event: Any) -> bool:
    return isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("event_name", "event_date"))


def _nonsense(answer: Answer, what: str) -> BrevoUnexpectedAnswerError:
    return BrevoUnexpectedAnswerError(status=answer.status, message=what, advice="")
