"""Waiting without a worker slot."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_brevo.exceptions import BrevoError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from airflow_provider_brevo.hooks.brevo import BrevoHook

_COUNTED = 100
"""Events that are counted at least where there are more than were waited for: what one request brings anyway."""


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


def look_for_events(hook: BrevoHook, filters: Mapping[str, Any], min_count: int) -> dict[str, Any] | None:
    """Ask Brevo once, without waiting, whether it has enough events. One request does, up to 10,000 events.

    :param hook: of the connection.
    :param filters: arguments of :meth:`~airflow_provider_brevo.hooks.brevo.BrevoHook.get_events`.
    :param min_count: how many are enough, at most 10,000.
    :return: count and dates, without personal data; ``None`` where there are fewer.
    :raises BrevoError: Brevo could not be asked.
    """
    from airflow_provider_brevo.core.events import count_and_dates  # noqa: PLC0415 # loads the core

    limit = max(min_count, _COUNTED)
    found = count_and_dates(hook.get_events(**filters, limit=limit, page_size=limit, max_retries=0, max_wait=0))
    return found if found["count"] >= min_count else None


def _hook_of(conn_id: str) -> BrevoHook:
    from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # needs requests, which takes its time

    return BrevoHook(conn_id)


class BrevoEventTrigger(BaseTrigger):
    """Wait until Brevo shows events. It only reads, so it does no harm if two triggerers run it.

    It reads the connection itself, in the triggerer: no key is among its arguments.

    :param brevo_conn_id: id of the connection.
    :param filters: arguments of :meth:`~airflow_provider_brevo.hooks.brevo.BrevoHook.get_events`, as JSON values.
    :param min_count: how many events are enough.
    :param poke_interval: seconds from one request to the next; more where Brevo asks for more.
    :param until: when to give up, in seconds since 1970 in UTC.
    """

    def __init__(
        self, *, brevo_conn_id: str, filters: Mapping[str, Any], min_count: int, poke_interval: float, until: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's
        self.brevo_conn_id = brevo_conn_id
        self.filters = dict(filters)
        self.min_count = min_count
        self.poke_interval = poke_interval
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and its arguments, as Airflow stores them."""
        names = ("brevo_conn_id", "filters", "min_count", "poke_interval", "until")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask at each interval until there are enough events, and yield one event that says how it ended.

        Its payload holds ``found``, count and dates, or ``error``, a sentence, and ``retry``, whether a later try of
        the task may get further; or neither, when the time is over.
        """
        hook = await sync_to_async(_hook_of, thread_sensitive=False)(self.brevo_conn_id)
        try:
            payload = await self._wait(hook)
        finally:
            hook.close()
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call] # Airflow's

    async def _wait(self, hook: BrevoHook) -> dict[str, Any]:
        # A thread of asgiref's is one that Airflow lets ask for connections on every version. A thread of its own, or
        # all other triggers that do so would wait for Brevo's answer.
        look = sync_to_async(look_for_events, thread_sensitive=False)
        pause = self.poke_interval
        while (left := self.until - time.time()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = self.poke_interval
            try:
                found = await look(hook, self.filters, self.min_count)
            except AirflowNotFoundException:
                missing = (
                    f"The triggerer finds no connection {self.brevo_conn_id!r}, which it reads itself: give it the"
                    " environment and the secrets backend that the workers have."
                )
                return {"error": missing, "retry": False}
            except BrevoError as error:
                if not getattr(error, "retry_here", False):
                    return {"error": str(error), "retry": getattr(error, "retry_later", False)}
                self.log.warning("%s The trigger asks again.", error)
                pause = max(pause, getattr(error, "retry_after", None) or 0)
            else:
                if found is not None:
                    return {"found": found}
        return {}
