"""What memory and time a large source takes: events of a file, each run in a process of its own."""

from __future__ import annotations

import multiprocessing
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import BulkOptions
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.sources import read_rows
from benchmarks.order import write_jsonl
from benchmarks.sink import Sink
from benchmarks.table import Block, Goal, Row, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = (20_000, 100_000)
FULL_EVENTS = (100_000, 1_000_000)
GOAL_MB = 60
GOAL_GROWTH = 0.1
GOAL_SLOWER = 1.2

_MB = 1_000_000
_OnInvalid = Literal["fail", "skip"]
_MODES: tuple[_OnInvalid, ...] = ("fail", "skip")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a run took.

    :param seconds: an event.
    :param bytes: of memory at its peak, above those of the process before it began.
    """

    seconds: float
    bytes: int


def measure(work: Path, *, full: bool) -> Block:
    """Send a file of orders, and a longer one.

    :param work: a folder for the files, which are removed.
    :param full: a million events rather than a hundred thousand.
    """
    sizes = FULL_EVENTS if full else EVENTS
    work.mkdir(parents=True, exist_ok=True)
    files = [work / f"{events}.jsonl" for events in sizes]
    rows: list[Row] = []
    try:
        for path, events in zip(files, sizes, strict=True):
            write_jsonl(path, events)
        with Sink() as sink:
            for on_invalid in _MODES:
                taken = [_in_new_process(path, sink.port, on_invalid) for path in files]
                rows += _rows(sizes, taken, on_invalid)
    finally:
        for path in files:
            path.unlink(missing_ok=True)
    return Block(
        title="Sending a .jsonl file on loopback: memory above an idle process", columns=("an event", "peak"), rows=rows
    )


def _rows(sizes: tuple[int, int], taken: list[Taken], on_invalid: _OnInvalid) -> Iterator[Row]:
    less, more = taken
    growth, slower = more.bytes / less.bytes - 1, more.seconds / less.seconds
    small = Goal(text=f"less than {GOAL_MB} MB", reached=more.bytes < GOAL_MB * _MB)
    flat = Goal(text=f"equal within {GOAL_GROWTH:.0%}; is {growth:+.0%}", reached=abs(growth) <= GOAL_GROWTH)
    linear = Goal(text=f"at most {GOAL_SLOWER:g} x the time an event; is {slower:.2f} x", reached=slower <= GOAL_SLOWER)
    for events, run, goals in zip(sizes, taken, ((), (small, flat, linear)), strict=True):
        yield Row(
            name=f"{events:,} events of 500 bytes, on_invalid={on_invalid}",
            figures=(in_words(run.seconds), f"{run.bytes / _MB:.1f} MB"),
            goals=goals,
        )


def _in_new_process(path: Path, port: int, on_invalid: _OnInvalid) -> Taken:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_send, (path, port, on_invalid))


def _send(path: Path, port: int, on_invalid: _OnInvalid) -> Taken:
    client = BrevoClient(BrevoSettings(auth=ApiKey("any-key"), base_url=f"http://127.0.0.1:{port}/v3"))
    idle = memory("VmRSS")
    start = time.perf_counter()
    result = send_events(client, lambda: _read(path), options=BulkOptions(on_invalid=on_invalid))
    seconds = time.perf_counter() - start
    return Taken(seconds=seconds / result.accepted, bytes=memory("VmHWM") - idle)


def _read(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        yield from read_rows(file, format="jsonl")


def memory(name: str) -> int:
    """Return what Linux tells of this process: VmRSS, or VmHWM for its peak."""
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
