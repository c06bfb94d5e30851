"""A large source in chunks, which are spread over workers: one mapped task for each file."""

import json
import os
import tempfile
from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

# A folder that all workers see.
FOLDER = os.environ.get("ORDERS_FOLDER", f"{tempfile.gettempdir()}/orders")


@dag(schedule=None, catchup=False, tags=["brevo"])
def orders_chunks():
    # [start chunks]
    @task
    def export_chunks(run_id=None):
        """Stand in for a large export: write several files of events, and return their names."""
        folder = Path(FOLDER) / run_id.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for chunk in range(4):
            path = folder / f"chunk-{chunk}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for number in range(chunk * 500, (chunk + 1) * 500):
                    event = {
                        "event_name": "order_completed",
                        "identifiers": {"ext_id": str(number % 50)},
                        "event_properties": {"order_id": f"{number:05}", "total": number / 4},
                    }
                    file.write(json.dumps(event) + "\n")
            paths.append(str(path))
        return paths

    BrevoBulkCreateEventsOperator.partial(
        task_id="send_orders",
        checkpoint_path=f"{FOLDER}/checkpoints",  # one file for each chunk; not needed on Airflow 3.3
        retries=3,  # each goes on where the one before ended
        pool="brevo",  # airflow pools set brevo 2 "Tasks that send to Brevo at once"
    ).expand(path=export_chunks())
    # [end chunks]


orders_chunks()
