"""Where the rows of a bulk task come from, and that nothing of them is stored: real DAG runs."""

import gzip
import json

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

KEYS = {
    *("total", "accepted", "rejected", "skipped", "uncertain", "unidentified"),
    *("requests", "seconds", "rejected_path"),
}
PRIVATE = "private.example.com"
MAPPING = EventMapping(
    event_name="order_completed",
    identifiers={"email_id": Column("email")},
    event_properties={"total": Column("total", type="number")},
)


def events(count=3, name="order_completed"):
    """Return events with personal data."""
    return [
        {
            "event_name": name,
            "identifiers": {"email_id": f"jane{n}@{PRIVATE}"},
            "event_properties": {"total": 1.5 + n, "n": n, "text": "{{ run_id }}"},
        }
        for n in range(count)
    ]


@task(task_id="rows", show_return_value_in_logs=False)
def rows():
    """Return three events, as a query would."""
    return events()


@task(task_id="chunks", show_return_value_in_logs=False)
def chunks():
    """Return two chunks of events."""
    return [events(2), events(1)]


@task(task_id="kwargs", show_return_value_in_logs=False)
def kwargs():
    """Return arguments for two tasks."""
    return [{"events": events(2)}, {"events": events(1)}]


def given(how):
    """Define the tasks that send three events, given in one form."""
    send = BrevoBulkCreateEventsOperator
    if how in {"list", "tuple"}:
        written = [{**event, "event_properties": {"total": "{{ 1.5 }}"}} for event in events()]
        send(task_id="send", events=tuple(written) if how == "tuple" else written)
    elif how == "xcom_arg":
        send(task_id="send", events=rows())
    elif how == "template":
        rows() >> send(task_id="send", events="{{ ti.xcom_pull('rows') }}")
    elif how == "partial":
        send.partial(task_id="send", events=events()).expand(validate_only=[False])
    elif how == "partial_template":
        rows() >> send.partial(task_id="send", events="{{ ti.xcom_pull('rows') }}").expand(validate_only=[False])
    elif how == "partial_xcom_arg":
        send.partial(task_id="send", events=rows()).expand(batch_size=[200])
    elif how == "expand":
        send.partial(task_id="send").expand(events=chunks())
    elif how == "expand_literal":
        send.partial(task_id="send").expand(events=[events(2), events(1)])
    else:
        send.partial(task_id="send").expand_kwargs(kwargs())


FORMS = [
    *("list", "tuple", "xcom_arg", "template", "partial", "partial_template", "partial_xcom_arg"),
    *("expand", "expand_literal", "expand_kwargs"),
]


@pytest.mark.parametrize("how", FORMS)
def test_rows_are_sent_and_not_stored_in_whatever_form_they_are_given(new_dag, run, sandbox, how):
    """The stored field says how many there are; log, result and rendered fields hold nothing of them."""
    with new_dag() as dag:
        given(how)
    result = run(dag)
    assert result.states["send"] == "success"
    assert len(sandbox.events) == 3
    counts = [2, 1] if how.startswith("expand") else [3]
    shown = [f"<{count} event{'s' if count > 1 else ''}, not shown>" for count in counts]
    assert [fields["events"] for fields in result.rendered["send"]] == shown
    assert [value["accepted"] for value in result.xcoms["send"]] == counts
    texts = [result.output, json.dumps(result.rendered), json.dumps(result.xcoms["send"])]
    texts += [result.stored_text("task_instance")]
    assert not [text for text in texts if PRIVATE in text]


@pytest.mark.parametrize("how", ["xcom_arg", "template", "expand", "expand_kwargs"])
def test_rows_of_another_task_are_data(new_dag, run, sandbox, how):
    """A text in XCom that looks like a template is sent as it is, and numbers stay numbers."""
    with new_dag() as dag:
        given(how)
    run(dag)
    properties = [event.body["event_properties"] for event in sandbox.events]
    assert {entry["text"] for entry in properties} == {"{{ run_id }}"}
    assert {type(entry["total"]) for entry in properties} == {float}


