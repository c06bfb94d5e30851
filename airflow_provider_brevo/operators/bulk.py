"""Sending many events as one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_brevo.exceptions import BrevoUsageError
from airflow_provider_brevo.operators._bulk import BulkTask
from airflow_provider_brevo.templating import unmask

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from airflow_provider_brevo.core.mapping import EventMapping
    from airflow_provider_brevo.core.retry import Delivery


class BrevoBulkCreateEventsOperator(BulkTask, BaseOperator):
    """Send many events to Brevo, in batches: ``POST /events/batch``.

    All events are checked before the first one is sent. What Brevo took is recorded while it is sent, so a later try of
    the task goes on where the last one ended. The task succeeds only if Brevo took all but ``max_rejected`` events.

    It fails without further tries where trying again can't help: invalid events, too many rejected ones, a wrong key.
    It leaves the rest to the retries of Airflow: a fault of Brevo or of the network, a file that isn't there yet, a
    checkpoint that can't be written.

    One of ``events`` and ``path`` is needed.

    :param events: the events, or with a ``mapping`` flat rows: a list or tuple of dicts, or what another task returned.
        Only their number is shown under *Rendered Template*; those written in the DAG's file are part of the stored
        DAG. (templated)
    :param path: a file of events or rows: ``.jsonl``, ``.ndjson``, ``.csv``, ``.json`` (an array), each also with
        ``.gz``, or ``.parquet``. A path of the worker, or a URI of an object store: ``s3://conn_id@bucket/key.jsonl``.
        (templated)
    :param mapping: how a flat row becomes an event; needed for CSV.
    :param on_invalid: ``fail`` (default) sends nothing unless all events are valid, ``skip`` sends the valid ones.
    :param max_rejected: how many events may be rejected, here or by Brevo: a count, or a share below 1 of all.
    :param rejected_path: a folder, or a URI of one, for a file of the rejected events, with reasons. It holds personal
        data. (templated)
    :param checkpoint_path: a folder that all workers see, or a URI of one, for the record of what was sent. Not needed
        on Airflow 3.3, which keeps it. (templated)
    :param batch_size: events in one request, 1 to 200.
    :param max_in_flight: requests at the same time, at most, 1 to 16. As many as the rate limit allows by default.
    :param delivery: ``at_least_once`` (default) sends again what Brevo may have taken when a connection breaks.
        ``at_most_once`` never does, and fails the task with the places of those events instead; it needs a checkpoint.
    :param on_rerun: what to do if the task is cleared after all was sent: ``send`` (default) it again, or ``skip``.
    :param deferrable: give the worker's slot back during long waits that Brevo asks for. By default as
        ``[operators] default_deferrable`` says.
    :param defer_after: seconds of such a wait from which on it is worth it.
    :param validate: check the rules of the Events API before sending. ``False`` lets pass whatever has a JSON form.
    :param properties_schema: the team's own rules for ``event_properties``, checked whatever ``validate`` says: a JSON
        Schema as a dict, for the events of every name; or the path or URI of a JSON file of schemas by event name.
        (a path is templated, a dict is not)
    :param validate_only: check and don't send; a boolean. (templated)
    :param brevo_conn_id: id of the connection. (templated)
    :return: ``{"total", "accepted", "rejected", "skipped", "uncertain", "unidentified", "requests", "seconds",
        "rejected_path"}``, without personal data. A failing end leaves it in the XCom with the key ``result``.
    """

    template_fields: Sequence[str] = (
        "events",
        "path",
        "rejected_path",
        "checkpoint_path",
        "properties_schema",
        "validate_only",
        "brevo_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"properties_schema": "json"}
    row_fields: ClassVar[frozenset[str]] = frozenset({"events"})

    def __init__(
        self,
        *,
        events: Sequence[Mapping[str, Any]] | str | None = None,
        path: str | PathLike[str] | None = None,
        mapping: EventMapping | None = None,
        on_invalid: Literal["fail", "skip"] = "fail",
        max_rejected: float = 0,
        rejected_path: str | PathLike[str] | None = None,
        checkpoint_path: str | PathLike[str] | None = None,
        batch_size: int = 200,
        max_in_flight: int | None = None,
        delivery: Delivery = "at_least_once",
        on_rerun: Literal["send", "skip"] = "send",
        deferrable: bool | None = None,
        defer_after: float = 60,
        validate: bool = True,
        properties_schema: Mapping[str, Any] | str | PathLike[str] | None = None,
        validate_only: bool | str = False,
        brevo_conn_id: str = "brevo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.events = events
        self.path = path
        self.mapping = mapping
        self.on_invalid = on_invalid
        self.max_rejected = max_rejected
        self.rejected_path = rejected_path
        self.checkpoint_path = checkpoint_path
        self.batch_size = batch_size
        self.max_in_flight = max_in_flight
        self.delivery = delivery
        self.on_rerun = on_rerun
        self.deferrable = deferrable
        self.defer_after = defer_after
        self.validate = validate
        self.properties_schema = properties_schema
        self.validate_only = validate_only
        self.brevo_conn_id = brevo_conn_id

    def _source(self, _context: Any) -> Callable[[], Any]:
        from airflow_provider_brevo import files  # noqa: PLC0415 # not needed to parse a DAG

        events, path = unmask(self.events), self.path
        if (events is None) == (path is None):
            both = events is not None
            raise BrevoUsageError(
                f"{'both' if both else 'neither'} of events and path {'are' if both else 'is'} given",
                advice="give one of them"
                + ("" if both else "; a template or a task that gives None counts as nothing"),
            )
        if path is not None:
            return files.reader(files.locate(path, "path"), getattr(self.mapping, "columns", ()))
        if not isinstance(events, Sequence) or isinstance(events, str | bytes):
            raise BrevoUsageError(
                f"events is a {type(events).__name__} and no list",
                advice="give a list or tuple of dicts, since a retry has to read it again",
            )
        return lambda: events
