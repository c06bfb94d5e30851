"""Airflow 2.11: its connection page, its Test button, and a DAG that runs by a connection saved there.

Its pages are read and its forms sent as a browser does it, and the rest goes through its REST API. Starting takes a
while, so it is started once.
"""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from airflow_2_11 import FORM, NOT_FOUND, Airflow2, Page
from playground import members
from services import listening, sockets

from airflow_provider_brevo import connection_form
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
ADDRESS = "jane.doe@example.com"
EXTRAS = {field.name: f"extra__brevo__{field.name}" for field in connection_form.EXTRA_FIELDS}
# A value for each field of the form; the CA bundle is a file that exists.
FILLED = {
    "auth_type": "api_key",
    "oauth_scope": "events",
    "oauth_token_url": "https://oauth.brevo.com/token",
    "sending": "validate_only",
    "timeout": "2.5",
    "max_retries": "3",
    "requests_per_second": "7.5",
    "proxy": "http://127.0.0.1:3128",
    "ca_bundle": __file__,
}
TASKS = ("extract", "transform", "send_order_completed")
ENDED = {"success", "failed", "upstream_failed"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that takes one key only."""
    with Sandbox(api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow2]:
    """Start Airflow once for all tests, with the examples as its DAGs, and leave nothing of it behind."""
    with Airflow2(tmp_path_factory.mktemp("airflow-2.11")) as running:
        yield running


def typed(page: Page, **values: str) -> dict[str, str]:
    """Return what a browser sends when somebody has filled in a page's form and pressed Save.

    The script of the page takes the fields of other connection types away.
    """
    fields = page.fields | {"conn_type": "brevo"} | values
    ours = f"extra__{fields['conn_type']}__"
    return {name: value for name, value in fields.items() if not name.startswith("extra__") or name.startswith(ours)}


def pressed(fields: dict[str, str]) -> dict[str, Any]:
    """Return what the script of the page sends when somebody presses Test: each extra under two names."""
    given = {name: value for name, value in fields.items() if value and name != "csrf_token"}
    extras = {name: given.pop(name) for name in [*given] if name.startswith("extra__")}
    extras |= {name.split("__", 2)[2]: value for name, value in extras.items()}
    return {"connection_id": given.pop("conn_id")} | given | {"extra": json.dumps(extras)}


def test_the_page_holds_our_form(airflow: Airflow2, proved: Callable[[str], None]) -> None:
    """It offers the type, and each label, description, placeholder and hidden field is that of the form."""
    page = airflow.page(FORM)
    assert page.choices["brevo"] == "Brevo"
    behaviours = json.loads(page.script("field_behaviours"))["brevo"]
    assert behaviours == {
        "hidden_fields": connection_form.HIDDEN_FIELDS,
        "relabeling": connection_form.RELABELING,
        "placeholders": connection_form.PLACEHOLDERS,
    }
    changed = {name for behaviour in behaviours.values() for name in behaviour}
    assert changed <= page.fields.keys(), "the script of the page looks for each of them"
    assert [name for name in page.fields if name.startswith("extra__brevo__")] == [*EXTRAS.values()]
    for field in connection_form.EXTRA_FIELDS:
        shown = EXTRAS[field.name]
        assert (page.labels[shown], page.descriptions[shown]) == (field.label, field.description)
        assert page.fields[shown] == ""
    assert "'brevo'" in page.script("testable_connection_types")
    assert (page.meta["config_test_connection"], page.meta["rest_api_enabled"]) == ("Enabled", "True")
    proved(
        f"Airflow 2.11: the connection page offers Brevo, with {len(EXTRAS)} fields of its own, each with its label"
        f" and description, {len(behaviours['relabeling'])} labels and {len(behaviours['placeholders'])} placeholders"
        f" on the standard ones, and {len(behaviours['hidden_fields'])} hidden"
    )


def test_what_is_typed_is_saved_and_the_key_not_shown(
    airflow: Airflow2, sandbox: Sandbox, proved: Callable[[str], None]
) -> None:
    """The edit page shows each value again, and neither it, nor the list, nor the REST API shows the key."""
    extras = {EXTRAS[name]: value for name, value in FILLED.items()}
    values = {"conn_id": "brevo_filled", "description": "Every field", "host": sandbox.url, "login": "client"} | extras
    saved = airflow.submit(FORM, typed(airflow.page(FORM), password=KEY, **values))
    edit = airflow.page(airflow.address_of("brevo_filled"))
    assert {name: edit.fields[name] for name in values} == values
    assert (edit.fields["conn_type"], edit.fields["password"]) == ("brevo", "")

    answer = airflow.api("GET", "/connections/brevo_filled")
    hidden = {"oauth_token_url": "***", "proxy": "***"}  # Airflow hides what is called so
    assert json.loads(answer["extra"]) == FILLED | {"max_retries": 3} | hidden
    assert (answer["host"], answer["login"]) == (sandbox.url, "client")
    shown = {
        "page after saving": saved.text,
        "edit page": edit.text,
        "list": airflow.page("/connection/list/").text,
        "connection of the API": json.dumps(answer),
        "connections of the API": json.dumps(airflow.api("GET", "/connections")),
    }
    assert [where for where, text in shown.items() if KEY in text] == []
    proved(
        f"Airflow 2.11: a connection saved by its page shows all {len(values)} values when it is edited again; the key"
        f" is in none of {len(shown)} places where it might be shown"
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("auth_type", "foo", "Invalid value, must be one of: api_key, oauth."),
        ("sending", "off", "Invalid value, must be one of: on, validate_only."),
        ("max_retries", "many", "Not a valid integer value."),
    ],
)
def test_a_wrong_value_is_refused(
    airflow: Airflow2, proved: Callable[[str], None], field: str, value: str, reason: str
) -> None:
    """The page comes again with the reason beside the field and without the key, and nothing is saved."""
    values = {"conn_id": "brevo_wrong", "password": KEY, EXTRAS[field]: value}
    page = airflow.submit(FORM, typed(airflow.page(FORM), **values))
    assert page.problems == {EXTRAS[field]: reason}
    assert page.fields[EXTRAS[field]] == value
    assert KEY not in page.text
    assert airflow.call("GET", "/api/v1/connections/brevo_wrong").status_code == NOT_FOUND
    proved(f"Airflow 2.11: {field}={value} is refused by the page: {reason}")


def test_our_fields_are_in_no_other_types_way(airflow: Airflow2, proved: Callable[[str], None]) -> None:
    """A connection of another type is saved from a page that holds our fields, all of them empty."""
    fields = airflow.page(FORM).fields
    assert set(EXTRAS.values()) < set(fields)
    airflow.submit(FORM, fields | {"conn_id": "other", "conn_type": "http", "host": "localhost"})
    assert airflow.api("GET", "/connections/other")["conn_type"] == "http"
    proved(f"Airflow 2.11: a connection of another type is saved with our {len(EXTRAS)} fields on its page, empty")


def test_the_test_button_says_what_is_wrong(airflow: Airflow2, sandbox: Sandbox, proved: Callable[[str], None]) -> None:
    """It says that all is well, with each field filled in too, or what is wrong and what to do about it."""
    page = airflow.page(FORM)

    def test(**values: str) -> Any:
        body = pressed(typed(page, conn_id="new", **{"host": sandbox.url, "password": KEY} | values))
        answer = airflow.api("POST", "/connections/test", body)
        assert KEY not in json.dumps(answer)
        return answer

    connected = {"status": True, "message": "Connected to Brevo as Sandbox GmbH."}
    assert test() == connected
    assert test(**{EXTRAS[name]: value for name, value in FILLED.items() if name != "proxy"}) == connected
    asked = len(sandbox.requests)
    with Sandbox() as stopped:
        gone = stopped.url
    advice = {
        "wrong key": (test(password=KEY + "x"), "Brevo does not know this key (HTTP 401"),
        "sandbox down": (test(host=gone), "can't be reached; check the base URL of the connection"),
        "forbidden host": (test(host="https://example.com/v3"), "[brevo] allowed_hosts"),
        "no key": (test(password=""), "API key"),
    }
    for answer, said in advice.values():
        assert answer["status"] is False
        assert said in answer["message"]
    assert len(sandbox.requests) == asked + 1, "only the wrong key was tried there"
    proved(
        f"Airflow 2.11: Test says {connected['message']!r}, and our advice in {len(advice)} cases: {', '.join(advice)}"
    )


def test_a_dag_runs_by_the_connection(airflow: Airflow2, sandbox: Sandbox, proved: Callable[[str], None]) -> None:
    """With its fields left empty, and edited without typing the key again, the ETL example's event arrives as it is."""
    airflow.submit(FORM, typed(airflow.page(FORM), conn_id="brevo_default", host=sandbox.url, password=KEY))
    edit = airflow.address_of("brevo_default")
    airflow.submit(edit, typed(airflow.page(edit), description="Edited"))
    saved = airflow.api("GET", "/connections/brevo_default")
    assert saved["description"] == "Edited"
    assert set(json.loads(saved["extra"] or "{}").values()) <= {None}

    airflow.wait_until(lambda: airflow.call("PATCH", "/api/v1/dags/order_etl", {"is_paused": False}).ok)
    dag_run = airflow.api("POST", "/dags/order_etl/dagRuns", {})
    run = f"/dags/order_etl/dagRuns/{dag_run['dag_run_id']}"
    for task in TASKS:
        airflow.wait_until(lambda task=task: airflow.api("GET", f"{run}/taskInstances/{task}")["state"] in ENDED)
    states = {task["task_id"]: task["state"] for task in airflow.api("GET", f"{run}/taskInstances")["task_instances"]}
    logs = {task: airflow.call("GET", f"/api/v1{run}/taskInstances/{task}/logs/1").text for task in TASKS}
    assert states == dict.fromkeys(TASKS, "success"), "".join(logs.values())

    (event,) = sandbox.events
    assert repr(event.body) == repr(
        {
            "event_name": "order_completed",
            "identifiers": {"email_id": ADDRESS, "ext_id": "4711"},
            "event_properties": {
                "order_id": "00123",
                "total": 42.5,
                "item_count": 3,
                "is_first_order": True,
                "items": [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}],
                "summary": "Order 00123",
            },
            "contact_properties": {"LAST_ORDER": "2026-03-01"},
            "event_date": "2026-03-01T14:30:00+00:00",
        }
    )
    proved(
        f"Airflow 2.11: {len(states)} tasks succeeded by a connection with {len(EXTRAS)} fields left empty;"
        f" {len(sandbox.events)} event arrived, its {len(event.body['event_properties'])} properties with their types"
    )

    send = f"{run}/taskInstances/send_order_completed"
    assert "Brevo took the event order_completed." in logs["send_order_completed"]
    assert [task for task, log in logs.items() if KEY in log or ADDRESS in log] == []
    files = [path.read_text() for path in airflow.log.parent.rglob("*.log")]
    assert [text for text in files if KEY in text or ADDRESS in text] == []
    result = airflow.api("GET", f"{send}/xcomEntries/return_value")["value"]
    assert result == str({"event_name": "order_completed", "events_sent": 1})
    assert airflow.api("GET", f"{send}/links") == {
        "Brevo reference": "https://developers.brevo.com/reference/create-event"
    }
    proved(
        f"Airflow 2.11: neither the key nor the address is in the logs of {len(logs)} tasks or in {len(files)} files"
        " of logs; the XCom holds counts only; the link leads to Brevo's reference"
    )

    query = f"dag_id=order_etl&task_id=send_order_completed&execution_date={dag_run['logical_date']}"
    page = airflow.page(f"/rendered-templates?{query.replace('+', '%2B')}")
    rendered = page.rendered()
    assert json.loads(rendered["identifiers"]) == {"email_id": "***", "ext_id": "***"}
    assert json.loads(rendered["contact_properties"]) == {"LAST_ORDER": "***"}
    assert json.loads(rendered["event_properties"]) == event.body["event_properties"] | {"coupon": None}
    assert ADDRESS not in page.text
    proved(f"Airflow 2.11: Rendered Template shows {len(rendered)} fields, typed, and each identifier as ***")


def test_only_this_machine_reaches_it(airflow: Airflow2, proved: Callable[[str], None]) -> None:
    """Every socket of every process is on loopback."""
    processes = members(airflow.sessions())
    found = sockets(processes)
    assert all(ip_address(socket.laddr.ip).is_loopback for socket in found), found
    ports = {address.port for address in listening(processes)}
    assert ports == {int(airflow.url.rpartition(":")[2])}
    proved(f"Airflow 2.11: {len(processes)} processes listened on {len(ports)} port, of 127.0.0.1")
