"""What parsing a DAG pays for importing our operator, over what Airflow has loaded anyway.

Each number is the median of several fresh interpreters, run in turn so that a busy moment hits all of them alike.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys

ROUNDS = 7
GOAL_MS = 20.0

BASE = "import airflow, airflow.providers.common.compat.sdk"
BASE += (
    ", airflow.sdk" if importlib.util.find_spec("airflow.sdk") else "; from airflow import DAG"
)  # Airflow 2 has no SDK
CASES = {
    "BrevoCreateEventOperator": "airflow_provider_brevo.operators.brevo",
    "requests alone": "requests",
    "HttpOperator": "airflow.providers.http.operators.http",
    "SegmentTrackEventOperator": "airflow.providers.segment.operators.segment_track_event",
}
_TIMED = """
import time
{base}
start = time.perf_counter()
import {module}
print((time.perf_counter() - start) * 1000)
"""


def measure(module: str) -> float | None:
    """Return the milliseconds that importing a module takes in a fresh interpreter, ``None`` if it isn't installed."""
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(base=BASE, module=module)], capture_output=True, text=True, check=False
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    done.check_returncode()
    return float(done.stdout.splitlines()[-1])


def main() -> int:
    """Print one line for each module, and whether ours keeps to its goal."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    installed = {
        name: module for name, module in CASES.items() if measure(module) is not None
    }  # fills the disk's cache
    for _ in range(ROUNDS):
        for name, module in installed.items():
            times[name].append(measure(module) or 0.0)
    ours = statistics.median(times["BrevoCreateEventOperator"])
    print(f"import over airflow.sdk with common-compat's sdk, median of {ROUNDS} interpreters")
    for name, measured in times.items():
        if measured:
            median = statistics.median(measured)
            print(f"  {name:28} {median:7.1f} ms   {median / ours:6.1f} x ours")
        else:
            print(f"  {name:28} not installed here")
    print(f"  goal: ours at most {GOAL_MS:.0f} ms: {'reached' if ours <= GOAL_MS else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
