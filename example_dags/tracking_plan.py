"""A tracking plan: what a team has agreed to send, written down once and checked before anything is sent."""

from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.operators.brevo import BrevoBulkCreateEventsOperator, BrevoCreateEventOperator

# [start plan]
# Schemas by event name. It lies beside the DAG here; s3://… works as well.
PLAN = Path(__file__).parent / "tracking_plan.json"
# [end plan]


@dag(schedule=None, catchup=False, tags=["brevo"])
def tracking_plan():
    @task
    def load_orders():
        """Stand in for a query."""
        return [
            {
                "event_name": "order_completed",
                "identifiers": {"ext_id": "0017"},
                "event_properties": {"order_id": "00123", "total": 42.5, "currency": "EUR"},
            },
            {
                "event_name": "cart_updated",
                "identifiers": {"ext_id": "0042"},
                "event_properties": {"items": 2},
            },
        ]

    # [start by_name]
    BrevoBulkCreateEventsOperator(task_id="send_orders", events=load_orders(), properties_schema=PLAN)
    # [end by_name]

    # [start one_schema]
    BrevoCreateEventOperator(
        task_id="send_total",
        event_name="orders_counted",
        identifiers={"ext_id": "shop-17"},
        event_properties={"orders": 2},
        # A dict is one JSON Schema, for the event_properties of every event.
        properties_schema={
            "type": "object",
            "properties": {"orders": {"type": "integer", "minimum": 0}},
            "required": ["orders"],
            "additionalProperties": False,
        },
    )
    # [end one_schema]


tracking_plan()
