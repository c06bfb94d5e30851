"""How a bulk task ends: what is refused, what is left behind, what Airflow does about it. Real DAG runs."""

import json
from datetime import timedelta

import pytest

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
PRIVATE = "jane@private.example.com"
TWO_TRIES = {"retries": 1, "retry_delay": timedelta(0)}


def event(n=0, **more):
    """Return an event with personal data."""
    return {
        "event_name": "order_completed",
        "identifiers": {"email_id": PRIVATE},
        "event_properties": {"n": n},
        **more,
    }


MIXED = [event(0), event(1, event_name=f"by {PRIVATE}"), event(2), event(3, identifiers={})]


def left(folder):
    """Return the one file below a folder that holds rejected events, and its lines."""
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file, [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_nothing_is_sent_where_an_event_is_invalid(new_dag, run, sandbox, tmp_path):
    """The log lists the events with reasons, the numbers and the file are left behind, and there is no second try."""
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=MIXED, rejected_path=str(tmp_path), **TWO_TRIES)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "2 of 4 events are invalid, so none was sent (by rule: " in result.output
    assert "event 1: /event_name" in result.output
    assert "event 3: /identifiers" in result.output
    assert "UP_FOR_RETRY" not in result.output
    assert sandbox.requests == []
    (value,) = result.xcoms["send"]
    file, lines = left(tmp_path)
    assert (value["total"], value["rejected"], value["accepted"]) == (4, 2, 0)
    assert value["rejected_path"] == str(file)
    assert [line["index"] for line in lines] == [1, 3]
    assert PRIVATE not in result.output + json.dumps(result.xcoms) + json.dumps(result.rendered)


@pytest.mark.parametrize(("allowed", "state"), [(2, "success"), (0.5, "success"), (1, "failed"), (0.4, "failed")])
def test_as_many_as_allowed_may_be_rejected(new_dag, run, sandbox, tmp_path, allowed, state):
    """The valid events are sent; the task succeeds unless too many were not. Either way the result is left."""
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send",
            events=MIXED,
            on_invalid="skip",
            max_rejected=allowed,
            rejected_path=f"file://{tmp_path}",
            **TWO_TRIES,
        )
    result = run(dag)
    assert result.states["send"] == state
    assert "UP_FOR_RETRY" not in result.output
    assert [arrived.body["event_properties"]["n"] for arrived in sandbox.events] == [0, 2]
    (value,) = result.xcoms["send"]
    file, lines = left(tmp_path)
    assert (value["total"], value["accepted"], value["rejected"]) == (4, 2, 2)
    assert value["rejected_path"] == str(file)
    assert [(line["index"], line["where"], line["event"]["event_properties"]) for line in lines] == [
        (1, "here", {"n": 1}),
        (3, "here", {"n": 3}),
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert PRIVATE not in result.output + json.dumps(result.xcoms)


def test_what_brevo_rejects_counts_too(new_dag, run, sandbox, tmp_path):
    """An event that Brevo refuses is in the file with Brevo's reason, and the log doesn't quote it."""
    sandbox.add_fault(f"partial,indices=1,message=no such thing as {PRIVATE},times=1")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=[event(0), event(1)], rejected_path=tmp_path, retries=0)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "Of 2 events 1 were accepted; 1 were rejected (by rule: refused 1), more than the 0 allowed" in result.output
    _, lines = left(tmp_path)
    assert [(line["index"], line["where"]) for line in lines] == [(1, "Brevo")]
    assert PRIVATE not in result.output + json.dumps(result.xcoms)


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({}, ["neither of events and path is given"]),
        ({"events": "{{ none }}"}, ["neither of events and path is given"]),
        ({"events": [], "path": "/nowhere.jsonl"}, ["both of events and path are given"]),
        ({"events": "{{ {'a': 1} }}"}, ["events is a dict and no list"]),
        ({"events": "jane"}, ["events is a str and no list"]),
        ({"events": "{{ missing }}"}, ["/events names 'missing', which is not defined"]),
        ({"path": "https://example.com/events.jsonl"}, ["path is a URL of the scheme https"]),
        ({"path": "ftp://example.com/events.jsonl"}, ["path is a URL of the scheme ftp"]),
        ({"path": "simplecache::s3://bucket/events.jsonl"}, ["path is a chained URI"]),
        ({"path": "github://bucket/events.jsonl"}, ["Airflow opens no storage of the scheme github"]),
        ({"path": "/tmp/events.xlsx"}, ["does not end in a format that can be read"]),  # noqa: S108 # not opened
        ({"events": [], "brevo_conn_id": "brevo_missing"}, ["There is no connection 'brevo_missing'"]),
        ({"events": [], "brevo_conn_id": "brevo_broken"}, ["API key is missing", "extra 'timeout'"]),
        (
            {
                "events": [],
                "on_invalid": "ignore",
                "max_rejected": -1,
                "batch_size": 201,
                "max_in_flight": 0,
                "delivery": "sometimes",
                "on_rerun": "ask",
                "deferrable": "yes",
                "defer_after": "60",
                "validate": "no",
                "validate_only": "perhaps",
                "brevo_conn_id": "{{ none }}",
                "mapping": {"event_name": "x"},
                "rejected_path": "https://example.com/",
            },
            [
                "for 13 reasons",
                "on_invalid is not known: use fail or skip",
                "max_rejected is neither a count nor a share",
                "batch_size is out of range: give a whole number from 1 to 200",
                "max_in_flight is out of range: give a whole number from 1 to 16",
                "delivery is not known: use at_least_once or at_most_once",
                "on_rerun is not known: use send or skip",
                "deferrable is neither true nor false",
                "defer_after is no number of seconds",
                "validate is neither true nor false",
                "validate_only is neither true nor false",
                "brevo_conn_id is no id of a connection",
                "mapping is no EventMapping",
                "rejected_path is a URL of the scheme https",
            ],
        ),
    ],
)
def test_bad_arguments_are_listed_at_once(new_dag, run, sandbox, monkeypatch, options, reasons):
    """All that is wrong stands in the log, no request is made, and there is no second try."""
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_BROKEN", "brevo://?timeout=soon")
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", **options, **TWO_TRIES)
    result = run(dag)
    assert result.states["send"] == "failed"
    for reason in reasons:
        assert reason in result.output
    assert "UP_FOR_RETRY" not in result.output
    assert sandbox.requests == []


