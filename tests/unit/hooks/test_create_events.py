"""The hook's many events: sources, options and logs, against the sandbox over sockets."""

import json
import logging
import re
import threading
from datetime import datetime

import pytest

from airflow_provider_brevo.core.bulk_states import Attempt
from airflow_provider_brevo.core.checkpoint import InFile, Progress
from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.exceptions import (
    BrevoBulkError,
    BrevoDeliveryError,
    BrevoIncompleteError,
    BrevoInvalidEventsError,
    BrevoSourceError,
    BrevoUsageError,
)
from airflow_provider_brevo.hooks import brevo
from airflow_provider_brevo.hooks.brevo import BrevoHook
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENTS = [
    {"event_name": "order_completed", "identifiers": {"ext_id": "17"}, "event_properties": {"n": n}} for n in range(3)
]


@pytest.fixture
def sandbox():
    """Run a sandbox that knows one key."""
    with Sandbox(api_key=KEY) as running:
        yield running


@pytest.fixture
def connect(monkeypatch, sandbox):
    """Set the connection brevo_default, with some extras."""

    def connect(**extra):
        connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))

    connect()
    return connect


@pytest.fixture
def hook(connect):  # noqa: ARG001 # the connection has to be there
    """Make a hook for the connection, and close it in the end."""
    made = BrevoHook()
    yield made
    made.close()


def numbers(sandbox):
    """Return which events arrived, sorted."""
    return sorted(event.body["event_properties"]["n"] for event in sandbox.events)


@pytest.mark.parametrize(
    "source",
    [EVENTS, tuple(EVENTS), iter(EVENTS), (event for event in EVENTS), lambda: EVENTS, lambda: iter(EVENTS)],
    ids=["list", "tuple", "iterator", "generator", "function", "function of an iterator"],
)
@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
def test_events_may_come_from_whatever_yields_them(hook, sandbox, source, on_invalid):
    """Each form is read once, and all of it is sent."""
    if not callable(source) and not isinstance(source, list | tuple):
        source = iter(EVENTS)  # parameters are shared between tests, and an iterator is used up
    result = hook.create_events(source, on_invalid=on_invalid)
    assert (result.total, result.accepted, result.requests) == (3, 3, 1)
    assert numbers(sandbox) == [0, 1, 2]


def test_rows_are_mapped(hook, sandbox):
    """Flat rows become events by a mapping."""
    mapping = EventMapping(
        event_name="paid", identifiers={"ext_id": Column("id")}, event_properties={"n": Column("n", type="number")}
    )
    assert hook.create_events([{"id": 7, "n": "42"}], mapping=mapping).accepted == 1
    assert sandbox.events[0].body == {
        "event_name": "paid",
        "identifiers": {"ext_id": "7"},
        "event_properties": {"n": 42},
    }


def test_a_datetime_without_zone_is_in_airflows_default_zone(hook, sandbox, monkeypatch):
    """Naive datetimes are taken to be in [core] default_timezone."""
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "Europe/Paris")
    hook.create_events([{**EVENTS[0], "event_date": datetime(2026, 7, 1, 12)}])  # noqa: DTZ001 # what is tested
    assert sandbox.events[0].body["event_date"] == "2026-07-01T12:00:00+02:00"


@pytest.mark.parametrize("by", ["argument", "connection"])
def test_validate_only_sends_nothing(hook, connect, sandbox, monkeypatch, by):
    """By the argument, which needs no connection, or by the connection's extra."""
    connect(sending="validate_only")
    if by == "argument":
        monkeypatch.delenv("AIRFLOW_CONN_BREVO_DEFAULT")
    result = hook.create_events(EVENTS, validate_only=by == "argument")
    assert (result.total, result.accepted, result.skipped) == (3, 0, 3)
    with pytest.raises(BrevoIncompleteError, match="1 were rejected"):
        hook.create_events([{"event_name": "a b"}], validate_only=by == "argument")
    assert sandbox.requests == []


def test_without_validation_unknown_fields_pass(hook, sandbox):
    """validate=False leaves the judgement to Brevo."""
    with pytest.raises(BrevoIncompleteError):
        hook.create_events([{**EVENTS[0], "new_field": 1}], validate=False)
    assert b'"new_field":1' in sandbox.requests[0].body


