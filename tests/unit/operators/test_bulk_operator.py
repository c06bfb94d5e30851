"""The bulk operator by itself: counters, tries, warnings. Whole runs are in tests/integration."""

import copy
import json
import threading
import time
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_brevo import _compat
from airflow_provider_brevo.core.checkpoint import InFile, Progress
from airflow_provider_brevo.exceptions import BrevoBulkError, BrevoUnrecognisedIPError
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator
from airflow_provider_brevo.sandbox import Sandbox
from airflow_provider_brevo.templating import HiddenRows

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


def events(count, **more):
    """Return events."""
    return [{"event_name": "paid", "identifiers": {"ext_id": "17"}, **more} for _ in range(count)]


class TaskInstance(SimpleNamespace):
    """What the operator asks of a task instance."""

    def xcom_push(self, key, value):
        self.pushed = {key: value}


class Store(dict):
    """A state store in memory, with the two methods of Airflow's."""

    set = dict.__setitem__


@pytest.fixture
def sandbox(monkeypatch):
    """Run a sandbox, with the connection brevo_default leading to it."""
    with Sandbox(api_key=KEY) as running:
        connection = {"conn_type": "brevo", "host": running.url, "password": KEY, "extra": {"max_retries": 2}}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def counted(monkeypatch):
    """Collect what Airflow's counters are told."""
    counts = {}
    monkeypatch.setattr(_compat, "count", lambda name, by: counts.update({name: counts.get(name, 0) + by}))
    return counts


def context(**more):
    """Return a task's context with a state store."""
    ti = TaskInstance(dag_id="d", run_id="r", task_id="send", map_index=-1, try_number=1, max_tries=0)
    return {"ti": ti, "task_state_store": Store(), **more}


def operator(**options):
    """Make the operator."""
    return BrevoBulkCreateEventsOperator(task_id="send", **options)


def test_counters_add_up_over_tries(sandbox, counted):
    """Each event is counted by the try that settled it, once; throttling and what is uncertain too."""
    sandbox.add_fault("429,retry_after=0,times=1")
    sandbox.add_fault("close,taken,times=1")
    sandbox.add_fault("partial,indices=0,times=1")
    sandbox.add_fault("unknown-ip,times=1")
    given = context()
    given["ti"].max_tries = 1
    send = operator(events=events(10), batch_size=2, max_in_flight=1, delivery="at_most_once", retries=1)
    with pytest.raises(BrevoUnrecognisedIPError):
        send.execute(given)
    with pytest.raises(AirflowFailException, match="nobody knows"):
        send.execute(given)
    assert counted == {
        "brevo.events.accepted": 7,
        "brevo.events.rejected": 1,
        "brevo.events.uncertain": 2,
        "brevo.requests.throttled": 1,
    }
    assert given["ti"].pushed["result"]["accepted"] == 7


def test_invalid_events_are_counted(sandbox, counted):
    """Events that were never sent are rejected ones."""
    with pytest.raises(AirflowFailException):
        operator(events=events(2, event_date="yesterday")).execute(context())
    assert counted == {"brevo.events.rejected": 2}
    assert sandbox.requests == []


def test_airflows_counters_are_told(monkeypatch):
    """Every version has a place for counters, and takes ours."""
    from airflow.providers.common.compat.sdk import Stats  # noqa: PLC0415 # as in the package

    told = []
    monkeypatch.setattr(Stats, "incr", lambda *args: told.append(args), raising=False)
    _compat.count("brevo.events.accepted", 3)
    assert told == [("brevo.events.accepted", 3)]


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "expected"),
    [(1, 0, 0, 1), (1, 2, 2, 1), (3, 2, 2, 3), (4, 5, 2, 1), (5, 5, 2, 2), (2, 1, 0, 1), (1, 3, 0, 1), (1, 0, 5, 1)],
)
def test_tries_count_from_the_last_clear(try_number, max_tries, retries, expected):
    """Clearing raises max_tries by what was used, so the first try after it counts as the first."""
    given = context()
    given["ti"].try_number, given["ti"].max_tries = try_number, max_tries
    assert operator(events=[], retries=retries)._attempt(given).try_number == expected


