"""What parsing a DAG pays for importing our operator, over what `airflow.sdk` has loaded anyway."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.rounds import take_turns
from benchmarks.table import Goal, compared

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.table import Block

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


def measure(work: Path) -> Block:
    """Import each module in fresh interpreters.

    :param work: a folder that keeps the compiled modules from run to run, as an installation by pip has them.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(work / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    turns = {name: functools.partial(_import, module, environment) for name, module in _MODULES.items()}
    seconds = take_turns(turns, rounds=ROUNDS)
    title = f"Importing, over airflow.sdk (median of {ROUNDS} interpreters)"
    goal = Goal(text=f"at most {GOAL_MS} ms", reached=seconds[_OURS] * 1000 <= GOAL_MS)
    return compared(title, seconds, {_OURS: (goal,)})


def _import(module: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", _TIMED.format(module=module)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])
