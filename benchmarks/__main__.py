"""`make bench`: one table, with the ratios of one run.

A goal that is missed is printed as MISSED and fails nothing: other work on the machine may be the reason.
"""

from __future__ import annotations

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
    os.environ["AIRFLOW_HOME"] = str(WORK / "airflow")  # before anything of Airflow is imported
    from benchmarks import import_cost, one_event, table, validation  # noqa: PLC0415 # for the same reason

    load, _, _ = os.getloadavg()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} before the run.")
    print(textwrap.fill(" ".join(f"{name}=={version(name)}" for name in COMPARED), width=110, break_on_hyphens=False))
    print(table.render([import_cost.measure(WORK), one_event.measure(), validation.measure()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
