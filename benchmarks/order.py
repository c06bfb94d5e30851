"""The event that is sent and checked: an order with its items, as an ETL job would have computed it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

EVENT: dict[str, Any] = {
    "event_name": "order_completed",
    "event_date": datetime(2026, 3, 1, 15, 30, tzinfo=timezone(timedelta(hours=1))),
    "identifiers": {"email_id": "jane.doe@example.com", "ext_id": "4711"},
    "contact_properties": {"FIRSTNAME": "Jane", "LAST_ORDER": "2026-03-01"},
    "event_properties": {
        "order_id": "00123",
        "total": 42.5,
        "item_count": 3,
        "is_first_order": True,
        "items": [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}, {"sku": "JAR-2", "price": 12.5}],
    },
}
