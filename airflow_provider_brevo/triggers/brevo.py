"""Waiting without a worker slot."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class BrevoWaitTrigger(BaseTrigger):
    """Wait until a moment, and hand back what the task needs to go on.

    It waits and does nothing else, so it does no harm if two triggerers run it.

    :param until: the moment, in seconds since 1970 in UTC; one that has passed is no wait.
    :param progress: :class:`~airflow_provider_brevo.core.checkpoint.Progress` as JSON. It comes back with the event.
    """

    def __init__(self, *, until: float, progress: Mapping[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's
        self.until = until
        self.progress = dict(progress)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments, as Airflow stores them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until, "progress": self.progress}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event that holds the progress."""
        await asyncio.sleep(max(0.0, self.until - time.time()))
        yield TriggerEvent({"progress": self.progress})  # type: ignore[no-untyped-call] # Airflow's
