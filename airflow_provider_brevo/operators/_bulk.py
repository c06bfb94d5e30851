"""What the tasks that send many events share."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_brevo import _compat
from airflow_provider_brevo.exceptions import (
    BrevoError,
    BrevoIncompleteError,
    BrevoInvalidEventsError,
    BrevoUsageError,
)
from airflow_provider_brevo.links import BrevoBatchReferenceLink
from airflow_provider_brevo.operators._base import BrevoTask, as_boolean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from os import PathLike

    from airflow.providers.common.compat.sdk import BaseOperatorLink

    from airflow_provider_brevo.core.bulk_states import Attempt, BulkPaused, BulkResult
    from airflow_provider_brevo.core.checkpoint import CheckpointStore, Progress
    from airflow_provider_brevo.core.mapping import EventMapping
    from airflow_provider_brevo.core.rejections import RejectedEvents
    from airflow_provider_brevo.core.retry import Delivery

_RESULT = "result"
"""Key of the XCom that a failing end leaves, as nothing is returned then."""


class BulkTask(BrevoTask):
    """Mixin for operators that send many events through the bulk engine. They say where the events come from.

    The attributes are the arguments of
    :class:`~airflow_provider_brevo.operators.bulk.BrevoBulkCreateEventsOperator`.
    """

    mapping: EventMapping | None
    on_invalid: Literal["fail", "skip"]
    max_rejected: float
    rejected_path: str | PathLike[str] | None
    checkpoint_path: str | PathLike[str] | None
    batch_size: int
    max_in_flight: int | None
    delivery: Delivery
    on_rerun: Literal["send", "skip"]
    deferrable: bool | None
    defer_after: float
    validate: bool
    validate_only: bool | str

    operator_extra_links: Collection[BaseOperatorLink] = (BrevoBatchReferenceLink(),)

    _killed = False

    # Airflow's, of the operator that this is mixed into.
    log: Any
    retries: int | None
    defer: Callable[..., NoReturn]

    # Airflow 2 gives a mark of its own to an execute() that isn't defined in the operator's class itself.
    def execute(self, context: Any, **_: Any) -> dict[str, Any]:
        """Check and send the events, or go on where an earlier try ended.

        :raises AirflowFailException: not all can be sent, and trying again can't help.
        :raises BrevoError: not all was sent, and a later try may get further.
        :raises TaskDeferred: the rate limit asks for a long wait.
        """
        return self._send(context, paused=None)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after a wait for the rate limit.

        :param event: what :class:`~airflow_provider_brevo.triggers.brevo.BrevoWaitTrigger` hands back.
        """
        return self._send(context, paused=event)

    def on_kill(self) -> None:
        """End soon and in order: nothing more is sent, and what is under way is waited for and recorded.

        From Airflow 3 on that is all that a task gets to know, in a signal handler, some seconds before it is killed.
        """
        self._killed = True

    def _send(self, context: Any, *, paused: Mapping[str, Any] | None) -> dict[str, Any]:
        from airflow_provider_brevo.core.bulk_states import BulkPaused  # noqa: PLC0415 # not needed to parse a DAG
        from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # parsing a DAG must not import requests

        hook = BrevoHook(self.brevo_conn_id)
        counters = _Counters()
        try:
            with self._connected(), counters:
                arguments = self._arguments(context, paused)
                result = hook.create_events(report=counters, stop=lambda: self._killed, **arguments)
        except BulkPaused as pause:
            self._defer(pause)
        except BrevoError as error:
            self._leave_result(context, error)
            if getattr(error, "retry_later", False):
                raise
            raise AirflowFailException(str(error)) from error
        finally:
            self._killed = False
            hook.close()
        self._say(result)
        self._tell_assets(
            context,
            events_sent=result.accepted,
            total=result.total,
            rejected=result.rejected,
            uncertain=result.uncertain,
        )
        return asdict(result)

    def _say(self, result: BulkResult) -> None:
        if result.accepted or not result.skipped:
            self.log.info(
                "Brevo took %d of %d events in %d request%s and %.1f s; %d were rejected.",
                *(result.accepted, result.total, result.requests, "s"[result.requests == 1 :]),
                *(result.seconds, result.rejected),
            )
        else:
            self.log.info("%d of %d events are valid or sent already: nothing was sent.", result.skipped, result.total)

    def _defer(self, pause: BulkPaused) -> NoReturn:
        from airflow_provider_brevo.triggers.brevo import BrevoWaitTrigger  # noqa: PLC0415 # not needed to parse a DAG

        self.log.info("%s The worker's slot is free until then.", pause)
        trigger = BrevoWaitTrigger(until=time.time() + pause.seconds, progress=pause.progress.to_json())
        self.defer(trigger=trigger, method_name="execute_complete")

    def _leave_result(self, context: Any, error: BrevoError) -> None:
        """Leave the numbers of a failing end to the tasks that come after it."""
        if isinstance(error, BrevoIncompleteError):
            context["ti"].xcom_push(key=_RESULT, value=error.result)
        elif isinstance(error, BrevoInvalidEventsError):
            from airflow_provider_brevo.core.bulk_states import BulkResult  # noqa: PLC0415 # loaded by now

            _compat.count("brevo.events.rejected", error.invalid)
            result = BulkResult(
                total=error.total, accepted=error.accepted, rejected=error.rejected, rejected_path=error.rejected_path
            )
            context["ti"].xcom_push(key=_RESULT, value=asdict(result))

    # --------------------------------------------------------------------------------------------- from Airflow's words

    def _arguments(self, context: Any, paused: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of the hook.

        :raises BrevoUsageError: arguments of the operator can't be used; the error lists all of them.
        """
        from airflow_provider_brevo.hooks.brevo import problems_of_bulk  # noqa: PLC0415 # parsing must not import requests

        problems: list[str] = []
        with _noting(problems):
            validate_only = as_boolean(self.validate_only, "validate_only")
        arguments: dict[str, Any] = {
            "mapping": self.mapping,
            "validate": self.validate,
            "on_invalid": self.on_invalid,
            "max_rejected": self.max_rejected,
            "batch_size": self.batch_size,
            "max_in_flight": self.max_in_flight,
            "delivery": self.delivery,
            "on_rerun": self.on_rerun,
            "validate_only": not problems and validate_only,
        }
        problems += problems_of_bulk(**arguments)
        if not isinstance(self.brevo_conn_id, str) or not self.brevo_conn_id:
            problems.append("brevo_conn_id is no id of a connection: give it as text")
        deferrable = _compat.default_deferrable() if self.deferrable is None else self.deferrable
        if not isinstance(deferrable, bool):
            problems.append("deferrable is neither true nor false: give a boolean, or None")
        if isinstance(self.defer_after, bool) or not isinstance(self.defer_after, int | float) or self.defer_after < 0:
            problems.append("defer_after is no number of seconds: give 0 or more")
        with _noting(problems):
            arguments["events"] = self._source(context)
        with _noting(problems):
            arguments["rejected"] = self._rejected(context)
        with _noting(problems):
            arguments["store"] = self._store(context)
        if problems:
            raise BrevoUsageError.of_problems("The events can't be sent as asked", problems)
        return {
            **arguments,
            "properties_schema": self.properties_schema,
            "attempt": self._attempt(context),
            "pause_after": self.defer_after if deferrable else None,
            "paused": _progress(paused),
        }

    def _source(self, context: Any) -> Callable[[], Any]:
        """Return a function that gives the events, or rows, from their beginning.

        :param context: the task's.
        :raises BrevoUsageError: the operator's arguments name none.
        """
        raise NotImplementedError

    def _rejected(self, context: Any) -> RejectedEvents:
        from airflow_provider_brevo.core.rejections import RejectedEvents  # noqa: PLC0415 # not needed to parse a DAG

        return RejectedEvents(self._file("rejected_path", context, ".jsonl"))

    def _store(self, context: Any) -> CheckpointStore:
        from airflow_provider_brevo.core.checkpoint import InFile, InMemory, InStateStore  # noqa: PLC0415 # see above

        kept = _compat.task_state_store(context)
        if kept is not None:
            return InStateStore(kept)
        file = self._file("checkpoint_path", context, ".checkpoint.json")
        if file is not None:
            return InFile(file)
        if self.delivery == "at_least_once":
            self.log.warning(
                "Nothing records what was sent beyond this try: a retry sends all events again. Give the task a"
                " checkpoint_path that all workers see, or use Airflow 3.3, which needs none."
            )
        return InMemory()

    def _file(self, name: str, context: Any, suffix: str) -> Any:
        from airflow_provider_brevo import files  # noqa: PLC0415 # not needed to parse a DAG
        from airflow_provider_brevo.core.checkpoint import is_local  # noqa: PLC0415 # see above

        folder = getattr(self, name)
        if folder is None:
            return None
        folder = files.locate(folder, name)
        if is_local(folder) and not _compat.runs_on_one_machine():
            self.log.warning(
                "%s is a folder of this worker. If it is not shared, a retry on another worker does not find what is in"
                " it: use a folder that all workers see, or an object store.",
                name,
            )
        return files.task_file(folder, context, suffix)

    def _attempt(self, context: Any) -> Attempt:
        """Return which try this is since the task was started or cleared: clearing gives it all its retries anew."""
        from airflow_provider_brevo.core.bulk_states import Attempt  # noqa: PLC0415 # see above

        ti = context["ti"]
        # Both bounds are for retries that were changed in the DAG while its run waited.
        since_clear = min(ti.try_number, max(1, ti.try_number + self.retries - ti.max_tries))
        return Attempt(try_number=since_clear, max_tries=ti.max_tries)


def _progress(paused: Mapping[str, Any] | None) -> Progress | None:
    from airflow_provider_brevo.core.checkpoint import Progress  # noqa: PLC0415 # not needed to parse a DAG

    return None if paused is None else Progress.from_json(paused.get("progress"), kept_in="the trigger's event")


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except BrevoUsageError as error:
        problems.append(f"{error.problem}: {error.advice}")


class _Counters:
    """Adds what a try brings to Airflow's counters, while it goes on. What earlier tries brought is counted already."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._counted: dict[str, int] = {}

    def __call__(self, progress: Progress) -> None:
        numbers = {
            "brevo.events.accepted": progress.accepted,
            "brevo.events.rejected": progress.rejected,
            "brevo.requests.throttled": progress.throttled,
        }
        if progress is self._progress:
            for name, number in numbers.items():
                if number > self._counted[name]:
                    _compat.count(name, number - self._counted[name])
        self._progress, self._counted = progress, numbers

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *exc_info: object) -> None:
        """Count the rest. What is uncertain is known when all else is done."""
        if self._progress is not None:
            self(self._progress)
            if self._progress.finished and (uncertain := self._progress.uncertain.count()):
                _compat.count("brevo.events.uncertain", uncertain)
