"""The argument ``events`` of :meth:`~airflow_provider_brevo.hooks.brevo.BrevoHook.create_events`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_brevo.exceptions import BrevoSourceError


def problems_of_source(events: Any) -> list[str]:
    """Tell what is wrong with the argument ``events``, one sentence each.

    :param events: what the caller gave.
    """
    if isinstance(events, Mapping):
        return ["events is one dict: give a list of them, or use create_event for one event"]
    if isinstance(events, str | bytes) or not (isinstance(events, Iterable) or callable(events)):
        return [f"events is a {type(events).__name__}: give a list, an iterator, or a function that returns one"]
    return []


def rereadable(events: Any) -> Callable[[], Iterable[Any]]:
    """Return a function that gives the events from their beginning.

    :param events: a list, an iterator, or such a function.
    """
    if not isinstance(events, Iterator):
        return events if callable(events) else lambda: events
    unread = [events]

    def once() -> Iterable[Any]:
        if not unread:
            raise BrevoSourceError(
                "The events come from an iterator, which can't be read a second time",
                advice="pass a list, or a function that returns the iterator",
            )
        return unread.pop()

    return once
