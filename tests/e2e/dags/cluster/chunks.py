"""Chunks of events that mapped tasks send, one task that meets a long limit, and one that needs a slot for a moment."""

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

PATHS = sorted(map(str, Path(os.environ["CHUNKS"]).glob("*.jsonl")))

for name, chunks in {"one_worker": 1, "two_workers": len(PATHS), "worker_killed": len(PATHS)}.items():
    with DAG(name, schedule=None):

        @task
        def list_chunks(count):
            """Return the paths of some chunks."""
            return PATHS[:count]

        BrevoBulkCreateEventsOperator.partial(
            task_id="send",
            brevo_conn_id=name,
            batch_size=100,
            pool="brevo",
            retries=5,
            retry_delay=timedelta(0),
        ).expand(path=list_chunks(chunks))

with DAG("long_wait", schedule=None):
    BrevoBulkCreateEventsOperator(
        task_id="send",
        path=PATHS[0],
        brevo_conn_id="long_wait",
        deferrable=True,
        defer_after=5,
    )

with DAG("quick", schedule=None):

    @task
    def run():
        """Need a worker's slot."""

    run()
