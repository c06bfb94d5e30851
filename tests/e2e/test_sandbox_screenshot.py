"""The picture of the sandbox's page in the documents; SCREENSHOTS=1 makes it anew."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from airflow_provider_brevo.sandbox import Sandbox

TIMEOUT = 10


def send(sandbox: Sandbox, name: str, **fields: Any) -> None:
    """Send an event."""
    requests.post(
        f"{sandbox.url}/events", json={"event_name": name, **fields}, headers={"api-key": "k"}, timeout=TIMEOUT
    )


@pytest.mark.skipif(os.environ.get("SCREENSHOTS") != "1", reason="SCREENSHOTS=1 writes docs/images")
def test_it_can_be_shown(page: Page, picture: Callable[[str], None]) -> None:
    """Show the page with events as a shop would send them."""
    now = iter(datetime(2026, 3, 1, 14, 30, 2 * second, tzinfo=UTC) for second in range(30))
    clock = {"now": next(now)}
    jane = {"email_id": "jane.doe@example.com", "ext_id": "4711"}
    order = {
        "order_id": "00123",
        "total": 42.5,
        "item_count": 3,
        "is_first_order": True,
        "paid_at": "2026-03-01T14:29:51Z",
        "items": [{"sku": "TEA-1", "price": 12.5}],
    }
    with Sandbox(clock=lambda: clock["now"], known_objects=["subscription"]) as sandbox:
        steps: list[dict[str, Any]] = [
            {"name": "newsletter_opened", "identifiers": {"email_id": "sam@example.com"}},
            {"name": "trial_started", "identifiers": {"ext_id": "9021"}},
            {"name": "video_played", "identifiers": {"phone_id": "+4915112345678"}},
            {"name": "order completed", "identifiers": jane},
            {"name": "cart_updated", "identifiers": jane, "event_properties": {"items": 3}},
            {"name": "invoice_paid", "identifiers": {"contact_id": 42}},
            {
                "name": "order_completed",
                "identifiers": jane,
                "event_date": "2026-03-01T14:29:58Z",
                "event_properties": order,
                "contact_properties": {"LAST_ORDER": "2026-03-01"},
                "object": {"type": "vehicle", "identifiers": {"ext_id": "v-1"}},
            },
            {"name": "delivery_scheduled", "identifiers": {"contact_id": 42}},
        ]
        sandbox.add_fault("503,times=1")
        send(sandbox, "coupon_redeemed", identifiers={"ext_id": "9021"})
        for step in steps:
            clock["now"] = next(now)
            send(sandbox, **step)
        page.goto(sandbox.origin)
        expect(page.locator("#list li")).to_have_count(9)
        page.locator("#list").focus()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator("#raw")).to_be_visible()
        page.mouse.move(0, 799)
        page.evaluate("document.activeElement.blur()")
        picture("sandbox-page")