@pytest.mark.parametrize(
    ("deferrable", "by_default", "defers"),
    [(True, "False", True), (None, "True", True), (False, "True", False), (None, "False", False)],
)
def test_deferring_follows_the_argument_and_then_the_configuration(
    sandbox, monkeypatch, deferrable, by_default, defers
):
    """deferrable=None means what [operators] default_deferrable says."""
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", by_default)
    sandbox.add_fault("429,reset=3,times=1")
    send = operator(events=events(2), deferrable=deferrable, defer_after=1)
    if not defers:
        assert send.execute(context())["accepted"] == 2
        return
    with pytest.raises(TaskDeferred) as caught:
        send.execute(context())
    assert caught.value.method_name == "execute_complete"
    assert not caught.value.kwargs
    _, arguments = caught.value.trigger.serialize()
    result = send.execute_complete(context(), {"progress": arguments["progress"]})
    assert (result["accepted"], result["total"]) == (2, 2)
    assert len(sandbox.events) == 2


def test_an_event_without_progress_ends_the_task(sandbox):
    """What no trigger of ours has sent is refused rather than taken for a beginning."""
    with pytest.raises(AirflowFailException, match="the trigger's event holds is no checkpoint"):
        operator(events=events(2)).execute_complete(context(), {"status": "done"})
    assert sandbox.requests == []


def test_the_store_of_airflow_goes_before_a_folder(sandbox, tmp_path):
    """With a task state store nothing is written to checkpoint_path; without, it is."""
    send = operator(events=events(1), checkpoint_path=tmp_path)
    with_store = context()
    send.execute(with_store)
    assert list(with_store["task_state_store"]) == ["brevo_bulk"]
    assert list(tmp_path.iterdir()) == []
    send.execute(context(task_state_store=None))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert InFile(file).load().accepted == 1
    assert len(sandbox.events) == 2


def test_the_module_of_the_single_event_has_the_bulk_operator_too():
    """One import line serves both."""
    assert BrevoBulkCreateEventsOperator.__module__ == "airflow_provider_brevo.operators.bulk"
    assert set(BrevoBulkCreateEventsOperator.row_fields) <= set(BrevoBulkCreateEventsOperator.template_fields)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([{"a": "private"}], "<1 event, not shown>"),
        (({},) * 3, "<3 events, not shown>"),
        ([], "<0 events, not shown>"),
        ("private", "<a str, not shown>"),
        (17, "<a int, not shown>"),
    ],
)
def test_rows_show_their_number_only(value, shown):
    """Whatever Airflow asks for, text or something to store, it gets the number."""
    rows = HiddenRows(value)
    assert str(rows) == repr(rows) == rows.serialize() == shown
    assert bool(rows) is bool(value)
    assert rows.value is value


def test_rows_are_rendered_once(sandbox):
    """Rendering again, as after a deferral in one process, keeps what is hidden hidden."""
    send = operator(events=events(2))
    for _ in range(2):
        send.render_template_fields({})
        assert str(send.events) == "<2 events, not shown>"
    assert send.execute(context())["accepted"] == 2
    assert len(sandbox.events) == 2


def test_progress_of_an_earlier_try_is_not_counted_again(counted):
    """A checkpoint brings what earlier tries have counted."""
    from airflow_provider_brevo.operators._bulk import _Counters  # noqa: PLC0415 # of the module

    counters, progress = _Counters(), Progress(accepted=5)
    counters(progress)
    progress.accepted = 8
    counters(progress)
    counters(Progress(accepted=1))
    assert counted == {"brevo.events.accepted": 3}


def test_a_task_that_is_killed_ends_in_order(sandbox):
    """Airflow's signal handler calls on_kill and nothing else: nothing more is sent, and a retry sends the rest."""
    sandbox.add_fault("hang,seconds=0.1")
    given = context()
    many = [{**event, "event_properties": {"n": n}} for n, event in enumerate(events(60))]
    send = operator(events=many, batch_size=1, max_in_flight=2, delivery="at_most_once", retries=1)
    copied = copy.copy(send)

    def kill():
        while not sandbox.events:
            time.sleep(0.01)
        copied.on_kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(BrevoBulkError, match="The task was stopped after Brevo took"):
        copied.execute(given)
    thread.join()
    assert 0 < len(sandbox.events) < 60
    sandbox.clear_faults()
    assert send.execute(given)["accepted"] == 60
    assert sorted(event.body["event_properties"]["n"] for event in sandbox.events) == list(range(60))


def test_what_stops_a_task_is_no_part_of_it():
    """It is neither stored with the DAG nor in the way of copies."""
    send = operator(events=[])
    before = set(vars(send))
    copied = copy.deepcopy(send)
    copied.on_kill()
    assert set(vars(send)) == before
    assert set(vars(copied)) - before == {"_killed"}
