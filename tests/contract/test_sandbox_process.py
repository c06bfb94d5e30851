"""The sandbox as a thread and as a process: starting, stopping, and what it prints."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import requests

from airflow_provider_brevo.sandbox import DatabaseError, Sandbox

EVENT = {"event_name": "e", "identifiers": {"email_id": "jane@example.com"}}
TIMEOUT = 10
COMMAND = [sys.executable, "-m", "airflow_provider_brevo.sandbox"]


def post(url: str, key: str = "k", timeout: float = TIMEOUT) -> int:
    """Send an event and give the status of the answer."""
    return requests.post(f"{url}/events", json=EVENT, headers={"api-key": key}, timeout=timeout).status_code


@contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the sandbox as a process and give it with the lines it printed."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def test_it_listens_on_loopback_only_and_on_a_free_port() -> None:
    """Two of them run beside each other, and neither can be reached by another address of the machine."""
    with Sandbox() as one, Sandbox() as other:
        assert one.port != other.port
        assert one.url == f"{one.origin}/v3" == f"http://127.0.0.1:{one.port}/v3"
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", one.port), timeout=1):  # noqa: PT011 # any kind of refusal
            pass


def test_a_busy_port_is_reported_at_once() -> None:
    """Starting fails with the system's own error, and the sandbox can be started later."""
    with Sandbox() as one:
        other = Sandbox(port=one.port)
        with pytest.raises(OSError, match="in use"):
            other.start()
    with other:
        assert post(other.url) == 204


def test_it_can_be_started_and_stopped_again() -> None:
    """Stopping twice does nothing, starting twice is an error, and what arrived survives a stop."""
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    sandbox.start()
    with pytest.raises(RuntimeError, match="already running"):
        sandbox.start()
    url = sandbox.url
    assert post(url) == 204
    sandbox.stop()
    sandbox.stop()
    assert len(sandbox.events) == 1
    with pytest.raises(requests.exceptions.ConnectionError):
        post(url)
    with sandbox:
        assert post(sandbox.url) == 204
    assert len(sandbox.events) == 2


def test_stopping_ends_hanging_requests() -> None:
    """A client that waits for an answer is cut off at once, and no thread is left."""
    before = threading.active_count()
    sandbox = Sandbox(faults=["hang,method=POST"])
    sandbox.start()
    outcome: list[object] = []

    def hang() -> None:
        try:
            outcome.append(post(sandbox_url))
        except requests.exceptions.RequestException as error:
            outcome.append(error)

    sandbox_url = sandbox.url
    client = threading.Thread(target=hang)
    client.start()
    with socket.create_connection(("127.0.0.1", sandbox.port)) as half_sent:
        half_sent.sendall(b"POST /v3/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        while len(sandbox.requests) < 2:
            time.sleep(0.01)
        start = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - start < 1
    client.join(TIMEOUT)
    assert isinstance(outcome[0], requests.exceptions.ConnectionError)
    assert threading.active_count() == before


def test_latency_delays_every_answer() -> None:
    """An answer takes at least as long as was asked for."""
    with Sandbox(latency=0.2) as sandbox:
        start = time.monotonic()
        assert post(sandbox.url) == 204
        assert time.monotonic() - start >= 0.2


def test_many_clients_are_served_at_once() -> None:
    """Requests from many threads all arrive, and the answers' delays don't add up."""
    with Sandbox(latency=0.1) as sandbox:
        clients = [threading.Thread(target=post, args=(sandbox.url,)) for _ in range(20)]
        start = time.monotonic()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert time.monotonic() - start < 1.9
        assert len(sandbox.events) == 20


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /v3/account HTTP/1.1\r\nHost: localhost\r\napi-key: sec\x00ret\r\n\r\n",
        b"api-key: secret\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_nothing_malformed_reaches_the_log(request_text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be parsed is refused in silence: a log line about it might hold the key."""
    caplog.set_level(logging.DEBUG)
    with (
        Sandbox() as sandbox,
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=TIMEOUT) as connection,
    ):
        connection.sendall(request_text)
        assert connection.recv(65536).startswith(b"HTTP/1.0 400 ")
        assert post(sandbox.url, key="secret-key") == 204
    ours = [record for record in caplog.records if record.name.startswith(("aiohttp", "airflow_provider_brevo"))]
    assert ours == []
    assert "secret-key" not in caplog.text


def test_the_command_prints_a_connection_that_works() -> None:
    """The line can be pasted into a shell; SIGTERM ends it with 0, also while a request hangs."""
    with command("--fault", "hang,times=1", "--latency", "1", "--known-object", "subscription") as (
        process,
        lines,
    ):
        url = re.search(r"http://127\.0\.0\.1:[1-9][0-9]*/v3", lines[0])
        assert url is not None
        pasted = re.fullmatch(r"export AIRFLOW_CONN_BREVO_DEFAULT='(.*)'\n", lines[1])
        assert pasted is not None
        connection = json.loads(pasted[1])
        assert (connection["conn_type"], connection["host"]) == ("brevo", url[0])
        with pytest.raises(requests.exceptions.ReadTimeout):
            post(url[0], connection["password"], timeout=0.2)
        assert post(url[0], connection["password"]) == 204
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=5)
        assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as on POSIX")
