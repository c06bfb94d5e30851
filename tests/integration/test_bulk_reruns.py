"""Retries, clearing and waiting of bulk tasks: what is sent again, and what isn't. Real DAG runs."""

import json
import sqlite3
from datetime import timedelta

import pytest

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
TWO_TRIES = {"retries": 1, "retry_delay": timedelta(0)}


def events(count, name="order_completed"):
    """Return events that can be told apart."""
    return [
        {"event_name": name, "identifiers": {"ext_id": "private-17"}, "event_properties": {"n": n}}
        for n in range(count)
    ]


def numbers(sandbox):
    """Return which events arrived, sorted."""
    return sorted(event.body["event_properties"]["n"] for event in sandbox.events)


@pytest.fixture
def kept(airflow_version, tmp_path):
    """Return the argument that makes a checkpoint last: none on Airflow 3.3, which has a place for it."""
    return {} if airflow_version >= (3, 3) else {"checkpoint_path": str(tmp_path / "checkpoints")}


@pytest.fixture
def _one_at_a_time(monkeypatch, sandbox):
    """Connect without retries inside of a try, so that each fault ends one."""
    connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, "extra": {"max_retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))


@pytest.mark.usefixtures("_one_at_a_time")
def test_a_retry_goes_on_where_the_last_try_ended(new_dag, run, sandbox, kept):
    """What Brevo took is not sent again, and the result counts all tries."""
    sandbox.add_fault("unknown-ip,times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send", events=events(10), batch_size=2, max_in_flight=1, **kept, **TWO_TRIES
        )
    result = run(dag)
    assert result.states["send"] == "success"
    assert numbers(sandbox) == list(range(10))
    (value,) = result.xcoms["send"]
    assert (value["total"], value["accepted"], value["requests"]) == (10, 10, 6)


@pytest.mark.usefixtures("_one_at_a_time")
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_what_may_have_been_taken_is_sent_again_or_reported(new_dag, run, sandbox, kept, delivery):
    """at_least_once repeats the batch whose answer was lost; at_most_once names its events and fails."""
    sandbox.add_fault("close,times=1,taken")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send", events=events(6), batch_size=2, max_in_flight=1, delivery=delivery, **kept, **TWO_TRIES
        )
    result = run(dag)
    if delivery == "at_least_once":
        assert result.states["send"] == "success"
        assert numbers(sandbox) == [0, 0, 1, 1, 2, 3, 4, 5]
        return
    assert result.states["send"] == "failed"
    assert numbers(sandbox) == [0, 1, 2, 3, 4, 5]
    assert "of 2 nobody knows whether Brevo took them: events 0" in result.output
    (value,) = result.xcoms["send"]
    assert (value["accepted"], value["uncertain"]) == (4, 2)


def test_without_a_checkpoint_a_retry_starts_anew_and_that_is_said(new_dag, run, sandbox, airflow_version):
    """Before Airflow 3.3, and without checkpoint_path, the log says what a retry will do."""
    if airflow_version >= (3, 3):
        pytest.skip("keeps the checkpoint by itself")
    sandbox.add_fault("unknown-ip,times=2")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=events(2), **TWO_TRIES)
    result = run(dag)
    assert "Nothing records what was sent beyond this try" in result.output
    assert "This is try 2, and memory holds no checkpoint" in result.output


def test_at_most_once_is_refused_without_a_checkpoint(new_dag, run, sandbox, airflow_version):
    """What can't be promised is refused before anything is sent."""
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=events(2), delivery="at_most_once", **TWO_TRIES)
    result = run(dag)
    if airflow_version >= (3, 3):
        assert result.states["send"] == "success"
        return
    assert result.states["send"] == "failed"
    assert "at_most_once needs a checkpoint that survives the process" in result.output
    assert sandbox.requests == []


@pytest.mark.parametrize(("on_rerun", "sent", "accepted"), [("send", 6, 3), ("skip", 3, 0)])
def test_a_finished_task_that_is_cleared(new_dag, run, run_again, sandbox, kept, on_rerun, sent, accepted):
    """All is sent again, or nothing, as on_rerun says."""
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=events(3), on_rerun=on_rerun, **kept)
    assert run(dag).xcoms["send"][0]["accepted"] == 3
    result = run_again(dag)
    assert result.states["send"] == "success"
    assert len(sandbox.events) == sent
    (value,) = result.xcoms["send"]
    assert (value["accepted"], value["skipped"]) == (accepted, 3 - accepted)


