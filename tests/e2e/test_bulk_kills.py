"""Bulk tasks killed by SIGKILL in a real Airflow, whose retries go on from its task state store.

Airflow's components run as in ``make sandbox``, beside a sandbox whose answers take long. It is known which events the
store has in flight at each kill, so that what arrives can be compared with that, event by event.
"""

import importlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.sandbox import ReceivedEvent, Sandbox

SCRIPTS = Path(__file__).parents[2] / "scripts"
SEED = int(os.environ.get("SEED") or random.randrange(10**6))
EVENTS = {"at_least_once": 4000, "at_most_once": 2400}
BATCH = 20
LATENCY = 0.4
NOT_FOUND = 404
NOTHING = dict.fromkeys(("rejected", "skipped", "uncertain", "unidentified"), 0) | {"rejected_path": None}
# In each identifier and property.
PRIVATE = "confidential"
DAGS = f"""
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

for delivery in {list(EVENTS)}:
    with DAG(delivery, schedule=None):
        BrevoBulkCreateEventsOperator(
            task_id="send",
            path=f"{{__file__.removesuffix('.py')}}-{{delivery}}.jsonl",
            batch_size={BATCH},
            max_in_flight=4,
            delivery=delivery,
            retries=10,
            retry_delay=timedelta(0),
        )
"""
# A task whose supervisor is gone is noticed by its missing heartbeats: within seconds, not five minutes.
SETTINGS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "14",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


@dataclass
class Run:
    """The run of a DAG, whose one task is killed.

    :param airflow: the Airflow, which runs.
    :param sandbox: where the events arrive.
    :param key: the key of the connection.
    :param delivery: the DAG's id, and the name of its events.
    :param path: the run's path in Airflow's REST API.
    :param rng: chooses the instants.
    :param held: the events that the task state store had in flight at each kill.
    """

    airflow: Any
    sandbox: Sandbox
    key: str
    delivery: str
    path: str
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))
    held: list[list[int]] = field(default_factory=list)

    def kill(self, victim: str) -> None:
        """Kill the task's process, or its supervisor, while it sends, and come back when the next try has begun."""
        session = len(self.held) + 1
        wait_until(lambda: self.progress().session == session)
        sent = len(self.events())
        wait_until(lambda: len(self.events()) > sent)
        delay = self.rng.uniform(0, 1.5)
        time.sleep(delay)
        process = psutil.Process(self.ask()["pid"])
        supervisor = process.parent()
        assert supervisor.cmdline()[0].startswith("airflow worker -- LocalExecutor")

        killed = time.monotonic()
        (supervisor if victim == "supervisor" else process).kill()
        wait_until(lambda: not is_alive(process))  # without a supervisor it can't record any more, and ends by itself
        ended = time.monotonic()
        left: list[Progress] = []

        def has_next_begun() -> bool:
            progress = self.progress()
            if progress.session == session:
                left.append(progress)
            return progress.session > session

        wait_until(has_next_begun)
        self.held.append([event for start, stop in left[-1].in_flight for event in range(start, stop)])
        assert self.held[-1]
        say(
            f"{self.delivery}: {victim} killed {delay:.2f} s after a batch had come, task dead {ended - killed:.2f} s"
            f" later, next try after {time.monotonic() - killed:.1f} s;"
            f" {left[-1].accepted} events accepted, {len(self.held[-1])} in flight"
        )

    def end(self, state: str) -> None:
        """Let it finish."""
        wait_until(lambda: self.ask()["state"] in {"success", "failed"})
        task = self.ask()
        assert (task["state"], task["try_number"]) == (state, len(self.held) + 1)

    def ask(self, path: str = "") -> Any:
        """Ask Airflow about the task; None for what isn't there."""
        answer = self.airflow.call("GET", f"{self.path}/taskInstances/send{path}")
        return answer.json() if answer.status_code != NOT_FOUND else None

    def progress(self) -> Progress:
        """Return what the task state store holds."""
        kept = self.ask("/state-store/brevo_bulk")
        return Progress.from_json(kept["value"], kept_in="the store") if kept else Progress()

    def events(self) -> list[ReceivedEvent]:
        """Return what arrived of it."""
        return [event for event in self.sandbox.events if event.body["event_name"] == self.delivery]

    def arrived(self) -> Counter[int]:
        """Return how often each event arrived, by its place in the source."""
        times = Counter(int(event.body["event_properties"]["order_id"].split("-")[1]) for event in self.events())
        say(
            f"{self.delivery}: {len(times)} events arrived, and {times.total() - len(times)} of them again;"
            f" {sum(map(len, self.held))} were in flight at {len(self.held)} kills"
        )
        return times

    def logs(self) -> str:
        """Return all logs, which hold neither the key nor personal data."""
        text = "".join(path.read_text() for path in self.airflow.log.parent.rglob("*.log"))
        assert self.key not in text
        assert PRIVATE not in text
        return text


