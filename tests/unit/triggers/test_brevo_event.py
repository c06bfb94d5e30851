"""The trigger that waits for events: its run(), in an event loop, against the sandbox over sockets."""

import asyncio
import json
import threading
import time

import pytest

from airflow_provider_brevo.core.events import EventFilter
from airflow_provider_brevo.sandbox import Sandbox
from airflow_provider_brevo.triggers import brevo
from airflow_provider_brevo.triggers.brevo import BrevoEventTrigger

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {"event_name": "order", "identifiers": {"ext_id": "17"}, "event_properties": {"secret": "abracadabra"}}


@pytest.fixture
def sandbox(monkeypatch):
    """Run a sandbox, with the connection brevo_default leading to it."""
    with Sandbox(api_key=KEY) as running:
        connection = {"conn_type": "brevo", "host": running.url, "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
        yield running


def trigger(*, seconds=20.0, poke_interval=0.05, min_count=1, brevo_conn_id="brevo_default", **conditions):
    """Make a trigger as it comes out of Airflow's database."""
    filters = EventFilter.of(**{"event_name": "order", **conditions}).arguments()
    made = BrevoEventTrigger(
        brevo_conn_id=brevo_conn_id,
        filters=filters,
        min_count=min_count,
        poke_interval=poke_interval,
        until=time.time() + seconds,
    )
    path, arguments = made.serialize()
    assert path == "airflow_provider_brevo.triggers.brevo.BrevoEventTrigger"
    assert KEY not in json.dumps(arguments)
    return BrevoEventTrigger(**json.loads(json.dumps(arguments)))


def payload_of(made):
    """Run a trigger to its end, which is one event."""

    async def collect():
        return [event.payload async for event in made.run()]

    (payload,) = asyncio.run(collect())
    return json.loads(json.dumps(payload))


def send(sandbox, count=1):
    """Send events to the sandbox, past the provider."""
    for _ in range(count):
        sandbox._store.add_event(EVENT)


def after_requests(sandbox, count, action):
    """Do something once so many requests were made."""

    def wait():
        deadline = time.monotonic() + 20
        while len(sandbox.requests) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_it_waits_until_there_are_enough(sandbox):
    """It asks again until Brevo shows them, and hands back count and dates, nothing else."""
    send(sandbox)
    thread = after_requests(sandbox, 3, lambda: send(sandbox, 2))
    payload = payload_of(trigger(min_count=3))
    thread.join()
    assert set(payload["found"]) == {"count", "first_event_date", "last_event_date"}
    assert payload["found"]["count"] == 3
    assert "abracadabra" not in json.dumps(payload)
    assert len(sandbox.requests) >= 3
    assert {request.method for request in sandbox.requests} == {"GET"}


def test_two_triggerers_do_no_harm(sandbox):
    """The same trigger run twice finds the same, and leaves nothing behind."""
    send(sandbox)
    made = trigger()
    assert payload_of(made) == payload_of(made)
    assert len(sandbox.events) == 1


def test_it_gives_up_when_the_time_is_over(sandbox):
    """The last look is at the end, even where the interval is longer; the payload says neither found nor error."""
    started = time.monotonic()
    assert payload_of(trigger(seconds=0.3, poke_interval=60)) == {}
    assert 0.3 <= time.monotonic() - started < 5
    assert len(sandbox.requests) == 1
    assert payload_of(trigger(seconds=-1)) == {}
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("fault", "retry", "said"),
    [
        ("401", False, "Brevo does not know this key"),
        ("400", False, "Brevo refused the request"),
        ("restricted", False, "may not make this call"),
        ("unknown-ip", True, "does not know this worker's IP address"),
        ("non-json,status=200", True, "The answer is not what Brevo documents"),
    ],
)
def test_what_asking_again_does_not_cure_ends_it(sandbox, fault, retry, said):
    """The payload holds our error's sentence, and whether another try of the task may get further."""
    sandbox.add_fault(fault)
    payload = payload_of(trigger())
    assert payload["retry"] is retry
    assert said in payload["error"]
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", ["500,times=2", "reset,times=2", "429,times=2"])
def test_what_may_pass_is_waited_for(sandbox, fault):
    """It asks again after the interval, once each time."""
    send(sandbox)
    sandbox.add_fault(fault)
    assert payload_of(trigger())["found"]["count"] == 1
    assert len(sandbox.requests) == 3


def test_brevos_wish_to_be_left_alone_is_heeded(sandbox):
    """A used up rate limit is waited for, longer than the interval."""
    send(sandbox)
    sandbox.add_fault("429,times=1,retry_after=1")
    started = time.monotonic()
    assert "found" in payload_of(trigger())
    assert time.monotonic() - started >= 1
    assert len(sandbox.requests) == 2


def test_what_headers_announce_holds_back_the_next_look(monkeypatch):
    """The client is kept between two looks: a limit by the hour costs no refused request."""
    with Sandbox(api_key=KEY, rate=2, window_seconds=3600, phase=0) as sandbox:
        connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", json.dumps(connection))
        assert payload_of(trigger(seconds=0.5)) == {}
        assert [request.status for request in sandbox.requests] == [200, 200]


def test_a_connection_that_only_workers_have_is_explained(sandbox):  # noqa: ARG001 # any connection, but not this
    """The triggerer reads the connection itself, and says so if it can't."""
    payload = payload_of(trigger(brevo_conn_id="brevo_workers"))
    assert payload["retry"] is False
    assert "The triggerer finds no connection 'brevo_workers'" in payload["error"]


def test_a_connection_that_can_not_be_used_ends_it(sandbox, monkeypatch):
    """Like any other mistake of ours, before any request."""
    monkeypatch.setenv("AIRFLOW_CONN_BREVO_BROKEN", "brevo://?timeout=soon")
    payload = payload_of(trigger(brevo_conn_id="brevo_broken"))
    assert payload["retry"] is False
    assert "extra 'timeout'" in payload["error"]
    assert sandbox.requests == []


def test_the_event_loop_goes_on_meanwhile(sandbox):
    """A slow answer blocks none of the triggers that share the process, nor those that ask for connections."""
    send(sandbox)
    sandbox.add_fault("hang,seconds=1,times=1")

    async def beats():
        from asgiref.sync import sync_to_async  # noqa: PLC0415 # as other triggers use it

        count = 0
        running = asyncio.create_task(anext(trigger().run()))
        while not running.done():
            await sync_to_async(lambda: None)()
            await asyncio.sleep(0.01)
            count += 1
        return count, running.result().payload

    count, payload = asyncio.run(beats())
    assert "found" in payload
    assert count > 20


def test_ten_thousand_events_are_one_request(sandbox, monkeypatch):
    """A large minimum is asked for in one page; a small one counts up to a hundred that are there anyway."""
    monkeypatch.setattr(brevo, "_COUNTED", 3)
    send(sandbox, 5)
    assert payload_of(trigger())["found"]["count"] == 3
    assert payload_of(trigger(min_count=5))["found"]["count"] == 5
    assert [request.query.split("&")[0] for request in sandbox.requests] == ["limit=3", "limit=5"]
