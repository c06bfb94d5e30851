"""The sandbox's page in a real, headless Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-secret-key"
TIMEOUT = 30
HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that knows one type of object."""
    with Sandbox(api_key=KEY, known_objects=["subscription"]) as running:
        yield running


class Seen:
    """What happened in the browser that no test may overlook."""

    def __init__(self, page: Page) -> None:
        self.addresses: set[str] = set()
        self.trouble: list[str] = []
        page.on("request", lambda request: self.addresses.add(request.url))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        # A violation of the content security policy is reported here too.
        page.on("console", lambda said: self.trouble.append(f"{said.type}: {said.text}"))


@pytest.fixture
def seen(page: Page) -> Seen:
    """Watch the page from its first moment on."""
    return Seen(page)


def send(sandbox: Sandbox, name: Any = "video_played", *, key: str = KEY, **fields: Any) -> int:
    """Send an event and give the status of the answer."""
    event = {"event_name": name, "identifiers": {"email_id": "jane@example.com"}, **fields}
    return requests.post(f"{sandbox.url}/events", json=event, headers={"api-key": key}, timeout=TIMEOUT).status_code


def show(page: Page, sandbox: Sandbox) -> None:
    """Go to the page and wait until it is live."""
    page.goto(sandbox.origin)
    expect(page.get_by_role("status").first).to_have_text("Live")


def names(page: Page) -> list[str]:
    """Give the names in the list, from top to bottom."""
    return page.locator("#list .name").all_inner_texts()


def open_first(page: Page) -> None:
    """Open the newest entry by keyboard."""
    expect(page.locator("#list li").first).to_be_visible()  # the list comes after "Live"
    page.locator("#list").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    expect(page.locator("#raw")).to_contain_text("host:", ignore_case=True)  # which is fetched when the entry opens


def test_an_empty_sandbox_shows_the_connection(page: Page, sandbox: Sandbox, seen: Seen) -> None:
    """Before anything arrived there is the line to paste, without the key, and nothing goes wrong."""
    show(page, sandbox)
    pasted = page.get_by_role("region", name="Connection to paste")
    expect(pasted).to_have_text(sandbox.connection)
    assert sandbox.url in sandbox.connection
    assert KEY not in page.content()
    assert seen.trouble == []


def test_events_appear_without_a_reload(page: Page, sandbox: Sandbox, seen: Seen) -> None:
    """An event is in the list soon after it arrived, the newest on top, and the counts follow."""
    show(page, sandbox)
    page.evaluate("window.unloaded = false")
    send(sandbox, "first")
    expect(page.locator("#list .name")).to_have_text(["first"])
    send(sandbox, "second")
    expect(page.locator("#list .name")).to_have_text(["second", "first"])
    expect(page.locator("#count-event")).to_have_text("2")
    assert page.evaluate("window.unloaded") is False
    assert len(sandbox.requests) == 2, "the page's own requests are not kept"
    assert seen.trouble == []


@pytest.mark.parametrize(
    ("field", "text", "found"),
    [
        ("Event name", "ORDER", ["order_paid", "order_made"]),
        ("Event name", "nothing", []),
        ("Contact", "jane@", ["order_paid", "video_played"]),
        ("Contact", "#2", ["order_made"]),
        ("Contact", "s-77", ["order_made"]),
        ("Contact", "+4930", ["order_paid", "video_played"]),
        ("Text", "teekanne größe", ["order_paid"]),
        ("Text", "4711", ["order_made"]),
    ],
)
def test_each_filter_narrows_the_list(page: Page, sandbox: Sandbox, field: str, text: str, found: list[str]) -> None:
    """Name and text by a part in any case; a contact by id or by any identifier it is known by."""
    send(sandbox, "video_played")
    send(sandbox, "order_made", identifiers={"ext_id": "s-77"}, event_properties={"order": 4711})
    jane = {"email_id": "jane@example.com", "phone_id": "+4930123"}
    send(sandbox, "order_paid", identifiers=jane, event_properties={"what": "Teekanne Größe 2"})
    show(page, sandbox)
    expect(page.locator("#list .name")).to_have_count(3)
    page.get_by_label(field).fill(text)
    expect(page.locator("#list .name")).to_have_text(found)
    send(sandbox, "other", identifiers={"ext_id": "x"})
    expect(page.locator("#bound")).to_be_visible()
    page.wait_for_timeout(400)
    assert names(page) == found, "what arrives later is filtered too"
    if not found:
        page.get_by_role("button", name="Show everything").click()
        expect(page.locator("#list .name")).to_have_count(4)


