"""Waiting for events: real DAG runs in each mode, against the sandbox over sockets."""

import json
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred, task

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag

from airflow_provider_brevo.sensors.brevo import BrevoEventSensor

EXAMPLES = Path(__file__).parents[2] / "example_dags"
ORDER = {"event_name": "order", "identifiers": {"ext_id": "17"}, "event_properties": {"secret": "abracadabra"}}
MODES = {"poke": {"mode": "poke"}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}}
TWO_TRIES = {"retries": 1, "retry_delay": timedelta(0)}


def send(sandbox, **fields):
    """Have an event in the sandbox, past the provider, and return it."""
    return sandbox._store.add_event({**ORDER, **fields})


def after_requests(sandbox, count, action):
    """Do something once so many requests were made."""

    def wait():
        for _ in range(10_000):
            if len(sandbox.requests) >= count:
                action()
                return
            threading.Event().wait(0.005)

    threading.Thread(target=wait, daemon=True).start()


def tries(result, dag):
    """Return how often the sensor was tried."""
    with sqlite3.connect(result.database) as connection:
        ((number,),) = connection.execute("select try_number from task_instance where dag_id=?", (dag.dag_id,))
    return number


def wait_for(**options):
    """Make the sensor under test."""
    return BrevoEventSensor(
        **{"task_id": "wait", "event_name": "order", "poke_interval": 0.2, "timeout": 30, **TWO_TRIES, **options}
    )


@pytest.mark.parametrize("mode", MODES)
def test_it_waits_until_the_events_are_there(new_dag, run, sandbox, mode):
    """However it waits; count and dates are its XCom, and nothing of the events is anywhere else."""
    first = send(sandbox, event_date="2026-11-01T10:00:00+01:00")
    after_requests(sandbox, 2, lambda: send(sandbox, event_date="2026-11-02T10:00:00+01:00"))
    with new_dag() as dag:
        wait_for(min_count="{{ 1 + 1 }}", contact_id=f"{{{{ '{first.contact_id}' }}}}", **MODES[mode])
    result = run(dag)
    assert result.states["wait"] == "success"
    assert result.xcoms["wait"] == [
        {
            "count": 2,
            "first_event_date": "2026-11-01T10:00:00+01:00",
            "last_event_date": "2026-11-02T10:00:00+01:00",
        }
    ]
    assert {request.method for request in sandbox.requests} == {"GET"}
    assert len(sandbox.requests) >= 2
    (rendered,) = result.rendered["wait"]
    assert rendered["contact_id"] in {"***", '"***"'}
    assert rendered["min_count"] == 2
    for text in (result.output, json.dumps(rendered), result.stored_text("xcom", "task_instance")):
        assert "abracadabra" not in text
        assert "0123456789abcdef" not in text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
def test_when_the_time_is_over_it_fails_or_is_skipped(new_dag, run, sandbox, airflow_version, mode, soft_fail, state):
    """Without further tries."""
    if airflow_version == (3, 0) and mode == "reschedule":
        pytest.skip("its dag.test() hands the date of the first look to no sensor as a date: all fail at the second")
    with new_dag() as dag:
        wait_for(timeout=2, soft_fail=soft_fail, **MODES[mode])
    result = run(dag)
    assert result.states["wait"] == state
    assert tries(result, dag) == 1
    assert len(sandbox.requests) >= 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", ["500,times=1", "429,times=1,reset=1"])
def test_what_may_pass_is_logged_and_waited_for(new_dag, run, sandbox, mode, fault):
    """A fault costs one request, no try, and a line in the log."""
    send(sandbox)
    sandbox.add_fault(fault)
    with new_dag() as dag:
        wait_for(retries=0, **MODES[mode])
    result = run(dag)
    assert result.states["wait"] == "success"
    assert "The sensor looks again." in result.output
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("fault", "allowed"),
    [("400", 1), ("401", 1), ("403", 1), ("404", 1), ("redirect", 1), ("unknown-ip", 2), ("non-json,status=200", 2)],
)
def test_what_asking_again_does_not_cure_fails(new_dag, run, sandbox, mode, fault, allowed):
    """A refusal ends the task at the first try; what another worker may be spared is left to Airflow's retries."""
    sandbox.add_fault(fault)
    with new_dag() as dag:
        wait_for(**MODES[mode])
    result = run(dag)
    assert result.states["wait"] == "failed"
    assert tries(result, dag) == len(sandbox.requests) == allowed


@pytest.mark.parametrize(("fault", "allowed"), [("401", 1), ("unknown-ip", 2)])
def test_what_the_trigger_meets_ends_the_task_in_the_same_way(new_dag, run, sandbox, fault, allowed):
    """The first look finds nothing yet, the trigger's is refused: the task fails with the error's own words."""
    after_requests(sandbox, 1, lambda: sandbox.add_fault(fault))
    with new_dag() as dag:
        wait_for(deferrable=True, poke_interval=1)
    result = run(dag)
    assert result.states["wait"] == "failed"
    assert "Brevo does not know this" in result.output
    assert tries(result, dag) == allowed


