"""The notifier by itself: its bounds, its ways to be called, and that it never fails."""

import asyncio
import importlib
import json
import logging
import time

import pytest
from airflow.providers.common.compat.sdk import BaseNotifier
from airflow.providers_manager import ProvidersManager

from airflow_provider_brevo.notifications import brevo
from airflow_provider_brevo.notifications.brevo import BrevoNotifier
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "run_failed", "identifiers": {"ext_id": "on-call"}}
FAILED = "Brevo was not notified"
AWAITABLE = pytest.mark.skipif(not hasattr(BaseNotifier, "__await__"), reason="Airflow awaits notifiers from 3.1 on")


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
def log(caplog, capfd):
    """Return what was logged so far, wherever this version of Airflow writes it."""
    caplog.set_level(logging.INFO)
    return lambda: caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(("fault", "requests"), [("hang", 2), ("500", 2), ("429,reset=3600", 1), ("429", 4)])
def test_the_time_it_takes_is_bounded(sandbox, connect, monkeypatch, log, fault, requests):
    """Whatever the connection says: a few requests, each within the timeout, and a bounded wait for the limit."""
    connect(timeout=600, max_retries=50)
    sandbox.add_fault(fault)
    monkeypatch.setattr(brevo, "_TIMEOUT", 0.3)
    monkeypatch.setattr(brevo, "_MAX_WAIT", 4)
    started = time.monotonic()
    BrevoNotifier(**EVENT)({})
    assert time.monotonic() - started < 7
    assert FAILED in log()
    assert 1 <= len(sandbox.requests) <= requests


def test_the_bounds_are_those_that_are_documented(sandbox, connect, monkeypatch):
    """10 seconds a request, one more request, 10 seconds of waiting; a connection that is stricter wins."""
    seen = []
    client = importlib.import_module("airflow_provider_brevo.core.client")
    create = client.BrevoClient.create_event

    def create_event(self, event, *, max_wait):
        seen.append((self.settings.timeout, self.settings.max_retries, max_wait))
        create(self, event, max_wait=max_wait)

    monkeypatch.setattr(client.BrevoClient, "create_event", create_event)
    BrevoNotifier(**EVENT)({})
    connect(timeout=2, max_retries=0)
    BrevoNotifier(**EVENT)({})
    assert seen == [(10, 1, 10), (2, 0, 10)]
    assert len(sandbox.events) == 2


@pytest.mark.usefixtures("connect")
def test_it_keeps_its_templates(sandbox):
    """Called again, it renders anew."""
    notifier = BrevoNotifier(**EVENT, event_properties={"n": "{{ n }}"})
    notifier({"n": 1})
    notifier({"n": 2.5})
    assert [event.body["event_properties"] for event in sandbox.events] == [{"n": 1}, {"n": 2.5}]
    assert notifier.event_properties == {"n": "{{ n }}"}


def test_a_connection_that_only_checks_sends_nothing(sandbox, connect, log):
    """As in staging, and the log says so."""
    connect(sending="validate_only")
    BrevoNotifier(**EVENT)({})
    assert sandbox.requests == []
    assert "It was not sent, as the connection only checks." in log()


@pytest.mark.usefixtures("connect")
def test_without_validation_unknown_fields_pass(sandbox, log):
    """validate=False leaves the judgement to Brevo."""
    BrevoNotifier(event_name="a b", identifiers={"new_id": "1"}, validate=False)({})
    assert FAILED in log()
    assert b'"new_id":"1"' in sandbox.requests[0].body


@pytest.mark.parametrize(
    "options",
    [
        {"event_name": None},
        {"identifiers": "{{ [1] }}"},
        {"brevo_conn_id": "brevo_missing"},
        {"brevo_conn_id": None},
        {"event_properties": {"a": object()}},
        {"properties_schema": "/nowhere/plan.json"},
        {"validate": "perhaps"},
    ],
)
@pytest.mark.usefixtures("connect")
def test_no_mistake_fails_its_caller(sandbox, log, options):
    """Neither as a callback nor by its method; each is logged once."""
    notifier = BrevoNotifier(**{**EVENT, **options})
    notifier({})
    if options != {"validate": "perhaps"}:
        assert FAILED in log()
        assert sandbox.requests == []
    notifier.notify({})


@pytest.mark.usefixtures("connect")
def test_what_it_does_not_foresee_is_named_without_its_text(monkeypatch, log):
    """The text of an error that isn't ours may quote anything."""

    def fail(*_):
        raise RuntimeError("jane.private@example.com")

    monkeypatch.setattr(BrevoNotifier, "_send", fail)
    BrevoNotifier(**EVENT)({})
    logged = log()
    assert "It failed with RuntimeError." in logged
    assert "jane.private" not in logged
    assert "Traceback" not in logged


@pytest.mark.usefixtures("connect")
def test_its_asynchronous_way_does_not_block(sandbox):
    """A slow answer leaves the event loop to others."""
    sandbox.add_fault("hang,seconds=0.5,times=1")

    async def beats():
        count = 0
        running = asyncio.create_task(BrevoNotifier(**EVENT).async_notify({}))
        while not running.done():
            await asyncio.sleep(0.01)
            count += 1
        return count

    assert asyncio.run(beats()) > 10
    assert len(sandbox.events) == 1


@AWAITABLE
@pytest.mark.usefixtures("connect")
def test_it_can_be_awaited_with_a_context(sandbox, log):
    """Templates know what Airflow gives, and a mistake is logged here too."""
    context = {"dag_run": {"dag_run_id": "manual__1"}, "deadline": {"missed": 2}}
    properties = {"run": "{{ dag_run.dag_run_id }}", "missed": "{{ deadline.missed }}"}

    async def wait():
        await BrevoNotifier(**EVENT, event_properties=properties, context=context)
        await BrevoNotifier(**EVENT, event_properties={"run": "{{ dag.dag_id }}"}, context=context)

    asyncio.run(wait())
    assert [event.body["event_properties"] for event in sandbox.events] == [{"run": "manual__1", "missed": 2}]
    assert "/event_properties/run names 'dag', which is not defined" in log()


@AWAITABLE
@pytest.mark.usefixtures("connect")
def test_airflows_own_trigger_for_deadlines_runs_it(sandbox):
    """What a deadline alert stores, a path and arguments, is enough for Airflow to notify from its triggerer."""
    try:
        trigger = importlib.import_module("airflow.triggers.callback").CallbackTrigger
    except ImportError:  # before Airflow 3.2
        trigger = importlib.import_module("airflow.triggers.deadline").DeadlineCallbackTrigger
    arguments = {**EVENT, "event_properties": {"late": True}, "context": {"dag_run": {"dag_run_id": "manual__1"}}}
    made = trigger(callback_path="airflow_provider_brevo.notifications.brevo.BrevoNotifier", callback_kwargs=arguments)

    async def payloads():
        return [event.payload async for event in made.run()]

    assert asyncio.run(payloads())[-1]["state"] == "success"
    assert [event.body for event in sandbox.events] == [{**EVENT, "event_properties": {"late": True}}]


def test_airflow_finds_it():
    """It is declared, so that Airflow lists it among its notifiers."""
    assert f"{BrevoNotifier.__module__}.{BrevoNotifier.__name__}" in ProvidersManager().notification
