"""Functions that give events, as tasks: real DAG runs."""

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task

from airflow_provider_brevo.core.mapping import Column, EventMapping

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EXAMPLE = Path(__file__).parents[2] / "example_dags" / "taskflow_events.py"
PRIVATE = "private.example.com"
TWO_TRIES = {"retries": 1, "retry_delay": timedelta(0)}


def event(n, **properties):
    """Return an event with personal data."""
    return {
        "event_name": "order_completed",
        "identifiers": {"email_id": f"jane{n}@{PRIVATE}"},
        "event_properties": {"n": n, **properties},
    }


def rows(*numbers):
    """Return flat rows with personal data."""
    return [{"email": f"jane{n}@{PRIVATE}", "n": n, "total": 1.5 + n} for n in numbers]


def returned(result, name="send"):
    """Return what a task, or its mapped tasks, have returned."""
    return [value for value in result.xcoms[name] if isinstance(value, dict)]  # from Airflow 3 on, links are XComs too


def numbers(sandbox):
    """Return which events arrived, sorted."""
    return sorted(event.body["event_properties"]["n"] for event in sandbox.events)


@pytest.fixture
def kept(airflow_version, tmp_path):
    """Return the argument that makes a checkpoint last: none on Airflow 3.3, which has a place for it."""
    return {} if airflow_version >= (3, 3) else {"checkpoint_path": str(tmp_path / "checkpoints")}


# ------------------------------------------------------------------------------------------- what a function may give


def as_one():
    """Return an event."""
    return event(0, at=datetime(2026, 3, 1, 14, 30, tzinfo=UTC), total=42.5, id="00123", paid=True)


def as_list():
    """Return a list."""
    return [as_one()]


def as_tuple():
    """Return a tuple."""
    return (as_one(),)


def as_iterator():
    """Return an iterator."""
    return iter([as_one()])


def as_generator():
    """Yield."""
    yield as_one()


@pytest.mark.parametrize("function", [as_one, as_list, as_tuple, as_iterator, as_generator])
def test_what_the_function_gives_is_sent_with_its_types(new_dag, run, sandbox, function):
    """One event, several, or a stream of them: each arrives as it is, and the task returns the numbers."""
    with new_dag() as dag:
        task.brevo_events(function)()
    result = run(dag)
    assert result.states == {function.__name__: "success"}
    (arrived,) = sandbox.events
    assert repr(arrived.body) == repr(
        {
            "event_name": "order_completed",
            "identifiers": {"email_id": f"jane0@{PRIVATE}"},
            "event_properties": {"n": 0, "at": "2026-03-01T14:30:00+00:00", "total": 42.5, "id": "00123", "paid": True},
        }
    )
    (value,) = returned(result, function.__name__)
    assert (value["total"], value["accepted"], value["requests"]) == (1, 1, 1)
    assert PRIVATE not in result.output + json.dumps(result.xcoms) + json.dumps(result.rendered)


@pytest.mark.parametrize("one", [True, False])
def test_flat_rows_with_a_mapping(new_dag, run, sandbox, one):
    """With a mapping the function gives rows: one, or a stream."""
    mapping = EventMapping(
        event_name="order_completed",
        identifiers={"email_id": Column("email")},
        event_properties={"n": Column("n", type="number"), "total": Column("total", type="number")},
    )

    @task.brevo_events(mapping=mapping, batch_size=1)
    def send() -> dict:  # which Airflow would take for several outputs
        return rows(7)[0] if one else iter(rows(7, 8))

    with new_dag() as dag:
        send()
    result = run(dag)
    assert result.states == {"send": "success"}
    assert [arrived.body["event_properties"] for arrived in sandbox.events] == [
        {"n": n, "total": 1.5 + n} for n in ([7] if one else [7, 8])
    ]
    assert [value["accepted"] for value in returned(result)] == [1 if one else 2]


