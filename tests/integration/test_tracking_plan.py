"""A team's own rules for event_properties, in DAGs on real Airflow."""

import importlib.util
import json
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator, BrevoCreateEventOperator

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "tracking_plan.py"
SECRET = "jane.doe@example.com"
IDENTIFIERS = {"ext_id": "17"}


def example(name):
    """Return a DAG of the example's file."""
    spec = importlib.util.spec_from_file_location("tracking_plan_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)()


def bodies(sandbox):
    """Return what arrived, by event name."""
    return {event.body["event_name"]: event.body for event in sandbox.events}


@pytest.fixture
def plan_file(tmp_path):
    """Write a plan of one event."""
    path = tmp_path / "plan_of_orders.json"
    path.write_text(json.dumps({"order_completed": {"required": ["total"], "additionalProperties": True}}))
    return path


def test_the_example_keeps_to_its_plan(sandbox, run):
    """What the plan allows arrives unchanged, from a file by name and from a dict."""
    result = run(example("tracking_plan"))
    assert set(result.states.values()) == {"success"}
    arrived = bodies(sandbox)
    assert repr(arrived["order_completed"]["event_properties"]) == repr(
        {"order_id": "00123", "total": 42.5, "currency": "EUR"}
    )
    assert repr(arrived["cart_updated"]["event_properties"]) == repr({"items": 2})
    assert repr(arrived["orders_counted"]["event_properties"]) == repr({"orders": 2})


def test_an_event_that_leaves_the_plan_is_not_sent(sandbox, run, new_dag, plan_file):
    """The task fails without a retry, and says where and why, without a value."""
    with new_dag() as dag:
        BrevoCreateEventOperator(
            task_id="send",
            event_name="order_completed",
            identifiers=IDENTIFIERS,
            event_properties={"totel": SECRET},
            properties_schema=str(plan_file),
            retries=2,
        )
    result = run(dag)
    assert result.states == {"send": "failed"}
    assert sandbox.requests == []
    assert "/event_properties/total is missing: add it, as the tracking plan asks for it" in result.output
    assert "The event was not sent, for 1 reason" in result.output


def test_many_events_that_leave_the_plan_are_skipped(sandbox, run, new_dag, tmp_path, plan_file):
    """Rejected events of a bulk task carry the plan's reasons; the path of the plan is a template."""
    given = [
        {"event_name": "order_completed", "identifiers": IDENTIFIERS, "event_properties": {"total": 1}},
        {"event_name": "order_completed", "identifiers": IDENTIFIERS},
        {"event_name": "order_complete", "identifiers": IDENTIFIERS, "event_properties": {"total": 1}},
    ]
    with new_dag(params={"plan": "plan_of_orders"}) as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send",
            events=given,
            properties_schema=f"{plan_file.parent}/{{{{ params.plan }}}}.json",
            on_invalid="skip",
            max_rejected=2,
            rejected_path=tmp_path / "rejected",
        )
    result = run(dag)
    assert result.states == {"send": "success"}, result.output
    assert [event.body["event_properties"] for event in sandbox.events] == [{"total": 1}]
    (file,) = (tmp_path / "rejected").rglob("*.jsonl")
    rejected = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["index"], one["reasons"]) for one in rejected] == [
        (1, ["/event_properties/total is missing: add it, as the tracking plan asks for it"]),
        (2, ["/event_name is not in the tracking plan: did you mean 'order_completed'?"]),
    ]
    assert result.rendered["send"][0]["properties_schema"] == str(plan_file)


def test_a_dict_is_not_rendered(sandbox, run, new_dag):
    """A schema may hold what looks like a template; another task's schema is taken as it is, too."""
    with new_dag() as dag:
        BrevoCreateEventOperator(
            task_id="send",
            event_name="coded",
            identifiers=IDENTIFIERS,
            event_properties={"other": 1},
            properties_schema={"title": "{{ no_such_name }}{% if", "required": ["other"]},
        )
        BrevoCreateEventOperator.partial(
            task_id="mapped", event_name="coded", identifiers=IDENTIFIERS, event_properties={"code": "x"}
        ).expand(properties_schema=[{"required": ["code"]}, {"properties": {"code": {"not": {"const": "{{ x }}"}}}}])
    result = run(dag)
    assert set(result.states.values()) == {"success"}, result.output
    assert len(sandbox.events) == 3


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ({"type": "objekt"}, "properties_schema is no JSON Schema"),
        ({"$ref": "https://example.com/plan.json"}, "nothing is fetched"),
        ("https://example.com/plan.json", "properties_schema is a URL of the scheme https"),
        (5, "properties_schema is no path"),
    ],
    ids=str,
)
def test_a_plan_that_cant_be_used_is_told_before_sending(sandbox, run, new_dag, plan, problem):
    """Both operators say what is wrong with the plan, and send nothing."""
    event = {"event_name": "order_completed", "identifiers": IDENTIFIERS}
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="one", properties_schema=plan, **event)
        BrevoBulkCreateEventsOperator(task_id="many", properties_schema=plan, events=[event])
    result = run(dag)
    assert result.states == {"one": "failed", "many": "failed"}
    assert sandbox.requests == []
    assert result.output.count(problem) >= 2


def test_a_plan_that_isnt_there_yet_is_waited_for(sandbox, run, new_dag, tmp_path):
    """A file that can't be opened is left to the task's retries."""
    event = {"event_name": "order_completed", "identifiers": IDENTIFIERS}
    with new_dag() as dag:
        options = {"properties_schema": str(tmp_path / "absent.json"), "retries": 1, "retry_delay": timedelta(0)}
        BrevoCreateEventOperator(task_id="one", **options, **event)
        BrevoBulkCreateEventsOperator(task_id="many", **options, events=[event])
    result = run(dag)
    assert set(result.states.values()) <= {"failed", "up_for_retry"}
    assert sandbox.requests == []
    assert "absent.json does not exist" in result.output
    assert "AirflowFailException" not in result.output


def test_the_guide_prints_the_plan_of_the_example():
    """The file that the guide shows is the one that the example uses."""
    root = EXAMPLE.parents[1]
    guide = (root / "docs" / "guides" / "tracking-plan.md").read_text(encoding="utf-8")
    assert f"```json\n{EXAMPLE.with_suffix('.json').read_text(encoding='utf-8')}```" in guide
