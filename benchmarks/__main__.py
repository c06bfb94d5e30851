"""`make bench`: one table, with the ratios of one run.

A goal that is missed is printed as MISSED and fails nothing: other work on the machine may be the reason.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

WORK = Path(__file__).parent.parent / ".cache" / "bench"
COMPARED = (
    "apache-airflow",
    "apache-airflow-providers-http",
    "apache-airflow-providers-segment",
    "requests",
    "brevo-python",
    "jsonschema",
    "fastjsonschema",
)


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the package costs, in one table.")
    parser.add_argument("--full", action="store_true", help="limits for a minute each, and a file of a million events")
    full = parser.parse_args().full
    os.environ["AIRFLOW_HOME"] = str(WORK / "airflow")  # before anything of Airflow is imported
    from benchmarks import (  # noqa: PLC0415 # for the same reason
        import_cost,
        limits,
        many_events,
        memory,
        one_event,
        table,
        validation,
    )

    load, _, _ = os.getloadavg()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} before the run.")
    print(textwrap.fill(" ".join(f"{name}=={version(name)}" for name in COMPARED), width=110, break_on_hyphens=False))
    for measure in (
        lambda: [import_cost.measure(WORK), import_cost.measure_help(WORK)],
        lambda: [one_event.measure()],
        lambda: [validation.measure()],
        lambda: [many_events.measure(WORK)],
        lambda: [memory.measure(WORK, full=full)],
        lambda: limits.measure(full=full),
    ):
        print(table.render(measure()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
