"""Many events sent by a real cluster: Celery workers, with PostgreSQL and Redis behind them, share one limit.

Events are numbered, so that what arrived can be compared with what was to be sent, event by event.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cluster import ENDED, Cluster, Run, cluster
from services import Brevo, brevo, listening, sockets
from waiting import wait_until

SEED = int(os.environ.get("SEED") or random.randrange(10**6))
DAGS = Path(__file__).parent / "dags" / "cluster"
SWITCHED_ON = ("one_worker", "two_workers", "worker_killed", "long_wait", "quick")
CHUNKS, CHUNK = 4, 25_000
EVENTS = CHUNKS * CHUNK
BATCH = 100
LIMIT = 60
POOL = 2
# A task has at most 16 requests on their way: at half a second each, it alone can't use up the limit.
LIMITED = ("--rate", str(LIMIT), "--latency", "500")
# None of them takes the events: if one arrives twice, that is the kill's doing.
FAULTS = ("429,chance=0.01,retry_after=1", "500,chance=0.01", "close,chance=0.01", "reset,chance=0.01")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start the cluster once for all tests."""
    folder = tmp_path_factory.mktemp("cluster")
    for chunk in range(CHUNKS):
        with (folder / f"{chunk}.jsonl").open("w") as file:
            for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
                event = {"event_name": "order_completed", "identifiers": {"ext_id": f"customer-{number % 1000}"}}
                file.write(json.dumps(event | {"event_properties": {"number": number}}) + "\n")
    with cluster(folder, dags=DAGS, switched_on=SWITCHED_ON, settings={"CHUNKS": str(folder)}) as running:
        running.call("POST", "/api/v2/pools", {"name": "brevo", "slots": POOL}).raise_for_status()
        yield running


