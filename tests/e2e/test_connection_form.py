"""A connection to Brevo in Airflow's UI: its form, the button *Test* with our advice, and a task that works by it.

The tests are steps: the connection that one saves by clicking is used by those after it.
"""

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from airflow_ui import Playground, Seen
from playground import connection_to
from playwright.sync_api import Locator, Page, expect

from airflow_provider_brevo import connection_form
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
CONNECTION = "brevo_default"
API = "/api/v2/connections"
# What Airflow calls the fields that every connection has.
STANDARD = {
    "description": "Description",
    "host": "Host",
    "login": "Login",
    "password": "Password",
    "port": "Port",
    "schema": "Schema",
}
KINDS = {"string": "textbox", "integer": "spinbutton", "number": "spinbutton"}
# All that the form saves while nothing but its standard fields is touched.
UNTOUCHED = {field.name: field.choices[0] if field.choices else None for field in connection_form.EXTRA_FIELDS}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that takes one key only."""
    with Sandbox(api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _no_connection(playground: Playground) -> Iterator[None]:
    """Take the ready-made connection away, and bring it back at the end."""
    playground.airflow("DELETE", f"{API}/{CONNECTION}")
    others = connection_ids(playground)
    yield
    for added in connection_ids(playground) - others:
        playground.airflow("DELETE", f"{API}/{added}")
    playground.airflow("POST", API, connection_to(f"{playground.origin}/v3"))


def connection_ids(playground: Playground) -> set[str]:
    """List the connections that there are."""
    return {connection["connection_id"] for connection in playground.airflow("GET", API)["connections"]}


def begin(page: Page, playground: Playground) -> Locator:
    """Begin to add a connection of our type, and return the form."""
    page.goto(f"{playground.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill(CONNECTION)
    form.get_by_label("Connection Type").fill("Bre")
    page.get_by_role("option", name="Brevo", exact=True).click()
    return form


def field(form: Locator, name: str) -> Locator:
    """Return a standard field by the name that it is stored under."""
    return form.get_by_label(connection_form.RELABELING.get(name, STANDARD[name]), exact=True)


def save(form: Locator) -> None:
    """Press Save, and wait until the form is gone."""
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()


def row_of(page: Page, connection: str) -> Locator:
    """Return a connection's row in the list."""
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=connection, exact=True))


def press_test(page: Page, connection: str) -> str:
    """Press a connection's button Test, and return what the answer says."""
    page.mouse.move(0, 0)  # what the button pressed before has popped up is in the way
    with page.expect_response("**/connections/test") as answer:
        row_of(page, connection).get_by_role("button", name="Test Connection").click()
    return answer.value.json().get("message", answer.value.text())


def expect_result(page: Page, connection: str, color: str) -> None:
    """See that the button has become green or red."""
    icon = row_of(page, connection).get_by_role("button", name="Test Connection").locator("svg")
    expect(icon).to_have_attribute("color", color)


def test_the_form_is_as_declared(
    page: Page, playground: Playground, picture: Callable[[str], None], proved: Callable[[str], None]
) -> None:
    """Each label, placeholder, description and drop-down is the declared one, and hidden fields are not there."""
    form = begin(page, playground)
    standard = form.get_by_role("region", name="Standard Fields").get_by_role("group")
    shown = [name for name in STANDARD if name not in connection_form.HIDDEN_FIELDS]
    expect(standard).to_have_count(len(shown))
    for name, group in zip(shown, standard.all(), strict=True):
        label = connection_form.RELABELING.get(name, STANDARD[name])
        expect(group.locator("label")).to_have_text(label, use_inner_text=True)
        placeholder = connection_form.PLACEHOLDERS.get(name, "")
        expect(group.get_by_role("textbox")).to_have_attribute("placeholder", placeholder)
    expect(field(form, "password")).to_have_attribute("type", "password")
    field(form, "host").fill("https://api.brevo.com/v3")
    field(form, "password").fill(KEY)
    picture("connection-form")

    form.get_by_role("button", name="Extra Fields", exact=True).click()
    extras = form.get_by_role("region").locator("[data-scope=field][data-part=root]").filter(visible=True)
    expect(extras).to_have_count(len(connection_form.EXTRA_FIELDS))
    choices = 0
    for declared, group in zip(connection_form.EXTRA_FIELDS, extras.all(), strict=True):
        expect(group.locator("label")).to_have_text(declared.label, use_inner_text=True)
        expect(group.locator("[data-part=helper-text]")).to_have_text(declared.description, use_inner_text=True)
        expect(group.locator(f"[name=element_{declared.name}]")).to_have_count(1)
        if not declared.choices:
            expect(group.get_by_role(KINDS[declared.type])).to_have_value("")
            continue
        expect(group.get_by_text(declared.choices[0], exact=True)).to_be_visible()
        group.get_by_role("combobox").press("ArrowDown")
        expect(page.get_by_role("option")).to_have_text(list(declared.choices))
        page.keyboard.press("Enter")
        choices += 1
    proved(
        f"Airflow 3.3, browser: the form shows {len(shown)} standard fields, with {len(connection_form.RELABELING)}"
        f" labels and {len(connection_form.PLACEHOLDERS)} placeholders of ours, {len(STANDARD) - len(shown)} of them"
        f" are hidden; and {len(connection_form.EXTRA_FIELDS)} of our own with label and description, {choices} of them"
        " drop-downs"
    )


