"""An ETL run computes something, and Brevo acts on it: the result travels by XCom and keeps its types."""

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator


@dag(schedule=None, catchup=False, tags=["brevo"])
def order_etl():
    @task(multiple_outputs=True, show_return_value_in_logs=False)  # addresses don't belong into logs
    def extract():
        """Stand in for a query on a shop's database."""
        return {
            "order_id": "00123",
            "email": "jane.doe@example.com",
            "customer_id": 4711,
            "ordered_at": datetime(2026, 3, 1, 14, 30, tzinfo=UTC),
            "lines": [
                {"sku": "TEA-1", "quantity": 2, "price": 12.5},
                {"sku": "CUP-7", "quantity": 1, "price": 17.5},
            ],
        }

    @task
    def transform(order_id, lines):  # not the whole order: arguments are shown under Rendered Templates
        """Compute what Brevo is to know."""
        return {
            "order_id": order_id,
            "total": sum(line["quantity"] * line["price"] for line in lines),
            "item_count": sum(line["quantity"] for line in lines),
            "is_first_order": True,
            "coupon": None,
            "items": [{"sku": line["sku"], "price": line["price"]} for line in lines],
        }

    order = extract()
    facts = transform(order["order_id"], order["lines"])

    # [start order_completed]
    send = BrevoCreateEventOperator(
        task_id="send_order_completed",
        event_name="order_completed",
        identifiers={
            "email_id": order["email"],  # an upstream task's result works as well as a template
            "ext_id": "{{ ti.xcom_pull('extract')['customer_id'] }}",  # 4711: identifiers are sent as text
        },
        event_date="{{ ti.xcom_pull('extract')['ordered_at'] }}",
        event_properties={
            "order_id": "{{ ti.xcom_pull('transform')['order_id'] }}",  # "00123", text
            "total": "{{ ti.xcom_pull('transform')['total'] }}",  # 42.5, a number
            "item_count": "{{ ti.xcom_pull('transform')['item_count'] }}",  # 3, a number
            "is_first_order": "{{ ti.xcom_pull('transform')['is_first_order'] }}",  # true
            "coupon": "{{ ti.xcom_pull('transform')['coupon'] }}",  # None: left out
            "items": "{{ ti.xcom_pull('transform')['items'] }}",  # a list of objects
            "summary": "Order {{ ti.xcom_pull('transform')['order_id'] }}",  # text around it: text
        },
        contact_properties={"LAST_ORDER": "{{ ti.xcom_pull('extract')['ordered_at'] }}"},  # the day
    )
    # [end order_completed]
    facts >> send


order_etl()