def test_a_file_that_comes_late_is_found_by_a_retry(new_dag, run, sandbox, tmp_path):
    """A missing file is left to Airflow's retries, and the log names it."""
    path = tmp_path / "late.jsonl"
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(
            task_id="send",
            path=str(path),
            on_retry_callback=lambda _: path.write_text(json.dumps(event()), encoding="utf-8"),
            **TWO_TRIES,
        )
    result = run(dag)
    assert f"{path} does not exist" in result.output
    assert result.states["send"] == "success"
    assert len(sandbox.events) == 1


def test_files_outside_of_the_roots_are_refused(new_dag, run, sandbox, tmp_path, monkeypatch):
    """[brevo] local_roots confines what is read and written, symbolic links included."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "events.jsonl").write_text(json.dumps(event()), encoding="utf-8")
    (inside / "link.jsonl").symlink_to(outside / "events.jsonl")
    monkeypatch.setenv("AIRFLOW__BREVO__LOCAL_ROOTS", f"/data, {inside}")
    paths = {
        "good": f"{inside}/events.jsonl",
        "bad": f"{outside}/events.jsonl",
        "dots": f"{inside}/../outside/events.jsonl",
        "link": f"file://{inside}/link.jsonl",
        "local": f"local://{outside}/events.jsonl",
    }
    with new_dag() as dag:
        for name, path in paths.items():
            BrevoBulkCreateEventsOperator(task_id=name, path=path, retries=0)
        BrevoBulkCreateEventsOperator(task_id="write", events=[event(identifiers={})], rejected_path=str(outside))
    result = run(dag)
    assert {name for name, state in result.states.items() if state == "success"} == {"good"}
    assert result.output.count("outside of the folders that tasks may use") >= 5
    assert len(sandbox.events) == 1


@pytest.mark.parametrize("by", ["argument", "connection"])
def test_events_can_be_checked_and_not_sent(new_dag, run, sandbox, monkeypatch, by):
    """Asked for by the argument, where no connection is needed, or by the connection."""
    connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, "extra": {"sending": "validate_only"}}
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
    options = {} if by == "connection" else {"validate_only": "{{ params.dry }}", "brevo_conn_id": "brevo_nowhere"}
    with new_dag(params={"dry": True}) as dag:
        BrevoBulkCreateEventsOperator(task_id="good", events=[event(0), event(1)], **options)
        BrevoBulkCreateEventsOperator(task_id="bad", events=MIXED, **options, retries=0)
    result = run(dag)
    assert result.states == {"good": "success", "bad": "failed"}
    assert (result.xcoms["good"][0]["skipped"], result.xcoms["good"][0]["accepted"]) == (2, 0)
    assert "nothing was sent" in result.output
    assert sandbox.requests == []


@pytest.mark.parametrize(("fault", "requests"), [("401", 1), ("403", 1), ("404", 1), ("redirect", 1)])
def test_a_refusal_ends_the_task_at_the_first_try(new_dag, run, sandbox, fault, requests):
    """What would be refused again is not tried again."""
    sandbox.add_fault(fault)
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=[event()], **TWO_TRIES)
    result = run(dag)
    assert result.states["send"] == "failed"
    assert "UP_FOR_RETRY" not in result.output
    assert len(sandbox.requests) == requests
    assert PRIVATE not in result.output


@pytest.mark.parametrize(("executor", "warned"), [("LocalExecutor", False), ("CeleryExecutor", True)])
def test_a_folder_that_other_workers_may_not_see_is_pointed_out(
    new_dag, run, sandbox, tmp_path, monkeypatch, executor, warned
):
    """Where tasks run on several machines, a local folder for rejected events is warned about."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with new_dag() as dag:
        BrevoBulkCreateEventsOperator(task_id="send", events=[event()], rejected_path=str(tmp_path))
    assert ("rejected_path is a folder of this worker" in run(dag).output) is warned
    assert len(sandbox.events) == 1
