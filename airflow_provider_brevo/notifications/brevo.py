"""Sending an event when something happens to a task or a DAG run."""

from __future__ import annotations

import copy
import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseNotifier

from airflow_provider_brevo import _compat
from airflow_provider_brevo.core.hosts import shown_id
from airflow_provider_brevo.core.payload import EVENT_FIELDS
from airflow_provider_brevo.exceptions import BrevoError
from airflow_provider_brevo.operators._base import is_final
from airflow_provider_brevo.templating import TypedTemplateFields

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import datetime
    from os import PathLike

    from jinja2 import Environment


# Airflow's dag processor, which runs the callbacks of DAG runs, is given 50 seconds for a file and what comes of it.
_TIMEOUT = 10.0
_MAX_RETRIES = 1
_MAX_WAIT = 10.0


class BrevoNotifier(TypedTemplateFields, BaseNotifier):
    """Send one event to Brevo from a callback: ``on_failure_callback`` and its like, of tasks and of DAGs.

    Templates keep types, as they do in the operator. A failure to notify is one line in the log: it never fails the
    task, the DAG run, or what called it. It takes about half a minute at most: each request has 10 seconds at most, is
    made again once at most, and the rate limit is waited for 10 seconds at most, whatever the connection says. An event
    whose fate is uncertain may so be sent twice.

    Airflow 3.1 and later may also await it: ``AsyncCallback(BrevoNotifier, {…})`` of a deadline alert. There is no DAG
    then, so templates know what Airflow hands over as context, and nothing else.

    :param event_name: the event's name: 1 to 255 characters of ``A-Z a-z 0-9 - _``. (templated)
    :param identifiers: the contact: at least one of ``contact_id``, ``email_id``, ``ext_id``, ``phone_id``,
        ``whatsapp_id``, ``landline_number_id``. (templated)
    :param event_properties: what there is to say of the event. (templated)
    :param contact_properties: attributes of the contact to update. (templated)
    :param event_date: when it happened: a datetime, or text by RFC 3339; the time of arrival by default. (templated)
    :param object: the record that the event belongs to: ``{"type": …, "identifiers": {…}}``. (templated)
    :param brevo_conn_id: id of the connection. (templated)
    :param validate: check the rules of the Events API before sending.
    :param properties_schema: the team's own rules for ``event_properties``: a JSON Schema as a dict, or the path or
        URI of a JSON file of schemas by event name. (a path is templated, a dict is not)
    :param kwargs: what Airflow itself gives.
    """

    template_fields: Sequence[str] = (*EVENT_FIELDS, "brevo_conn_id", "properties_schema")

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
        self.properties_schema = properties_schema

    def __call__(self, *args: Any) -> None:
        """Render the templates and send the event; log what goes wrong.

        :param args: Airflow's context.
        """
        # Rendering overwrites templates, and one notifier may serve many tasks.
        with self._never_failing():
            super(BrevoNotifier, copy.copy(self)).__call__(*args)

    def __await__(self) -> Generator[Any, None, None]:
        """Do the same, with the context that was given at the beginning."""
        return _in_thread(self, self.context).__await__()

    def render_template_fields(self, context: Any, jinja_env: Environment | None = None) -> None:
        """Render all fields, keeping types; also to values that are false, which some versions of Airflow skip.

        :param context: Airflow's context.
        :param jinja_env: Airflow's environment.
        :raises BrevoTemplateError: templates that are not valid, or name something that isn't defined.
        """
        if jinja_env is None and hasattr(context.get("dag"), "get_template_env"):
            # Sandboxed, and with the DAG's own macros and filters.
            jinja_env = context["dag"].get_template_env(force_sandboxed=True)
        fields = [field for field in self.template_fields if not is_final(field, getattr(self, field))]
        self._do_render_template_fields(self, fields, context, jinja_env or self.get_template_env(), set())

    def notify(self, context: Any) -> None:  # noqa: ARG002 # all it says is in the fields by now
        """Send the event as its fields are; log what goes wrong.

        :param context: Airflow's context.
        """
        with self._never_failing():
            self._send()

    async def async_notify(self, context: Any) -> None:
        """Do the same, without blocking the event loop.

        :param context: Airflow's context.
        """
        await _in_thread(self.notify, context)

    def _send(self) -> None:
        from airflow_provider_brevo.core.client import BrevoClient  # noqa: PLC0415 # parsing a DAG must not import requests
        from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # see above

        hook = BrevoHook(self.brevo_conn_id)
        event = hook.prepare_event(
            {name: getattr(self, name) for name in EVENT_FIELDS},
            validate=self.validate,
            properties_schema=self.properties_schema,
        )
        settings = hook.get_conn().settings
        hook.close()
        name = event.get("event_name")
        if settings.sending != "on":
            self.log.info("The event %s is valid. It was not sent, as the connection only checks.", name)
            return
        bounded = dataclasses.replace(
            settings, timeout=min(settings.timeout, _TIMEOUT), max_retries=min(settings.max_retries, _MAX_RETRIES)
        )
        with BrevoClient(bounded, user_agent=f"apache-airflow/{_compat.airflow_version()}") as client:
            client.create_event(event, max_wait=_MAX_WAIT)
        self.log.info("Brevo took the event %s of a callback.", name)

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        try:
            yield
        except AirflowNotFoundException:
            self._say(f"There is no connection {shown_id(self.brevo_conn_id)}; add one of the type Brevo with this id.")
        except BrevoError as error:
            self._say(" ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001 # whatever it is, and whatever it quotes, the DAG goes on
            self._say(f"It failed with {type(error).__name__}.")

    def _say(self, problem: str) -> None:
        self.log.error("Brevo was not notified, and nothing else is affected. %s", problem)


send_brevo_notification = BrevoNotifier
"""The same, by the name that other notifiers are called by."""


async def _in_thread(function: Any, context: Any) -> None:
    from asgiref.sync import sync_to_async  # noqa: PLC0415 # rarely needed

    # A thread of asgiref's is one that Airflow lets ask for connections.
    await sync_to_async(function, thread_sensitive=False)(context)
