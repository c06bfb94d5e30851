"""What must be true after a run of :mod:`crash`, read from the sandbox's journal and from what lies on disk."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from crash_worker import Job

    from airflow_provider_brevo.core.ranges import Ranges

_SERVER_ERROR, _REQUEST_TIMEOUT = 500, 408
_GARBLED = ("Fault truncated", "Fault non-json", "Fault empty")


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try, and what it left on disk.

    :param killed: whether it was killed; else it ended by itself.
    :param in_flight: the events that the checkpoint has in flight.
    """

    killed: bool
    in_flight: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Request:
    """A batch that reached the sandbox.

    :param serial: the try that sent it.
    :param uncertain: whether its sender can't know what became of it.
    :param events: its events.
    :param taken: those of them that the sandbox took.
    """

    serial: int
    uncertain: bool
    events: tuple[int, ...]
    taken: frozenset[int]


@dataclass(kw_only=True)
class Findings:
    """What was counted, and what is wrong."""

    events: int = 0
    requests: int = 0
    accepted: int = 0
    rejected: int = 0
    lost: int = 0
    duplicates: int = 0
    duplicates_unexcused: int = 0
    uncertain: int = 0
    uncertain_by_kill: int = 0
    uncertain_taken: int = 0
    problems: list[str] = field(default_factory=list)

    def expect(self, right: object, problem: str) -> None:
        """Note a problem unless something is right."""
        if not right:
            self.problems.append(problem)

    def same(self, what: str, found: Iterable[int], expected: Iterable[int]) -> None:
        """Note a problem unless two sets of events are equal."""
        more, less = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
        self.expect(not more and not less, f"{what}: {_some(more)} too many, {_some(less)} missing")


def events_of(ranges: Ranges) -> frozenset[int]:
    """Return the numbers in some ranges."""
    return frozenset(number for start, stop in ranges for number in range(start, stop))


def read_journal(path: Path) -> list[Request]:
    """Read the batches that a sandbox got, in order of arrival."""
    with sqlite3.connect(path) as database:
        taken: dict[int, set[int]] = defaultdict(set)
        for number, body in database.execute("SELECT request, body FROM events"):
            order = json.loads(body)["event_properties"]["order_id"]
            if order in taken[number]:
                raise ValueError(f"request {number} brought event {order} twice")
            taken[number].add(order)
        rows = database.execute("SELECT number, headers, status, reason, body FROM requests ORDER BY number").fetchall()
    database.close()
    return [
        Request(
            serial=int(re.search(r"try/(\d+)", json.loads(headers)["user-agent"])[1]),  # type: ignore[index] # it is there
            uncertain=status is None
            or status >= _SERVER_ERROR
            or status == _REQUEST_TIMEOUT
            or (reason or "").startswith(_GARBLED),
            events=tuple(event["event_properties"]["order_id"] for event in json.loads(body)["events"]) if body else (),
            taken=frozenset(taken[number]),
        )
        for number, headers, status, reason, body in rows
    ]


def check(job: Job, tries: dict[int, Try], requests: list[Request], ended: dict[str, Any]) -> Findings:
    """Compare what the sandbox has, event by event, with what the engine says.

    :param job: the last try.
    :param tries: all tries, by their serial number.
    :param requests: what the sandbox got.
    :param ended: the engine's last word.
    """
    found = Findings(events=job.count, requests=len(requests))
    valid = {index for index in range(job.count) if not job.is_invalid(index)}
    sent: dict[int, list[Request]] = defaultdict(list)
    for request in requests:
        for event in request.events:
            sent[event].append(request)
    taken = Counter(event for request in requests for event in request.taken)
    progress = job.store.load()
    if progress is None or "result" not in ended:
        found.expect(right=False, problem=f"it did not finish: {ended}")
        return found
    uncertain = events_of(progress.uncertain)

    lines = [json.loads(line) for line in _lines_of(job.rejected)]
    rejected = {line["index"] for line in lines if line["where"] == "Brevo"}
    found.expect(len(lines) == len({line["index"] for line in lines}), "an event is in the rejected file twice")
    found.same(
        "invalid events in the file", [x["index"] for x in lines if x["where"] == "here"], {*range(job.count)} - valid
    )
    found.same("rejections by Brevo in the file", rejected, _refused_last(sent, valid - uncertain))
    for line in lines:
        index = line["index"]
        right = line["event"]["event_properties"]["order_id"] == index if line["where"] == "Brevo" else True
        found.expect(right and line["reasons"], f"the line of event {index} in the rejected file is wrong")

    by_kill = {event for one in tries.values() for event in one.in_flight}
    by_answer = {event for request in requests if request.uncertain for event in request.events}
    lost = valid - rejected - taken.keys()
    if job.delivery == "at_least_once":
        found.same("uncertain events", uncertain, ())
    else:
        found.same("uncertain events", uncertain, by_kill | by_answer)
        found.same("accepted events", taken.keys() - uncertain, valid - rejected - uncertain)
        found.expect(not taken.keys() & rejected, "an event was taken and is in the rejected file")
        lost -= uncertain
    found.lost = len(lost)
    found.expect(not lost, f"lost: {_some(lost)}")
    found.duplicates = sum(taken.values()) - len(taken)
    unexcused = {event for event, those in sent.items() if not _excused(event, those, tries, job.delivery)}
    found.duplicates_unexcused = len(unexcused)
    found.expect(not unexcused, f"sent again without need: {_some(unexcused)}")

    result = ended["result"]
    found.accepted, found.rejected, found.uncertain = result["accepted"], result["rejected"], result["uncertain"]
    found.uncertain_by_kill, found.uncertain_taken = len(uncertain & by_kill), len(uncertain & taken.keys())
    numbers = {
        "total": job.count,
        "accepted": job.count - len(lines) - len(uncertain),
        "rejected": len(lines),
        "skipped": 0,
        "uncertain": len(uncertain),
        "unidentified": 0,
        "rejected_path": str(job.rejected) if lines else None,
    }
    wrong = {name: (result[name], number) for name, number in numbers.items() if result[name] != number}
    found.expect(not wrong, f"numbers (told, counted): {wrong}")
    left = [path.name for path in job.rejected.parent.iterdir() if ".part-" in path.name and path.name[0] != "."]
    counted = {f"{job.rejected.name}.part-{session}-{at}" for session, n in progress.parts.items() for at in range(n)}
    found.expect(not counted.intersection(left), "parts of the rejected file are left over")
    return found


def _refused_last(sent: dict[int, list[Request]], events: set[int]) -> Iterator[int]:
    """Yield the events that the sandbox got and did not take from the last request that brought them."""
    yield from (event for event in events if sent[event] and event not in sent[event][-1].taken)


def _excused(event: int, requests: list[Request], tries: dict[int, Try], delivery: str) -> bool:
    """Tell whether an event was sent again only where it certainly had to be, or by the delivery may be."""
    for request, following in itertools.pairwise(requests):
        in_flight = any(event in tries[serial].in_flight for serial in range(request.serial, following.serial))
        unknown = request.uncertain or in_flight
        if (delivery == "at_most_once" and unknown) or (event in request.taken and not unknown):
            return False
    return True


def _lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _some(events: Iterable[int]) -> str:
    events = sorted(events)
    return f"{len(events)} events {events[:5]}" if events else "none"
