"""Templates of the operator in real DAG runs: types, traps, errors."""

from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator

WHEN = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)
VALUES = {
    "a_float": 42.5,
    "an_int": 3,
    "a_true": True,
    "a_none": None,
    "a_list": [1, "2", 3.5],
    "a_dict": {"nested": {"deep": [True, "00123"]}},
    "a_number_as_text": "00123",
    "a_phone": "+33612345678",
    "a_year": "2024",
    "a_boolean_as_text": "True",
    "an_exponent": "1e5",
    "a_list_as_text": "[1, 2]",
    "a_template_as_text": "{{ run_id }} {% raw %}",
    "a_file_name": "intro.json",
}


@task(task_id="etl", show_return_value_in_logs=False)
def etl():
    """Return one value of each kind."""
    return VALUES


@task(task_id="moment", show_return_value_in_logs=False)
def moment():
    """Return a datetime, which XCom keeps."""
    return WHEN


def templates(**more):
    """Return an expression for each value, and what else is asked for."""
    return {name: f"{{{{ ti.xcom_pull('etl')['{name}'] }}}}" for name in VALUES} | more


def sent(sandbox):
    """Return the one event that arrived."""
    (event,) = sandbox.events
    return event.body


@pytest.mark.parametrize("native", [False, True], ids=["plain DAG", "native DAG"])
def test_every_type_survives(new_dag, run, sandbox, native):
    """Each value arrives with its type, whatever kind of rendering the DAG asks for."""
    with new_dag(render_template_as_native_obj=native) as dag:
        first = etl()
        send = BrevoCreateEventOperator(
            task_id="send",
            event_name="typed_{{ ti.xcom_pull('etl')['an_int'] }}",
            identifiers={"ext_id": "{{ ti.xcom_pull('etl')['a_number_as_text'] }}", "phone_id": "+33612345678"},
            event_date="{{ ti.xcom_pull('moment') }}",
            event_properties=templates(
                literal="{{ 42.5 }}",
                literal_text="{{ '1e5' }}",
                text_around="total: {{ ti.xcom_pull('etl')['a_float'] }}",
                plain=["00123", "2024", "True", "1e5", "[1, 2]", "intro.json", "report.sql"],
                nested={"list": ["{{ ti.xcom_pull('etl')['a_true'] }}", {"x": "{{ ti.xcom_pull('etl')['an_int'] }}"}]},
                when="{{ ti.xcom_pull('moment') }}",
                filtered="{{ ti.xcom_pull('moment') | ds }}",
            ),
            contact_properties={
                "LAST_SEEN": "{{ ti.xcom_pull('moment') }}",
                "SCORE": "{{ ti.xcom_pull('etl')['a_float'] }}",
            },
        )
        [first, moment()] >> send
    result = run(dag)
    assert result.states["send"] == "success"
    body = sent(sandbox)
    expected = {name: value for name, value in VALUES.items() if value is not None} | {
        "literal": 42.5,
        "literal_text": "1e5",
        "text_around": "total: 42.5",
        "plain": ["00123", "2024", "True", "1e5", "[1, 2]", "intro.json", "report.sql"],
        "nested": {"list": [True, {"x": 3}]},
        "when": "2026-03-01T14:30:00+00:00",
        "filtered": "2026-03-01",
    }
    assert repr(body["event_properties"]) == repr(expected)
    assert body["event_name"] == "typed_3"
    assert body["identifiers"] == {"ext_id": "00123", "phone_id": "+33612345678"}
    assert body["event_date"] == "2026-03-01T14:30:00+00:00"
    assert repr(body["contact_properties"]) == repr({"LAST_SEEN": "2026-03-01", "SCORE": 42.5})


def test_whole_fields_may_be_templates_and_xcom_args(new_dag, run, sandbox):
    """A field may be one template, or the result of a task, and the result keeps its types and wires the tasks."""
    with new_dag(params={"dry": False}) as dag:
        first = etl()
        send = BrevoCreateEventOperator(
            task_id="send",
            event_name="whole",
            identifiers="{{ {'ext_id': 17} }}",
            event_properties=first,
            validate_only="{{ params.dry }}",
            brevo_conn_id="{{ 'brevo_' ~ 'default' }}",
        )
    assert send.upstream_task_ids == {"etl"}
    assert run(dag).states["send"] == "success"
    body = sent(sandbox)
    assert body["identifiers"] == {"ext_id": "17"}
    assert repr(body["event_properties"]) == repr({name: value for name, value in VALUES.items() if value is not None})