def test_everything_can_be_done_by_keyboard(page: Page, sandbox: Sandbox) -> None:
    """Slash goes to the filter, Tab on to the list, j and k and arrows move, Enter opens, Escape closes."""
    for number in range(3):
        send(sandbox, f"e{number}")
    show(page, sandbox)
    expect(page.locator("#list .name")).to_have_count(3)
    page.keyboard.press("/")
    expect(page.get_by_label("Event name")).to_be_focused()
    for expected in ("#contact", "#text", "input[value='']", "#list"):
        page.keyboard.press("Tab")
        expect(page.locator(expected)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    active = page.locator("#list li.active")
    expect(active).to_contain_text("e1")
    assert page.locator("#list").get_attribute("aria-activedescendant") == active.get_attribute("id")
    assert page.evaluate("getComputedStyle(document.querySelector('#list li.active')).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="e1")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="e0")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#list")).to_be_focused()
    send(sandbox, "e3")
    expect(page.locator("#list .name")).to_have_count(4)
    expect(active).to_contain_text("e0")


def test_values_are_shown_with_their_types(page: Page, sandbox: Sandbox) -> None:
    """Each JSON type has its name, also in depth; whole floats stay floats and large integers exact."""
    properties = {
        "text": "00123",
        "float": 42.0,
        "whole": 2**53 + 1,
        "yes": True,
        "when": "2026-03-01T14:30:00Z",
        "items": [{"sku": "TEA"}],
        "none": {},
    }
    send(sandbox, event_properties=properties)
    show(page, sandbox)
    open_first(page)
    rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in page.locator("tbody tr").all()]
    assert rows[rows.index(["event_properties", "", "object"]) :] == [
        ["event_properties", "", "object"],
        ["text", '"00123"', "string"],
        ["float", "42.0", "number"],
        ["whole", str(2**53 + 1), "integer"],
        ["yes", "true", "boolean"],
        ["when", '"2026-03-01T14:30:00Z"', "string (date)"],
        ["items", "", "list"],
        ["[0]", "", "object"],
        ["sku", '"TEA"', "string"],
        ["none", "{}", "object"],
    ]


def test_the_raw_request_is_shown_without_the_key(page: Page, sandbox: Sandbox) -> None:
    """Method, path, headers and the body as it was received; the key is hidden."""
    body = '{ "event_name":"e",\n  "identifiers": {"ext_id": "\\u00e9"} }'
    headers = {"api-key": KEY, "Content-Type": "application/json", "Authorization": "Bearer other-secret"}
    requests.post(f"{sandbox.url}/events?a=1", data=body, headers=headers, timeout=TIMEOUT)
    show(page, sandbox)
    open_first(page)
    raw = page.get_by_role("region", name="Raw request").inner_text()
    assert raw.startswith("POST /v3/events?a=1\n")
    assert raw.endswith("\n\n" + body)
    assert {"api-key: (hidden)", "authorization: (hidden)", "content-type: application/json"} < set(
        raw.lower().split("\n")
    )
    assert KEY not in page.content()
    assert "other-secret" not in page.content()


def test_what_brevo_would_ignore_is_marked(page: Page, sandbox: Sandbox) -> None:
    """An object of an unknown type is marked in the list and with its reason in the entry."""
    send(sandbox, "known", object={"type": "subscription", "identifiers": {"id": "1"}})
    vehicle = {"type": "vehicle", "identifiers": {"id": "1"}}
    send(sandbox, "unknown", object=vehicle, identifiers={"contact_id": 7, "email_id": "a"})
    show(page, sandbox)
    expect(page.locator("#list li", has_text="object ignored").locator(".name")).to_have_text(["unknown"])
    open_first(page)
    ignored = page.locator("tr.ignored")
    expect(ignored).to_have_count(2)
    expect(ignored.nth(0)).to_contain_text("contact_id has priority")
    expect(ignored.nth(1)).to_contain_text("the account has no such type of object")


def test_markup_that_arrives_is_text(page: Page, sandbox: Sandbox, seen: Seen) -> None:
    """Scripts and handlers in names, values, keys, headers, paths and refusals run nowhere."""
    send(sandbox, HOSTILE)
    send(sandbox, "taken", event_properties={"x": HOSTILE, "y": [HOSTILE]}, identifiers={"ext_id": HOSTILE})
    send(sandbox, "refused", **{HOSTILE: HOSTILE})
    requests.get(f"{sandbox.url}/{HOSTILE}", headers={"X-A": HOSTILE}, timeout=TIMEOUT)
    show(page, sandbox)
    expect(page.locator("#list li")).to_have_count(4)
    page.locator("#list").focus()
    for _ in range(4):
        page.keyboard.press("Enter")
        expect(page.locator("#detail")).to_be_visible()  # closed, it keeps the text of the entry before
        expect(page.locator("#raw")).to_contain_text("host:")
        assert page.locator("main script, main img, main [onerror]").count() == 0
        page.keyboard.press("Escape")
        page.keyboard.press("j")
    expect(page.locator("#list .name", has_text=HOSTILE)).to_have_count(2)
    assert page.title() == "Brevo sandbox"
    assert seen.trouble == []