def test_the_command_ends_by_ctrl_c_and_keeps_the_key_to_itself() -> None:
    """SIGINT ends it with 0; a key that was given is asked for, kept within the rate, and never printed."""
    with command("--api-key", "top-secret", "--rate", "1", "--window", "sliding", "--window-seconds", "60") as (
        process,
        lines,
    ):
        url = json.loads(lines[1].split("'")[1])["host"]
        assert (post(url, "wrong"), post(url, "top-secret"), post(url, "top-secret")) == (401, 204, 429)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=5)
        assert (process.returncode, errors) == (0, "")
        assert "top-secret" not in "".join(lines) + output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fault", "boom"], "unknown fault 'boom'"),
        (["--fault", "503,tmies=2"], "unknown option 'tmies=2'"),
        (["--port", "70000"], "a port from 0 to 65535 is needed"),
        (["--rate", "0"], "a whole number from 1 is needed"),
        (["--keep", "none"], "a whole number from 1 is needed"),
        (["--window", "hopping"], "invalid choice: 'hopping'"),
        (["--window-seconds", "0"], "a window lasts at least a millisecond"),
        (["--batch-form", "bare"], "invalid choice: 'bare'"),
        (["--batch-status", "201"], "invalid choice: 201"),
        (["--queue-delay", "-1"], "a number of seconds from 0 is needed"),
        (["--fault", "partial,by=1"], "option 'by' does not apply to 'partial'"),
        (["--latency", "soon"], "a number of milliseconds from 0 is needed"),
        (["--api-key", ""], "the key is empty"),
        (["--token-seconds", "-1"], "a number of seconds from 0 is needed"),
        (["--oauth-client", "top-secret"], "ID:SECRET is needed"),
        (["--oauth-client", ":x"], "ID:SECRET is needed"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_a_wrong_argument_is_reported_in_one_line(arguments: list[str], reason: str) -> None:
    """The command ends with 2 and says what is wrong."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "top-secret" not in done.stderr


def test_the_command_gives_tokens_to_its_clients() -> None:
    """Clients, scopes and the life of a token are options; the secret is not printed."""
    options = ("--oauth-client", "app:top:secret", "--oauth-scope", "a", "--oauth-scope", "b", "--token-seconds", "7")
    with command(*options) as (process, lines):
        origin = json.loads(lines[1].split("'")[1])["host"].removesuffix("/v3")
        form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "top:secret"}
        said = requests.post(f"{origin}/realms/partner/oauth/token", data=form, timeout=TIMEOUT).json()
        assert (said["scope"], said["expires_in"]) == ("a b", 7)
        form["client_secret"] = "other"
        assert requests.post(f"{origin}/realms/partner/oauth/token", data=form, timeout=TIMEOUT).status_code == 401
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=5)
        assert "secret" not in "".join(lines) + output + errors


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_arrived_outlives_the_command(tmp_path: Path, end: signal.Signals) -> None:
    """With --db a later process has events and contacts, even if the first was killed."""
    file = tmp_path / "sandbox.db"
    with command("--db", str(file)) as (process, lines):
        assert post(json.loads(lines[1].split("'")[1])["host"]) == 204
        process.send_signal(end)
        process.wait(5)
    with Sandbox(db=file) as sandbox:
        assert [(each.body, each.contact_id) for each in sandbox.events] == [(EVENT, 1)]
        assert [(each.status, json.loads(each.body)) for each in sandbox.requests] == [(204, EVENT)]
        listed = requests.get(f"{sandbox.url}/events", headers={"api-key": "k"}, timeout=TIMEOUT).json()
        assert (listed["count"], listed["events"][0]["contact_id"]) == (1, 1)
        page = requests.get(f"{sandbox.origin}/_sandbox/entries", timeout=TIMEOUT).json()
        assert [entry["identifier"] for entry in page["entries"]] == ["", "jane@example.com"]
        assert post(sandbox.url) == 204
        assert sandbox.events[1].contact_id == 1
        sandbox.stop()
        sandbox.start()
        assert [each.contact_id for each in sandbox.events] == [1, 1]


def test_a_file_that_can_not_be_used_is_reported_in_one_line(tmp_path: Path) -> None:
    """The command ends with 1, and nothing keeps its port."""
    file = tmp_path / "notes.txt"
    file.write_text("no database " * 100)
    done = subprocess.run(
        [*COMMAND, "--port", "0", "--db", str(file)], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: cannot use {file}: ")
    sandbox = Sandbox(db=file)
    with pytest.raises(DatabaseError):
        sandbox.start()
    file.unlink()
    with sandbox:
        assert post(sandbox.url) == 204


def test_a_busy_port_does_not_lock_the_file(tmp_path: Path) -> None:
    """A sandbox that could not start leaves its file to others."""
    file = tmp_path / "sandbox.db"
    with Sandbox() as one:
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=one.port, db=file).start()
        with Sandbox(db=file):
            pass


def test_a_busy_port_is_reported_in_one_line() -> None:
    """The command ends with 1 and names the way out."""
    with Sandbox() as sandbox:
        done = subprocess.run(
            [*COMMAND, "--port", str(sandbox.port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stderr.startswith(f"error: port {sandbox.port} on 127.0.0.1 is in use")


def test_a_failure_of_its_own_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets 500 in Brevo's form, the log the reason, and neither the key nor the event."""

    def broken_clock() -> datetime:
        raise ZeroDivisionError("no time")

    with Sandbox(clock=broken_clock) as sandbox:
        answer = requests.post(f"{sandbox.url}/events", json=EVENT, headers={"api-key": "secret-key"}, timeout=TIMEOUT)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
        assert [each.status for each in sandbox.requests] == [500]
    assert "the sandbox failed to answer POST /v3/events" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret-key" not in caplog.text
    assert "jane@example.com" not in caplog.text


def test_a_client_that_leaves_amid_its_body_does_no_harm() -> None:
    """The request is kept without an answer, and others are served."""
    with Sandbox() as sandbox:
        with socket.create_connection(("127.0.0.1", sandbox.port)) as leaving:
            leaving.sendall(b"POST /v3/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            while not sandbox.requests:
                time.sleep(0.01)
        assert post(sandbox.url) == 204
        assert [each.status for each in sandbox.requests] == [None, 204]
