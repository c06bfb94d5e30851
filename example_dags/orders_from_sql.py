"""From a database to Brevo: the rows of a query become events, without a file between them."""

import os
import tempfile

from airflow.providers.common.compat.sdk import dag

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.transfers.sql_to_brevo import SqlToBrevoEventsOperator

# A folder that all workers see.
FOLDER = os.environ.get("ORDERS_FOLDER", f"{tempfile.gettempdir()}/orders")


@dag(schedule=None, catchup=False, tags=["brevo"], params={"shop": "paris"})
def orders_from_sql():
    # [start send_orders]
    SqlToBrevoEventsOperator(
        task_id="send_orders",
        sql_conn_id="orders_db",  # PostgreSQL, MySQL, SQLite, and whatever else has a DbApiHook
        sql="""
            SELECT order_id, customer, total, first_order, coupon, ordered_at
            FROM orders
            WHERE shop = :shop
        """,  # or the name of a file: sql="orders.sql"
        parameters={"shop": "{{ params.shop }}"},  # as the driver marks them: :shop in SQLite, %(shop)s in PostgreSQL
        resume_key="order_id",  # unique, not NULL: a retry goes on from it, also if orders came in meanwhile
        mapping=EventMapping(
            event_name="order_completed",
            identifiers={"ext_id": Column("customer")},
            event_date=Column("ordered_at", type="date"),
            event_properties={
                "order_id": Column("order_id"),
                "total": Column("total", type="number"),
                "first_order": Column("first_order", type="boolean"),
                "coupon": Column("coupon"),  # a NULL is left out
            },
            timezone="Europe/Paris",  # of ordered_at, which has no offset
        ),
        checkpoint_path=f"{FOLDER}/checkpoints",  # not needed on Airflow 3.3
        retries=3,  # each goes on where the one before ended
    )
    # [end send_orders]


orders_from_sql()