def test_invalid_events_are_listed_and_nothing_is_sent(hook, sandbox):
    """The error counts by rule."""
    with pytest.raises(BrevoInvalidEventsError) as caught:
        hook.create_events([*EVENTS, {"event_name": "x", "identifiers": {}}])
    assert (caught.value.total, caught.value.invalid) == (4, 1)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (EVENTS[0], "events is one dict"),
        ("events.jsonl", "events is a str"),
        (b"[]", "events is a bytes"),
        (17, "events is a int"),
        (None, "events is a NoneType"),
    ],
)
def test_all_wrong_arguments_are_told_at_once(hook, sandbox, events, problem):
    """One error names each, with what to do."""
    with pytest.raises(BrevoUsageError) as caught:
        hook.create_events(
            events, mapping={}, validate="yes", on_invalid="no", max_in_flight=17, validate_only=1, pause_after=-1
        )
    text = str(caught.value)
    assert "for 7 reasons" in text
    for name in ("mapping", "validate", "on_invalid", "max_in_flight", "validate_only", "pause_after"):
        assert f"  - {name} is " in text
    assert problem in text
    assert sandbox.requests == []


def test_the_retries_of_the_connection_hold(hook, connect, sandbox):
    """The extra max_retries bounds how often a batch is sent again."""
    connect(max_retries=0)
    sandbox.add_fault("500,times=1")
    with pytest.raises(Exception, match="HTTP 500"):
        hook.create_events(EVENTS)
    assert len(sandbox.requests) == 1


def test_at_most_once_needs_a_store(hook, sandbox, tmp_path):
    """Without one it is refused before sending, with one it works."""
    with pytest.raises(BrevoDeliveryError):
        hook.create_events(EVENTS, delivery="at_most_once")
    assert sandbox.requests == []
    assert hook.create_events(EVENTS, delivery="at_most_once", store=InFile(tmp_path / "kept.json")).accepted == 3


def test_an_iterator_is_not_read_twice(hook, sandbox, tmp_path):
    """Where the work would start afresh, a used up iterator must not pass for an empty source."""
    store = InFile(tmp_path / "kept.json")
    store.save(Progress(planned=1, digest="of other events", max_tries=0))
    with pytest.raises(BrevoSourceError, match="can't be read a second time"):
        hook.create_events(iter(EVENTS), store=store, attempt=Attempt(max_tries=1))
    assert sandbox.requests == []
    assert hook.create_events(EVENTS, store=store, attempt=Attempt(max_tries=2)).accepted == 3


def test_progress_is_reported_and_logged_by_numbers(hook, sandbox, monkeypatch, caplog, capfd):
    """A caller is told first and then often; the log gets a line at most every so many seconds, without data."""
    monkeypatch.setattr(brevo, "_SECONDS_BETWEEN_LINES", 0.3)
    seen = []
    sandbox.add_fault("503,times=2")
    with caplog.at_level(logging.INFO):
        hook.create_events(EVENTS, report=lambda progress: seen.append(progress.accepted))
    log = caplog.text + "".join(capfd.readouterr())  # Airflow 3 writes to the output where no task runs
    assert seen[0] == 0
    assert len(seen) > 2
    assert re.search(r"Brevo took 0 events so far, in (1 request|2 requests); 0 were rejected\.", log)
    assert 1 <= log.count("so far") < len(seen)


def test_a_long_check_is_logged_too(hook, monkeypatch, caplog, capfd):
    """Before the first request the log says what is going on."""
    monkeypatch.setattr(brevo, "_SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level(logging.INFO):
        hook.create_events(EVENTS)
    assert "nothing was sent yet" in caplog.text + "".join(capfd.readouterr())


def test_a_long_wait_is_logged_as_it_begins_and_while_it_lasts(hook, sandbox, monkeypatch, caplog, capfd):
    """Nobody has to guess why nothing is sent."""
    monkeypatch.setattr(brevo, "_LONG_PAUSE", 1.0)
    monkeypatch.setattr(brevo, "_SECONDS_BETWEEN_LINES", 1.0)
    sandbox.add_fault("503,retry_after=3,times=1")
    with caplog.at_level(logging.INFO):
        assert hook.create_events(EVENTS).accepted == 3
    logs = [caplog.text, "".join(capfd.readouterr())]  # one of them, or both, by the version of Airflow
    assert max(log.count("Brevo asks to wait 3 s: nothing is sent until then.") for log in logs) == 1
    log = "".join(logs)
    assert "in 1 request; 0 were rejected. Waiting " in log
    assert "Sending events 0 to 2 of the source again, though Brevo may have taken that already" in log


def test_it_can_be_stopped(hook, sandbox, tmp_path):
    """What is under way is recorded, and a later call goes on."""
    store, stop = InFile(tmp_path / "kept.json"), threading.Event()
    many = [{**EVENTS[0], "event_properties": {"n": n}} for n in range(60)]

    def end(progress):
        if progress.accepted:
            stop.set()

    sandbox.add_fault("hang,seconds=0.1")
    with pytest.raises(BrevoBulkError, match="The task was stopped after Brevo took"):
        hook.create_events(many, batch_size=1, max_in_flight=2, store=store, report=end, stop=stop.is_set)
    assert 0 < len(sandbox.events) < 60
    sandbox.clear_faults()
    assert hook.create_events(many, store=store).accepted == 60
    assert numbers(sandbox) == list(range(60))