def test_nothing_to_send_is_a_success(new_dag, run, sandbox):
    """An empty list, and a generator that yields nothing, are no mistake."""

    @task.brevo_events
    def no_rows():
        return []

    @task.brevo_events
    def no_yield():
        yield from ()

    with new_dag() as dag:
        no_rows()
        no_yield()
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert [value["total"] for name in ("no_rows", "no_yield") for value in returned(result, name)] == [0, 0]
    assert sandbox.requests == []


async def coroutine():
    """Return an event, later."""
    return event(0)


async def async_generator():
    """Yield an event, later."""
    yield event(0)


def with_nan():
    """Return two events, one of which is invalid."""
    return [event(0), event(1, total=float("nan"))]


@pytest.mark.parametrize(
    ("function", "options", "reason"),
    [
        (lambda: None, {}, "The function returned None; return an event, or a list of them, or yield them; return an"),
        (lambda: f"jane@{PRIVATE}", {}, "The function returned a str; return an event"),
        (lambda: 17, {}, "The function returned a int; return an event"),
        (coroutine, {}, "The function is async, and its events are read one after another; use def"),
        (async_generator, {}, "The function is async, and its events are read one after another; use def"),
        (as_list, {"events": []}, "events is given beside a function: take it away"),
        (as_list, {"path": "a.csv", "batch_size": 0}, "path is given beside a function"),
        (with_nan, {}, "event 1: /event_properties/total is NaN"),
    ],
)
def test_what_cannot_be_sent_fails_at_once(new_dag, run, sandbox, function, options, reason):
    """The log says what to do, without values; nothing is sent, and there is no second try."""
    retried = []
    with new_dag() as dag:
        task.brevo_events(task_id="send", on_retry_callback=retried.append, **options, **TWO_TRIES)(function)()
    result = run(dag)
    assert result.states["send"] == "failed"
    assert reason in result.output
    assert retried == []
    assert "never awaited" not in result.output
    assert sandbox.requests == []
    assert PRIVATE not in result.output


# ------------------------------------------------------------------------------------------- errors, retries, waiting


@pytest.mark.parametrize("yields", [False, True])
def test_a_function_may_skip_its_task(new_dag, run, sandbox, yields):
    """Airflow's exceptions reach Airflow, also from the middle of a stream, and nothing was sent."""

    def send():
        if yields:
            yield event(0)
        raise AirflowSkipException

    with new_dag() as dag:
        task.brevo_events(send)()
    assert run(dag).states == {"send": "skipped"}
    assert sandbox.requests == []


@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
def test_a_retry_sends_what_is_left(new_dag, run, sandbox, kept, on_invalid):
    """Airflow tries again what the function raised; what Brevo took before it is not sent again."""
    before, retried = [], []

    @task.brevo_events(
        batch_size=2,
        max_in_flight=1,
        on_invalid=on_invalid,
        on_retry_callback=retried.append,
        **kept,
        **TWO_TRIES,
    )
    def send():
        tries.append(len(sandbox.events))
        for n in range(1500):
            if n == 1200 and len(tries) == 1:
                before.append(len(sandbox.events))
                message = "the cursor broke"
                raise ConnectionResetError(message)
            yield event(n)

    tries = []
    with new_dag() as dag:
        send()
    result = run(dag)
    assert result.states == {"send": "success"}
    assert len(retried) == 1
    assert "ConnectionResetError" in result.output
    assert "the cursor broke" in result.output
    assert numbers(sandbox) == list(range(1500))
    assert len(tries) == 2
    # By "fail" all are read before the first is sent, by "skip" they are sent as they come.
    assert (before[0] > 0, tries[1] > 0) == ((False, False) if on_invalid == "fail" else (True, True))
    (value,) = returned(result)
    assert (value["total"], value["accepted"], value["requests"]) == (1500, 1500, 750)


