"""The event that is sent and checked: an order with its items, as an ETL job would have computed it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

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


def order(number: int) -> dict[str, Any]:
    """Return one of many orders, as JSON's own types; about 500 bytes.

    Properties at the top are text or whole numbers, as brevo-python's items for batches take no others.

    :param number: what tells it from the others.
    """
    return {
        "event_name": "order_completed",
        "event_date": "2026-03-01T15:30:00+01:00",
        "identifiers": {"email_id": f"jane.doe.{number}@example.com", "ext_id": f"{number:08d}"},
        "event_properties": {
            "order_id": f"{number:010d}",
            "total_cents": number % 1000 * 50,
            "item_count": 3,
            "coupon": "SPRING-26",
            "shipping": {"city": "Paris", "postcode": "75011", "express": number % 7 == 0},
            "items": [
                {"sku": "TEA-1", "name": "Earl Grey, 100 g", "quantity": 2, "price": 12.5},
                {"sku": "CUP-7", "name": "Cup, blue", "quantity": 1, "price": 17.5},
                {"sku": "JAR-2", "name": "Jar with a lid", "quantity": 1, "price": number % 100 + 0.5},
            ],
        },
    }


def write_jsonl(path: Path, events: int) -> None:
    """Write orders to a file, one a line.

    :param path: the file.
    :param events: how many.
    """
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.writelines(encode(order(number)) + b"\n" for number in range(events))
