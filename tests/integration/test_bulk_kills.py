"""Bulk tasks that get SIGTERM, as from a worker that shuts down or a task that is marked as failed. Real DAG runs."""

import os
import signal
import threading
import time
from datetime import timedelta

import pytest

from airflow_provider_brevo.decorators.brevo import brevo_events
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

COUNT = 80


def events():
    """Return events that can be told apart."""
    return [{"event_name": "paid", "identifiers": {"ext_id": "17"}, "event_properties": {"n": n}} for n in range(COUNT)]


@pytest.fixture
def _terminate(sandbox):
    """Send SIGTERM to this process, where Airflow runs the task, once events have arrived; then let Brevo be quick."""
    previous = signal.getsignal(signal.SIGTERM)
    sandbox.add_fault("hang,seconds=0.1")

    def terminate():
        while len(sandbox.events) < 5 and not over.is_set():
            time.sleep(0.005)
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
            sandbox.clear_faults()

    over = threading.Event()
    thread = threading.Thread(target=terminate)
    thread.start()
    yield
    over.set()
    thread.join()
    signal.signal(signal.SIGTERM, previous)


@pytest.mark.usefixtures("_terminate")
@pytest.mark.parametrize("kind", ["operator", "decorator"])
def test_a_task_that_gets_sigterm_is_gone_on_with(new_dag, run, run_again, sandbox, tmp_path, airflow_version, kind):
    """From Airflow 3 on nothing is sent twice, and nothing uncertain, by Airflow's own signal handler and retry.

    Airflow 2 ends the task in the middle of whatever it does.
    """
    in_order = airflow_version >= (3, 0)
    how = {
        "task_id": "send",
        "batch_size": 1,
        "max_in_flight": 2,
        "delivery": "at_most_once" if in_order else "at_least_once",
        "on_invalid": "skip",
        "checkpoint_path": str(tmp_path),
        "retries": 1,
        "retry_delay": timedelta(0),
    }
    with new_dag() as dag:
        if kind == "operator":
            BrevoBulkCreateEventsOperator(events=events(), **how)
        else:
            brevo_events(**how)(events)()
    if in_order:
        result = run(dag)
        assert "The task was stopped after Brevo took" in result.output
    else:  # and with it dag.test()
        with pytest.raises(BaseException, match="Task received SIGTERM signal"):
            run(dag)
        result = run_again(dag)
    assert result.states["send"] == "success"
    arrived = sorted(event.body["event_properties"]["n"] for event in sandbox.events)
    assert (arrived if in_order else sorted(set(arrived))) == list(range(COUNT))
    (value,) = result.xcoms["send"]
    assert (value["accepted"], value["uncertain"]) == (COUNT, 0)
