"""The sandbox's page and its calls over a socket: what keeps others out."""

import http.client
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_brevo.sandbox import Sandbox

KEY = {"api-key": "test-key"}
EVENT = {"event_name": "e", "identifiers": {"email_id": "jane@example.com"}}
TIMEOUT = 10
CALLS = [
    *("/_sandbox/entries", "/_sandbox/entries/1", "/_sandbox/changes", "/_sandbox/page.js", "/_sandbox/page.css"),
    *("/_sandbox/stats", "/_sandbox/duplicates?property=p"),
]
CLEAR = {"X-Sandbox-Page": "clear"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that took an event."""
    with Sandbox(api_key="test-key") as running:
        assert requests.post(f"{running.url}/events", json=EVENT, headers=KEY, timeout=TIMEOUT).status_code == 204
        yield running


def ask(sandbox: Sandbox, path: str, method: str = "GET", **headers: str) -> requests.Response:
    """Ask for something, without waiting for the end of a stream."""
    return requests.request(method, sandbox.origin + path, headers=headers, timeout=TIMEOUT, stream=True)


@pytest.mark.parametrize("path", ["/", *CALLS])
def test_every_answer_of_the_page_is_locked_down(sandbox: Sandbox, path: str) -> None:
    """Nothing but its own files may run in it, nobody may frame, cache or embed it, and there is no CORS."""
    answer = ask(sandbox, path, Origin="https://evil.example")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    answer.close()


@pytest.mark.parametrize("path", ["/", *CALLS])
def test_another_host_name_gets_no_page(sandbox: Sandbox, path: str) -> None:
    """A page that lets its own name resolve to this machine sees nothing of what arrived."""
    answer = ask(sandbox, path, Host="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_origin_starts_is_refused(sandbox: Sandbox, path: str, site: str) -> None:
    """A page on another port of this machine is another origin too; only links to the page itself may come."""
    assert ask(sandbox, path, **{"Sec-Fetch-Site": site}).status_code == 403
    assert ask(sandbox, "/", **{"Sec-Fetch-Site": site}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Sandbox-Page": "x"}, {**CLEAR, "Sec-Fetch-Site": "cross-site"}, {**CLEAR, "Host": "evil.example"}],
)
def test_clearing_wants_a_header_that_foreign_pages_can_not_send(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """Without it nothing is deleted."""
    assert ask(sandbox, "/_sandbox/clear", "POST", **headers).status_code in {403, 421}
    assert ask(sandbox, "/_sandbox/clear", **CLEAR).status_code == 405
    assert len(sandbox.events) == 1


def test_clearing_forgets_what_arrived(sandbox: Sandbox) -> None:
    """Events and requests are gone; faults stand."""
    sandbox.add_fault("503")
    assert ask(sandbox, "/_sandbox/clear", "POST", **CLEAR).status_code == 204
    assert (sandbox.events, sandbox.requests) == ([], [])
    assert ask(sandbox, "/v3/account", **KEY).status_code == 503


def test_the_page_is_no_part_of_what_it_shows(sandbox: Sandbox) -> None:
    """Its requests are not kept, meet no fault and no latency, and wrong ones have the usual answers."""
    sandbox.add_fault("503,path=/")
    sandbox.add_fault("503,path=/_sandbox/entries")
    assert ask(sandbox, "/").status_code == 200
    assert ask(sandbox, "/_sandbox/entries").status_code == 200
    assert ask(sandbox, "/_sandbox/entries/99").status_code == 404
    assert ask(sandbox, "/_sandbox/nothing").status_code == 404
    assert ask(sandbox, "/_sandbox/entries?text=" + "x" * 1001).status_code == 400
    assert len(sandbox.requests) == 1


def test_entries_are_told_without_the_key(sandbox: Sandbox) -> None:
    """The list and the entry hold the event, and the key in no place."""
    sandbox.add_fault("echo,times=1")
    requests.post(f"{sandbox.url}/events?api-key=test-key", json=EVENT, headers=KEY, timeout=TIMEOUT)
    listed = ask(sandbox, "/_sandbox/entries")
    assert [entry["status"] for entry in listed.json()["entries"]] == [400, 204]
    assert "(api-key (hidden))" in listed.json()["entries"][0]["reason"]
    for entry in listed.json()["entries"]:
        shown = ask(sandbox, f"/_sandbox/entries/{entry['key']}")
        assert json.loads(shown.json()["body"]) == EVENT
        assert "test-key" not in shown.text
    assert "test-key" not in listed.text


def read_message(lines: Iterator[bytes]) -> None:
    """Wait for a message of the stream."""
    for line in lines:
        if line.startswith(b"data:"):
            return


def test_changes_are_told_as_they_happen(sandbox: Sandbox) -> None:
    """One message at the start, then one for what arrives, until the reader leaves."""
    with ask(sandbox, "/_sandbox/changes") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        lines = stream.iter_lines(chunk_size=1)
        read_message(lines)
        requests.post(f"{sandbox.url}/events", json=EVENT, headers=KEY, timeout=TIMEOUT)
        read_message(lines)
    requests.post(f"{sandbox.url}/events", json=EVENT, headers=KEY, timeout=TIMEOUT)
    wait_until(lambda: not sandbox._store._listeners)


def test_a_silent_stream_is_kept_alive(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments show that somebody is there, and find readers that left."""
    monkeypatch.setattr("airflow_provider_brevo.sandbox.page._SILENCE_SECONDS", 0.05)
    with ask(sandbox, "/_sandbox/changes") as stream:
        assert any(line == b":" for line in stream.iter_lines(chunk_size=1))
    wait_until(lambda: not sandbox._store._listeners)


def test_open_streams_do_not_keep_it_from_stopping() -> None:
    """It stops at once, no thread is left, and the stream ends."""
    before = threading.active_count()
    sandbox = Sandbox()
    sandbox.start()
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=TIMEOUT)
    connection.request("GET", "/_sandbox/changes")
    stream = connection.getresponse()
    assert stream.readline() == b"retry: 500\n"
    start = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - start < 1
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        stream.read()
    connection.close()
    assert threading.active_count() == before
    assert sandbox._store._listeners == []


