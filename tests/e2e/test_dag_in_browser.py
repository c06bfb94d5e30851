"""DAGs run by clicking in Airflow's UI, and what it shows of them: log, rendered templates, XCom and link."""

import json
import re
from collections.abc import Callable

import pytest
from airflow_ui import Playground, Seen, open_tab, rendered, trigger, xcom
from playground import KEY
from playwright.sync_api import Page, expect

ADDRESS = "jane.doe@example.com"
REFERENCE = "https://developers.brevo.com/reference"
LIST_OF_TASKS = "/taskInstances?"


@pytest.fixture
def seen(page: Page) -> Seen:
    """Keep what the browser is told from the first moment on."""
    return Seen(page)


def expect_link(page: Page, address: str) -> None:
    """Open the tab Details, and see where its link leads. It is not followed."""
    open_tab(page, "Details")
    expect(page.get_by_role("link", name="Brevo reference")).to_have_attribute("href", address)


def test_the_etl_example(
    page: Page,
    playground: Playground,
    seen: Seen,
    picture: Callable[[str], None],
    proved: Callable[[str], None],
) -> None:
    """It succeeds, and its pages show typed values, masked identifiers, counts, the link, and nothing personal."""
    link = f"{REFERENCE}/create-event"
    run = trigger(page, playground.url, "order_etl", "send_order_completed")
    expect(page.get_by_text("Brevo took the event order_completed.")).to_be_visible()
    logs = [
        str(playground.airflow("GET", f"{run}/taskInstances/{task}/logs/1"))
        for task in ("extract", "transform", "send_order_completed")
    ]
    assert [log for log in logs if ADDRESS in log or KEY in log] == []

    fields = rendered(page)
    assert fields["identifiers"] == {"email_id": "***", "ext_id": "***"}
    assert fields["contact_properties"] == {"LAST_ORDER": "***"}
    items = [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}]
    typed = {"order_id": "00123", "total": 42.5, "item_count": 3, "is_first_order": True, "items": items}
    assert fields["event_properties"] == typed | {"summary": "Order 00123", "coupon": None}
    picture("event-rendered")
    results = xcom(page)
    assert results.pop("return_value") == {"event_name": "order_completed", "events_sent": 1}
    assert results == {"_link_BrevoReferenceLink": link}
    expect_link(page, link)
    assert [address for address, _ in seen.answers if "/logs/" in address]
    # The list of the run's tasks also has what others were given: `transform` the whole order, by the DAG's own choice.
    assert [place for place in seen.places(ADDRESS) if LIST_OF_TASKS not in place] == []
    listed = [json.loads(answer)["task_instances"] for address, answer in seen.answers if LIST_OF_TASKS in address]
    assert listed
    assert {task["task_id"] for tasks in listed for task in tasks if ADDRESS in str(task)} <= {"transform"}
    assert seen.places(KEY) == []
    proved(
        f"Airflow 3.3, browser: order_etl succeeded by clicking; {len(fields)} rendered fields are typed, with"
        f" identifiers as ***; the XCom holds counts, the link leads to {link}; neither the key nor,"
        f" for this task, the address is in {len(logs)} logs, {len(seen.answers)} answers to the browser, or its page"
    )


def test_the_bulk_example(
    page: Page,
    playground: Playground,
    seen: Seen,
    picture: Callable[[str], None],
    proved: Callable[[str], None],
) -> None:
    """It succeeds, and its pages show counts and the file's name, and none of its rows."""
    link = f"{REFERENCE}/create-batch-events"
    trigger(page, playground.url, "orders_bulk", "send_orders")
    expect(page.get_by_text("Brevo took 999 of 1000 events in 5 requests")).to_be_visible()
    picture("bulk-log")
    fields = rendered(page)
    assert "events" not in fields
    assert re.search(r"/orders\.csv$", fields["path"])
    results = xcom(page)
    counts = results.pop("return_value")
    assert (counts["total"], counts["accepted"], counts["rejected"], counts["requests"]) == (1000, 999, 1, 5)
    assert results == {"_link_BrevoBatchReferenceLink": link}
    expect_link(page, link)
    rows = ("00998", "249.50")  # an order and its total
    assert [seen.places(value) for value in rows] == [[], []]
    proved(
        f"Airflow 3.3, browser: orders_bulk succeeded by clicking; the XCom says {counts['accepted']} of"
        f" {counts['total']}; no row is in {len(seen.answers)} answers to the browser or its page"
    )


def test_rows_that_travel_by_xcom_are_not_shown_again(
    page: Page, playground: Playground, seen: Seen, proved: Callable[[str], None]
) -> None:
    """Where a task is given the events themselves, Rendered Template shows how many there are."""
    trigger(page, playground.url, "orders_asset", "send_orders")
    shown = rendered(page)["events"]
    assert shown == "<2 events, not shown>"
    assert seen.places("ext_id") == []
    proved(f"Airflow 3.3, browser: the rows that orders_asset was given are rendered as {shown}")