def test_rows_written_in_the_dag_are_templates(new_dag, run, sandbox):
    """What the author wrote is rendered like any argument, keeping types."""
    with new_dag() as dag:
        given("list")
    run(dag)
    assert [event.body["event_properties"] for event in sandbox.events] == [{"total": 1.5}] * 3


def test_the_results_of_mapped_tasks_are_read_as_they_come(new_dag, run, sandbox):
    """What Airflow hands over as a lazy sequence, a row from each mapped task, is a list of rows."""

    @task(show_return_value_in_logs=False)
    def one(n):
        return events()[n]

    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=one.expand(n=[0, 1, 2]))
    result = run(dag)
    assert result.states["send"] == "success"
    assert sorted(event.body["event_properties"]["n"] for event in sandbox.events) == [0, 1, 2]


def test_what_is_returned_has_the_documented_keys(new_dag, run, sandbox):
    """The result is the numbers and the path, nothing more."""
    with new_dag() as dag:
        given("list")
    (value,) = run(dag).xcoms["send"]
    assert set(value) == KEYS
    assert (value["total"], value["accepted"], value["requests"], value["rejected_path"]) == (3, 3, 1, None)
    assert value["seconds"] >= 0
    assert len(sandbox.events) == 3


def test_a_file_of_json_lines(new_dag, run, sandbox, tmp_path):
    """A path may be a template and a file URI."""
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events()), encoding="utf-8")
    with new_dag(params={"name": "events"}) as dag:
        BrevoBulkCreateEventsOperator(task_id="plain", path=f"{tmp_path}/{{{{ params.name }}}}.jsonl")
        BrevoBulkCreateEventsOperator(task_id="uri", path=f"file://{tmp_path}/events.jsonl")
        BrevoBulkCreateEventsOperator(task_id="object", path=tmp_path / "events.jsonl")
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert len(sandbox.events) == 9
    assert result.rendered["plain"][0]["path"] == f"{tmp_path}/events.jsonl"
    assert PRIVATE not in result.output


def test_a_packed_csv_file_with_a_mapping(new_dag, run, sandbox, tmp_path):
    """Columns become fields of events, text becomes numbers where the mapping says so."""
    lines = f"email,total\njane@{PRIVATE},42.5\njohn@{PRIVATE},7\n"
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(lines.encode()))
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", path=f"{tmp_path}/orders.csv.gz", mapping=MAPPING)
        BrevoBulkCreateEventsOperator.partial(task_id="mapped", mapping=MAPPING).expand(
            path=[f"{tmp_path}/orders.csv.gz"]
        )
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert [event.body["event_properties"]["total"] for event in sandbox.events] == [42.5, 7, 42.5, 7]
    assert PRIVATE not in result.output


def test_a_header_without_a_mapped_column_is_refused_before_anything_is_sent(new_dag, run, sandbox, tmp_path):
    """The error names the file and the column, and there is no second try."""
    (tmp_path / "orders.csv").write_text(f"email,sum\njane@{PRIVATE},42.5\n", encoding="utf-8")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", path=f"{tmp_path}/orders.csv", mapping=MAPPING, retries=2)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "orders.csv: The header lacks 'total'" in result.output
    assert "UP_FOR_RETRY" not in result.output
    assert sandbox.requests == []


def test_an_empty_source_is_a_success_and_warned_about(new_dag, run, sandbox, tmp_path):
    """Nothing to send is no fault of the task, and worth a look."""
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="empty_file", path=f"{tmp_path}/none.jsonl")
        BrevoBulkCreateEventsOperator(task_id="empty_list", events=[])
    result = run(dag)
    assert set(result.states.values()) == {"success"}
    assert [value["total"] for name in ("empty_file", "empty_list") for value in result.xcoms[name]] == [0, 0]
    assert result.output.count("The source has no events") >= 2
    assert sandbox.requests == []
