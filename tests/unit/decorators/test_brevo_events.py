"""The decorator by itself: what it raises, keeps in memory, and is called with. Whole runs are in tests/integration."""

import inspect
import json
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace
from typing import get_overloads

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from airflow_provider_brevo.decorators.brevo import brevo_events
from airflow_provider_brevo.exceptions import BrevoInvalidEventError, BrevoServerError, BrevoSourceError
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator
from airflow_provider_brevo.sandbox import Sandbox
from airflow_provider_brevo.templating import HiddenRows

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


def event(**properties):
    """Return an event."""
    return {"event_name": "paid", "identifiers": {"ext_id": "17"}, "event_properties": properties}


@pytest.fixture
def sandbox(monkeypatch):
    """Run a sandbox, with the connection brevo_default leading to it."""
    with Sandbox(api_key=KEY) as running:
        connection = {"conn_type": "brevo", "host": running.url, "password": KEY, "extra": {"max_retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
        yield running


class Store(dict):
    """A state store in memory, with the two methods of Airflow's."""

    set = dict.__setitem__


def context():
    """Return a task's context with a state store."""
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="send", map_index=-1, try_number=1, max_tries=0, xcom_push=lambda **_: None
    )
    return {"ti": ti, "task_state_store": Store()}


def operator(function, *args, **options):
    """Return the operator that a call of the decorated function makes."""
    return brevo_events(task_id="send", **options)(function)(*args).operator


ERRORS = [
    AirflowSkipException("no orders today"),
    AirflowFailException("give up"),
    AirflowNotFoundException("The conn_id `warehouse` isn't defined"),
    AirflowException("try again"),
    BrevoSourceError("The file is gone"),
    BrevoInvalidEventError([]),
    KeyError("total"),
    OSError(28, "No space left on device"),
    EOFError(),
    StopIteration(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
@pytest.mark.parametrize("where", ["call", "stream"])
def test_what_the_function_raises_reaches_airflow_as_it_is(sandbox, error, on_invalid, where):
    """The very exception, also where the engine has errors of that type; with "fail" nothing was sent."""
    cause = error.__cause__ = ValueError("the cause")

    class Stream:
        left = 1000

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if not self.left:
                raise error
            return event(left=self.left)

    def send():
        if where == "call":
            raise error
        return Stream()

    if where == "stream" and isinstance(error, StopIteration):
        assert operator(send).execute(context())["accepted"] == 999  # which is how a stream ends
        return
    with pytest.raises(type(error)) as caught:
        operator(send, on_invalid=on_invalid).execute(context())
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (cause, None)
    if on_invalid == "fail" or where == "call":
        assert sandbox.requests == []


@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
def test_a_function_that_is_left_early_is_closed(sandbox, on_invalid):
    """What it has open is closed when Brevo can't be spoken to, and not when Python ends."""
    closed = []

    def send():
        try:
            for n in range(100_000 if on_invalid == "skip" else 10):
                yield event(n=n)
        finally:
            closed.append(True)

    sandbox.add_fault("500")
    with pytest.raises(BrevoServerError):
        operator(send, on_invalid=on_invalid).execute(context())
    assert closed == [True]


def test_memory_stays_flat(sandbox):
    """Of 20 MB that a function yields, less than 4 MB are held at a time."""

    def send():
        for n in range(20_000):
            yield event(n=n, text=f"{n:01000}")

    task = operator(send, validate_only=True)
    task.execute(context())  # imports, schemas
    tracemalloc.start()
    try:
        assert task.execute(context())["total"] == 20_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert sandbox.requests == []


def test_the_function_gets_true_values_after_rendering(sandbox):
    """What is hidden from the rendered fields is what the function is called with, as often as it is rendered."""

    def send(total, day):
        return event(total=total, day=day)

    task = operator(send, "{{ 42.5 }}", "{{ ds }}")
    for _ in range(2):
        task.render_template_fields({"ds": "2026-03-01"})
        assert (str(task.op_args), str(task.op_kwargs)) == ("<2 arguments, not shown>", "<0 arguments, not shown>")
    assert task.execute(context())["accepted"] == 1
    (arrived,) = sandbox.events
    assert arrived.body["event_properties"] == {"total": 42.5, "day": "2026-03-01"}


def test_arguments_leave_the_context_as_it_is(sandbox):
    """They are no entries of Airflow's context for whatever comes after."""
    given = context()
    names = set(given)
    operator(lambda rows: rows, [event()]).execute(given)
    assert set(given) == names
    assert len(sandbox.events) == 1


def test_hidden_rows_say_what_they_are():
    """One argument, two arguments."""
    assert [str(HiddenRows(given, "argument")) for given in ([1], {"a": 1, "b": 2}, ())] == [
        "<1 argument, not shown>",
        "<2 arguments, not shown>",
        "<0 arguments, not shown>",
    ]


def test_the_typed_function_has_the_options_of_the_operator():
    """Names, defaults and types are the operator's, but for its sources."""
    (_, with_options) = get_overloads(brevo_events)
    expected = dict(inspect.signature(BrevoBulkCreateEventsOperator.__init__).parameters)
    for name in ("self", "events", "path"):
        del expected[name]
    assert dict(inspect.signature(with_options).parameters) == expected


@pytest.mark.parametrize("how", ["bare", "called", "options"])
def test_each_way_to_decorate(how):
    """With and without parentheses, and with options: the function stays at hand."""

    def send(total: float) -> dict:
        return event(total=total)

    made = {"bare": brevo_events, "called": brevo_events(), "options": brevo_events(batch_size=7)}[how](send)
    assert made.function is send
    task = made.override(task_id="other", retries=2)(42.5).operator
    assert (task.task_id, task.retries, task.batch_size) == ("other", 2, 7 if how == "options" else 200)
    assert task.multiple_outputs is False
    assert task.custom_operator_name == "@task.brevo_events"
    assert {"events", "path"}.isdisjoint(task.template_fields)
    assert set(task.row_fields) <= set(task.template_fields)


def test_the_result_may_be_several_xcoms():
    """multiple_outputs is what the author says, and not what the function's annotation says."""
    assert brevo_events(multiple_outputs=True)(list).override(task_id="send")().operator.multiple_outputs


def test_parsing_a_dag_loads_nothing_heavy():
    """The decorator's module adds no HTTP library, validator or engine to what Airflow has loaded."""
    code = """
import sys
from airflow.providers.common.compat.sdk import DAG, BaseOperator, AirflowFailException, conf, task
from airflow.providers.common.compat.sdk import Asset, BaseOperatorLink, DecoratedOperator, determine_kwargs
from airflow.providers.common.compat.sdk import task_decorator_factory
before = set(sys.modules)
import airflow_provider_brevo.decorators.brevo
heavy = ["requests", "urllib3", "jsonschema", "jsonschema_rs", "referencing", "msgspec", "pandas", "numpy"]
heavy += ["airflow_provider_brevo.core.bulk", "airflow_provider_brevo.hooks.brevo"]
print([name for name in heavy if name in set(sys.modules) - before])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