@pytest.mark.usefixtures("_one_at_a_time")
def test_an_unfinished_task_that_is_cleared_goes_on(new_dag, run, run_again, sandbox, kept):
    """Clearing resumes an unfinished checkpoint, as a retry does."""
    sandbox.add_fault("partial,indices=0,times=1")
    sandbox.add_fault("unknown-ip,times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send", events=events(6), batch_size=2, max_in_flight=1, max_rejected=1, **kept
        )
    assert run(dag).states["send"] == "failed"
    assert {1, 2, 3}.intersection(numbers(sandbox)) == {1}
    result = run_again(dag)
    assert result.states["send"] == "success"
    assert numbers(sandbox) == [1, 2, 3, 4, 5]
    (value,) = result.xcoms["send"]
    assert (value["total"], value["accepted"], value["rejected"]) == (6, 5, 1)


@pytest.mark.usefixtures("_one_at_a_time")
@pytest.mark.parametrize("cleared", [False, True])
def test_a_source_that_has_changed(new_dag, run, run_again, sandbox, kept, tmp_path, cleared):
    """A retry refuses it; after a clear it is sent from the beginning, with a warning."""
    path = tmp_path / "events.jsonl"

    def write(name):
        path.write_text("".join(json.dumps(event) + "\n" for event in events(4, name)), encoding="utf-8")

    write("before")
    # The first batch is taken; then the source changes and the try ends.
    sandbox.add_fault("partial,indices=0,times=1")
    sandbox.add_fault("unknown-ip,times=1")
    retries = {} if cleared else {"retries": 1, "retry_delay": timedelta(0)}
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send",
            path=str(path),
            batch_size=2,
            max_in_flight=1,
            **kept,
            **retries,
            **({} if cleared else {"on_retry_callback": lambda _: write("after")}),
        )
    result = run(dag)
    assert result.states["send"] == "failed"
    if not cleared:
        assert "events at its beginning have changed" in result.output
        assert {event.body["event_name"] for event in sandbox.events} == {"before"}
        return
    write("after")
    result = run_again(dag)
    assert result.states["send"] == "success"
    assert "The task was cleared, so all events are sent from the beginning" in result.output
    assert [event.body["event_name"] for event in sandbox.events].count("after") == 4


def test_at_most_once_may_start_after_a_clear_where_nothing_was_sent(
    new_dag, run, run_again, sandbox, kept, monkeypatch
):
    """A try that failed before it began leaves no checkpoint; clearing the task lets it begin."""
    monkeypatch.setenv("AIRFLOW_VAR_CONNECTION", "brevo_nowhere")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send",
            events=events(2),
            delivery="at_most_once",
            brevo_conn_id="{{ var.value.connection }}",
            **kept,
        )
    assert run(dag).states["send"] == "failed"
    monkeypatch.setenv("AIRFLOW_VAR_CONNECTION", "brevo_default")
    assert run_again(dag).states["send"] == "success"
    assert numbers(sandbox) == [0, 1]


def test_a_long_wait_for_the_limit_is_spent_without_a_worker(new_dag, run, sandbox, kept):
    """The task defers, the trigger hands its progress back, and every event arrives once."""
    sandbox.add_fault("429,reset=3,times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send", events=events(6), batch_size=2, deferrable=True, defer_after=2.5, **kept
        )
    result = run(dag)
    assert result.states["send"] == "success"
    assert "The worker's slot is free until then" in result.output
    assert numbers(sandbox) == list(range(6))
    (value,) = result.xcoms["send"]
    assert (value["total"], value["accepted"]) == (6, 6)
    assert result.rendered["send"][0]["events"] == "<6 events, not shown>"
    assert "private-17" not in result.output


def test_the_wait_goes_on_without_any_checkpoint(new_dag, run, sandbox):
    """The trigger carries the progress, so a deferral needs neither a store nor a path."""
    sandbox.add_fault("429,reset=3,times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send", events=events(4), batch_size=2, max_in_flight=1, deferrable=True, defer_after=1
        )
    result = run(dag)
    assert result.states["send"] == "success"
    assert numbers(sandbox) == list(range(4))


def test_a_checkpoint_holds_nothing_personal(new_dag, run, sandbox, kept, airflow_version, tmp_path):
    """It is numbers and a digest, wherever it is kept."""
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=events(3), **kept)
    result = run(dag)
    if airflow_version >= (3, 3):
        with sqlite3.connect(result.database) as connection:
            text = str(connection.execute("select * from task_state_store where dag_id=?", (dag.dag_id,)).fetchall())
    else:
        (file,) = (tmp_path / "checkpoints").rglob("*.checkpoint.json")
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
    assert "planned" in text
    assert "private-17" not in text
    assert len(sandbox.events) == 3
