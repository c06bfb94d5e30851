"""The sandbox's faults, as a client meets them on the wire."""

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import trustme

from airflow_provider_brevo.sandbox import Fault, InvalidFaultError, Sandbox

KEY = {"api-key": "test-key"}
EVENT = {"event_name": "e", "identifiers": {"email_id": "jane@example.com"}}
TIMEOUT = 10


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox."""
    with Sandbox(api_key="test-key") as running:
        yield running


def post(sandbox: Sandbox, **options: Any) -> requests.Response:
    """Send an event, and follow no redirect."""
    settings = {"json": EVENT, "headers": KEY, "timeout": TIMEOUT, "allow_redirects": False, **options}
    return requests.post(f"{sandbox.url}/events", **settings)  # noqa: S113  # it is among the settings


def raw(sandbox: Sandbox, context: ssl.SSLContext | None = None) -> bytes:
    """Send an event over a bare socket and give everything that comes back until the connection ends."""
    body = json.dumps(EVENT)
    lines = (
        *("POST /v3/events HTTP/1.1", "Host: localhost", "Connection: close", "api-key: test-key"),
        *("Content-Type: application/json", f"Content-Length: {len(body)}", "", body),
    )
    plain = socket.create_connection(("127.0.0.1", sandbox.port), timeout=TIMEOUT)
    with plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall("\r\n".join(lines).encode())
        return read_to_the_end(connection)


def read_to_the_end(connection: socket.socket) -> bytes:
    """Give everything that comes until the connection ends."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


@pytest.mark.parametrize(
    ("spec", "status", "code"),
    [
        ("400", 400, "invalid_parameter"),
        ("401", 401, "unauthorized"),
        ("403", 403, "permission_denied"),
        ("404", 404, "document_not_found"),
        ("418", 418, "im_a_teapot"),
        ("429", 429, "too_many_requests"),
        ("500", 500, "internal_server_error"),
        ("503", 503, "service_unavailable"),
        ("599", 599, "error"),
        ("restricted", 403, "permission_denied"),
        ("restricted,status=401", 401, "permission_denied"),
        ("unknown-ip", 401, "unauthorized"),
    ],
)
def test_a_fault_answers_with_its_status_and_json(sandbox: Sandbox, spec: str, status: int, code: str) -> None:
    """The body has Brevo's form, the request is kept, the event is not."""
    sandbox.add_fault(spec)
    answer = post(sandbox)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]
    assert int(answer.headers["x-sib-ratelimit-limit"]) > 0
    assert sandbox.events == []
    assert [each.status for each in sandbox.requests] == [status]


def test_refusals_of_address_and_key_have_brevos_words(sandbox: Sandbox) -> None:
    """Clients tell these two by their text."""
    sandbox.add_fault("unknown-ip,times=1")
    sandbox.add_fault("restricted")
    assert "unrecognised IP address 10.1.2.3" in post(sandbox).json()["message"]
    assert post(sandbox).json()["message"] == "Access denied for resource: account"


def test_a_message_can_be_chosen(sandbox: Sandbox) -> None:
    """Text replaces the usual one, in JSON as in HTML, where it is escaped."""
    sandbox.add_fault("503,message=Back soon, really,times=1")
    sandbox.add_fault("non-json,message=<b>no</b>")
    assert post(sandbox).json()["message"] == "Back soon, really"
    assert "&lt;b&gt;no&lt;/b&gt;" in post(sandbox).text


def test_429_says_that_nothing_remains(sandbox: Sandbox) -> None:
    """Its headers fit it, without Retry-After unless that was asked for."""
    sandbox.add_fault("429,times=1")
    sandbox.add_fault(Fault("429", reset=7, retry_after=3, times=1))
    sandbox.add_fault("503,retry_after=Wed, 21 Oct 2026 07:28:00 GMT")
    names = ("x-sib-ratelimit-remaining", "x-sib-ratelimit-reset", "Retry-After")
    assert [post(sandbox).headers.get(name) for name in names[2:]] == [None]
    second, third = post(sandbox), post(sandbox)
    assert [second.headers.get(name) for name in names] == ["0", "7", "3"]
    assert third.headers["Retry-After"] == "Wed, 21 Oct 2026 07:28:00 GMT"


def test_non_json_and_empty_answers(sandbox: Sandbox) -> None:
    """A gateway's page and an answer without body come with the status that was asked for."""
    for spec in ("non-json", "non-json,status=200", "empty", "empty,status=200"):
        sandbox.add_fault(f"{spec},times=1")
    page, wrong_page, empty, wrong_empty = (post(sandbox) for _ in range(4))
    assert (page.status_code, wrong_page.status_code) == (502, 200)
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.text.startswith("<html>")
    assert (empty.status_code, empty.content) == (500, b"")
    assert (wrong_empty.status_code, wrong_empty.content) == (200, b"")


def test_redirects_point_to_another_host(sandbox: Sandbox) -> None:
    """By default the same path elsewhere, or wherever was asked for."""
    sandbox.add_fault("redirect,times=1")
    sandbox.add_fault(Fault("redirect", status=307, location="http://localhost:1/v3/events"))
    first, second = post(sandbox), post(sandbox)
    assert (first.status_code, first.headers["Location"]) == (302, "https://elsewhere.example/v3/events")
    assert (second.status_code, second.headers["Location"]) == (307, "http://localhost:1/v3/events")


def test_echo_quotes_what_was_sent(sandbox: Sandbox) -> None:
    """A client that shows the message as it is gives the key and the address away."""
    sandbox.add_fault("echo")
    answer = post(sandbox)
    assert answer.status_code == 400
    assert "jane@example.com" in answer.json()["message"]
    assert "test-key" in answer.json()["message"]


