"""TaskFlow: a function whose events are sent."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterable, Awaitable, Coroutine, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, overload

from airflow.providers.common.compat.sdk import DecoratedOperator, determine_kwargs, task_decorator_factory

from airflow_provider_brevo.exceptions import BrevoUsageError
from airflow_provider_brevo.operators.bulk import BrevoBulkCreateEventsOperator
from airflow_provider_brevo.templating import is_row_of_task, task_in_dag, unmask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from os import PathLike
    from typing import Literal

    from airflow.providers.common.compat.sdk import TaskDecorator
    from airflow.sdk.bases.decorator import Task

    from airflow_provider_brevo.core.mapping import EventMapping
    from airflow_provider_brevo.core.retry import Delivery

__all__ = ["brevo_events"]

_Arguments = ParamSpec("_Arguments")
_Events = TypeVar("_Events", bound=Mapping[str, Any] | Iterable[Mapping[str, Any]])

_NOT_HERE = ("events", "path")
_WHAT_TO_RETURN = "return an event, or a list of them, or yield them"


class _BrevoEventsDecoratedOperator(BrevoBulkCreateEventsOperator, DecoratedOperator):
    """Sends what a function returns or yields. Each try calls it, and so does each resumption after a deferral."""

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in BrevoBulkCreateEventsOperator.template_fields if name not in _NOT_HERE),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **BrevoBulkCreateEventsOperator.template_fields_renderers,
    }
    row_fields: ClassVar[frozenset[str]] = frozenset(DecoratedOperator.template_fields)
    row_word = "argument"
    custom_operator_name = "@task.brevo_events"

    def _render_field(
        self, field: str | None, content: Any, context: Any, jinja_env: Any, seen_oids: set[int] | None
    ) -> Any:
        if field == "op_kwargs":
            seen_oids = {*(seen_oids or ()), *self._data_among(content, context)}
        return super()._render_field(field, content, context, jinja_env, seen_oids)

    def _data_among(self, arguments: Any, context: Any) -> Iterator[int]:
        """Yield the ids of arguments that a row of ``expand_kwargs`` brought, which another task returned."""
        mapped = task_in_dag(self)
        if is_row_of_task(getattr(mapped, "op_kwargs_expand_input", None), context):
            written = mapped.partial_kwargs["op_kwargs"]
            yield from (id(value) for name, value in unmask(arguments).items() if written.get(name) is not value)

    def _send(self, context: Any, *, paused: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            with ExitStack() as self._opened:
                return super()._send(context, paused=paused)
        except _RaisedByFunctionError as raised:
            error = raised.error
        # Outside of the except block, so that it is what the function raised and nothing more.
        raise error

    def _source(self, context: Any) -> Callable[[], Any]:
        if given := [name for name in _NOT_HERE if getattr(self, name) is not None]:
            raise BrevoUsageError(f"{given[0]} is given beside a function", advice="take it away, or use the operator")
        args, kwargs = unmask(self.op_args), unmask(self.op_kwargs)
        known = copy.copy(context)
        known.update(kwargs)
        kwargs = determine_kwargs(self.python_callable, args, known)
        # A function that is left before its end closes what it has open now, and not when Python ends, if at all.
        return lambda: self._opened.enter_context(closing(self._rows(args, kwargs)))

    def _rows(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Generator[Any, None, None]:
        with _past_the_engine():
            returned = self.python_callable(*args, **kwargs)
        rows = _checked(returned)
        with _past_the_engine():
            yield from rows


class _RaisedByFunctionError(Exception):
    """Carries what the function raised past the engine, to which some errors have a meaning of their own.

    :param error: what it raised.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


@contextmanager
def _past_the_engine() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 # whatever it is, it is for Airflow
        raise _RaisedByFunctionError(error) from None


def _checked(returned: Any) -> Iterable[Any]:
    """Return what a function returned as rows.

    :raises BrevoUsageError: it is nothing that can be sent.
    """
    if isinstance(returned, Mapping):
        return [returned]
    if returned is None:
        raise BrevoUsageError(
            "The function returned None", advice=f"{_WHAT_TO_RETURN}; return an empty list if there is nothing to send"
        )
    if isinstance(returned, Coroutine):
        returned.close()  # or Python warns that nobody has awaited it
    if isinstance(returned, Awaitable | AsyncIterable):
        raise BrevoUsageError(
            "The function is async, and its events are read one after another", advice=f"use def, and {_WHAT_TO_RETURN}"
        )
    if isinstance(returned, str | bytes) or not isinstance(returned, Iterable):
        raise BrevoUsageError(f"The function returned a {type(returned).__name__}", advice=_WHAT_TO_RETURN)
    return returned


def brevo_events_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **options: Any
) -> TaskDecorator:
    """Make a task of a function that sends its events: what Airflow calls for ``@task.brevo_events``.

    :param python_callable: the function, where the decorator is used without parentheses.
    :param multiple_outputs: whether each number of the result is an XCom of its own, too. The type that the function
        is annotated to return doesn't matter: the task returns the result of sending.
    :param options: as of :func:`brevo_events`.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_BrevoEventsDecoratedOperator,
        **options,
    )


@overload
def brevo_events(python_callable: Callable[_Arguments, _Events], /) -> Task[_Arguments, _Events]: ...


@overload
def brevo_events(
    *,
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
) -> Callable[[Callable[_Arguments, _Events]], Task[_Arguments, _Events]]: ...


def brevo_events(python_callable: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function: the events that it returns or yields are sent to Brevo, in batches.

    It is ``@task.brevo_events`` with types, for editors and type checkers. Events are sent as by
    :class:`~airflow_provider_brevo.operators.bulk.BrevoBulkCreateEventsOperator`, and what the function yields is taken
    one after another, so memory stays flat.

    A try of the task calls the function from its beginning, and sends what earlier tries have not. So it has to give
    the same events in the same order again, with new ones at the end only. What it raises reaches Airflow as it is:
    nothing was sent then with ``on_invalid="fail"``, and with ``skip`` the events before it.

    Its arguments are templates, and are not shown under *Rendered Template*; those written in the DAG's file are part
    of the stored DAG. It may ask for entries of Airflow's context by their names, such as ``ti`` and ``ds``.

    :param python_callable: a function that returns an event (a dict) or a list of events, or yields them; with a
        ``mapping`` flat rows. It is no ``async`` function.
    :param options: those of
        :class:`~airflow_provider_brevo.operators.bulk.BrevoBulkCreateEventsOperator` except ``events`` and ``path``,
        and those of every operator, such as ``task_id`` and ``retries``.
    :return: a task that is called, mapped by ``partial`` and ``expand``, and changed by ``override`` like others.
    """
    return brevo_events_task(python_callable, **options)
