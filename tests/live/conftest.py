"""Brevo, asked with few and slow requests, and a record of what it answers.

BREVO_API_KEY is needed. BREVO_LIVE_CONTACT is the ext_id of a contact to use instead of one that nobody has,
BREVO_BASE_URL leads to a sandbox, BREVO_LIVE_RECORD names the file of the record.
"""

import functools
import json
import os
import re
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from airflow_provider_brevo import __version__
from airflow_provider_brevo.core.auth import SecretHeaders
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.core.redaction import clean_text
from airflow_provider_brevo.core.transport import RequestsTransport
from airflow_provider_brevo.exceptions import BrevoRefusedError, BrevoRequestError, BrevoTransportError

ROOT = Path(__file__).parents[2]
EVENT_NAME = "airflow_provider_brevo_live"
PAUSE = 0.25
"""Seconds between requests: less than half of the lowest documented limit of POST /events."""

_SECRETS = {"BREVO_API_KEY", "BREVO_OAUTH_CLIENT_ID", "BREVO_OAUTH_CLIENT_SECRET", "api-key", "Authorization"}

_LIMIT = re.compile(r"(?i)ratelimit|retry-after")
# A 401 may name the address of the machine.
_IP_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-fA-F]{0,4}:){3,}[0-9a-fA-F:.]*")


class Brevo:
    """Brevo, by the project's own client and transport. Every answer goes into the record, cleaned."""

    def __init__(self, path):
        # Secrets stay out of arguments and variables, which pytest shows when a test fails.
        self.settings, _ = read_settings(
            ConnectionFields(
                host=os.environ.get("BREVO_BASE_URL"),
                password=os.environ["BREVO_API_KEY"],
                extra={"max_retries": 0},  # each answer is to be seen
            )
        )
        given = os.environ.get("BREVO_LIVE_CONTACT")
        self.run = secrets.token_hex(4)
        self.contact_is_made_up = not given
        self.contact = given or f"made-up-{secrets.token_hex(8)}"
        self.question = ""
        self.probes = 0
        self.pause = (lambda _: None) if is_loopback(urlsplit(self.settings.base_url).hostname) else time.sleep
        self._transport = RequestsTransport(self.settings)
        self._start = time.monotonic()
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        self.note(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            version=__version__,
            host=self.settings.host,
            contact="made up" if self.contact_is_made_up else "given",
            run=self.run,
        )

    def send(self, method, path, *, headers, body):
        """Send one request and record the answer: this is the transport of the project's client."""
        self.pause(PAUSE)
        sent = {
            "request": self._clean(f"{method} {urlsplit(path).path}", headers),
            "probes": re.findall(r'"probe":"(p\d+)"', (body or b"").decode()),
        }
        try:
            answer = self._transport.send(method, path, headers=headers, body=body)
        except BrevoTransportError as error:
            self.note(**sent, no_answer=type(error).__name__)
            raise
        self.note(
            **sent,
            status=answer.status,
            limits={k.lower().removeprefix("x-sib-"): v for k, v in answer.headers.items() if _LIMIT.search(k)},
            answer=self._kept(method, path, answer, headers, body),
        )
        self.last = answer
        return answer

    def close(self):
        """Close the pooled connections."""
        self._transport.close()

    def ask(self, method, path, *, body=None, credentials=None):
        """Send a request that the client has no call for, or would not send so."""
        credentials = self.settings.auth.headers() if credentials is None else credentials
        common = {"accept": "application/json", "Content-Type": "application/json"}
        return self.send(method, path, headers=SecretHeaders({**common, **credentials}), body=body)

    def event(self, **fields):
        """Make an event that can be found again; a field that is None is left out."""
        self.probes += 1
        # Nothing here may look like a word of an error message, which would be masked in the record.
        properties = {"run": self.run, "probe": f"p{self.probes}"}
        event = {"event_name": EVENT_NAME, "identifiers": {"ext_id": self.contact}, "event_properties": properties}
        event |= fields
        event["event_properties"] = properties | event["event_properties"]
        return {name: value for name, value in event.items() if value is not None}

    def client(self, auth=None):
        """Make a client of the project's."""
        return BrevoClient(replace(self.settings, auth=auth or self.settings.auth), transport=self)

    def settle(self, event, *, auth=None):
        """Send an event. Return None or the refusal: anything else contradicts what the client relies on."""
        try:
            self.client(auth).create_event(event)
        except BrevoRefusedError as refusal:
            return refusal
        return None

    @functools.cached_property
    def first_failure(self):
        """Send the simplest event, once, and return None or the error."""
        try:
            return self.settle(self.event())
        except BrevoRequestError as error:
            return error

    def shown(self, **query):
        """Return the events of this run that Brevo shows, by their probe."""
        answer = self.ask("GET", f"/events?{urlencode({'event_name': EVENT_NAME, 'limit': 1000, **query})}")
        if answer.status != 200:
            pytest.skip(f"GET /events was answered with {answer.status}")
        events = [(event, event.get("event_properties") or {}) for event in json.loads(answer.body).get("events") or []]
        return {found.get("probe"): event for event, found in events if found.get("run") == self.run}

    def note(self, **facts):
        """Write a line of the record."""
        line = {"at": round(time.monotonic() - self._start, 3), "question": self.question, **facts}
        with self._path.open("a", encoding="utf-8") as record:
            record.write(
                json.dumps({k: v for k, v in line.items() if v not in ("", [], {})}, ensure_ascii=False) + "\n"
            )

    def _kept(self, method, path, answer, headers, body):
        """Return what may be kept of a body: no account, no contact, no events, no token."""
        if answer.status < 400 and method == "GET":
            return "not kept"
        if answer.status < 400 and not path.startswith("/"):  # the token call
            said = json.loads(answer.body)
            return {name: said.get(name) for name in ("token_type", "expires_in", "scope")} | {"fields": sorted(said)}
        return self._clean(answer.body.decode(errors="replace"), headers, body)

    def _clean(self, text, headers, body=None):
        known = (value for names in (os.environ, headers) for name, value in names.items() if name in _SECRETS)
        is_json = headers["Content-Type"] == "application/json"
        text = clean_text(text, sent=body if is_json else None, secrets=(self.contact, *known), max_length=600)
        return _IP_ADDRESS.sub("***", text)


@pytest.fixture(scope="session")
def _brevo(request):
    default = ROOT / ".cache" / "live" / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.jsonl"
    path = Path(os.environ.get("BREVO_LIVE_RECORD") or default)
    brevo = Brevo(path)
    yield brevo
    brevo.close()
    request.config.pluginmanager.get_plugin("terminalreporter").write_line(f"\nBrevo's answers are in {path}")


@pytest.fixture
def asked(_brevo, request):
    """Brevo, with the question that is being asked."""
    parameters = f" [{request.node.callspec.id}]" if hasattr(request.node, "callspec") else ""
    _brevo.question = f"{request.function.__doc__.partition('?')[0]}?{parameters}"
    return _brevo


@pytest.fixture
def brevo(asked):
    """Brevo, if it takes the simplest event: else no answer would mean anything."""
    if asked.first_failure is not None:
        pytest.skip("the simplest event was not taken: see the first test")
    return asked
