"""Events from callbacks: real DAG runs, what arrives by value and type, and what a failure leaves alone."""

import logging
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import task

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # before Airflow 3.2
    from airflow.models.dagbag import DagBag

from airflow_provider_brevo import _compat
from airflow_provider_brevo.notifications.brevo import BrevoNotifier, send_brevo_notification

EXAMPLES = Path(__file__).parents[2] / "example_dags"
ADDRESS = "jane.private@example.com"
FAILED = "Brevo was not notified, and nothing else is affected."


@task(retries=0)
def work(fail=False):  # noqa: FBT002 # as a DAG's author would write it
    """Succeed or fail."""
    if fail:
        raise FileNotFoundError


def notifier(**options):
    """Make the notifier under test."""
    return BrevoNotifier(
        **{
            "event_name": "task_ended",
            "identifiers": {"email_id": ADDRESS},
            "event_properties": {"task": "{{ ti.task_id }}", "tries": "{{ ti.try_number }}", "zip": "00123"},
            **options,
        }
    )


@pytest.fixture
def logged(caplog):
    """Return what a run logged: Airflow 2 writes lines that aren't a task's elsewhere."""
    caplog.set_level(logging.INFO)

    def logged(result):
        return result.output if _compat.airflow_version() >= "3" else result.output + caplog.text

    return logged


def bodies(sandbox):
    """Return what arrived."""
    return [event.body for event in sandbox.events]


def same(actual, expected):
    """Compare values and types: 42 is not 42.0, and True is not 1."""
    assert repr(actual) == repr(expected)


@pytest.mark.parametrize(
    ("callback", "fail", "options", "arrived"),
    [
        ("on_success_callback", False, {}, 1),
        ("on_failure_callback", True, {}, 1),
        ("on_retry_callback", True, {"retries": 1, "retry_delay": 0}, 1),
        ("on_execute_callback", False, {}, 1),
        ("on_failure_callback", False, {}, 0),
    ],
)
def test_a_tasks_callback_sends_an_event(new_dag, run, sandbox, logged, callback, fail, options, arrived):
    """It says which task it was with the types of Airflow's context, and the task ends as it would without it."""
    with new_dag() as dag:
        work.override(**{callback: notifier()}, **options)(fail=fail)
    result = run(dag)
    assert result.states["work"] == ("failed" if fail else "success")
    same(
        bodies(sandbox),
        [
            {
                "event_name": "task_ended",
                "identifiers": {"email_id": ADDRESS},
                "event_properties": {"task": "work", "tries": 1, "zip": "00123"},
            }
        ]
        * arrived,
    )
    assert logged(result).count("Brevo took the event task_ended of a callback.") == arrived
    assert ADDRESS not in logged(result)


@pytest.mark.parametrize("fail", [False, True])
def test_a_dags_callback_sends_an_event(new_dag, run, sandbox, fail):
    """Of the run as a whole, whether it succeeded or failed."""
    properties = {"dag": "{{ dag.dag_id }}", "manual": "{{ run_id.startswith('manual') }}"}
    options = {
        f"on_{outcome}_callback": notifier(event_name=f"run_{outcome}", event_properties=properties)
        for outcome in ("success", "failure")
    }
    with new_dag(**options) as dag:
        work(fail=fail)
    run(dag)
    same(
        bodies(sandbox),
        [
            {
                "event_name": "run_failure" if fail else "run_success",
                "identifiers": {"email_id": ADDRESS},
                "event_properties": {"dag": dag.dag_id, "manual": True},
            }
        ],
    )


def test_one_notifier_serves_many_tasks(new_dag, run, sandbox):
    """Rendering for one task leaves the templates for the next, as in default_args."""
    with new_dag(default_args={"on_success_callback": notifier(event_properties={"task": "{{ ti.task_id }}"})}) as dag:
        work.override(task_id="first")() >> work.override(task_id="second")()
    run(dag)
    assert [body["event_properties"] for body in bodies(sandbox)] == [{"task": "first"}, {"task": "second"}]


def test_values_that_are_false_arrive_too(new_dag, run, sandbox, logged):
    """A template that gives nothing, zero or an empty object is rendered; some versions of Airflow skip those."""
    properties = {"zero": "{{ 0 }}", "no": "{{ false }}", "empty": "{{ '' }}"}
    with new_dag() as dag:
        work.override(
            on_success_callback=[
                notifier(event_properties="{{ {} }}", event_date="{{ none }}", contact_properties="{{ none }}"),
                notifier(event_properties=properties, object="{{ none }}"),
            ]
        )()
    assert FAILED not in logged(run(dag))
    same(
        [body.get("event_properties") for body in bodies(sandbox)],
        [{}, {"zero": 0, "no": False, "empty": ""}],
    )
    assert all(set(body) == {"event_name", "identifiers", "event_properties"} for body in bodies(sandbox))