def test_a_value_of_a_mapped_task_is_data(new_dag, run, sandbox):
    """What mapped tasks get from XCom is not rendered again, templates beside it are."""

    @task(show_return_value_in_logs=False)
    def rows():
        return [{"text": "{{ run_id }}", "total": 42.5}, {"text": "{{ boom }}", "total": 1}]

    @task(show_return_value_in_logs=False)
    def kwargs():
        return [{"event_name": "by_kwargs", "event_properties": {"text": "{{ run_id }}", "list": ["{{ boom }}"]}}]

    with new_dag() as dag:
        BrevoCreateEventOperator.partial(
            task_id="by_expand", event_name="by_expand", identifiers={"ext_id": "{{ ti.map_index }}"}
        ).expand(event_properties=rows())
        BrevoCreateEventOperator.partial(
            task_id="by_kwargs", identifiers={"ext_id": "{{ 'x' ~ ti.map_index }}"}
        ).expand_kwargs(kwargs())
        BrevoCreateEventOperator.partial(
            task_id="by_literal", event_name="by_literal", identifiers={"ext_id": "a"}
        ).expand(event_properties=[{"total": "{{ 42.5 }}"}])
        BrevoCreateEventOperator.partial(task_id="by_literal_row", event_name="by_literal_row").expand_kwargs(
            [{"identifiers": {"ext_id": "{{ 'b' }}"}, "event_properties": {"total": "{{ 42.5 }}"}}]
        )
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    events = sorted((event.body for event in sandbox.events), key=str)
    assert [(event["event_name"], event["identifiers"]["ext_id"], event["event_properties"]) for event in events] == [
        ("by_expand", "0", {"text": "{{ run_id }}", "total": 42.5}),
        ("by_expand", "1", {"text": "{{ boom }}", "total": 1}),
        ("by_kwargs", "x0", {"text": "{{ run_id }}", "list": ["{{ boom }}"]}),
        ("by_literal", "a", {"total": 42.5}),
        ("by_literal_row", "b", {"total": 42.5}),
    ]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("event_name", "{{ missing }}", "/event_name"),
        ("event_properties", {"a": ["x", {"b": "{{ missing.total }}"}]}, "/event_properties/a/1/b"),
        ("event_properties", {"a": "{{ [1, missing] }}"}, "/event_properties/a"),
        ("event_properties", {"a": "total: {{ missing }}"}, "/event_properties/a"),
        (
            "identifiers",
            {"email_id": "jane.doe@example.com", "contact_id": 4711123, "phone_id": "Jane", "ext_id": "{{ missing }}"},
            "/identifiers/ext_id",
        ),
    ],
)
def test_an_undefined_name_fails_the_task_at_once(new_dag, run, sandbox, field, value, place):
    """The error names the place and the name; there is no second try, and no address in the log."""
    fields = {"event_name": "undefined", "identifiers": {"ext_id": "17"}, field: value}
    with new_dag() as dag:
        BrevoCreateEventOperator(task_id="send", retries=3, **fields)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert f"{place} names 'missing', which is not defined" in result.output
    assert not [value for value in ("jane.doe", "4711123", "'Jane'") if value in result.output]
    assert sandbox.requests == []


def test_all_templates_that_fail_are_named_at_once(new_dag, run, sandbox):
    """One run tells of every template that can't be rendered, in whatever fields, without the values they work on."""
    with new_dag(params={"born": "99/88/7777"}) as dag:
        BrevoCreateEventOperator(
            task_id="send",
            event_name="{{ missing }}",
            identifiers={"ext_id": "{{ 17 if false }}"},
            contact_properties={"BORN": "{{ macros.datetime.fromisoformat(params.born) }}"},
            event_properties={"a": "{{ ti.xcom_pull('nowhere')['total'] }}", "b": "{{ 1 / 0 }}", "c": "{{ oops"},
        )
    result = run(dag)
    assert result.states["send"] == "failed"
    for reason in (
        "/event_name names 'missing', which is not defined",
        "/identifiers/ext_id has an 'if' without 'else' that was not met",
        "/contact_properties/BORN can't be computed (ValueError)",
        "/event_properties/a looks 'total' up in None",
        "/event_properties/b can't be computed (ZeroDivisionError)",
        "/event_properties/c is no valid template",
    ):
        assert reason in result.output
    assert "99/88/7777" not in result.output
    assert sandbox.requests == []


@pytest.mark.parametrize("native", [False, True], ids=["plain DAG", "native DAG"])
def test_the_sandbox_of_jinja_holds(new_dag, run, sandbox, native):
    """Templates can't reach internals of Python, also where the DAG asks for native rendering."""
    with new_dag(render_template_as_native_obj=native) as dag:
        BrevoCreateEventOperator(
            task_id="send",
            event_name="x",
            identifiers={"ext_id": "17"},
            event_properties={"a": "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
        )
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "/event_properties/a reaches for '__class__', which templates may not touch" in result.output
    assert sandbox.requests == []


def test_objects_with_templates_of_their_own_are_rendered(new_dag):
    """An object that declares template fields is rendered in place, as Airflow does it, and keeps types too."""

    class Nested:
        template_fields = ("text",)

        def __init__(self):
            self.text = "{{ 42.5 }}"

    nested = Nested()
    with new_dag() as dag:
        send = BrevoCreateEventOperator(
            task_id="send", event_name="nested", identifiers={"ext_id": "17"}, event_properties={"a": [nested]}
        )
    send.render_template_fields({}, dag.get_template_env())
    assert nested.text == 42.5
