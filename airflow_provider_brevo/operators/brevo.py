"""Sending events as tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_brevo import _compat
from airflow_provider_brevo.core.payload import EVENT_FIELDS
from airflow_provider_brevo.exceptions import BrevoDeliveryError, BrevoError, BrevoRequestError, BrevoUsageError
from airflow_provider_brevo.operators._base import BrevoTask, as_boolean
from airflow_provider_brevo.operators.bulk import BrevoBulkCreateEventsOperator
from airflow_provider_brevo.templating import unmask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from os import PathLike

    from airflow_provider_brevo.core.delivery import OnceRecord
    from airflow_provider_brevo.core.retry import Delivery
    from airflow_provider_brevo.hooks.brevo import BrevoHook

__all__ = ["BrevoBulkCreateEventsOperator", "BrevoCreateEventOperator"]

_DELIVERIES = ("at_least_once", "at_most_once")


class BrevoCreateEventOperator(BrevoTask, BaseOperator):
    """Send one event to Brevo: ``POST /events``.

    Templates keep the types of what they name: ``"{{ ti.xcom_pull('etl')['total'] }}"`` arrives as the number it is,
    and the text ``"00123"`` stays text. The event is checked before anything is sent, and every reason for a refusal is
    reported at once, with its place.

    The task fails without further tries where trying again can't help: an invalid event, a wrong key, a refusal by
    Brevo. It leaves the rest to the retries of Airflow: a used up rate limit, a fault of Brevo or of the network, an IP
    address that isn't on Brevo's list, since another worker's may be.

    :param event_name: the event's name: 1 to 255 characters of ``A-Z a-z 0-9 - _``. (templated)
    :param identifiers: the contact: at least one of ``contact_id``, ``email_id``, ``ext_id``, ``phone_id``,
        ``whatsapp_id``, ``landline_number_id``; ``contact_id`` wins over the others. Its values are masked under
        *Rendered Template*. (templated)
    :param event_properties: what there is to say of the event, nested at will, at most 50 KB. (templated)
    :param contact_properties: attributes of the contact to update, by their names in Brevo. Its values are masked under
        *Rendered Template*. (templated)
    :param event_date: when it happened: a datetime, or text by RFC 3339. Brevo takes the time of arrival by default.
        (templated)
    :param object: the record that the event belongs to, such as a subscription: ``{"type": …, "identifiers": {…}}``.
        Brevo ignores one that it doesn't know. (templated)
    :param brevo_conn_id: id of the connection. (templated)
    :param validate: check the rules of the Events API before sending. ``False`` lets pass whatever has a JSON form.
    :param validate_only: check and don't send; a boolean. (templated)
    :param delivery: ``at_least_once`` (default) repeats a request whose fate is uncertain, so Brevo may get an event
        twice. ``at_most_once`` never does, and fails the task instead; it needs ``retries=0``, or Airflow 3.3 with its
        task state store.
    :param max_wait: seconds in all to wait for Brevo's rate limit, before the task is left to the retries of Airflow.
    :param properties_schema: the team's own rules for ``event_properties``, checked whatever ``validate`` says: a JSON
        Schema as a dict, for the events of every name; or the path or URI of a JSON file of schemas by event name.
        (a path is templated, a dict is not)
    :return: ``{"event_name": …, "events_sent": 0 or 1}``, without personal data.
    """

    template_fields: Sequence[str] = (*EVENT_FIELDS, "brevo_conn_id", "validate_only", "properties_schema")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "identifiers": "json",
        "event_properties": "json",
        "contact_properties": "json",
        "object": "json",
        "properties_schema": "json",
    }
    masked_fields = frozenset({"identifiers", "contact_properties"})

    def __init__(
        self,
        *,
        event_name: str,
        identifiers: Mapping[str, Any] | str,
        event_properties: Mapping[str, Any] | str | None = None,
        contact_properties: Mapping[str, Any] | str | None = None,
        event_date: datetime | str | None = None,
        object: Mapping[str, Any] | str | None = None,  # noqa: A002 # Brevo's name of the field
        brevo_conn_id: str = "brevo_default",
        validate: bool = True,
        validate_only: bool | str = False,
        delivery: Delivery = "at_least_once",
        max_wait: float = 60,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_name = event_name
        self.identifiers = identifiers
        self.event_properties = event_properties
        self.contact_properties = contact_properties
        self.event_date = event_date
        self.object = object
        self.brevo_conn_id = brevo_conn_id
        self.validate = validate
        self.validate_only = validate_only
        self.delivery = delivery
        self.max_wait = max_wait
        self.properties_schema = properties_schema

    def execute(self, context: Any) -> dict[str, Any]:
        """Check and send the event.

        :raises AirflowFailException: it can't be sent, and trying again can't help.
        :raises BrevoRequestError: it was not sent, and a later try may succeed.
        """
        from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # parsing a DAG must not import requests

        if self.event_date is None and _compat.is_backfill(context):
            self.log.warning(
                "This is a backfill and the event has no event_date: Brevo will date the past as now, and automations"
                " will act on it. Set event_date, for example to '{{ data_interval_end }}'."
            )
        try:
            validate_only = self._check_arguments()
            hook = BrevoHook(self.brevo_conn_id)
            try:
                with self._connected():
                    event = hook.prepare_event(
                        self._event(), validate=self.validate, properties_schema=self.properties_schema
                    )
                    sends = not validate_only and hook.sends
                    if sends:
                        self._send(hook, event, context)
            finally:
                hook.close()
        except BrevoError as error:
            if self._may_retry(error):
                raise
            raise AirflowFailException(str(error)) from error
        # The event as it was prepared, not as it was given: whatever the author gave, this is text by now.
        name = event.get("event_name")
        if sends:
            self.log.info("Brevo took the event %s.", name)
        else:
            self.log.info("The event %s is valid. It was not sent, as only checking is asked for.", name)
        self._tell_assets(context, events_sent=int(sends))
        return {"event_name": name, "events_sent": int(sends)}

    def _event(self) -> dict[str, Any]:
        return {name: unmask(getattr(self, name)) for name in EVENT_FIELDS}

    def _send(self, hook: BrevoHook, event: Mapping[str, Any], context: Any) -> None:
        record = self._once_record(context)
        if record is not None and not record.begin():
            self.log.info("An earlier try has sent this event: it is not sent again.")
            return
        try:
            hook.get_conn().create_event(event, delivery=self.delivery, max_wait=self.max_wait)
        except BrevoRequestError as error:
            if record is not None and not error.uncertain:
                record.not_taken()
            raise
        if record is not None:
            record.taken()

    def _check_arguments(self) -> bool:
        """Check what can only be checked once templates are rendered, and return ``validate_only`` as a boolean."""
        if self.delivery not in _DELIVERIES:
            raise BrevoUsageError("delivery is not known", advice=f"use one of {', '.join(_DELIVERIES)}")
        if not isinstance(self.validate, bool):
            raise BrevoUsageError("validate is neither true nor false", advice="give a boolean")
        if isinstance(self.max_wait, bool) or not isinstance(self.max_wait, int | float) or not self.max_wait >= 0:
            raise BrevoUsageError("max_wait is no number of seconds", advice="give 0 or more")
        if not isinstance(self.brevo_conn_id, str) or not self.brevo_conn_id:
            raise BrevoUsageError("brevo_conn_id is no id of a connection", advice="give it as text")
        return as_boolean(self.validate_only, "validate_only")

    def _once_record(self, context: Any) -> OnceRecord | None:
        """Return the record that ``at_most_once`` needs where there may be a second try, else ``None``."""
        if self.delivery == "at_least_once" or not self.retries:
            return None
        store = _compat.task_state_store(context)
        if store is None:
            raise BrevoDeliveryError(
                "at_most_once can't be promised for a task with retries, as this version of Airflow keeps no record"
                " from one try to the next",
                advice="set retries=0, or use Airflow 3.3 or later",
            )
        from airflow_provider_brevo.core.delivery import OnceRecord  # noqa: PLC0415 # rarely needed

        return OnceRecord(store, try_number=context["ti"].try_number, max_tries=context["ti"].max_tries)

    def _may_retry(self, error: BrevoError) -> bool:
        if not getattr(error, "retry_later", False):
            return False
        return not (self.delivery == "at_most_once" and getattr(error, "uncertain", False))
