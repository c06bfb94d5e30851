"""One event a day that can be backfilled, and the same for runs that have no day of their own."""

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import Asset, dag

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator


# [start backfill_orders]
@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # switching the DAG on sends nothing for the days before
    params={"validate_only": False},  # true: rehearse a run or a backfill, nothing is sent
    tags=["brevo"],
)
def backfill_orders():
    BrevoCreateEventOperator(
        task_id="send_orders_counted",
        event_name="orders_counted",
        identifiers={"ext_id": "shop-17"},
        event_date="{{ data_interval_end }}",  # when the run was due, whenever it happens
        event_properties={"due_on": "{{ data_interval_end | ds }}"},
        validate_only="{{ params.validate_only }}",
    )
    # [end backfill_orders]


# [start orders_loaded]
@dag(
    schedule=[Asset("s3://shop/orders")],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),  # Airflow 2 asks for one
    catchup=False,
    tags=["brevo"],
)
def orders_loaded():
    BrevoCreateEventOperator(
        task_id="send_orders_loaded",
        event_name="orders_loaded",
        identifiers={"ext_id": "shop-17"},
        # On Airflow 3 a run that an asset triggers has no data interval. On Airflow 2 it has one.
        event_date="{{ data_interval_end if data_interval_end is defined else dag_run.run_after }}",
    )
    # [end orders_loaded]


backfill_orders()
orders_loaded()
