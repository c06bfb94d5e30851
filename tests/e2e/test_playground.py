"""Airflow's UI beside the sandbox, as ``make sandbox`` starts them for a person to click through.

Starting takes most of a minute, so it is started once for all tests that click through it. These are steps, from the
first look to Ctrl-C, which ends it: no other file's tests that need it come after them.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address

from airflow_ui import RUN_SECONDS, SCRIPT, STOP_SECONDS, TIMEOUT, Playground, is_alive
from playground import SWITCHED_ON
from playwright.sync_api import Page, expect
from services import listening


def test_nothing_is_sent_before_somebody_asks_for_it(playground: Playground) -> None:
    """At first no run exists; the DAGs without a schedule are switched on, the others are not."""
    dags = playground.airflow("GET", "/api/v2/dags")["dags"]
    switched_on = {dag["dag_id"] for dag in dags if not dag["is_paused"]}
    assert switched_on == {dag["dag_id"] for dag in dags if dag["timetable_summary"] is None} == set(SWITCHED_ON)
    assert len(switched_on) < len(dags)
    assert playground.runs_at_first == 0
    assert playground.arrived_at_first == []


def test_a_triggered_example_appears_on_the_sandboxs_page(
    playground: Playground, page: Page, picture: Callable[[str], None], proved: Callable[[str], None]
) -> None:
    """While the DAG that the script names runs, its event comes into the open page, with its types."""
    page.goto(playground.origin)
    expect(page.get_by_role("status").first).to_have_text("Live")
    page.get_by_role("button", name="Clear").click()  # what arrived by tests before this one
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("heading", name="Nothing arrived yet")).to_be_visible()
    page.evaluate("window.unloaded = false")
    run = playground.run("order_etl")
    expect(page.locator("#list .name")).to_have_text(["order_completed"], timeout=RUN_SECONDS * 1000)
    state = playground.airflow("GET", run)["state"]
    page.locator("#list .name").click()
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="summary")).to_be_visible()
    cells = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows.all()]
    typed = {name: (value, kind) for name, value, kind in cells}
    assert typed["order_id"] == ('"00123"', "string")
    assert typed["total"] == ("42.5", "number")
    assert typed["item_count"] == ("3", "integer")
    assert typed["is_first_order"] == ("true", "boolean")
    assert typed["items"] == ("", "list")
    assert typed["event_date"] == ('"2026-03-01T14:30:00+00:00"', "string (date)")
    assert page.evaluate("window.unloaded") is False
    picture("event-arrived")
    playground.wait_for(run)
    proved(
        f"sandbox page: the event of order_etl came into the open page while the run was {state}, {len(cells)} lines"
        " with their types, without a reload"
    )


def test_the_table_of_orders_is_there(playground: Playground) -> None:
    """The DAG that reads a query finds its connection and its table, and sends the orders of one shop."""
    playground.wait_for(playground.run("orders_from_sql"))
    newest = playground.sandbox("/_sandbox/entries")["entries"][:2]
    assert sorted(entry["identifier"] for entry in newest) == ["customer-7", "customer-9"]


def test_only_this_machine_reaches_it(playground: Playground) -> None:
    """It listens with two sockets, Airflow's and the sandbox's, both on loopback."""
    addresses = listening(playground.family())
    assert len(addresses) == 2
    assert all(ip_address(address.ip).is_loopback for address in addresses), addresses


def test_a_second_start_leaves_the_first_alone(playground: Playground) -> None:
    """It ends at once and says why."""
    second = subprocess.run(
        [sys.executable, SCRIPT, "--folder", playground.folder / "playground"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == "error: It runs already: stop that one first, or give another --folder.\n"
    assert playground.airflow("GET", "/api/v2/monitor/health")["scheduler"]["status"] == "healthy"


def test_ctrl_c_stops_everything(playground: Playground) -> None:
    """The script ends well, none of its processes is left, and the home of the user is as it was."""
    family = playground.family()
    assert len(family) > 4
    playground.process.send_signal(signal.SIGINT)
    assert playground.process.wait(STOP_SECONDS) == 0
    assert list(filter(is_alive, family)) == []
    assert list(playground.home.iterdir()) == []