def test_a_failure_of_the_page_is_logged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The browser gets 500, the log the reason."""

    def broken() -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(sandbox._store, "newest", broken)
    assert ask(sandbox, "/_sandbox/entries").status_code == 500
    assert "the sandbox failed to answer GET /_sandbox/entries" in caplog.text


def test_a_hang_that_ended_is_no_refusal(sandbox: Sandbox) -> None:
    """The event was taken and its sender was told so, if late."""
    sandbox.add_fault("hang,seconds=0.05")
    assert requests.post(f"{sandbox.url}/events", json=EVENT, headers=KEY, timeout=TIMEOUT).status_code == 204
    assert (sandbox.requests[-1].status, sandbox.requests[-1].reason) == (204, None)


def test_broken_off_requests_say_so(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """One that gets no answer has a reason, whoever ended it; nothing of it is logged."""
    caplog.set_level(logging.DEBUG)
    sandbox.add_fault("close,times=1")
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(sandbox, "/v3/account", **KEY)
    sandbox.add_fault("hang,times=1")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{sandbox.url}/account", headers=KEY, timeout=0.2)
    wait_until(lambda: sandbox.requests[-1].reason is not None)
    assert [(each.status, each.reason) for each in sandbox.requests[1:]] == [
        (None, "Fault close: no answer"),
        (None, "The connection ended before the answer"),
    ]
    assert [record for record in caplog.records if record.name.startswith("airflow_provider_brevo")] == []


def wait_until(condition: Any) -> None:
    """Wait for something that happens in the sandbox's thread."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
