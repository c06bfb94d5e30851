"""What type checkers know of the decorator. It is checked by mypy --strict, and not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from airflow.sdk import XComArg

from airflow_provider_brevo.decorators.brevo import brevo_events

Event = dict[str, Any]


@brevo_events
def bare(day: str, limit: int = 10) -> Iterator[Event]:
    """Yield events."""
    yield {"event_name": day, "event_properties": {"limit": limit}}


@brevo_events(batch_size=100, on_invalid="skip", task_id="send", retries=3)
def with_options(day: str) -> list[Event]:
    """Return events."""
    return [{"event_name": day}]


@brevo_events()
def one(day: str) -> Event:
    """Return an event."""
    return {"event_name": day}


assert_type(bare.function("2026-03-01", limit=1), Iterator[Event])
assert_type(with_options.function("2026-03-01"), list[Event])
assert_type(one.function(day="2026-03-01"), Event)
assert_type(bare("2026-03-01", limit=1), XComArg)
assert_type(with_options.override(task_id="other")(day="2026-03-01"), XComArg)
assert_type(with_options.partial(day="2026-03-01").expand(limit=[1, 2]), XComArg)

bare(7)  # type: ignore[arg-type]
brevo_events(on_invalid="ignore")  # type: ignore[call-overload]
brevo_events(batch_size="100")  # type: ignore[call-overload]


@brevo_events  # type: ignore[type-var]
def nothing() -> None:
    """Return nothing."""


@brevo_events  # type: ignore[type-var]
def text() -> list[str]:
    """Return no events."""
    return []
