"""``schema``: what an event is, for machines and for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.cli import DONE
from airflow_provider_brevo.core.validation import load_schema

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_brevo.commands._output import Output

_EXAMPLE = """\
from airflow_provider_brevo.operators.brevo import BrevoCreateEventOperator

BrevoCreateEventOperator(
    task_id="send_order_completed",
    event_name="order_completed",
    identifiers={"email_id": "jane.doe@example.com"},  # or ext_id, phone_id, …: at least one
    event_date="2026-03-01T14:30:00+01:00",  # or "{{ data_interval_end }}"; left out, Brevo takes the time of arrival
    event_properties={"order_id": "00123", "total": 42.5, "items": [{"sku": "TEA-1", "quantity": 2}]},
    contact_properties={"FIRSTNAME": "Jane"},  # attributes that exist in Brevo
    object={"type": "order", "identifiers": {"ext_id": "00123"}},  # a type and a record that exist in Brevo
)
"""


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the schema of an event or a batch, the fields as a table, or an example.

    :param options: ``form``.
    :param out: takes it.
    """
    out.write(_FORMS[options.form]())
    return DONE


def _event() -> str:
    return json.dumps(load_schema("event"), indent=2, ensure_ascii=False) + "\n"


def _batch() -> str:
    # With the event's schema inside, by whose id it is referred to (JSON Schema 2020-12, 9.3).
    bundled = load_schema("batch") | {"$defs": {"event": load_schema("event")}}
    return json.dumps(bundled, indent=2, ensure_ascii=False) + "\n"


def _table() -> str:
    schema = load_schema("event")
    rows = [("field", "type", "required", "rule"), *_fields(schema, schema["$defs"])]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) + "\n"
        for row in rows
    )


def _fields(schema: dict[str, Any], defs: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, declared in schema.get("properties", {}).items():
        field = defs.get(declared.get("$ref", "").rpartition("/")[2], {}) | declared
        required = "yes" if name in schema.get("required", ()) else ""
        yield f"{prefix}{name}", field["type"], required, field["x-rule"]
        yield from _fields(field, defs, f"{prefix}{name}.")


def _example() -> str:
    return _EXAMPLE


_FORMS = {"event": _event, "batch": _batch, "table": _table, "example": _example}
