"""One DAG sends events, another one runs when they were sent, and reads how many."""

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import Asset, dag, task

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator

# [start asset]
# brevo://<host>/events/<event_name>. It is a name that both DAGs agree on: no connection is looked up.
ORDERS_SENT = Asset("brevo://api.brevo.com/events/order_completed")
# [end asset]


# [start producer]
@dag(schedule=None, catchup=False, tags=["brevo"])
def orders_asset():
    @task
    def load_orders():
        """Stand in for a query."""
        return [
            {"event_name": "order_completed", "identifiers": {"ext_id": customer}, "event_properties": {"total": 42.5}}
            for customer in ("0017", "0042")
        ]

    BrevoBulkCreateEventsOperator(task_id="send_orders", events=load_orders(), outlets=[ORDERS_SENT])


orders_asset()
# [end producer]


# [start consumer]
@dag(
    schedule=[ORDERS_SENT],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),  # Airflow 2 asks for one
    catchup=False,
    tags=["brevo"],
)
def orders_asset_consumer():
    @task(inlets=[ORDERS_SENT])
    def count_orders(*, inlet_events):
        """Return the counts of the latest sending."""
        extra = inlet_events[ORDERS_SENT][-1].extra
        return {"sent": extra["events_sent"], "rejected": extra["rejected"]}

    count_orders()


orders_asset_consumer()
# [end consumer]
