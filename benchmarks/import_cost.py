"""What importing our modules costs: where a DAG is parsed, and where somebody types `airflow --help`."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.rounds import take_turns
from benchmarks.table import Block, Goal, Row, compared, in_words

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 5
GOAL_MS = 20

_OURS = "BrevoCreateEventOperator"
_MODULES = {
    _OURS: "airflow_provider_brevo.operators.brevo",
    "requests alone": "requests",
    "HttpOperator": "airflow.providers.http.operators.http",
    "SegmentTrackEventOperator": "airflow.providers.segment.operators.segment_track_event",
}
_TIMED = """
import time
import airflow.sdk
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
_HELP = "airflow --help"
# What Airflow does with us there, with all else loaded. `-X importtime` doesn't see modules that are loaded by name.
_HELP_TIMED = """
import time
import airflow.cli.cli_config, airflow.providers_manager
start = time.perf_counter()
from airflow_provider_brevo.get_provider_info import get_provider_info
get_provider_info()
from airflow_provider_brevo.cli import get_brevo_commands
get_brevo_commands()
print(time.perf_counter() - start)
"""


def measure(work: Path) -> Block:
    """Import each module in fresh interpreters.

    :param work: a folder that keeps the compiled modules from run to run, as an installation by pip has them.
    """
    environment = _environment(work)
    turns = {name: functools.partial(_run, _TIMED.format(module=of), environment) for name, of in _MODULES.items()}
    seconds = take_turns(turns, rounds=ROUNDS)
    title = f"Importing, over airflow.sdk (median of {ROUNDS} interpreters)"
    return compared(title, seconds, {_OURS: (_goal(seconds[_OURS]),)})


def measure_help(work: Path) -> Block:
    """Do in fresh interpreters what `airflow --help` does with our modules.

    :param work: as for :func:`measure`.
    """
    seconds = take_turns({_HELP: functools.partial(_run, _HELP_TIMED, _environment(work))}, rounds=ROUNDS)[_HELP]
    title = f"What our modules add to `airflow --help` (median of {ROUNDS} interpreters)"
    row = Row(name="declaration and commands", figures=(in_words(seconds),), goals=(_goal(seconds),))
    return Block(title=title, columns=("time",), rows=[row])


def _goal(seconds: float) -> Goal:
    return Goal(text=f"at most {GOAL_MS} ms", reached=seconds * 1000 <= GOAL_MS)


def _environment(work: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(work / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _run(code: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])
