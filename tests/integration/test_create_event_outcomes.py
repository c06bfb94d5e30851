"""How a task ends, and what Airflow does about it: real DAG runs, faults by the sandbox."""

import json
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_brevo.exceptions import BrevoRateLimitError
from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "order_completed", "identifiers": {"ext_id": "0017"}}
TWO_TRIES = {"retries": 1, "retry_delay": timedelta(0)}


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        # The connection asks for one retry inside of each try, so a fault that may pass costs two requests a try.
        ("400", 1),
        ("401", 1),
        ("403", 1),
        ("404", 1),
        ("405", 1),
        ("413", 1),
        ("redirect", 1),
        ("unknown-ip", 2),
        ("429,reset=600", 2),
        ("non-json,status=200", 2),
        ("500", 4),
        ("reset", 4),
    ],
)
def test_airflow_retries_only_what_may_get_better(new_dag, run, sandbox, fault, requests):
    """A refusal ends the task at the first try; what may pass is left to Airflow's retries."""
    sandbox.add_fault(fault)
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", **EVENT, **TWO_TRIES)
    assert run(dag).states["send"] == "failed"
    assert len(sandbox.requests) == requests


def test_a_second_try_may_succeed(new_dag, run, sandbox):
    """The event arrives once the fault has passed, with a later try of the task."""
    sandbox.add_fault("unknown-ip,times=1")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", **EVENT, **TWO_TRIES)
    assert run(dag).states["send"] == "success"
    assert len(sandbox.events) == 1


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        (
            {"event_name": "a b", "identifiers": {}, "event_properties": {"k k": 1}},
            ["/event_name must be", "/identifiers must be", "/event_properties/<key 1> must be"],
        ),
        ({"event_date": "{{ ds }}"}, ["/event_date must be a timestamp by RFC 3339"]),
        ({"identifiers": "{{ [1] }}"}, ["/identifiers must be an object with at least one identifier, not a list"]),
        ({"validate_only": "perhaps"}, ["validate_only is neither true nor false"]),
        ({"delivery": "sometimes"}, ["delivery is not known"]),
        ({"validate": "false"}, ["validate is neither true nor false"]),
        ({"max_wait": "60"}, ["max_wait is no number of seconds"]),
        ({"max_wait": float("nan")}, ["max_wait is no number of seconds"]),
        ({"brevo_conn_id": "{{ none }}"}, ["brevo_conn_id is no id of a connection"]),
        ({"brevo_conn_id": "brevo_missing"}, ["There is no connection 'brevo_missing'"]),
        ({"brevo_conn_id": "brevo_broken"}, ["API key is missing", "extra 'timeout'"]),
    ],
)
def test_bad_input_fails_at_once_and_sends_nothing(new_dag, run, sandbox, monkeypatch, options, reasons):
    """All reasons stand in the log, no request is made, and there is no second try."""
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_BROKEN", "brevo://?timeout=soon")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", **{**EVENT, **options}, **TWO_TRIES)
    result = run(dag)
    assert result.states["send"] == "failed"
    for reason in reasons:
        assert reason in result.output
    assert "UP_FOR_RETRY" not in result.output
    assert sandbox.requests == []


@pytest.mark.parametrize("value", ["{{ params.dry }}", True, "True"])
def test_validate_only_sends_nothing_and_says_so(new_dag, run, sandbox, value):
    """An event that is only checked counts as zero sent."""
    with new_dag(params={"dry": True}) as dag:
        BrevoCreateEventOperator(task_id="send", validate_only=value, **EVENT)
    result = run(dag)
    assert result.xcoms["send"] == [{"event_name": "order_completed", "events_sent": 0}]
    assert sandbox.requests == []
    assert "It was not sent" in result.output


def test_validate_only_needs_no_connection(monkeypatch):
    """Events can be checked where no connection exists, in a test of DAGs say."""
    monkeypatch.delenv("AIRFLOW_CONN_BREVO_DEFAULT", raising=False)
    operator = BrevoCreateEventOperator(task_id="send", validate_only=True, brevo_conn_id="brevo_nowhere", **EVENT)
    assert operator.execute(context()) == {"event_name": "order_completed", "events_sent": 0}


def test_without_validation_unknown_fields_pass(new_dag, run, sandbox):
    """validate=False leaves the judgement to Brevo."""
    with new_dag() as dag:
        BrevoCreateEventOperator(
            task_id="send", event_name="a b", identifiers={"new_id": "1"}, validate=False, retries=0
        )
    assert run(dag).states["send"] == "failed"
    assert b'"new_id":"1"' in sandbox.requests[0].body


def test_at_most_once_without_retries_needs_no_record(new_dag, run, sandbox):
    """With retries=0 at_most_once works on every version, and an uncertain fate is reported instead of repeated."""
    sandbox.add_fault("reset,times=1,taken")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", delivery="at_most_once", retries=0, **EVENT)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "may have been taken all the same" in result.output
    assert len(sandbox.requests) == 1


def test_at_most_once_sends_again_what_was_certainly_not_taken(new_dag, run, sandbox, airflow_version):
    """With a record, retries are for what Brevo certainly did not take; without one they are refused before sending."""
    sandbox.add_fault("unknown-ip,times=1")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", delivery="at_most_once", **EVENT, **TWO_TRIES)
    result = run(dag)
    if airflow_version >= (3, 3):
        assert result.states["send"] == "success"
        assert len(sandbox.events) == 1
    else:
        assert result.states["send"] == "failed"
        assert "at_most_once can't be promised for a task with retries" in result.output
        assert sandbox.requests == []


