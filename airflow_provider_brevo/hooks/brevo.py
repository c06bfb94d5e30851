"""An Airflow connection turned into a client of the Events API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_brevo import _compat, connection_form, files
from airflow_provider_brevo.core.batches import Preparation
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import MAX_EVENTS, MAX_IN_FLIGHT, Attempt, BulkOptions, BulkResult
from airflow_provider_brevo.core.client import DEFAULT_MAX_WAIT, BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.events import DEFAULT_PAGE_SIZE, EventFilter
from airflow_provider_brevo.core.hosts import shown_id
from airflow_provider_brevo.core.mapping import EventMapping
from airflow_provider_brevo.core.tracking_plan import TrackingPlan
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import (
    BrevoError,
    BrevoRestrictedKeyError,
    BrevoUsageError,
)
from airflow_provider_brevo.hooks._source import problems_of_source, rereadable

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike

    from airflow_provider_brevo.core.checkpoint import CheckpointStore, Progress
    from airflow_provider_brevo.core.config import BrevoSettings
    from airflow_provider_brevo.core.rejections import RejectedEvents
    from airflow_provider_brevo.core.retry import Delivery
    from airflow_provider_brevo.core.transport import Transport

_SECONDS_BETWEEN_LINES = 10.0
_LONG_PAUSE = 5.0


class BrevoHook(BaseHook):
    """Sends events to Brevo by an Airflow connection of type ``brevo``.

    :param brevo_conn_id: id of the connection.
    """

    conn_name_attr = "brevo_conn_id"
    default_conn_name = "brevo_default"
    conn_type = connection_form.CONNECTION_TYPE
    hook_name = connection_form.HOOK_NAME

    def __init__(self, brevo_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.brevo_conn_id = brevo_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields; Airflow 3.2 and later read the provider's declaration instead."""
        return connection_form.form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels; Airflow 3.2 and later read the provider's declaration instead."""
        return {
            "hidden_fields": connection_form.HIDDEN_FIELDS,
            "relabeling": connection_form.RELABELING,
            "placeholders": connection_form.PLACEHOLDERS,
        }

    def get_conn(self) -> BrevoClient:
        """Return the client. It is made at the first call and kept: its connections to Brevo stay open.

        :raises BrevoSettingsError: the connection's fields can't be used; the error lists all that is wrong.
        """
        return self._client

    def close(self) -> None:
        """Close the connections that the client keeps open. A later call opens new ones."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    @cached_property
    def _client(self) -> BrevoClient:
        settings, warnings = read_settings(self._connection_fields(), allowed_hosts=_compat.allowed_hosts())
        for warning in warnings:
            self.log.warning(warning)
        user_agent = f"apache-airflow/{_compat.airflow_version()}"
        return BrevoClient(settings, user_agent=user_agent, transport=self._transport(settings))

    def _transport(self, settings: BrevoSettings) -> Transport | None:  # noqa: ARG002 # for the commands, which show it
        return None

    def _connection_fields(self) -> ConnectionFields:
        # A frame of its own: Airflow's connection shows its password in `repr`, and must not be a local variable where
        # an error may be raised.
        connection = self.get_connection(self.brevo_conn_id)
        return ConnectionFields(
            password=connection.password,
            login=connection.login,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            extra=connection.extra_dejson,
        )

    @property
    def sends(self) -> bool:
        """Whether the connection's extra ``sending`` lets events be sent at all.

        :raises BrevoSettingsError: the connection's fields can't be used.
        """
        return self.get_conn().settings.sending == "on"

    def prepare_event(
        self,
        event: Mapping[str, Any],
        *,
        validate: bool = True,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | TrackingPlan | None = None,
    ) -> dict[str, Any]:
        """Convert and check one event, and send nothing.

        :param event: its fields, as in :meth:`create_event`.
        :param validate: check the rules of the Events API.
        :param properties_schema: check the team's own rules, as in :meth:`create_event`.
        :return: the event as it would be sent.
        :raises BrevoInvalidEventError: the event breaks rules; the error lists all of them.
        """
        plan = tracking_plan(properties_schema)
        return prepare_event(event, timezone=_compat.default_timezone(), validate=validate, plan=plan)

    def create_event(
        self,
        event: Mapping[str, Any],
        *,
        validate: bool = True,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | TrackingPlan | None = None,
        validate_only: bool = False,
        delivery: Delivery = "at_least_once",
        max_wait: float = DEFAULT_MAX_WAIT,
    ) -> bool:
        """Convert, check and send one event.

        :param event: its fields: ``event_name``, ``identifiers``, and optionally ``event_date``, ``event_properties``,
            ``contact_properties``, ``object``. Datetimes without a time zone are taken to be in
            ``[core] default_timezone``.
        :param validate: check the rules of the Events API. ``False`` lets pass whatever has a JSON form.
        :param properties_schema: the team's own rules for ``event_properties``: a JSON Schema as a dict, for the events
            of every name; the path or URI of a JSON file of schemas by event name; or a
            :class:`~airflow_provider_brevo.core.tracking_plan.TrackingPlan`, which spares reading a file again. It is
            checked whatever ``validate`` says.
        :param validate_only: don't send, whatever the connection's extra ``sending`` says.
        :param delivery: ``at_least_once`` repeats a request whose fate is uncertain, ``at_most_once`` never does.
        :param max_wait: seconds in all to wait for the rate limit.
        :return: ``True`` if Brevo took the event, ``False`` if it was only checked.
        :raises BrevoInvalidEventError: the event breaks rules; the error lists all of them, and nothing was sent.
        :raises BrevoUsageError: ``properties_schema`` can't be used.
        :raises BrevoSettingsError: the connection's fields can't be used.
        :raises BrevoRequestError: Brevo didn't take it, or not surely: its ``uncertain`` tells which.
        """
        prepared = self.prepare_event(event, validate=validate, properties_schema=properties_schema)
        if validate_only or not self.sends:
            return False
        self.get_conn().create_event(prepared, delivery=delivery, max_wait=max_wait)
        return True

    def create_events(
        self,
        events: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        mapping: EventMapping | None = None,
        validate: bool = True,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | TrackingPlan | None = None,
        on_invalid: Literal["fail", "skip"] = "fail",
        max_rejected: float = 0,
        batch_size: int = MAX_EVENTS,
        max_in_flight: int | None = None,
        delivery: Delivery = "at_least_once",
        on_rerun: Literal["send", "skip"] = "send",
        validate_only: bool = False,
        store: CheckpointStore | None = None,
        rejected: RejectedEvents | None = None,
        attempt: Attempt | None = None,
        pause_after: float | None = None,
        paused: Progress | None = None,
        report: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> BulkResult:
        """Convert, check and send many events, in batches.

        Memory stays flat: events are taken one after another, and with ``on_invalid="fail"`` kept in a temporary file
        until all are checked.

        :param events: the events as in :meth:`create_event`, or with a ``mapping`` flat rows: a list, an iterator, or a
            function that returns one of them from the beginning at each call.
        :param mapping: how a flat row becomes an event.
        :param validate: check the rules of the Events API. ``False`` lets pass whatever has a JSON form.
        :param properties_schema: the team's own rules for ``event_properties``, as in :meth:`create_event`.
        :param on_invalid: ``fail`` sends nothing unless all events are valid, ``skip`` sends the valid ones.
        :param max_rejected: how many may be rejected, here or by Brevo: a count, or a share below 1 of all.
        :param batch_size: events in one request, 1 to 200.
        :param max_in_flight: requests at the same time, 1 to 16; as many as the rate limit allows where ``None``.
        :param delivery: ``at_least_once`` sends again what may have been taken, ``at_most_once`` never does.
        :param on_rerun: what to do once all is sent and the task is cleared: ``send`` again, or ``skip``.
        :param validate_only: don't send, whatever the connection's extra ``sending`` says.
        :param store: where the checkpoint is kept; by default in memory, so that a later call begins anew.
        :param rejected: takes the rejected events.
        :param attempt: which try of a task this is.
        :param pause_after: seconds that Brevo asks to wait, for its rate limit or with a fault of its own, from which
            on to raise :class:`~airflow_provider_brevo.core.bulk_states.BulkPaused` rather than wait.
        :param paused: the progress that it carried, to go on from there.
        :param report: is called with the progress at the start, and then at most four times a second.
        :param stop: tells whether to end early, such as the ``is_set`` of a ``threading.Event``. It is asked some times
            a second. Once it says so, no new request is made, and what is under way is waited for and recorded.
        :return: the numbers.
        :raises BrevoUsageError: arguments can't be used; the error lists all of them.
        :raises BrevoSettingsError: the connection's fields can't be used.
        :raises BrevoSourceError: the events can't be read.
        :raises BrevoInvalidEventsError: events break rules and ``on_invalid`` is ``fail``; nothing was sent.
        :raises BrevoCheckpointError: the checkpoint can't be read or written, or belongs to other events.
        :raises BrevoDeliveryError: ``at_most_once`` can't be promised here.
        :raises BrevoIncompleteError: all is sent that can be, and Brevo didn't take enough of it.
        :raises BrevoRequestError: Brevo can't be spoken to; what was taken until then is recorded.
        :raises BrevoBulkError: ``stop`` has ended it; what was taken until then is recorded.
        """
        chosen: dict[str, Any] = {
            "on_invalid": on_invalid,
            "max_rejected": max_rejected,
            "batch_size": batch_size,
            "max_in_flight": max_in_flight,
            "delivery": delivery,
            "on_rerun": on_rerun,
            "pause_after": pause_after,
        }
        problems = problems_of_bulk(mapping=mapping, validate=validate, validate_only=validate_only, **chosen)
        problems += problems_of_source(events)
        if problems:
            raise BrevoUsageError.of_problems("The events can't be sent as asked", problems)
        plan = tracking_plan(properties_schema)
        client: Any = None  # nor a connection, where only checking is asked for
        if not validate_only:
            client = self.get_conn()
            chosen["max_retries"] = client.settings.max_retries
        log_progress = _ProgressLog(self.log.info)

        def tell(progress: Progress) -> None:
            log_progress(progress)
            if report is not None:
                report(progress)

        return send_events(
            client,
            rereadable(events),
            options=_options(**chosen, validate_only=validate_only or not self.sends),
            prepare=Preparation(mapping=mapping, timezone=_compat.default_timezone(), validate=validate, plan=plan),
            store=store,
            rejected=rejected,
            attempt=attempt,
            paused=paused,
            warn=self.log.warning,
            report=tell,
            stop=stop,
        )

    def get_events(
        self,
        *,
        event_name: str | Sequence[str] | None = None,
        contact_id: int | str | Sequence[int | str] | None = None,
        object_type: str | Sequence[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        max_retries: int | None = None,
        max_wait: float = DEFAULT_MAX_WAIT,
    ) -> Iterator[dict[str, Any]]:
        """Look up events that Brevo has, newest first; further pages are read as they are needed.

        Events are personal data: don't log them. Brevo shows an event only some time after it took it.

        :param event_name: a name, or several, one of which the event has; any name where ``None``.
        :param contact_id: Brevo's number of a contact, or several; any contact where ``None``. Brevo looks up by no
            other identifier.
        :param object_type: a type of object, or several; any, or none, where ``None``.
        :param since: earliest date of the event: a datetime, or text by RFC 3339. Where ``None``, Brevo shows the last
            six months.
        :param until: latest date, in the same way; by default now. Only together with ``since``.
        :param limit: events in all, or ``None`` for all there are.
        :param page_size: events in one answer, 1 to 10,000. Brevo may allow a hundred requests an hour.
        :param max_retries: requests for a page after the first one; the connection's setting where ``None``.
        :param max_wait: seconds in all that each page may wait for the rate limit.
        :return: the events as Brevo shows them: ``contact_id``, ``event_date``, ``event_name``, ``event_properties``,
            ``contact_properties``, ``object_type`` and others.
        :raises BrevoUsageError: something can't be looked for; the error lists all of it.
        :raises BrevoSettingsError: the connection's fields can't be used.
        :raises BrevoRequestError: a page could not be read; raised when its first event is asked for.
        """
        events = EventFilter.of(
            event_name=event_name,
            contact_id=contact_id,
            object_type=object_type,
            since=since,
            until=until,
            timezone=_compat.default_timezone(),
        )
        return self.get_conn().get_events(
            events, limit=limit, page_size=page_size, max_retries=max_retries, max_wait=max_wait
        )

    def test_connection(self) -> tuple[bool, str]:
        """Ask Brevo for the account, and say in one sentence whether the connection works.

        A key that is valid but may not read the account is a success: restricted keys can send events.

        :return: whether it works, and what is wrong and what to do about it. No data of the account but the company's
            name.
        """
        try:
            client = self.get_conn()
            account = client.get_account(max_retries=0, max_wait=0)
        except AirflowNotFoundException:
            return (
                False,
                f"There is no connection {shown_id(self.brevo_conn_id)}; add one of the type Brevo with this id.",
            )
        except BrevoRestrictedKeyError:
            return True, (
                "The key is valid but restricted: it may not read the account, and whether it may send events shows"
                " with the first one."
            )
        except BrevoError as error:
            return False, str(error)
        company = account.get("companyName")
        return True, f"Connected to Brevo as {company}." if isinstance(
            company, str
        ) and company else "Connected to Brevo."


def tracking_plan(
    properties_schema: Mapping[str, Any] | str | PathLike[str] | TrackingPlan | None,
) -> TrackingPlan | None:
    """Return the tracking plan that an argument ``properties_schema`` means.

    :param properties_schema: as in :meth:`BrevoHook.create_event`.
    :raises BrevoUsageError: it means none that can be used.
    :raises BrevoSourceError: its file can't be read.
    """
    if properties_schema is None or isinstance(properties_schema, TrackingPlan):
        return properties_schema
    if isinstance(properties_schema, Mapping):
        return TrackingPlan.of_schema(properties_schema)
    path = files.locate(properties_schema, "properties_schema")
    with files.opened(path) as stream:
        return TrackingPlan.of_file(stream.read(), str(path))


def problems_of_bulk(*, mapping: Any, validate: Any, **options: Any) -> list[str]:
    """Tell everything that is wrong with arguments of :meth:`BrevoHook.create_events`, one sentence each."""
    problems = list(_options(**options).problems())
    if mapping is not None and not isinstance(mapping, EventMapping):
        problems.append("mapping is no EventMapping: make one of airflow_provider_brevo.core.mapping")
    if not isinstance(validate, bool):
        problems.append("validate is neither true nor false: give a boolean")
    return problems


def _options(*, max_in_flight: int | None, **options: Any) -> BulkOptions:
    return BulkOptions(max_in_flight=MAX_IN_FLIGHT if max_in_flight is None else max_in_flight, **options)


class _ProgressLog:
    """Logs how far it is, at most every ten seconds, by numbers alone."""

    def __init__(self, info: Callable[..., None]) -> None:
        self._info = info
        self._due = time.monotonic() + _SECONDS_BETWEEN_LINES
        self._pause = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.pause > max(self._pause, _LONG_PAUSE):  # a pause that has begun becomes shorter
            self._info("Brevo asks to wait %.0f s: nothing is sent until then.", progress.pause)
        self._pause = progress.pause
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _SECONDS_BETWEEN_LINES
        if not progress.requests:
            self._info("Reading and checking events; nothing was sent yet.")
            return
        self._info(
            "Brevo took %d events so far, in %d request%s; %d were rejected.%s",
            *(progress.accepted, progress.requests, "s"[progress.requests == 1 :], progress.rejected),
            f" Waiting {progress.pause:.0f} s more, as Brevo asks." if progress.pause else "",
        )