def test_reset_is_a_tcp_reset(sandbox: Sandbox) -> None:
    """The client's next read fails, as after a crash."""
    sandbox.add_fault("reset")
    with pytest.raises(ConnectionResetError):
        raw(sandbox)
    assert [(each.path, each.status) for each in sandbox.requests] == [("/v3/events", None)]


def test_close_ends_the_connection_in_order(sandbox: Sandbox) -> None:
    """The client reads the end of the stream, and not a single byte before it."""
    sandbox.add_fault("close")
    assert raw(sandbox) == b""
    assert [each.status for each in sandbox.requests] == [None]


@pytest.mark.parametrize(("spec", "status"), [("truncated", 200), ("truncated,status=500", 500)])
def test_truncated_ends_before_its_announced_length(sandbox: Sandbox, spec: str, status: int) -> None:
    """Half of the JSON arrives, then the end."""
    sandbox.add_fault(spec)
    head, _, body = raw(sandbox).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    announced = next(line for line in head.splitlines() if line.lower().startswith(b"content-length:"))
    assert len(body) == int(announced.split(b":")[1]) // 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        post(sandbox)


def test_hang_gives_no_answer(sandbox: Sandbox) -> None:
    """The client runs into its timeout; since it gave up, the event never arrives."""
    sandbox.add_fault("hang,seconds=0.4,times=1")
    with pytest.raises(requests.exceptions.ReadTimeout):
        post(sandbox, timeout=0.1)
    time.sleep(0.5)
    assert sandbox.events == []
    assert [each.status for each in sandbox.requests] == [None]


def test_hang_answers_in_the_end(sandbox: Sandbox) -> None:
    """A client that waits gets the usual answer."""
    sandbox.add_fault("hang,seconds=0.2")
    start = time.monotonic()
    assert post(sandbox).status_code == 204
    assert time.monotonic() - start >= 0.2
    assert len(sandbox.events) == 1


def test_hang_after_taking_answers_once(sandbox: Sandbox) -> None:
    """The event that was taken before the wait is not taken again after it."""
    sandbox.add_fault("hang,seconds=0.1,taken")
    assert post(sandbox).status_code == 204
    assert len(sandbox.events) == 1


@pytest.mark.parametrize("spec", ["hang", "reset", "close", "truncated", "500", "non-json", "empty"])
def test_taken_leaves_the_client_uncertain(sandbox: Sandbox, spec: str) -> None:
    """The event has arrived although the client learns of a failure."""
    sandbox.add_fault(f"{spec},taken,times=1")
    with suppress(requests.exceptions.RequestException):
        assert post(sandbox, timeout=0.3).status_code >= 500
    assert [each.body for each in sandbox.events] == [EVENT]


def test_taken_waits_for_a_request_that_succeeds(sandbox: Sandbox) -> None:
    """A refused event gets its refusal, and the fault is kept for the next one."""
    sandbox.add_fault("500,taken,times=1")
    assert post(sandbox, json={"event_name": "x y"}).status_code == 400
    assert post(sandbox, headers={}).status_code == 401
    assert (post(sandbox).status_code, post(sandbox).status_code) == (500, 204)
    assert len(sandbox.events) == 2


def test_faults_keep_to_their_method_path_and_number(sandbox: Sandbox) -> None:
    """Other requests are served as usual, and so is everything once the fault is used up or cleared."""
    sandbox.add_fault("503,method=POST,path=/v3/events,times=1")
    sandbox.add_fault("500,path=/v3/account")
    assert requests.get(f"{sandbox.url}/events", headers=KEY, timeout=TIMEOUT).status_code == 200
    assert [post(sandbox).status_code for _ in range(2)] == [503, 204]
    account = f"{sandbox.url}/account"
    assert requests.get(account, headers=KEY, timeout=TIMEOUT).status_code == 500
    sandbox.clear_faults()
    assert requests.get(account, headers=KEY, timeout=TIMEOUT).status_code == 200


def test_faults_come_before_key_and_route(sandbox: Sandbox) -> None:
    """Trouble on the way does not look at what a request asks for."""
    sandbox.add_fault("503")
    assert requests.get(f"{sandbox.url}/nothing", timeout=TIMEOUT).status_code == 503
    assert requests.get(sandbox.origin, timeout=TIMEOUT).status_code == 200


def test_a_wrong_fault_is_refused_at_once() -> None:
    """Neither the constructor nor a running sandbox takes a fault that means nothing."""
    with pytest.raises(InvalidFaultError, match="unknown fault 'boom'"):
        Sandbox(faults=["boom"])


def tls_pair() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server's context, and a client's that trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize(
    ("spec", "status", "start"),
    [("close", None, b""), ("truncated", 200, b"HTTP/1.1 200 "), ("503,times=1", 503, b"HTTP/1.1 503 ")],
)
def test_faults_work_over_tls(spec: str, status: int | None, start: bytes) -> None:
    """Behind TLS the same happens: nothing, half an answer, or an answer."""
    server, client = tls_pair()
    with Sandbox(ssl_context=server, faults=[spec]) as sandbox:
        assert raw(sandbox, client).startswith(start)
        assert [each.status for each in sandbox.requests] == [status]


def test_reset_is_a_tcp_reset_below_tls_too() -> None:
    """The connection ends with RST; a second handle sees it, for OpenSSL reports it as an end."""
    server, client = tls_pair()
    with Sandbox(ssl_context=server, faults=["reset"]) as sandbox:
        plain = socket.create_connection(("127.0.0.1", sandbox.port), timeout=TIMEOUT)
        with client.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"GET /v3/account HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with socket.socket(fileno=os.dup(connection.fileno())) as below:
                below.settimeout(TIMEOUT)
                with pytest.raises(ConnectionResetError):
                    read_to_the_end(below)