def test_other_events_in_a_retry_are_refused(new_dag, run, sandbox, kept):
    """A function that gives something else again isn't one to go on with, and the error says so."""
    tries = []

    @task.brevo_events(batch_size=1, max_in_flight=1, **kept, **TWO_TRIES)
    def send():
        tries.append(1)
        return [event(len(tries)), event(2)]

    sandbox.add_fault("partial,indices=0,times=1")
    sandbox.add_fault("unknown-ip,times=1")
    with new_dag() as dag:
        send()
    result = run(dag)
    assert result.states == {"send": "failed"}
    assert "events at its beginning have changed" in result.output


def test_a_wait_without_a_worker_calls_the_function_again(new_dag, run, sandbox):
    """After a deferral it gets its arguments and context once more, and every event arrives once."""
    calls = []

    @task.brevo_events(batch_size=2, max_in_flight=1, deferrable=True, defer_after=1)
    def send(n, ti=None):
        try:
            calls.append(ti.task_id)
            yield from map(event, range(n))
        finally:
            calls.append("closed")

    sandbox.add_fault("429,reset=3,times=1")
    with new_dag() as dag:
        send(3)
    result = run(dag)
    assert result.states["send"] == "success"
    assert "The worker's slot is free until then" in result.output
    assert calls == ["send", "closed"] * 2
    assert numbers(sandbox) == [0, 1, 2]
    assert result.rendered["send"][0]["op_args"] == "<1 argument, not shown>"
    assert PRIVATE not in result.output


def test_a_finished_task_that_is_cleared_may_skip_its_function(new_dag, run, run_again, sandbox, kept):
    """on_rerun="skip" doesn't even call it."""
    calls = []

    @task.brevo_events(on_rerun="skip", **kept)
    def send():
        calls.append(1)
        return [event(0)]

    with new_dag() as dag:
        send()
    run(dag)
    assert returned(run_again(dag))[0]["skipped"] == 1
    assert (len(calls), numbers(sandbox)) == (1, [0])


# --------------------------------------------------------------------------------------------------------- the example


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Load the DAG of the example, with a folder of its own for what it writes."""
    monkeypatch.setenv("ORDERS_FOLDER", str(tmp_path))
    spec = importlib.util.spec_from_file_location("taskflow_events_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    made = []
    leave = DAG.__exit__
    with monkeypatch.context() as patch:
        patch.setattr(DAG, "__exit__", lambda dag, *args: (made.append(dag), leave(dag, *args))[1])
        spec.loader.exec_module(module)
    (dag,) = made
    return dag


def test_the_example(example, run, sandbox):
    """Every event arrives with its types: those that are yielded, and the rows of each shop."""
    result = run(example)
    assert result.states == {"send_trials_ending": "success", "shops": "success", "send_orders": "success"}
    assert [value["accepted"] for value in returned(result, "send_trials_ending")] == [500]
    assert [value["accepted"] for value in returned(result, "send_orders")] == [3, 2]
    assert "Brevo took 500 of 500 events in 3 requests" in result.output
    trials = [arrived.body for arrived in sandbox.events if arrived.body["event_name"] == "trial_ending"]
    assert {trial["identifiers"]["ext_id"] for trial in trials} == {f"{n:05}" for n in range(500)}
    (trial,) = (trial for trial in trials if trial["identifiers"] == {"ext_id": "00123"})
    assert repr(trial["event_properties"]) == repr({"days_left": 3, "plan": "pro", "price": 30.75})
    assert trial["event_date"].endswith("+00:00")
    orders = [arrived.body for arrived in sandbox.events if arrived.body["event_name"] == "order_completed"]
    assert sorted((order["identifiers"]["ext_id"], repr(order["event_properties"])) for order in orders) == [
        ("lyon-0", repr({"order_id": "00000", "total": 10.5, "shop": "lyon"})),
        ("lyon-1", repr({"order_id": "00001", "total": 11.5, "shop": "lyon"})),
        *((f"paris-{n}", repr({"order_id": f"0000{n}", "total": 10.5 + n, "shop": "paris"})) for n in range(3)),
    ]
