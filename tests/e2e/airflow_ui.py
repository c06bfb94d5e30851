"""What ``make sandbox`` starts, and what somebody does and sees in Airflow's UI."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import requests
from playground import ROOT, START_SECONDS
from playwright.sync_api import Error, Page, Request, expect
from waiting import wait_until

SCRIPT = ROOT / "scripts" / "playground.py"
# The script makes a database, and then waits so long twice: for Airflow, and for its DAGs.
READY_SECONDS = 60 + 2 * START_SECONDS
RUN_SECONDS = 90
STOP_SECONDS = 15
TIMEOUT = 60
COPY = re.compile(r"^Cop(y|ied)\b")  # which it says for a moment after
ENDED = re.compile(r"^(Success|Failed|Upstream Failed)$")


class Playground:
    """The script in a process of its own, with everything that it starts.

    :param folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.said = ""
        self._api = requests.Session()
        self._output = folder / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, SCRIPT, "--port", "0", "--sandbox-port", "0", "--folder", folder / "playground"],
                env=os.environ | {"HOME": str(self.home), "ORDERS_FOLDER": str(folder / "orders")},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Come back when it says where to click; keep what there was before anybody did."""

        def is_ready() -> bool:
            self.said = self._output.read_text()
            assert self.process.poll() is None, self.said
            return "Ctrl-C stops both" in self.said

        wait_until(is_ready, READY_SECONDS)
        self.url = self._address("Airflow")
        self.origin = self._address("Sandbox")
        token = self.airflow("GET", "/auth/token")["access_token"]
        self._api.headers["Authorization"] = f"Bearer {token}"
        self.runs_at_first = self.airflow("GET", "/api/v2/dags/~/dagRuns")["total_entries"]
        self.arrived_at_first = self.sandbox("/_sandbox/entries")["entries"]

    def airflow(self, method: str, path: str, body: object = None) -> Any:
        """Ask Airflow's REST API."""
        return self._ask(method, self.url + path, body)

    def sandbox(self, path: str) -> Any:
        """Ask for what the sandbox's page shows."""
        return self._ask("GET", self.origin + path, None)

    def run(self, dag_id: str) -> str:
        """Trigger a DAG, and return the path of its run in the REST API."""
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        return f"{runs}/{self.airflow('POST', runs, {'logical_date': None})['dag_run_id']}"

    def wait_for(self, run: str) -> None:
        """Come back when a run has succeeded."""

        def has_ended() -> bool:
            state = self.airflow("GET", run)["state"]
            assert state != "failed", run
            return state == "success"

        wait_until(has_ended, RUN_SECONDS)

    def family(self) -> list[psutil.Process]:
        """Give all processes that it started, directly or not, and the script itself."""
        script = psutil.Process(self.process.pid)
        return [script, *script.children(recursive=True)]

    def stop(self) -> None:
        """End all of it, as far as it still runs, by force if it must be."""
        family = self.family() if self.process.poll() is None else []
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        for process in filter(is_alive, family):
            process.kill()
        self.process.wait()

    def _address(self, name: str) -> str:
        found = re.search(rf"^{name} +(http://127\.0\.0\.1:\d+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    def _ask(self, method: str, url: str, body: object) -> Any:
        answer = self._api.request(method, url, json=body, timeout=TIMEOUT)
        assert answer.ok, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs. One that has ended may wait for its parent to take note."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Seen:
    """Everything that a tab of the browser was told by Airflow's API, by address, and what it shows and keeps.

    An answer is lost if the tab leaves its page before it is kept; the address is among the missed ones then.

    :param page: the tab, in which nothing is open yet.
    """

    def __init__(self, page: Page) -> None:
        self.answers: list[tuple[str, str]] = []
        self.missed: list[str] = []
        self._page = page
        self._under_way: set[Request] = set()
        page.on("request", self._begin)
        page.on("requestfailed", self._end)
        page.on("requestfinished", self._keep)

    def settle(self) -> None:
        """Come back when the answers to all that was asked until now are kept, or missed."""
        deadline = time.monotonic() + TIMEOUT
        asked = self._under_way.copy()
        while left := asked & self._under_way:
            assert time.monotonic() < deadline, [request.url for request in left]
            self._page.wait_for_timeout(50)  # the tab goes on meanwhile

    def places(self, text: str) -> list[str]:
        """Return where a text is: in which answers, in the page, in a field, or in what the browser keeps."""
        self.settle()
        shown = self._page.evaluate(
            """() => ({
                "page": document.documentElement.outerHTML,
                "fields": [...document.querySelectorAll("input, textarea")].map(field => field.value).join("\\n"),
                "storage": JSON.stringify([localStorage, sessionStorage, document.cookie]),
            })"""
        )
        assert self.answers
        return [place for place, content in (*self.answers, *shown.items()) if text in content]

    def _begin(self, request: Request) -> None:
        self._under_way.add(request)

    def _end(self, request: Request) -> None:
        self._under_way.discard(request)

    def _keep(self, request: Request) -> None:
        address = f"{request.method} {request.url}"
        try:
            if request.resource_type in {"document", "fetch", "xhr"} and (response := request.response()):
                self.answers.append((address, response.text()))
        except Error:
            self.missed.append(address)
        self._end(request)


def trigger(page: Page, airflow: str, dag_id: str, task_id: str) -> str:
    """Run a DAG by clicking, watch one of its tasks succeed, and open that task.

    :return: the path of the run in the REST API.
    """
    page.goto(f"{airflow}/dags/{dag_id}")
    page.get_by_role("button", name="Trigger Dag").click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    page.wait_for_url("**/runs/**")
    task = page.get_by_role("row").filter(has_text=task_id)
    state = task.get_by_role("cell", name=ENDED)
    expect(state).to_be_visible(timeout=RUN_SECONDS * 1000)
    expect(state).to_have_text("Success")
    task.get_by_role("link", name=task_id).click()
    run = re.search(r"/runs/([^/?]+)", page.url)
    assert run
    return f"/api/v2/dags/{dag_id}/dagRuns/{unquote(run[1])}"


def open_tab(page: Page, *names: str) -> None:
    """Open one of a task's tabs, and one inside it if two are named."""
    for name in names:
        page.get_by_role("link", name=name, exact=True).click()


def rendered(page: Page) -> dict[str, Any]:
    """Open the tab *Rendered Templates*, and return what it shows, field by field."""
    open_tab(page, "Rendered Templates")
    return _copied(page)


def xcom(page: Page) -> dict[str, Any]:
    """Open the tab *XCom*, and return what it shows, key by key."""
    open_tab(page, "Storage", "XCom")
    return _copied(page)


def _copied(page: Page) -> dict[str, Any]:
    """Copy each value of a table by its button, since a long one is not shown in full."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    rows = page.get_by_role("row").filter(has=page.get_by_role("button", name=COPY))
    expect(rows.first).to_be_visible()
    expect(page.get_by_test_id("skeleton")).to_have_count(0)  # each value of an XCom is a request of its own
    copied = {}
    for row in rows.all():
        page.evaluate("navigator.clipboard.writeText('')")
        row.get_by_role("button", name=COPY).click()
        page.wait_for_function("navigator.clipboard.readText().then(text => text !== '')")
        text = page.evaluate("navigator.clipboard.readText()")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        copied[row.get_by_role("cell").first.inner_text()] = value
    return copied
