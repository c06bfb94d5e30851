"""Airflow 2.11 with its Flask pages, and what somebody's browser would read from them and send back."""

import html
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Self

import playground
import requests
from waiting import wait_until

ENVIRONMENT = playground.ROOT / ".venv" / "airflow-2.11"
FORM = "/connection/add"
TIMEOUT = 60
NOT_FOUND = 404
SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",  # the only one that SQLite allows
    "AIRFLOW__WEBSERVER__WORKERS": "1",
    "GUNICORN_CMD_ARGS": "--no-control-socket",  # it would be in the home of the user
}


class Airflow2(playground.Airflow):
    """Its web server and scheduler, each a process of its own, with somebody who is logged in.

    :param folder: for its files.
    """

    python = str(ENVIRONMENT / "bin" / "python")

    def __init__(self, folder: Path) -> None:
        assert Path(self.python).exists(), "Airflow 2.11 is needed: make .venv/airflow-2.11/.ready"
        super().__init__(
            folder=folder,
            port=playground.free_port(0),
            stopped=threading.Event(),
            settings={
                **SETTINGS,
                # Several processes write to it, and each waits for the others longer than the usual 5 s.
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}?timeout=60",
                "HOME": str(folder),
                "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",  # its scheduler calls `airflow`
            },
        )

    def __enter__(self) -> Self:
        """Start it, and log in as an administrator does."""
        super().__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def page(self, path: str) -> "Page":
        """Open a page."""
        return self._read(self._api.get(self.url + path, timeout=TIMEOUT))

    def submit(self, path: str, fields: Mapping[str, str]) -> "Page":
        """Submit the form of a page, as a browser does, and return the page that comes then."""
        parts = {name: (None, value) for name, value in fields.items()}
        return self._read(self._api.post(self.url + path, files=parts, timeout=TIMEOUT))

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask its REST API."""
        answer = self.call(method, f"/api/v1{path}", body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def address_of(self, connection: str) -> str:
        """Return the path of the page on which a connection is edited."""
        found = re.search(r"/connection/edit/\d+", self.page(f"/connection/list/?_flt_3_conn_id={connection}").text)
        assert found, connection
        return found[0]

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Come back when something has come true, as long as its processes run."""

        def has_come_true() -> bool:
            assert not any(process.poll() for process in self._processes), f"a part of Airflow failed, see {self.log}"
            return reached()

        wait_until(has_come_true)

    def _start(self) -> None:
        self._migrate()
        port, password = self.url.rpartition(":")[2], secrets.token_hex()
        admin = ("--username", "admin", "--password", password, "--role", "Admin", "--email", "admin@example.com")
        user = self.run("users", "create", *admin, "--firstname", "An", "--lastname", "Admin")
        self.wait_until(lambda: user.poll() is not None)
        self.run("scheduler", "--skip-serve-logs")
        self.run("webserver", "--hostname", playground.HOST, "--port", port)
        self.wait_until(self._is_healthy)
        login = self.page("/login/").fields
        self.submit("/login/", login | {"username": "admin", "password": password})

    def _is_healthy(self) -> bool:
        health = self.api("GET", "/health")
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler"))

    @staticmethod
    def _read(answer: requests.Response) -> "Page":
        answer.raise_for_status()
        return Page(answer.text)


class Page(HTMLParser):
    """A page, as far as these tests look at it.

    :param text: its HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.fields: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.descriptions: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self.choices: dict[str, str] = {}
        self.scripts: dict[str, str] = {}
        self.meta: dict[str, str] = {}
        self._field = ""
        self._reads: tuple[str, dict[str, str], str] | None = None
        self.feed(text)
        self.close()

    def script(self, name: str) -> str:
        """Return what the scripts of the page read in one of them that holds data."""
        return html.unescape(self.scripts[name])

    def rendered(self) -> dict[str, str]:
        """Return what the page of rendered templates shows, field by field."""
        _, *parts = re.split(r"<h5>(.*?)</h5>", self.text)
        # JSON comes as a table, with the numbers of its lines before it; None comes as nothing.
        shown = ["".join(re.findall(r"<pre>(.*?)</pre>", part, re.DOTALL)[-1:]) for part in parts[1::2]]
        return {name: html.unescape(re.sub(r"<[^>]+>", "", text)) for name, text in zip(parts[::2], shown, strict=True)}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if tag in {"input", "textarea", "select"} and "name" in given:
            self._field = given["name"]
            self.fields[self._field] = given.get("value", "")
        if tag == "meta" and "name" in given:
            self.meta[given["name"]] = given["content"]
        elif tag == "option":
            if "selected" in given:
                self.fields[self._field] = given["value"]
            self._read_into(tag, self.choices, given["value"])
        elif tag == "textarea":
            self._read_into(tag, self.fields, self._field)
        elif tag == "label":
            self._read_into(tag, self.labels, given.get("for", ""))
        elif tag == "script":
            self._read_into(tag, self.scripts, given.get("id", ""))
        elif "help-block" in classes:
            self._read_into(tag, self.descriptions, self._field)
        elif "alert-danger" in classes:
            self._read_into(tag, self.problems, self._field)

    def handle_data(self, data: str) -> None:
        if self._reads:
            _, texts, name = self._reads
            texts[name] += data

    def handle_endtag(self, tag: str) -> None:
        if self._reads and tag == self._reads[0]:
            _, texts, name = self._reads
            texts[name] = texts[name].strip()
            self._reads = None

    def _read_into(self, tag: str, texts: dict[str, str], name: str) -> None:
        texts[name] = ""
        self._reads = (tag, texts, name)
