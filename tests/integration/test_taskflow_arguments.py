"""The arguments of functions that give events: what they get, and that nothing of it is stored. Real DAG runs."""

import json

import pytest
from airflow.providers.common.compat.sdk import get_current_context, task

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
PRIVATE = "private.example.com"


def event(n, **properties):
    """Return an event with personal data."""
    return {
        "event_name": "order_completed",
        "identifiers": {"email_id": f"jane{n}@{PRIVATE}"},
        "event_properties": {"n": n, **properties},
    }


def rows(*numbers):
    """Return flat rows with personal data, and a text that looks like a template."""
    return [{"email": f"jane{n}@{PRIVATE}", "n": n, "total": 1.5 + n, "text": "{{ run_id }}"} for n in numbers]


def to_events(table):
    """Make events of flat rows."""
    for row in table:
        yield event(row["n"], total=row["total"], text=row["text"])


def numbers(sandbox):
    """Return which events arrived, sorted."""
    return sorted(event.body["event_properties"]["n"] for event in sandbox.events)


@task(task_id="table", show_return_value_in_logs=False)
def load():
    """Return three rows, as a query would."""
    return rows(0, 1, 2)


@task(task_id="chunks", show_return_value_in_logs=False)
def chunks():
    """Return two chunks of rows."""
    return [rows(0, 1), rows(2)]


@task(task_id="arguments", show_return_value_in_logs=False)
def arguments():
    """Return arguments for two tasks."""
    return [{"table": rows(0, 1)}, {"table": rows(2)}]


FORMS = {
    "positional": (lambda send: send(load(), 1), 2, 0),
    "keyword": (lambda send: send(table=load()), 0, 1),
    "override": (lambda send: send.override(batch_size=2)(table=load()), 0, 1),
    "partial": (lambda send: send.partial(table=load()).expand(times=[1]), 0, 2),
    "expand": (lambda send: send.override(batch_size=1).expand(table=chunks()), 0, 1),
    "expand_kwargs": (lambda send: send.partial(times=1).expand_kwargs(arguments()), 0, 2),
    "literal": (lambda send: send(rows(0, 1), 1, *rows(2)), 3, 0),
    "partial_literal": (lambda send: send.partial(table=rows(0, 1, 2)).expand(times=[1]), 0, 2),
    "expand_literal": (lambda send: send.partial(times=1).expand(table=[rows(0, 1), rows(2)]), 0, 2),
    "expand_kwargs_literal": (lambda send: send.expand_kwargs([{"table": rows(0, 1)}, {"table": rows(2)}]), 0, 1),
}
"""Ways to give the arguments, and how many there are by place, and by name."""


def counted(arguments):
    """Return what is shown of some arguments."""
    return f"<{arguments} argument{'' if arguments == 1 else 's'}, not shown>"


@pytest.mark.parametrize("how", FORMS)
def test_arguments_are_not_stored_and_arrive_as_they_are(new_dag, run, sandbox, how):
    """The stored fields count the arguments; rows of other tasks are data, and those written in the DAG templates."""

    @task.brevo_events
    def send(table, times=1, *more):
        return to_events([*table, *more] * times)

    give, by_place, by_name = FORMS[how]
    with new_dag() as dag:
        give(send)
    result = run(dag)
    assert result.states["send"] == "success"
    assert numbers(sandbox) == [0, 1, 2]
    found = [arrived.body["event_properties"] for arrived in sandbox.events]
    assert {type(properties["total"]) for properties in found} == {float}
    assert ({properties["text"] for properties in found} == {"{{ run_id }}"}) is ("literal" not in how)
    fields = result.rendered["send"]
    assert len(fields) == (2 if how.startswith("expand") else 1)
    for shown in fields:
        assert (shown["op_args"], shown["op_kwargs"]) == (counted(by_place), counted(by_name))
        assert {"events", "path"}.isdisjoint(shown)
    stored = result.stored_text("rendered_task_instance_fields", "task_instance")
    assert PRIVATE not in stored + result.output + json.dumps(result.xcoms["send"])


def test_arguments_written_in_the_dag_are_templates(new_dag, run, sandbox):
    """A template that is one expression gives the value itself, and one that names nothing ends the task."""
    retried = []

    @task.brevo_events(retries=2, on_retry_callback=retried.append)
    def send(total, day, limit=None):
        assert type(total) is float
        return event(0, total=total, day=day, limit=limit)

    with new_dag(params={"total": 42.5}) as dag:
        send("{{ params.total }}", day="on {{ '2026' }}")
        send.override(task_id="wrong")("{{ params.total }}", day="{{ totl }}")
    result = run(dag)
    assert result.states == {"send": "success", "wrong": "failed"}
    (arrived,) = sandbox.events
    assert arrived.body["event_properties"] == {"n": 0, "total": 42.5, "day": "on 2026"}
    assert "/op_kwargs/day names 'totl', which is not defined" in result.output
    assert retried == []


def test_the_results_of_mapped_tasks_are_given_as_they_come(new_dag, run, sandbox):
    """What Airflow hands over as a lazy sequence may be returned as it is."""

    @task(show_return_value_in_logs=False)
    def one(n):
        return event(n)

    @task.brevo_events
    def send(found):
        return found

    with new_dag() as dag:
        send(one.expand(n=[0, 1, 2]))
    assert run(dag).states["send"] == "success"
    assert numbers(sandbox) == [0, 1, 2]


def test_the_function_may_ask_for_airflows_context(new_dag, run, sandbox):
    """By its entries' names, by **context, and by get_current_context, also where it yields."""

    @task.brevo_events
    def by_name(n, ti=None, run_id=None):
        yield event(n, task=ti.task_id, run=run_id, same=get_current_context()["run_id"] == run_id)

    @task.brevo_events
    def by_dict(n, **context):
        return event(n, task=context["ti"].task_id, run=context["run_id"], same="n" in context)

    with new_dag() as dag:
        by_name(2) >> by_dict(n=2)
    result = run(dag)
    assert result.states == {"by_name": "success", "by_dict": "success"}
    found = [arrived.body["event_properties"] for arrived in sandbox.events]
    assert [(one["task"], one["same"]) for one in found] == [("by_name", True), ("by_dict", False)]
    assert found[0]["run"] == found[1]["run"] != ""
    assert "Deprecat" not in result.output


@pytest.mark.parametrize("mapped", [False, True])
def test_defaults_of_the_dag_are_those_of_its_functions(new_dag, run, sandbox, monkeypatch, mapped):
    """default_args name the connection for all tasks, mapped ones too."""
    connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY}
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_SHOP", json.dumps(connection))
    monkeypatch.delenv("AIRFLOW_CONN_BREVO_DEFAULT")

    @task.brevo_events
    def send(n):
        return event(n)

    with new_dag(default_args={"brevo_conn_id": "brevo_shop"}) as dag:
        send.expand(n=[0, 1]) if mapped else send(0)
    assert run(dag).states == {"send": "success"}
    assert numbers(sandbox) == ([0, 1] if mapped else [0])