def test_a_dags_own_macros_keep_types_in_the_sandbox(new_dag, run, sandbox):
    """Also in a DAG with native rendering, whose environment has no sandbox."""
    macros = {"user_defined_macros": {"total": lambda: 42.5}, "render_template_as_native_obj": True}
    with new_dag(**macros) as dag:
        work.override(on_success_callback=notifier(event_properties={"total": "{{ total() }}", "zip": "00123"}))()
    run(dag)
    same([body["event_properties"] for body in bodies(sandbox)], [{"total": 42.5, "zip": "00123"}])


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize(
    ("options", "fault", "said", "requests"),
    [
        ({"event_properties": {"a": "{{ missing }}"}}, None, "/event_properties/a names 'missing'", 0),
        ({"event_properties": {"a": "{{ 1 / 0 }}"}}, None, "can't be computed (ZeroDivisionError)", 0),
        ({"event_properties": {"a": "{{ run_id.nothing() }}"}}, None, "/event_properties/a", 0),
        ({"event_name": "a b"}, None, "for 1 reason: - /event_name must be 1 to 255 characters", 0),
        ({"brevo_conn_id": "brevo_missing"}, None, "There is no connection 'brevo_missing'", 0),
        ({"properties_schema": Path("/nowhere.json")}, None, "/nowhere.json does not exist", 0),
        ({"properties_schema": {"required": ["b"]}}, None, "/event_properties/b is missing", 0),
        ({}, "401", "Brevo does not know this key", 1),
        ({}, "echo", "Brevo found the event invalid", 1),
        ({}, "500", "Brevo has a problem", 2),
        ({}, "reset", "broke before the answer was complete", 2),
        ({}, "429,reset=600", "The rate limit is used up", 1),
    ],
)
def test_a_failure_to_notify_is_one_line_and_changes_nothing(
    new_dag, run, sandbox, logged, options, fault, said, requests, fail
):
    """The task ends as it would without, the other callback is called, and the log says why, without any value."""
    if fault:
        sandbox.add_fault(f"{fault},path=/v3/events" if requests else fault)
    told = []
    callbacks = [notifier(**options), lambda _: told.append(True)]
    with new_dag() as dag:
        work.override(on_success_callback=callbacks, on_failure_callback=callbacks)(fail=fail)
    result = run(dag)
    assert result.states["work"] == ("failed" if fail else "success")
    assert told == [True]
    log = logged(result)
    (line,) = [line for line in log.splitlines() if FAILED in line]
    assert said in line
    assert len(sandbox.requests) == requests
    for text in (ADDRESS, "0123456789abcdef", "Failed to send notification", "Failed to run task callback"):
        assert text not in log


def test_a_path_of_schemas_may_be_a_template(new_dag, run, sandbox, logged, tmp_path):
    """A schema as a dict is taken as it is written, braces and all."""
    (tmp_path / "plan.json").write_text('{"task_ended": {"required": ["zip"]}}')
    pattern = {"properties": {"zip": {"pattern": "^[0-9]{5}$", "$comment": "{{ missing }}"}}}
    with new_dag(params={"folder": str(tmp_path)}) as dag:
        work.override(
            on_success_callback=[
                notifier(properties_schema="{{ params.folder }}/plan.json"),
                notifier(properties_schema=tmp_path / "plan.json"),
                notifier(properties_schema=pattern),
            ]
        )()
    assert FAILED not in logged(run(dag))
    assert len(sandbox.events) == 3


def test_the_example_tells_of_task_and_run(sandbox, run):
    """The DAG of the guide fails, and both callbacks arrive with their types."""
    dag = DagBag(str(EXAMPLES / "notify_failure.py")).dags["notify_failure"]
    result = run(dag)
    assert result.states == {"export": "failed"}
    task_failed, run_failed = bodies(sandbox)
    same(
        task_failed,
        {
            "event_name": "export_failed",
            "identifiers": {"ext_id": "on-call"},
            "event_properties": {"task": "export", "tries": 1, "run": task_failed["event_properties"]["run"]},
        },
    )
    assert run_failed["event_name"] == "run_failed"
    assert run_failed["event_properties"]["dag"] == "notify_failure"
    assert run_failed["event_properties"]["run"] == task_failed["event_properties"]["run"]
    assert run_failed["event_properties"]["run"].startswith("manual__")
    assert send_brevo_notification is BrevoNotifier
