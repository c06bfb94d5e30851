"""The bulk engine, killed again and again: nothing may be lost, and all that is uncertain has to be reported.

A real process sends a few thousand events over sockets to the sandbox, which is another process and misbehaves. It is
ended by SIGKILL at random instants and started anew until all is done. Then the sandbox's journal, what lay on disk at
each kill, and the file of rejected events are compared, event by event (:mod:`crash_checks`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crash_checks import Findings, Try, check, events_of, read_journal
from crash_worker import BETWEEN, FLUSHING, MERGING, PHASES, SAVING, START, Board, Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parent.parent

DELIVERIES = ("at_least_once", "at_most_once")

FAULTS = (
    "429,times=1,chance=0.01",  # more would slow the whole run down
    "429,times=1,chance=0.01,retry_after=2.5",
    "503,chance=0.01",
    "500,chance=0.02,taken",
    "reset,chance=0.02",
    "reset,chance=0.02,taken",
    "close,chance=0.02",
    "close,chance=0.02,taken",
    "truncated,chance=0.02,taken",
    "non-json,status=200,times=1,chance=0.01,taken",
    "hang,times=1,chance=0.01",
    "hang,times=1,chance=0.01,taken",
    "413,chance=0.01",
    "partial,chance=0.04,share=0.3",
    "partial,chance=0.02,indices=0-199",
    "partial,chance=0.04,share=0.3,message=Please try again later",
)
"""What goes wrong at the sandbox; ``taken`` takes the events all the same."""

LATENCY = "25"
"""Milliseconds that the sandbox takes for an answer."""

ON_WIRE = len(PHASES)
"""What most kills aim at: a request on the wire."""

AIMS = (START, BETWEEN, SAVING, SAVING, FLUSHING, MERGING)
"""What every other kill aims at, in turn."""

_BEFORE = {BETWEEN: 1.0, SAVING: 1.0, ON_WIRE: 0.8}
"""Seconds at most, from the start of the process, for which other instants to kill are let pass."""

_AFTER = {START: 0.004, BETWEEN: 0.3, SAVING: 0.012, FLUSHING: 0.002, MERGING: 0.001, ON_WIRE: 0.02}
"""Seconds at most between seeing what was aimed at and the kill."""

_PATIENCE = 120.0
_MOST_TRIES = 200


@dataclasses.dataclass(kw_only=True)
class Report:
    """What came of all runs with one delivery."""

    delivery: str
    runs: int = 0
    tries: int = 0
    seconds: float = 0.0
    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    in_flight: int = 0
    on_wire: int = 0
    refused: int = 0
    found: Counter[str] = dataclasses.field(default_factory=Counter)
    problems: list[str] = dataclasses.field(default_factory=list)


class Killer:
    """Starts tries, and kills most of them.

    :param folder: where a run's files are.
    :param rng: chooses the instants.
    :param report: takes what happens.
    :param kills: how many kills there are to be.
    """

    def __init__(self, folder: Path, rng: random.Random, report: Report, *, kills: int) -> None:
        self._folder = folder
        self._rng = rng
        self._report = report
        self._wanted = kills
        self._aimed = 0
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def close(self) -> None:
        """Stop starting processes."""
        self._server.communicate(timeout=_PATIENCE)

    @property
    def done(self) -> bool:
        """Whether all kills were made."""
        return self._report.kills.total() >= self._wanted

    def run(self, job: Job, *, kills: int) -> tuple[Job, dict[int, Try], dict[str, Any]]:
        """Start one try after the other until all is settled.

        :param job: the first try.
        :param kills: how many of them to kill, at most.
        :return: the last try, all tries by their serial number, and how the last one ended.
        """
        tries: dict[int, Try] = {}
        ended_path = Path(job.folder) / "ended.json"
        for serial in range(1, _MOST_TRIES):
            job = dataclasses.replace(job, serial=serial)
            ended_path.unlink(missing_ok=True)
            self._report.tries += 1
            killed = self._try(job, kill=kills > 0 and not self.done)
            kills -= killed
            progress = job.store.load()
            in_flight = events_of(progress.in_flight) if progress else frozenset()
            tries[serial] = Try(killed=killed, in_flight=in_flight)
            self._report.in_flight += killed and bool(in_flight)
            ended = json.loads(ended_path.read_text()) if not killed else {}
            if ended.get("error") == "BrevoDeliveryError" and progress is None and job.try_number > 1:
                self._report.refused += 1  # rightly: nobody knows what the first try did. It is run anew.
                job = dataclasses.replace(job, try_number=1)
            elif "result" in ended or (ended and not ended["retry_later"]):
                return job, tries, ended
            else:
                job = dataclasses.replace(job, try_number=job.try_number + 1)
        return job, tries, {"error": f"no end after {_MOST_TRIES} tries"}

    def _try(self, job: Job, *, kill: bool) -> bool:
        """Make one try; return whether it was killed."""
        board = Board(Path(job.folder))
        board.clear()
        self._tell(json.dumps(dataclasses.asdict(job)))
        pid = int(self._hear())
        if kill:
            self._aim(board, first=job.serial == 1)
            os.kill(pid, signal.SIGKILL)  # a zombie at least: the id is its own until the status is asked for
        self._hear()
        self._tell("status?")
        status = int(self._hear())
        if status not in {0, -signal.SIGKILL}:
            raise RuntimeError("the process failed: see its traceback above")
        if status == 0:
            return False
        self._aimed += 1
        self._report.kills[PHASES[board.phase]] += 1
        self._report.on_wire += board.on_wire > 0
        return True

    def _aim(self, board: Board, *, first: bool) -> None:
        """Return at the instant to kill, or once the process has done its work."""
        aim = ON_WIRE if self._aimed % 2 == 0 else AIMS[self._aimed // 2 % len(AIMS)]
        if first and self._report.runs % 4 == 0:
            aim = START  # so that a later try finds no checkpoint
        self._wait(self._rng.uniform(0, _BEFORE.get(aim, 0.0)))
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not self._server_spoke():
            if board.on_wire if aim == ON_WIRE else board.phase == aim:
                break
        self._wait(self._rng.uniform(0, _AFTER[aim]))

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._server_spoke():
            pass

    def _server_spoke(self) -> bool:
        """Tell whether the process has ended, after a short wait."""
        return bool(select.select([self._server.stdout], [], [], 0.0002)[0])

    def _tell(self, line: str) -> None:
        self._server.stdin.write(f"{line}\n".encode())
        self._server.stdin.flush()

    def _hear(self) -> str:
        if not select.select([self._server.stdout], [], [], _PATIENCE)[0]:
            raise RuntimeError(f"the process did not end within {_PATIENCE:g} s")
        return self._server.stdout.readline().decode()


@contextmanager
def sandbox(database: Path, seed: int) -> Iterator[str]:
    """Run a sandbox with faults, and give its base URL."""
    faults = [part for fault in FAULTS for part in ("--fault", fault)]
    command = [sys.executable, "-m", "airflow_provider_brevo.sandbox", "--port", "0", "--db", str(database)]
    process = subprocess.Popen(
        [*command, "--latency", LATENCY, "--seed", str(seed), *faults],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield re.search(r"http://\S+/v3", process.stdout.readline())[0]  # type: ignore[index] # or it said why not
    finally:
        process.terminate()
        process.communicate(timeout=_PATIENCE)


def crash(delivery: str, *, kills: int, seed: int, folder: Path, kills_a_run: tuple[int, int] = (3, 14)) -> Report:
    """Kill the engine many times.

    :param delivery: ``at_least_once`` or ``at_most_once``.
    :param kills: how often.
    :param seed: of sources, faults and instants.
    :param folder: for all files.
    :param kills_a_run: how often to kill at one source, at least and at most.
    :return: what was counted, and what is wrong.
    """
    rng = random.Random(f"{seed} {delivery}")  # noqa: S311 # dice, no secrets
    report = Report(delivery=delivery)
    began = time.monotonic()
    killer = Killer(folder, rng, report, kills=kills)
    try:
        while not killer.done:
            report.runs += 1
            place = folder / f"{delivery}-{report.runs}"
            place.mkdir()
            run_seed = rng.getrandbits(32)
            with sandbox(place / "sandbox.db", run_seed) as url:
                job = Job(
                    folder=str(place),
                    url=url,
                    seed=run_seed,
                    serial=0,
                    try_number=1,
                    delivery=delivery,
                    on_invalid=("skip", "fail")[report.runs % 2],
                    stored=("file", "state")[report.runs // 2 % 2],
                    count=rng.randint(1000, 3000),
                    batch_size=rng.choice((20, 50, 200)),
                    max_in_flight=rng.choice((1, 4, 16)),
                )
                job, tries, ended = killer.run(job, kills=rng.randint(*kills_a_run))
            found = check(job, tries, read_journal(place / "sandbox.db"), ended)
            _add(report, found, f"run {report.runs} ({place.name})")
    finally:
        killer.close()
    report.seconds = time.monotonic() - began
    return report


def crash_all(deliveries: Sequence[str], **options: Any) -> list[Report]:
    """Kill the engine many times with each delivery, beside each other, with the options of :func:`crash`."""
    with ThreadPoolExecutor(len(deliveries)) as pool:
        return list(pool.map(lambda delivery: crash(delivery, **options), deliveries))


def _add(report: Report, found: Findings, where: str) -> None:
    numbers = dataclasses.asdict(found)
    report.problems += [f"{where}: {problem}" for problem in numbers.pop("problems")]
    report.found.update(numbers)


def show(reports: list[Report]) -> None:
    """Print what was counted, one column a delivery."""
    rows: list[tuple[str, list[object]]] = [
        ("sources", [report.runs for report in reports]),
        ("tries", [report.tries for report in reports]),
        ("kills", [report.kills.total() for report in reports]),
        ("  with events in flight on disk", [report.in_flight for report in reports]),
        ("  with a request on the wire", [report.on_wire for report in reports]),
        *((f"  {phase}", [report.kills[phase] for report in reports]) for phase in PHASES),
        ("later tries without a checkpoint, refused", [report.refused for report in reports]),
        *((name.replace("_", " "), [report.found[name] for report in reports]) for name in _NAMES),
        ("seconds", [f"{report.seconds:.0f}" for report in reports]),
    ]
    print(f"{'':45}" + "".join(f"{report.delivery:>16}" for report in reports))
    for name, values in rows:
        print(f"{name:45}" + "".join(f"{value:>16}" for value in values))


_NAMES = [item.name for item in dataclasses.fields(Findings) if item.name != "problems"]


def main() -> int:
    """Kill as often as asked for; 0 only if nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="for each delivery; default 200")
    any_seed = random.randrange(10**6)  # noqa: S311 # dice, no secrets
    parser.add_argument("--seed", type=int, default=any_seed, metavar="N", help="default: any")
    parser.add_argument("--delivery", choices=(*DELIVERIES, "both"), default="both")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to leave all files; default: nowhere")
    options = parser.parse_args()
    deliveries = DELIVERIES if options.delivery == "both" else (options.delivery,)
    print(f"seed {options.seed}, {options.kills} kills for each delivery", flush=True)
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        folder.mkdir(exist_ok=True)
        reports = crash_all(deliveries, kills=options.kills, seed=options.seed, folder=folder)
    show(reports)
    problems = [f"{report.delivery}, {problem}" for report in reports for problem in report.problems]
    for problem in problems:
        print(problem)
    few = [report for report in reports if report.in_flight * 2 < report.kills.total()]
    if problems or few:
        print(f"make crash SEED={options.seed} throws the same dice" if problems else "too few kills in flight")
        return 1
    print("nothing lost, nothing repeated without need, everything uncertain reported")
    return 0


if __name__ == "__main__":
    sys.exit(main())
