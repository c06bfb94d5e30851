"""What sending one event costs, beside what else could send it. All of them send the same JSON to the same server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import brevo
import requests
from airflow.providers.http.hooks.http import HttpHook
from brevo.event import CreateEventRequestIdentifiers

from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.hooks.brevo import BrevoHook
from benchmarks.order import EVENT
from benchmarks.rounds import repeated, take_turns
from benchmarks.sink import Sink
from benchmarks.table import Goal, compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.table import Block

ROUNDS = 15
TURN_SECONDS = 0.15
GOAL_RATIO = 1.4

_KEY = "any-key"
_OURS = "BrevoHook.create_event, with its checks"
_BARE = "bare requests.Session.post, kept"


def measure() -> Block:
    """Let each contender send the event again and again, over a connection that it keeps open if it can."""
    with Sink() as sink:
        contenders = _contenders(sink.port)
        for name, send in contenders.items():
            send()
            if sink.last_body() != prepare_event(EVENT):
                raise AssertionError(f"{name} does not send what the others send")
        turns = {name: repeated(send, seconds=TURN_SECONDS) for name, send in contenders.items()}
        seconds = take_turns(turns, rounds=ROUNDS)
    title = f"Sending one event, on loopback (median of {ROUNDS} rounds)"
    ratio = seconds[_OURS] / seconds[_BARE]
    goal = Goal(text=f"at most {GOAL_RATIO} x bare requests; is {ratio:.2f} x", reached=ratio <= GOAL_RATIO)
    return compared(title, seconds, {_OURS: (goal,)})


def _contenders(port: int) -> dict[str, Callable[[], object]]:
    url = f"http://127.0.0.1:{port}/v3"
    os.environ["AIRFLOW_CONN_BREVO_BENCH"] = f"brevo://:{_KEY}@127.0.0.1:{port}/v3"
    os.environ["AIRFLOW_CONN_HTTP_BENCH"] = f"http://127.0.0.1:{port}"
    hook = BrevoHook("brevo_bench")
    http = HttpHook(method="POST", http_conn_id="http_bench")
    session, blind = requests.Session(), requests.Session()
    blind.trust_env = False
    client = brevo.Brevo(base_url=url, api_key=_KEY, max_retries=0, timeout=30)
    headers = {"api-key": _KEY}
    body = prepare_event(EVENT)
    typed: dict[str, Any] = {**EVENT, "identifiers": CreateEventRequestIdentifiers(**EVENT["identifiers"])}

    def post(by: requests.Session) -> None:
        by.post(f"{url}/events", json=body, headers=headers, timeout=30).raise_for_status()

    return {
        _OURS: lambda: hook.create_event(EVENT),
        _BARE: lambda: post(session),
        "the same, with trust_env=False": lambda: post(blind),
        "brevo-python's create_event, kept": lambda: client.event.create_event(**typed),
        "HttpHook.run": lambda: http.run("v3/events", json=body, headers=headers),
    }
