"""From a table to Brevo: an ETL run writes rows to a file, and one task sends each row as an event."""

import csv
import os
import tempfile
from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

# A folder that all workers see.
FOLDER = os.environ.get("ORDERS_FOLDER", f"{tempfile.gettempdir()}/orders")


@dag(schedule=None, catchup=False, tags=["brevo"])
def orders_bulk():
    @task
    def export_orders(run_id=None):
        """Stand in for a query: write the rows to a file, and return its name instead of the rows."""
        path = Path(FOLDER) / run_id.replace(":", "-") / "orders.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["order_id", "customer", "total", "first_order", "coupon", "ordered_at"])
            for number in range(1000):
                total = "n/a" if number == 1 else f"{number / 4:.2f}"  # one row is broken, as it happens
                first = "yes" if number % 2 else "no"
                table.writerow([f"{number:05}", number % 50, total, first, "", f"2026-03-01 {number % 24:02}:30:00"])
        return str(path)

    # [start send_orders]
    BrevoBulkCreateEventsOperator(
        task_id="send_orders",
        path=export_orders(),
        mapping=EventMapping(
            event_name="order_completed",
            identifiers={"ext_id": Column("customer")},
            event_date=Column("ordered_at", type="date"),
            event_properties={
                "order_id": Column("order_id"),  # "00123" stays text
                "total": Column("total", type="number"),
                "first_order": Column("first_order", type="boolean"),
                "coupon": Column("coupon"),  # an empty cell is left out: see nulls
                "source": "shop",  # a constant
            },
            timezone="Europe/Paris",  # of ordered_at, which has no offset
            nulls="drop",
        ),
        on_invalid="skip",  # send the valid events all the same
        max_rejected=0.01,  # fail if more than one in a hundred is rejected
        rejected_path=f"{FOLDER}/rejected",
        checkpoint_path=f"{FOLDER}/checkpoints",  # not needed on Airflow 3.3
        retries=3,  # each goes on where the one before ended
    )
    # [end send_orders]


orders_bulk()