def test_refused_requests_are_shown_with_their_reason(page: Page, sandbox: Sandbox) -> None:
    """A wrong key, a wrong event and a fault that was asked for are there, each with status and reason."""
    send(sandbox, key="wrong")
    send(sandbox, "not valid")
    sandbox.add_fault("503,times=1")
    send(sandbox, "fault")
    sandbox.add_fault("reset,times=1,taken")
    with pytest.raises(requests.exceptions.ConnectionError):
        send(sandbox, "lost")
    requests.get(f"{sandbox.url}/account", headers={"api-key": KEY}, timeout=TIMEOUT)
    show(page, sandbox)
    expect(page.locator("#count-other")).to_have_text("1")
    page.get_by_role("radio", name="Refused").check()
    expect(page.locator("#list .badge")).to_have_text(["503", "400", "401"])
    reasons = page.locator("#list .second")
    expect(reasons.nth(0)).to_contain_text("Fault 503")
    expect(reasons.nth(1)).to_contain_text('Invalid value "not valid" for event_name')
    expect(reasons.nth(2)).to_contain_text("Key not found")
    page.get_by_role("radio", name="Events").check()
    expect(page.locator("#list .badge")).to_have_text(["no answer"])
    open_first(page)
    expect(page.locator("#detail")).to_contain_text("its sender got another answer")


def test_clearing_asks_first_and_forgets(page: Page, sandbox: Sandbox, seen: Seen) -> None:
    """Escape keeps everything; the second button deletes it, and the list is empty again."""
    send(sandbox)
    show(page, sandbox)
    page.get_by_role("button", name="Clear").click()
    page.keyboard.press("Escape")
    assert len(sandbox.events) == 1
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.get_by_role("button", name="Delete everything").click()
    expect(page.locator("#nothing")).to_be_visible()
    assert (sandbox.events, sandbox.requests) == ([], [])
    assert seen.trouble == []


def test_it_lives_on_after_a_restart(page: Page, sandbox: Sandbox) -> None:
    """While the sandbox is away the page says so; when it is back on its port, events appear again."""
    show(page, sandbox)
    port = sandbox.port
    sandbox.stop()
    expect(page.get_by_role("status").first).to_contain_text("Not connected")
    with Sandbox(port=port, api_key=KEY) as successor:
        expect(page.get_by_role("status").first).to_have_text("Live")
        send(successor, "after")
        expect(page.locator("#list .name")).to_have_text(["after"])


def test_nothing_is_asked_of_anybody_else(page: Page, sandbox: Sandbox, seen: Seen) -> None:
    """Every request of the page goes to the sandbox."""
    send(sandbox)
    show(page, sandbox)
    open_first(page)
    page.get_by_label("Text").fill("not there")
    expect(page.locator("#unmatched")).to_be_visible()
    assert len(seen.addresses) > 5
    assert {address for address in seen.addresses if not address.startswith(f"{sandbox.origin}/")} == set()
    assert seen.trouble == []


def test_another_origin_of_this_machine_gets_nothing(page: Page, sandbox: Sandbox) -> None:
    """A page of another port can neither read what arrived nor clear it."""
    send(sandbox)
    with Sandbox() as other:
        page.goto(other.origin)
        page.evaluate(
            """async (origin) => {
                const ask = (path, options) => fetch(origin + path, options).then(() => 1, () => 0);
                await ask("/_sandbox/entries", {});
                await ask("/_sandbox/clear", {method: "POST", mode: "no-cors"});
                await ask("/_sandbox/clear", {method: "POST", headers: {"X-Sandbox-Page": "clear"}});
            }""",
            sandbox.origin,
        )
    assert len(sandbox.events) == 1


def test_it_fits_a_narrow_screen(page: Page, sandbox: Sandbox) -> None:
    """At 400 pixels nothing sticks out to the side, and an entry covers the list until it is closed."""
    send(sandbox, "x" * 255, event_properties={"y" * 200: "z" * 500})
    page.set_viewport_size({"width": 400, "height": 800})
    show(page, sandbox)
    page.locator("#list li").click()
    expect(page.locator("#detail")).to_be_visible()
    box = page.locator("#detail").bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, 400)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#list")).to_be_focused()


def test_the_newest_thousand_are_shown(page: Page, sandbox: Sandbox) -> None:
    """Beyond that the page says how many there were."""
    with requests.Session() as session:
        for number in range(1003):
            event = {"event_name": f"e{number}", "identifiers": {"ext_id": "1"}}
            session.post(f"{sandbox.url}/events", json=event, headers={"api-key": KEY}, timeout=TIMEOUT)
    show(page, sandbox)
    expect(page.locator("#bound")).to_have_text("The newest 1,000 of 1,003 are shown.")
    assert page.locator("#list li").count() == 1000
    assert names(page)[0] == "e1002"
    page.get_by_label("Event name").fill("e1001")
    expect(page.locator("#list .name")).to_have_text(["e1001"])
