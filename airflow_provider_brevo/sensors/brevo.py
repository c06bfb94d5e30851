"""Waiting for events as a task."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_brevo import _compat
from airflow_provider_brevo.exceptions import BrevoError, BrevoUsageError
from airflow_provider_brevo.operators._base import BrevoTask
from airflow_provider_brevo.templating import unmask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_brevo.hooks.brevo import BrevoHook

_CONDITIONS = ("event_name", "contact_id", "object_type", "since")

_SECONDS_TO_HEAR_OF_IT = 600
"""Time that a triggerer gets to tell that the time is over, before the scheduler fails the task in its place."""


class BrevoEventSensor(BrevoTask, BaseSensorOperator):
    """Wait until Brevo shows events: ``GET /events``. Each look is one request, for up to 10,000 events.

    Brevo shows an event some time after it took it, and may allow a hundred such requests an hour for the whole
    account: hence the interval. With ``deferrable`` or ``mode="reschedule"`` no worker is held meanwhile.

    A fault that may pass (no connection, a 5xx, a used up rate limit) is logged, and the sensor looks again at the next
    interval. Where that can't help (a wrong key, a refusal, an argument), the task fails without further tries.

    :param event_name: the event's name, or a list of names one of which it has. (templated)
    :param contact_id: Brevo's number of the contact, or a list; any contact by default. Brevo looks up by no other
        identifier. Masked under *Rendered Template*. (templated)
    :param object_type: the type of the object that the event belongs to, or a list; any, or none, by default.
        (templated)
    :param since: earliest date of the event: a datetime, or text by RFC 3339. By default Brevo looks at the last six
        months, so that an event of an earlier run is enough. (templated)
    :param min_count: how many events are enough: 1 to 10,000. (templated)
    :param brevo_conn_id: id of the connection. (templated)
    :param deferrable: let a triggerer wait; ``[operators] default_deferrable`` by default.
    :param poke_interval: seconds from one request to the next, or a timedelta; 300 by default: 12 requests an hour.
    :param kwargs: those of all sensors: ``mode``, ``timeout``, ``soft_fail`` and others. ``exponential_backoff`` has no
        effect where a triggerer waits.
    :return: ``{"count": …, "first_event_date": …, "last_event_date": …}``: how many were seen, at most 100 or
        ``min_count``, and the dates of the oldest and the newest of them; nothing personal.
    """

    template_fields: Sequence[str] = (*_CONDITIONS, "min_count", "brevo_conn_id")
    masked_fields = frozenset({"contact_id"})
    operator_extra_links: Sequence[Any] = ()  # those of tasks that send lead to other calls

    def __init__(
        self,
        *,
        event_name: str | Sequence[str],
        contact_id: int | str | Sequence[int | str] | None = None,
        object_type: str | Sequence[str] | None = None,
        since: datetime | str | None = None,
        min_count: int | str = 1,
        brevo_conn_id: str = "brevo_default",
        deferrable: bool | None = None,
        poke_interval: timedelta | float = 300,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.event_name = event_name
        self.contact_id = contact_id
        self.object_type = object_type
        self.since = since
        self.min_count = min_count
        self.brevo_conn_id = brevo_conn_id
        self.deferrable = deferrable
        self._given = [name for name in _CONDITIONS if getattr(self, name) is not None]

    def execute(self, context: Any) -> Any:
        """Look, and wait until there are enough events.

        :raises AirflowFailException: it can't be looked for, and trying again can't help.
        :raises BrevoRequestError: a later try may get further: another worker may be let in.
        :raises AirflowSensorTimeout: the time is over.
        :raises TaskDeferred: a triggerer is to wait.
        """
        try:
            return super().execute(context)
        finally:
            self._hook.close()

    def poke(self, context: Any) -> PokeReturnValue:  # noqa: ARG002 # Airflow gives it
        """Look once; the first time hand over to a triggerer, if that is asked for.

        :raises AirflowFailException: it can't be looked for, and trying again can't help.
        :raises BrevoRequestError: a later try may get further.
        :raises TaskDeferred: a triggerer is to wait.
        """
        from airflow_provider_brevo.triggers.brevo import look_for_events  # noqa: PLC0415 # not needed to parse a DAG

        found = None
        try:
            arguments = self._arguments()
            with self._connected():
                found = look_for_events(self._hook, **arguments)
        except BrevoError as error:
            if getattr(error, "retry_here", False):
                self.log.warning("%s The sensor looks again.", error)
            elif getattr(error, "retry_later", False):
                raise
            else:
                raise AirflowFailException(str(error)) from error
        if found is None and self._defers:
            self._defer(arguments)
        return PokeReturnValue(is_done=found is not None, xcom_value=found)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 # Airflow gives it
        """End as the trigger says.

        :param event: what :class:`~airflow_provider_brevo.triggers.brevo.BrevoEventTrigger` hands back.
        :raises AirflowFailException: it can't be looked for, and trying again can't help.
        :raises BrevoError: a later try may get further.
        :raises AirflowSensorTimeout: the time is over.
        """
        if error := event.get("error"):
            raise BrevoError(error.removesuffix(".")) if event["retry"] else AirflowFailException(error)
        if "found" not in event:
            raise AirflowSensorTimeout(f"Brevo did not show enough events within {self.timeout:g} s.")
        found: dict[str, Any] = event["found"]
        return found

    @cached_property
    def _hook(self) -> BrevoHook:
        """Kept from one look to the next: its client remembers what Brevo said of the rate limit."""
        from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # parsing a DAG must not import requests

        return BrevoHook(self.brevo_conn_id)

    @property
    def _defers(self) -> bool:
        return _compat.default_deferrable() if self.deferrable is None else self.deferrable

    def _defer(self, arguments: Mapping[str, Any]) -> None:
        from airflow_provider_brevo.triggers.brevo import BrevoEventTrigger  # noqa: PLC0415 # not needed to parse a DAG

        trigger = BrevoEventTrigger(
            brevo_conn_id=self.brevo_conn_id,
            poke_interval=self.poke_interval,
            until=time.time() + self.timeout,
            **arguments,
        )
        timeout = timedelta(seconds=self.timeout + _SECONDS_TO_HEAR_OF_IT)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def _arguments(self) -> dict[str, Any]:
        """Return what to look for, as JSON values.

        :raises BrevoUsageError: it can't be looked for; the error lists all that is wrong.
        """
        from airflow_provider_brevo.core.events import MAX_PAGE_SIZE, EventFilter  # noqa: PLC0415 # not needed to parse a DAG

        conditions = {name: unmask(getattr(self, name)) for name in _CONDITIONS}
        problems = [
            f"{name} is None once rendered, and any would do: check that the task it is pulled from returned something"
            for name in self._given
            if conditions[name] is None
        ]
        if type(self.min_count) is not int or not 1 <= self.min_count <= MAX_PAGE_SIZE:
            problems.append(f"min_count is no number of events that one look can show: give 1 to {MAX_PAGE_SIZE:,}")
        if not isinstance(self.brevo_conn_id, str) or not self.brevo_conn_id:
            problems.append("brevo_conn_id is no id of a connection: give it as text")
        if not isinstance(self._defers, bool):
            problems.append("deferrable is neither true nor false: give a boolean, or None")
        if problems:
            raise BrevoUsageError.of_problems("The events can't be waited for as asked", problems)
        filters = EventFilter.of(**conditions, timezone=_compat.default_timezone())
        return {"filters": filters.arguments(), "min_count": self.min_count}