def test_a_connection_is_saved_edited_and_tested_and_its_key_not_shown(
    page: Page, playground: Playground, sandbox: Sandbox, proved: Callable[[str], None]
) -> None:
    """What is typed is stored, with null for what is not; Test succeeds; the key is nowhere once it is saved."""
    seen = Seen(page)
    form = begin(page, playground)
    field(form, "host").fill(sandbox.url)
    field(form, "password").fill(KEY)
    save(form)
    expect(row_of(page, CONNECTION)).to_contain_text(sandbox.url)
    stored = playground.airflow("GET", f"{API}/{CONNECTION}")
    assert json.loads(stored["extra"]) == UNTOUCHED
    assert (stored["conn_type"], stored["host"], stored["login"]) == ("brevo", sandbox.url, None)

    # The UI of 3.3.2 can't test a connection without a port (apache/airflow#73298), and our form has no such field.
    port = {name: stored[name] for name in ("connection_id", "conn_type")} | {"port": sandbox.port}
    playground.airflow("PATCH", f"{API}/{CONNECTION}?update_mask=port", port)
    seen.settle()
    page.reload()
    row_of(page, CONNECTION).get_by_role("button", name="Edit Connection").click()
    expect(field(form, "host")).to_have_value(sandbox.url)  # what is stored has come into the form
    field(form, "description").fill("Edited by clicking")
    form.get_by_role("button", name="Show value").click()
    expect(field(form, "password")).to_have_attribute("type", "text")
    expect(field(form, "password")).to_have_value("***")
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.get_by_role("spinbutton", name="Retries per request").fill("3")
    form.get_by_role("button", name="Extra Fields JSON").click()
    places = seen.places(KEY)
    save(form)
    expect(row_of(page, CONNECTION)).to_contain_text("Edited by clicking")
    assert press_test(page, CONNECTION) == "Connected to Brevo as Sandbox GmbH."
    expect_result(page, CONNECTION, "green")
    edited = playground.airflow("GET", f"{API}/{CONNECTION}")
    assert json.loads(edited["extra"]) == UNTOUCHED | {"max_retries": 3}

    assert places + seen.places(KEY) == []
    assert [address for address in seen.missed if "/connections" in address] == []
    assert seen.places("***"), "the place of the password is seen"
    assert KEY not in json.dumps([stored, edited, playground.airflow("GET", API)])
    nulls = sum(value is None for value in UNTOUCHED.values())
    proved(
        f"Airflow 3.3, browser: a connection was added, edited and tested by clicking, {nulls} of its extras saved as"
        f" null; the key is neither in {len(seen.answers)} answers to the browser nor in the page, its fields or what"
        " the browser keeps"
    )


def test_the_button_test_gives_our_advice(
    page: Page, playground: Playground, sandbox: Sandbox, picture: Callable[[str], None], proved: Callable[[str], None]
) -> None:
    """The page says what is wrong and what to do; a restricted key is a success."""
    with Sandbox() as stopped:
        gone = stopped.url

    def press(name: str, host: str = sandbox.url, key: str = KEY) -> str:
        connection = {"connection_id": name, "conn_type": "brevo", "host": host, "password": key}
        playground.airflow("POST", API, connection | {"port": urlsplit(host).port})
        page.goto(f"{playground.url}/connections")
        return press_test(page, name)

    def expect_advice(name: str, said: str, cure: str) -> None:
        told = page.get_by_role("status").filter(has_text="Test Connection Failed")
        expect(told).to_contain_text(said)
        expect(told).to_contain_text(cure)
        expect_result(page, name, "red")
        advised.append(name)

    advised: list[str] = []
    press("wrong_key", key=KEY[:-1] + "x")
    expect_advice("wrong_key", "Brevo does not know this key (HTTP 401", "copy the API key again")
    picture("connection-test")
    sandbox.add_fault("unknown-ip,times=1")
    press("unknown_ip")
    expect_advice("unknown_ip", "IP address (HTTP 401", "https://app.brevo.com/security/authorised_ips")
    press("sandbox_down", host=gone)
    expect_advice("sandbox_down", "can't be reached", "check the base URL of the connection")
    press("forbidden_host", host="https://gateway.example.com:443/v3")
    expect_advice("forbidden_host", "may not be given the key", "[brevo] allowed_hosts")
    sandbox.add_fault("restricted,times=1")
    assert "The key is valid but restricted" in press("restricted_key")
    expect_result(page, "restricted_key", "green")
    proved(
        f"Airflow 3.3, browser: Test showed our advice in {len(advised)} cases ({', '.join(advised)}), and"
        " took a restricted key for good"
    )


def test_a_task_works_by_the_saved_connection(
    playground: Playground, sandbox: Sandbox, proved: Callable[[str], None]
) -> None:
    """With the extras as the form saved them, null and all, the ETL example sends its event with the saved key."""
    sandbox.reset()
    playground.wait_for(playground.run("order_etl"))
    (event,) = sandbox.events
    (request,) = sandbox.requests
    assert request.status == 204
    assert repr(event.body["event_properties"]) == repr(
        {
            "order_id": "00123",
            "total": 42.5,
            "item_count": 3,
            "is_first_order": True,
            "items": [{"sku": "TEA-1", "price": 12.5}, {"sku": "CUP-7", "price": 17.5}],
            "summary": "Order 00123",
        }
    )
    proved(f"Airflow 3.3: a DAG sent {len(sandbox.events)} event by the connection that was saved by clicking")
