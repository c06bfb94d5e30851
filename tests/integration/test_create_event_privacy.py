"""What a run leaves behind: no key anywhere, no identifiers but in the XCom of the task that returned them."""

import json

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator

ADDRESS = "jane.private@example.com"
PHONE = "+33612345678"


@task(show_return_value_in_logs=False)
def contact():
    """Return personal data, as a query would."""
    return {"email_id": ADDRESS, "phone_id": PHONE}


def send(**options):
    """Return the task under test: everything personal comes from the task before."""
    return BrevoCreateEventOperator(
        task_id="send",
        event_name="order_completed",
        identifiers={"email_id": "{{ ti.xcom_pull('contact')['email_id'] }}"},
        contact_properties={"PHONE": "{{ ti.xcom_pull('contact')['phone_id'] }}"},
        event_properties={"total": 42.5},
        **options,
    )


@pytest.mark.parametrize("fault", [None, "echo", "500", "429,reset=600", "reset", "unknown-ip", "401"])
def test_nothing_personal_and_no_key_is_left_behind(new_dag, run, sandbox, fault):
    """Logs, rendered fields, the task's XCom and the serialized DAG hold neither, however the call ends."""
    if fault:
        sandbox.add_fault(fault)
    with new_dag() as dag:
        contact() >> send()
    result = run(dag)
    assert result.states["send"] == ("success" if fault is None else "failed")
    (rendered,) = result.rendered["send"]
    texts = {
        "log": result.output,
        "rendered fields": json.dumps(rendered),
        "xcom": json.dumps(result.xcoms.get("send")),
        "serialized DAG": result.stored_text("serialized_dag"),
        "task instance": result.stored_text("task_instance"),
    }
    for where, text in texts.items():
        assert ADDRESS not in text, where
        assert PHONE not in text, where
        assert "0123456789abcdef" not in text, where
    assert _as_json(rendered["identifiers"]) == {"email_id": "***"}
    assert _as_json(rendered["contact_properties"]) == {"PHONE": "***"}
    assert rendered["event_properties"] == {"total": 42.5}
    assert rendered["event_name"] == "order_completed"


@pytest.mark.parametrize("how", ["template", "xcom_arg", "expand", "expand_kwargs", "partial", "function"])
def test_identifiers_are_masked_however_they_are_given(new_dag, run, sandbox, how):
    """As one template, as a task's result, mapped or not: the stored field shows the keys only."""

    @task(show_return_value_in_logs=False)
    def contacts():
        return [{"email_id": ADDRESS}]

    @task(show_return_value_in_logs=False)
    def kwargs():
        return [{"identifiers": {"email_id": ADDRESS}}]

    fixed = {"task_id": "send", "event_name": "masked"}
    with new_dag() as dag:
        if how == "template":
            contact() >> BrevoCreateEventOperator(identifiers="{{ ti.xcom_pull('contact') }}", **fixed)
        elif how == "xcom_arg":
            BrevoCreateEventOperator(identifiers=contact(), **fixed)
        elif how == "function":
            BrevoCreateEventOperator(identifiers=lambda context, jinja_env: {"email_id": ADDRESS}, **fixed)  # noqa: ARG005 # Airflow gives both
        elif how == "expand":
            BrevoCreateEventOperator.partial(**fixed).expand(identifiers=contacts())
        elif how == "expand_kwargs":
            BrevoCreateEventOperator.partial(**fixed).expand_kwargs(kwargs())
        else:
            (
                BrevoCreateEventOperator.partial(
                    identifiers={"email_id": "{{ ti.xcom_pull('contacts')[0]['email_id'] }}"}, **fixed
                ).expand(event_properties=contacts.override(task_id="other")())
                << contacts()
            )
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert sandbox.events[0].body["identifiers"]["email_id"] == ADDRESS
    (rendered,) = result.rendered["send"]
    assert set(_as_json(rendered["identifiers"]).values()) == {"***"}
    assert ADDRESS not in result.output


def _as_json(value):
    # Before Airflow 3.3 what is stored is our text of it.
    return json.loads(value) if isinstance(value, str) else value
