"""`python -m benchmarks.sql`: what memory and time rows of PostgreSQL take, each run in a process of its own.

The server is Debian's, started for it on a free port; with --uri it is one that runs already.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from benchmarks.memory import Taken, memory
from benchmarks.sink import Sink
from benchmarks.table import Block, Goal, Row, in_words, render

ROWS = 1_000_000
GOAL_MB = 100

_MB = 1_000_000
_SQL = """
    SELECT n AS id, 'jane.doe.' || n || '@example.com' AS email, lpad(n::text, 10, '0') AS order_id,
           n::numeric(12, 2) / 4 AS total, timestamptz '2026-03-01 10:00:00+01' + n * interval '1 second' AS ordered_at,
           repeat('x', 300) AS note
    FROM generate_series(1, %(rows)s) n
"""
_OnInvalid = Literal["fail", "skip"]
_RUNS: tuple[tuple[_OnInvalid, str | None], ...] = (("fail", None), ("skip", None), ("skip", "id"))


def main() -> int:
    """Send the rows by each way, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sql", description="Memory of a query's rows.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--uri", help="of a PostgreSQL that runs")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        uri = asked.uri or stack.enter_context(_server())[0]
        sink = stack.enter_context(Sink())
        block = measure(uri, sink.port, asked.rows)
    print(render([block]))
    return 0 if all(goal.reached for row in block.rows for goal in row.goals) else 1


def measure(uri: str, port: int, rows: int) -> Block:
    """Send the rows of a query, in one process after the other.

    :param uri: of a PostgreSQL.
    :param port: of a sink.
    :param rows: how many.
    """
    found = []
    for on_invalid, key in _RUNS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            taken = pool.apply(_send, (uri, port, rows, on_invalid, key))
        found.append(
            Row(
                name=f"{rows:,} rows, on_invalid={on_invalid}{', resume_key, checkpoint file' if key else ''}",
                figures=(in_words(taken.seconds), f"{taken.bytes / _MB:.1f} MB"),
                goals=(Goal(text=f"less than {GOAL_MB} MB", reached=taken.bytes < GOAL_MB * _MB),),
            )
        )
    title = "Sending rows of PostgreSQL on loopback: memory above an idle process"
    return Block(title=title, columns=("an event", "peak"), rows=found)


def _server() -> contextlib.AbstractContextManager[tuple[str, int]]:
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import postgres  # noqa: PLC0415 # the tests' own

    return postgres.server()


def _send(uri: str, port: int, rows: int, on_invalid: _OnInvalid, key: str | None) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            AIRFLOW_HOME=folder,  # before anything of Airflow is imported
            AIRFLOW_CONN_ORDERS_DB=uri,
            AIRFLOW_CONN_BREVO_DEFAULT=json.dumps(
                {"conn_type": "brevo", "host": f"http://127.0.0.1:{port}/v3", "password": "any-key"}
            ),
        )
        from airflow_provider_brevo.core.checkpoint import InFile  # noqa: PLC0415 # see above
        from airflow_provider_brevo.core.mapping import Column, EventMapping  # noqa: PLC0415 # see above
        from airflow_provider_brevo.hooks.brevo import BrevoHook  # noqa: PLC0415 # see above
        from airflow_provider_brevo.transfers.sql_to_brevo import SqlToBrevoEventsOperator  # noqa: PLC0415 # see above

        properties = ("order_id", "total", "note")
        mapping = EventMapping(
            event_name="order_completed",
            identifiers={"email_id": Column("email")},
            event_date=Column("ordered_at"),
            event_properties={name: Column(name) for name in properties},
        )
        task = SqlToBrevoEventsOperator(
            task_id="send",
            sql=_SQL,
            parameters={"rows": rows},
            sql_conn_id="orders_db",
            mapping=mapping,
            resume_key=key,
        )
        source = task._source({})  # noqa: SLF001 # what execute() hands to the hook
        store = InFile(Path(folder) / "checkpoint.json") if key else None
        hook = BrevoHook()
        hook.get_conn()
        idle = memory("VmRSS")
        start = time.perf_counter()
        result = hook.create_events(source, mapping=mapping, on_invalid=on_invalid, store=store)
        seconds = time.perf_counter() - start
        hook.close()
    if result.accepted != rows:
        raise AssertionError(f"only {result.accepted} of {rows} events were taken")
    return Taken(seconds=seconds / rows, bytes=memory("VmHWM") - idle)


if __name__ == "__main__":
    sys.exit(main())