@pytest.fixture
def start(airflow: Cluster, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return what starts a sandbox, makes the connection to it, and starts the run of a DAG."""
    with ExitStack() as stack:

        def start(dag_id: str, *options: str) -> tuple[Brevo, Run]:
            sandbox = stack.enter_context(brevo(tmp_path / f"{dag_id}.db", *options))
            airflow.connect(dag_id, sandbox)
            return sandbox, airflow.trigger(dag_id)

        yield start


def watch(run: Run, airflow: Cluster) -> tuple[dict[int, str], int]:
    """Wait until a run has ended; return which worker ran each chunk last, and how many were in the pool at most."""
    workers: dict[int, str] = {}
    most = 0

    def has_ended() -> bool:
        nonlocal most
        for chunk, task in run.tasks("running").items():
            if worker := airflow.worker_of(task["pid"]):
                workers[chunk] = worker
        most = max(most, airflow.call("GET", "/api/v2/pools/brevo").json()["occupied_slots"])
        return run.state() in ENDED

    wait_until(has_ended)
    run.end()
    return workers, most


def test_workers_share_the_limit_and_everything_arrives_once(
    airflow: Cluster, start: Callable[..., Any], proved: Callable[[str], None]
) -> None:
    """100,000 events in chunks go through both workers, as many at once as the pool allows, and arrive exactly once."""
    airflow.use("one")
    alone, run = start("one_worker", *LIMITED)
    watch(run, airflow)
    alone.stop()
    assert sorted(alone.arrived()) == list(range(CHUNK))

    airflow.use("one", "two")
    shared, run = start("two_workers", *LIMITED)
    workers, most = watch(run, airflow)
    counts = shared.ask("/_sandbox/duplicates?property=number")
    assert counts == {"events": EVENTS, "distinct": EVENTS, "duplicates": 0}
    answers = shared.answers()
    assert answers.pop("202") == EVENTS // BATCH
    shared.stop()
    assert sorted(shared.arrived()) == list(range(EVENTS))
    assert set(workers) == set(range(CHUNKS))
    assert set(workers.values()) == {"one", "two"}
    assert most == POOL

    share = Counter(workers.values())
    (of_one, most_of_one), (of_two, most_of_two) = alone.pace(), shared.pace()
    assert most_of_one < most_of_two
    proved(
        f"cluster: {EVENTS:,} events in {CHUNKS} chunks arrived exactly once; worker one sent {share['one']} chunks,"
        f" worker two {share['two']}; the pool held {most} at most; requests refused: {answers.get('429', 0)}"
    )
    proved(
        f"cluster: of {LIMIT} requests/s, each answered after 0.5 s, 1 worker used {most_of_one:.0f} and 2 workers"
        f" {most_of_two:.0f} in their busiest 5 s ({of_one:.0f} and {of_two:.0f} over all, the starts of tasks"
        f" included): {most_of_one * BATCH:,.0f} and {most_of_two * BATCH:,.0f} events/s"
    )


def test_a_killed_worker_loses_nothing(
    airflow: Cluster, start: Callable[..., Any], proved: Callable[[str], None]
) -> None:
    """A worker dies while both send and Brevo fails now and then: only what was in flight there may arrive again."""
    rng = random.Random(SEED)
    airflow.use("one", "two")
    faults = [part for fault in FAULTS for part in ("--fault", f"{fault},path=/v3/events/batch")]
    sandbox, run = start("worker_killed", *LIMITED, "--seed", str(SEED), *faults)

    victims: list[int] = []

    def do_both_send() -> bool:
        assert run.state() not in ENDED
        workers = {airflow.worker_of(task["pid"]): chunk for chunk, task in run.tasks("running").items()}
        # Early in its chunk, or it would have ended before the kill.
        if set(workers) == {"one", "two"} and 0 < run.progress(workers["two"]).accepted < CHUNK // 3:
            victims.append(workers["two"])
        return bool(victims)

    wait_until(do_both_send)
    (victim,) = victims
    time.sleep(rng.uniform(0, 3))
    airflow.kill("two")
    killed = time.monotonic()
    left = []

    def has_next_begun() -> bool:
        progress = run.progress(victim)
        if progress.session == 1:
            left.append(progress)
        return progress.session > 1

    wait_until(has_next_begun)
    noticed = time.monotonic() - killed
    held = {victim * CHUNK + event for first, stop in left[-1].in_flight for event in range(first, stop)}
    workers, _ = watch(run, airflow)
    assert workers[victim] == "one"
    tries = {chunk: task["try_number"] for chunk, task in run.tasks().items()}
    assert tries == dict.fromkeys(range(CHUNKS), 1) | {victim: 2}

    answers = sandbox.answers()
    sandbox.stop()
    arrived = Counter(sandbox.arrived())
    assert set(arrived) == set(range(EVENTS))
    again = {number for number, times in arrived.items() if times > 1}
    assert again <= held
    assert max(arrived.values()) <= 2
    assert held
    assert all(answers.get(status) for status in ("429", "500", "none")), answers
    proved(
        f"cluster: a worker was killed {left[-1].accepted:,} events into a chunk; {noticed:.0f} s later the other"
        f" went on with it; all {EVENTS:,} events arrived, {len(again)} of them twice, all among the {len(held):,} in"
        f" flight at the kill; Brevo answered {answers['429']} times 429, {answers['500']} times 500, and hung up"
        f" {answers['none']} times (SEED={SEED})"
    )


def test_a_long_wait_frees_the_slot(airflow: Cluster, start: Callable[..., Any], proved: Callable[[str], None]) -> None:
    """While a task waits for the limit, another one runs in the only slot there is, and then the first goes on."""
    airflow.use("one")
    sandbox, run = start("long_wait", "--rate", "70", "--window", "sliding", "--window-seconds", "20")
    wait_until(lambda: bool(run.tasks("deferred", *ENDED)))
    taken = sandbox.answers()["202"]
    deferred = time.monotonic()
    other = airflow.trigger("quick")
    other.end()
    waited = time.monotonic() - deferred
    assert run.tasks("deferred")
    assert sandbox.answers() == {"202": taken}
    run.end()
    sandbox.stop()
    assert sorted(sandbox.arrived()) == list(range(CHUNK))
    proved(
        f"cluster: after {taken} requests a task met a limit and deferred; another one ran {waited:.1f} s later in the"
        f" only slot, and then the first sent the rest: {CHUNK:,} events arrived exactly once"
    )


def test_only_this_machine_reaches_it(airflow: Cluster, proved: Callable[[str], None]) -> None:
    """Every socket of every process is on loopback."""
    airflow.use("one", "two")
    processes = airflow.processes()
    found = sockets(processes)
    assert all(ip_address(socket.laddr.ip).is_loopback for socket in found), found
    ports = {address.port for address in listening(processes)}
    assert len(ports) == 3, ports  # PostgreSQL, Redis, Airflow's API
    proved(f"cluster: {len(processes)} processes listened on {len(ports)} ports, all of 127.0.0.1")