def say(sentence: str) -> None:
    """Show what happens, if a test fails or pytest is called with ``-s``."""
    print(sentence)  # noqa: T201 # see above


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs. One that has ended may wait for its parent to take note."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that takes its time."""
    with Sandbox(latency=LATENCY) as running:
        yield running


@pytest.fixture(scope="module")
def playground() -> Iterator[Any]:
    """Import the script that starts Airflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("playground")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, playground: Any, sandbox: Sandbox) -> Iterator[Any]:
    """Start Airflow with a DAG for each delivery, and leave nothing of it behind."""
    folder = tmp_path_factory.mktemp("kills")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "bulk.py").write_text(DAGS)
    for delivery, count in EVENTS.items():
        with (dags / f"bulk-{delivery}.jsonl").open("w") as file:
            for n in range(count):
                identifiers = {"email_id": f"{PRIVATE}-{n}@example.com"}
                event = {"event_name": delivery, "identifiers": identifiers}
                file.write(json.dumps(event | {"event_properties": {"order_id": f"{PRIVATE}-{n}"}}) + "\n")
    with playground.Airflow(
        folder=folder,
        port=playground.free_port(0),
        stopped=threading.Event(),
        dags=dags,
        switched_on=EVENTS,
        settings=SETTINGS,
    ) as running:
        running.start(sandbox.url)
        yield running


@pytest.fixture
def trigger(airflow: Any, playground: Any, sandbox: Sandbox) -> Callable[[str], Run]:
    """Return what starts a run of a DAG."""
    say(f"SEED={SEED} throws the same dice")

    def trigger(delivery: str) -> Run:
        runs = f"/api/v2/dags/{delivery}/dagRuns"
        run_id = airflow.call("POST", runs, {"logical_date": None}).json()["dag_run_id"]
        return Run(airflow, sandbox, playground.KEY, delivery, f"{runs}/{run_id}")

    return trigger


def test_a_bulk_task_that_is_killed_five_times_loses_nothing(
    trigger: Callable[[str], Run], proved: Callable[[str], None]
) -> None:
    """Every event arrives, again only if it was in flight at a kill, and the result counts all tries."""
    run = trigger("at_least_once")
    for victim in ("task", "supervisor", "task", "supervisor", "task"):
        run.kill(victim)
    run.end("success")

    total = EVENTS[run.delivery]
    everything = Counter(range(total))
    arrived = run.arrived()
    assert set(arrived) == set(everything)
    assert arrived - everything <= Counter(event for held in run.held for event in held)
    result = run.ask("/xcomEntries/return_value")["value"]
    assert result.pop("seconds") > 0
    assert result == NOTHING | {"total": total, "accepted": total, "requests": total // BATCH}
    assert f"Brevo took {total} of {total} events" in run.logs()
    again, in_flight = (arrived - everything).total(), sum(map(len, run.held))
    proved(
        f"bulk: a task was killed {len(run.held)} times, itself or its supervisor; all {total:,} events arrived,"
        f" {again} of them again, all among the {in_flight:,} in flight at a kill (SEED={SEED})"
    )


def test_a_bulk_task_that_is_killed_sends_nothing_twice_if_so_asked(
    trigger: Callable[[str], Run], proved: Callable[[str], None]
) -> None:
    """What was in flight at a kill is named as uncertain, and all else arrives once."""
    run = trigger("at_most_once")
    for victim in ("task", "supervisor"):
        run.kill(victim)
    run.end("failed")

    total = EVENTS[run.delivery]
    arrived = run.arrived()
    uncertain = {event for held in run.held for event in held}
    assert set(arrived.values()) == {1}
    assert set(range(total)) - set(arrived) <= uncertain
    accepted = total - len(uncertain)
    result = run.ask("/xcomEntries/result")["value"]
    assert result.pop("seconds") > 0
    assert result == NOTHING | {
        "total": total,
        "accepted": accepted,
        "uncertain": len(uncertain),
        "requests": accepted // BATCH,
    }
    named = Ranges((event, event + 1) for event in uncertain)
    assert f"of {len(uncertain)} nobody knows whether Brevo took them: events {named};" in run.logs()
    proved(
        f"bulk: a task that must send nothing twice was killed {len(run.held)} times; of {total:,} events {accepted:,}"
        f" were accepted, {len(uncertain)} named as uncertain, and the {len(arrived):,} that arrived did so once"
        f" (SEED={SEED})"
    )
