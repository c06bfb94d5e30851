"""The main job, end to end: an ETL's result goes by XCom into an event, and arrives with its types.

By default Brevo is played by the sandbox on a free port of this machine. With ``--live`` one event goes to the real
Brevo, after asking.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import BrevoError, BrevoInvalidEventError
from airflow_provider_brevo.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".cache" / "demo"
LOG = WORK / "airflow.log"
KEY = "xkeysib-demo"

EXPECTED = {
    "event_name": "order_completed",
    "event_date": "2026-03-01T14:30:00+00:00",
    "identifiers": {"email_id": "jane.doe@example.com", "ext_id": "4711"},
    "contact_properties": {"LAST_ORDER": "2026-03-01"},
    "event_properties": {
        "order_id": "00123",
        "total": 42.5,
        "item_count": 3,
        "is_first_order": True,
        "items": [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}],
        "summary": "Order 00123",
    },
}

console = Console(width=110, highlight=False)


def main() -> int:
    """Run the demonstration; 0 only if everything arrived as expected."""
    WORK.mkdir(parents=True, exist_ok=True)
    with Sandbox(api_key=KEY) as sandbox:
        console.print(
            f"[bold]1.[/] A local Brevo listens on {sandbox.url}, and the connection brevo_default leads there."
        )
        connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY}
        console.print(
            "[bold]2.[/] Airflow runs example_dags/order_etl.py: extract, transform, send. This takes a while …"
        )
        ended_well = run_dag("order_etl", connection)
        bodies = [event.body for event in sandbox.events]
    if not ended_well or len(bodies) != 1:
        console.print(
            f"[red]The run failed, or {len(bodies)} events arrived instead of 1. See {LOG.relative_to(ROOT)}.[/]"
        )
        return 1
    console.print("[bold]3.[/] This is what arrived:\n")
    all_right = show(bodies[0])
    console.print("\n[bold]4.[/] And this is what a mistake looks like, before anything is sent:\n")
    show_refusal()
    console.print(
        "\n[bold]Next:[/] README.md for your first event in five minutes · example_dags/ for more DAGs ·"
        f"\n      {LOG.relative_to(ROOT)} for Airflow's log · make sandbox to click through it in Airflow's UI"
    )
    return 0 if all_right else 1


def run_dag(dag_id: str, connection: dict[str, str]) -> bool:
    """Run a DAG with the real command line of Airflow, on SQLite, all of it below .cache/.

    :param dag_id: which of the examples.
    :param connection: the connection brevo_default.
    :return: whether it succeeded.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(WORK / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_BREVO_DEFAULT": json.dumps(connection),
    }
    airflow = [sys.executable, "-m", "airflow"]
    with LOG.open("w", encoding="utf-8") as log:
        for command in ([*airflow, "db", "migrate"], [*airflow, "dags", "test", dag_id]):
            log.write(f"$ {shlex.join(command[2:])}\n")
            log.flush()
            done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            if done.returncode:
                return False
    return True


def show(body: dict[str, object]) -> bool:
    """Print the event with the type of each value, and compare it with what was expected.

    :param body: the event as it arrived.
    :return: whether each value and type is right.
    """
    table = Table("field", "value", "JSON type", "")
    all_right = True
    places = dict.fromkeys([*_leaves(EXPECTED), *_leaves(body)])
    for place in places:
        actual, expected = _leaves(body).get(place), _leaves(EXPECTED).get(place)
        right = repr(actual) == repr(expected)
        all_right &= right
        verdict = "[green]as computed[/]" if right else f"[red]expected {json.dumps(expected)}[/]"
        table.add_row(place, json.dumps(actual, ensure_ascii=False), _json_type(actual), verdict)
    console.print(table)
    return all_right


def show_refusal() -> None:
    """Print the report on an event with several mistakes."""
    try:
        prepare_event(
            {
                "eventName": "order completed",
                "identifiers": {"email": "jane.doe@example.com"},
                "event_properties": {"unit price": 42.5, "total": float("nan")},
                "event_date": "2026-02-30 14:30",
            }
        )
    except BrevoInvalidEventError as refusal:
        console.print(str(refusal), markup=False)


def live() -> int:
    """Send one event to the real Brevo, after asking."""
    key = os.environ.get("BREVO_API_KEY")
    if not key:
        console.print("BREVO_API_KEY is not set: export an API key of your account first.")
        return 1
    address = input("This sends one event 'order_completed' to the real Brevo.\nAddress of the contact (empty: stop): ")
    if not address:
        return 1
    from airflow_provider_brevo.core.client import BrevoClient  # noqa: PLC0415 # not for the demonstration
    from airflow_provider_brevo.core.config import ConnectionFields, read_settings  # noqa: PLC0415 # see above

    event = {**EXPECTED, "identifiers": {"email_id": address}}
    event.pop("contact_properties")  # it would change the contact
    try:
        settings, _ = read_settings(ConnectionFields(password=key))
        with BrevoClient(settings) as client:
            client.create_event(prepare_event(event))
    except BrevoError as error:
        console.print(str(error), markup=False)
        return 1
    console.print("Brevo took the event: look for order_completed among the account's events.")
    return 0


def _leaves(value: object, place: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _leaves(inner, f"{place}/{key}").items()}
    if isinstance(value, list):
        return {k: v for i, inner in enumerate(value) for k, v in _leaves(inner, f"{place}/{i}").items()}
    return {place: value}


def _json_type(value: object) -> str:
    names = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "missing"}
    return names[type(value)]


if __name__ == "__main__":
    sys.exit(live() if sys.argv[1:] == ["--live"] else main())