def test_at_most_once_never_sends_an_uncertain_event_again(new_dag, run, sandbox, airflow_version):
    """An uncertain fate ends the task without the retries that it has."""
    if airflow_version < (3, 3):
        pytest.skip("needs the task state store of Airflow 3.3")
    sandbox.add_fault("reset,times=1,taken")
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", delivery="at_most_once", **EVENT, **TWO_TRIES)
    assert run(dag).states["send"] == "failed"
    assert len(sandbox.requests) == 1


class Store(dict):
    """A state store in memory, with the two methods of Airflow's."""

    set = dict.__setitem__


def context(**entries):
    """Return what a task's context holds, as far as the operator asks for it."""
    return {"ti": SimpleNamespace(try_number=2, max_tries=1), **entries}


@pytest.mark.parametrize(
    ("record", "sends", "returned"),
    [
        (None, 1, 1),
        ({"state": "not_taken", "try": 1, "max_tries": 1}, 1, 1),
        ({"state": "taken", "try": 1, "max_tries": 1}, 0, 1),
        ({"state": "in_flight", "try": 1, "max_tries": 1}, 0, None),
        ({"state": "in_flight", "try": 1, "max_tries": 0}, 1, 1),  # cleared since
        ({"state": "taken", "try": 1, "max_tries": 0}, 1, 1),  # cleared since
    ],
)
def test_the_record_of_an_earlier_try_decides(sandbox, record, sends, returned):
    """An event recorded as taken or in flight is not sent again, unless somebody has cleared the task since."""
    store = Store({"brevo_create_event": record} if record else {})
    operator = BrevoCreateEventOperator(task_id="send", delivery="at_most_once", retries=1, **EVENT)
    if returned is None:
        with pytest.raises(AirflowFailException, match="Try 1 sent this event"):
            operator.execute(context(task_state_store=store))
    else:
        assert operator.execute(context(task_state_store=store))["events_sent"] == returned
        assert store["brevo_create_event"]["state"] == "taken"
    assert len(sandbox.events) == sends


@pytest.mark.parametrize("sending", ["validate_only", "on"])
def test_what_was_not_sent_is_not_recorded(sandbox, monkeypatch, sending):
    """Neither an event that is only checked nor one that is refused leaves a record that it may have been sent."""
    connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, "extra": {"sending": sending}}
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
    event = EVENT if sending == "validate_only" else {**EVENT, "event_date": "yesterday"}
    operator = BrevoCreateEventOperator(task_id="send", delivery="at_most_once", retries=1, **event)
    store = Store()
    if sending == "validate_only":
        assert operator.execute(context(task_state_store=store))["events_sent"] == 0
    else:
        with pytest.raises(AirflowFailException):
            operator.execute(context(task_state_store=store))
    assert store == {}
    assert sandbox.requests == []


def test_a_connection_that_cant_be_read_now_is_not_recorded_either(sandbox, monkeypatch):
    """A secrets backend that is down leaves no record, so the next try sends the event."""
    operator = BrevoCreateEventOperator(task_id="send", delivery="at_most_once", retries=1, **EVENT)
    store = Store()

    def down(*args):  # noqa: ARG001 # it takes anything
        raise ConnectionError("the vault is down")

    with monkeypatch.context() as patch:
        patch.setattr("airflow_provider_brevo.hooks.brevo.BrevoHook.get_connection", down)
        with pytest.raises(ConnectionError):
            operator.execute(context(task_state_store=store))
    assert operator.execute(context(task_state_store=store))["events_sent"] == 1
    assert len(sandbox.events) == 1


def test_what_is_returned_is_what_was_sent(new_dag, run, sandbox):
    """An Enum as name is sent as its value, and returned so: nothing after the request depends on what was given."""
    name = Enum("Names", {"ORDER": "order_completed"}).ORDER
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", event_name=name, identifiers={"ext_id": "17"})
    result = run(dag)
    assert result.xcoms["send"] == [{"event_name": "order_completed", "events_sent": 1}]
    assert len(sandbox.events) == 1


def test_a_task_that_airflow_may_retry_raises_the_typed_error(sandbox):
    """Callbacks and retry policies get Brevo's error, with its attributes."""
    sandbox.add_fault("429,reset=600")
    operator = BrevoCreateEventOperator(task_id="send", **EVENT)
    with pytest.raises(BrevoRateLimitError) as caught:
        operator.execute(context())
    assert caught.value.retry_after == 600


@pytest.mark.parametrize(
    ("run_type", "dated", "warned"), [("backfill", False, True), ("backfill", True, False), ("manual", False, False)]
)
def test_a_backfill_without_a_date_is_warned_about(sandbox, caplog, capfd, run_type, dated, warned):
    """Brevo would date the past as now, so a backfill's event without event_date is pointed out."""
    date = "2026-03-01T14:30:00Z" if dated else None
    operator = BrevoCreateEventOperator(task_id="send", event_date=date, **EVENT)
    operator.execute(context(dag_run=SimpleNamespace(run_type=run_type)))
    log = caplog.text + "".join(capfd.readouterr())
    assert ("This is a backfill" in log) is warned
    assert len(sandbox.events) == 1