def test_a_refusal_is_skipped_with_soft_fail(new_dag, run, sandbox):
    """As Airflow does with every failure of a sensor, at the first look and at the trigger's."""
    after_requests(sandbox, 1, lambda: sandbox.add_fault("401"))
    with new_dag() as dag:
        wait_for(deferrable=True, soft_fail=True, poke_interval=1)
        wait_for(task_id="first", brevo_conn_id="brevo_missing", soft_fail=True)
    assert run(dag).states == {"wait": "skipped", "first": "skipped"}


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({"event_name": "a b"}, ["event_name must be 1 to 255 characters"]),
        ({"contact_id": "{{ 'jane.private@example.com' }}"}, ["contact_id must be a whole number"]),
        ({"contact_id": "{{ none }}"}, ["contact_id is None once rendered, and any would do"]),
        ({"since": "{{ none }}", "min_count": 0}, ["since is None once rendered", "min_count is no number"]),
        ({"min_count": 10_001}, ["min_count is no number of events that one look can show: give 1 to 10,000"]),
        ({"since": "{{ ds }}"}, ["since must be a timestamp by RFC 3339"]),
        ({"contact_id": "{{ [] }}"}, ["contact_id is an empty list"]),
        ({"object_type": "{{ missing }}"}, ["/object_type names 'missing', which is not defined"]),
        ({"brevo_conn_id": "{{ none }}"}, ["brevo_conn_id is no id of a connection"]),
        ({"brevo_conn_id": "brevo_missing"}, ["There is no connection 'brevo_missing'"]),
        ({"brevo_conn_id": "xkeysib-0123"}, ["There is no connection '***' (that looks like a key"]),
    ],
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_what_can_not_be_looked_for_fails_at_once(new_dag, run, sandbox, options, reasons, deferrable):
    """All reasons stand in the log, nothing is asked, and there is no second try."""
    with new_dag() as dag:
        wait_for(deferrable=deferrable, **options)
    result = run(dag)
    assert result.states["wait"] == "failed"
    for reason in reasons:
        assert reason in result.output
    assert "jane.private" not in result.output
    assert tries(result, dag) == 1
    assert sandbox.requests == []


def test_conditions_come_from_upstream_with_their_types(new_dag, run, sandbox):
    """A contact's number, a list of names and a datetime arrive as what they are, mapped tasks included."""
    for name in ("paid", "shipped"):
        found = send(sandbox, event_name=name, object={"type": "deal", "identifiers": {"id": "1"}})
    send(sandbox, event_name="paid", identifiers={"ext_id": "18"}, event_date="2026-11-01T10:00:00Z")

    @task
    def contacts():
        return [found.contact_id, found.contact_id]

    @task
    def since():
        return datetime.now(UTC) - timedelta(hours=1)

    with new_dag() as dag:
        BrevoEventSensor.partial(
            task_id="wait",
            event_name=["paid", "shipped"],
            object_type="{{ 'deal' }}",
            since=since(),
            timeout=20,
        ).expand(contact_id=contacts())
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert [xcom["count"] for xcom in result.xcoms["wait"]] == [2, 2]
    assert {rendered["contact_id"] for rendered in result.rendered["wait"]} <= {"***", '"***"'}
    assert all(f"contact_id={found.contact_id}&" in request.query + "&" for request in sandbox.requests)


def test_an_earlier_event_is_not_enough(new_dag, run, sandbox):
    """With since, only what happened from then on counts."""
    send(sandbox, event_date=(datetime.now(UTC) - timedelta(days=1)).isoformat())
    with new_dag() as dag:
        wait_for(since="{{ dag_run.start_date }}", timeout=0.3, soft_fail=True)
        wait_for(task_id="any")
    assert run(dag).states == {"wait": "skipped", "any": "success"}


def test_the_triggers_arguments_hold_conditions_and_no_key(sandbox):
    """What Airflow stores while the task is deferred is an id of a connection and what to look for."""
    sensor = wait_for(deferrable=True, contact_id="471100", since=datetime(2026, 11, 1, tzinfo=UTC), min_count=3)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.poke({})
    _, arguments = deferred.value.trigger.serialize()
    until = arguments.pop("until")
    assert abs(until - time.time() - 30) < 10
    assert deferred.value.timeout > timedelta(seconds=30)
    assert json.loads(json.dumps(arguments)) == {
        "brevo_conn_id": "brevo_default",
        "filters": {
            "event_name": ["order"],
            "contact_id": [471100],
            "object_type": None,
            "since": "2026-11-01T00:00:00+00:00",
            "until": None,
        },
        "min_count": 3,
        "poke_interval": 0.2,
    }
    assert len(sandbox.requests) == 1


def test_the_example_waits_for_what_it_has_sent(sandbox, run):
    """The DAG of the guide runs, and the task behind the sensor gets the count."""
    dag = DagBag(str(EXAMPLES / "wait_for_event.py")).dags["wait_for_event"]
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert result.xcoms["wait_for_trial_started"][0]["count"] == 1
    assert result.xcoms["welcome"] == [1]
    assert [event.body for event in sandbox.events] == [
        {"event_name": "trial_started", "identifiers": {"ext_id": "0017"}}
    ]
