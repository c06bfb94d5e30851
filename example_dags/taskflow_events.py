"""Functions whose events are sent: what they yield streams to Brevo while they run."""

import os
import tempfile

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.decorators.brevo import brevo_events

# A folder that all workers see.
FOLDER = os.environ.get("ORDERS_FOLDER", f"{tempfile.gettempdir()}/orders")


@dag(schedule=None, catchup=False, tags=["brevo"])
def taskflow_events():
    # [start yield]
    @task.brevo_events(
        checkpoint_path=f"{FOLDER}/checkpoints",  # not needed on Airflow 3.3
        retries=3,  # each calls the function again, and sends what is left
    )
    def send_trials_ending(days_left, data_interval_end=None):
        for number in range(500):  # stands in for a query, which has an ORDER BY
            yield {
                "event_name": "trial_ending",
                "identifiers": {"ext_id": f"{number:05}"},
                "event_date": data_interval_end,
                "event_properties": {"days_left": days_left, "plan": "pro", "price": number / 4},
            }

    send_trials_ending(days_left=3)
    # [end yield]

    @task
    def shops():
        """Stand in for a query."""
        return [{"name": "paris", "orders": 3}, {"name": "lyon", "orders": 2}]

    # [start typed]
    @brevo_events(  # the same as @task.brevo_events, with types for editors
        mapping=EventMapping(
            event_name="order_completed",
            identifiers={"ext_id": Column("customer")},
            event_properties={
                "order_id": Column("order_id"),
                "total": Column("total", type="number"),
                "shop": Column("shop"),
            },
        ),
    )
    def send_orders(shop):
        name = shop["name"]
        return [
            {"customer": f"{name}-{number}", "order_id": f"{number:05}", "total": 10.5 + number, "shop": name}
            for number in range(shop["orders"])
        ]

    send_orders.expand(shop=shops())  # one task for each shop
    # [end typed]


taskflow_events()
