"""The sandbox's calls, as a client sees them over a socket."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import trustme

from airflow_provider_brevo.sandbox import Sandbox

KEY = {"api-key": "test-key"}
NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
TIMEOUT = 10

# The guide's example as it is printed, with an address instead of "[email protected]". The closing quote that
# the printed command lacks is the end of this text.
GUIDE_EXAMPLE = """
{
"event_name": "video_played",
"event_date": "2024-02-06T20:59:23.383Z",
"identifiers": {
"email_id": "jane.doe@example.com"
},
"contact_properties": {
"AGE": 32,
"GENDER": "FEMALE"
},
"event_properties": {
"video_title": "Brevo — The most approachable CRM suite",
"vide_description": "Create your free account today!",
"duration": 142,
"autoplayed": false,
"upload_date": "2023-11-24T12:09:10+01:00"
}
}
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that knows one key and one type of object, and whose clock stands still."""
    with Sandbox(api_key="test-key", known_objects=["subscription"], clock=lambda: NOW) as running:
        yield running


def post(sandbox: Sandbox, body: Any = None, **options: Any) -> requests.Response:
    """Send an event."""
    options.setdefault("headers", KEY)
    return requests.post(f"{sandbox.url}/events", json=body, timeout=TIMEOUT, **options)


def get(sandbox: Sandbox, path: str = "/events", **params: Any) -> requests.Response:
    """Ask for something."""
    return requests.get(f"{sandbox.url}{path}", params=params, headers=KEY, timeout=TIMEOUT)


def event(name: str = "e", **fields: Any) -> dict[str, Any]:
    """Make an event."""
    return {"event_name": name, "identifiers": {"email_id": "jane@example.com"}, **fields}


def test_the_guides_example_is_taken(sandbox: Sandbox) -> None:
    """With its closing quote, a real address and the key it gets 204, and arrives with its types."""
    headers = {"accept": "application/json", "content-type": "application/json"}
    answer = post(sandbox, data=GUIDE_EXAMPLE.encode(), headers={**headers, **KEY})
    assert (answer.status_code, answer.content) == (204, b"")
    (received,) = sandbox.events
    assert received.body == json.loads(GUIDE_EXAMPLE)
    assert type(received.body["event_properties"]["autoplayed"]) is bool
    assert (received.received_at, received.contact_id, received.object_ignored) == (NOW, 1, False)

    without_key = post(sandbox, data=GUIDE_EXAMPLE.encode(), headers=headers)
    assert without_key.status_code == 401
    assert without_key.json() == {"code": "unauthorized", "message": "authentication not found in headers"}


def test_a_wrong_key_is_unknown(sandbox: Sandbox) -> None:
    """A key other than the account's is refused, and nothing arrives."""
    answer = post(sandbox, event(), headers={"api-key": "other"})
    assert (answer.status_code, answer.json()) == (401, {"code": "unauthorized", "message": "Key not found"})
    assert sandbox.events == []


def test_without_a_key_of_its_own_any_key_will_do() -> None:
    """A sandbox that was given no key takes any, but not none."""
    with Sandbox() as sandbox:
        assert post(sandbox, event(), headers={"api-key": "x"}).status_code == 204
        assert post(sandbox, event(), headers={}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v3/events", "GET, POST"),
        ("PUT", "/v3/events", "GET, POST"),
        ("OPTIONS", "/v3/events", "GET, POST"),
        ("POST", "/v3/account", "GET"),
        ("POST", "/", "GET"),
    ],
)
def test_a_wrong_method_gets_the_guides_405(sandbox: Sandbox, method: str, path: str, allow: str) -> None:
    """The body is the guide's, with the method that was used, even without a key."""
    answer = requests.request(method, sandbox.origin + path, timeout=TIMEOUT)
    assert answer.status_code == 405
    assert answer.json() == {
        "code": "method_not_allowed",
        "message": f"{method} Method is not allowed on this path",
    }
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/v3", "/v3/", "/v3/event", "/v3/events/", "/v3/events/1", "/events", "/v2/account"])
def test_an_unknown_path_gets_404(sandbox: Sandbox, path: str) -> None:
    """It is answered in Brevo's form, and before anybody asks for a key."""
    answer = requests.get(sandbox.origin + path, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")


def test_the_root_says_what_this_is(sandbox: Sandbox) -> None:
    """A browser that comes by gets the page, without a key."""
    answer = requests.get(sandbox.origin, timeout=TIMEOUT)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Brevo" in answer.text


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_another_content_type_is_refused(sandbox: Sandbox, content_type: str | None) -> None:
    """The header is required by the reference; Brevo documents 400 for a request that is wrong."""
    answer = post(sandbox, data=json.dumps(event()).encode(), headers={**KEY, "Content-Type": content_type})
    assert answer.status_code == 400
    assert answer.json() == {"code": "invalid_parameter", "message": "Content-Type must be application/json"}


def test_a_charset_beside_the_content_type_is_fine(sandbox: Sandbox) -> None:
    """Parameters of the media type change nothing."""
    headers = {**KEY, "Content-Type": "application/json; charset=utf-8"}
    assert post(sandbox, data=json.dumps(event()).encode(), headers=headers).status_code == 204


def test_compressed_bodies_are_refused(sandbox: Sandbox) -> None:
    """Nothing documents them."""
    headers = {**KEY, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = post(sandbox, data=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (400, "Content-Encoding is not supported")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request body is not valid JSON"),
        (b'{"event_name": NaN}', "The request body holds NaN, which is not JSON"),
        (b"[]", "the event must be an object"),
        (b'{"identifiers": {"ext_id": "1"}}', "event_name is missing"),
        (b'{"event_name": "x y", "identifiers": {"ext_id": "1"}}', 'Invalid value "x y" for event_name'),
        ('{"event_name": "schön", "identifiers": {}}'.encode(), 'Invalid value "schön" for event_name'),
    ],
)
def test_an_invalid_event_gets_400_with_its_field(sandbox: Sandbox, body: bytes, message: str) -> None:
    """The message names the field and may quote the value; nothing is kept but the request."""
    answer = post(sandbox, data=body, headers={**KEY, "Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json() == {"code": "invalid_parameter", "message": message}
    assert sandbox.events == []
    assert [(each.status, each.body) for each in sandbox.requests] == [(400, body)]


@pytest.mark.parametrize("path", ["/v3/events", "/v3/nothing", "/"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_one_mebibyte_is_refused(sandbox: Sandbox, path: str, *, chunked: bool) -> None:
    """It gets 413 on every path, whether or not its length was announced."""
    size = 1024 * 1024 + 1
    data = (bytes(65536) for _ in range(17)) if chunked else bytes(size)
    answer = requests.post(sandbox.origin + path, data=data, headers=KEY, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert [each.status for each in sandbox.requests] == [413]


def test_one_mebibyte_is_not_too_large(sandbox: Sandbox) -> None:
    """Exactly the limit is read, and then judged as an event."""
    answer = post(sandbox, data=b" " * 1024 * 1024, headers={**KEY, "Content-Type": "application/json"})
    assert answer.status_code == 400


def test_events_are_listed_without_identifiers(sandbox: Sandbox) -> None:
    """What comes back has the documented fields, and neither an address nor an id of the event."""
    subscription = {"type": "subscription", "identifiers": {"ext_id": "s-1"}}
    post(sandbox, event("paid", event_properties={"amount": 42.5, "ok": True}, object=subscription))
    post(sandbox, event("seen", contact_properties={"AGE": 37}, object={**subscription, "type": "vehicle"}))
    answer = get(sandbox)
    assert (answer.status_code, answer.json()["count"]) == (200, 2)
    seen, paid = answer.json()["events"]
    assert {type(listed.pop("event_filter_id")) for listed in (seen, paid)} == {str}
    common = {"contact_id": 1, "event_date": "2026-08-31T12:00:00.000Z"}
    assert paid == {
        **common,
        "event_name": "paid",
        "object_type": "subscription",
        "event_properties": {"amount": 42.5, "ok": True},
        "contact_properties": {},
    }
    assert seen == {
        **common,
        "event_name": "seen",
        "object_type": None,
        "event_properties": {},
        "contact_properties": {"AGE": 37},
    }
    assert [each.object_ignored for each in sandbox.events] == [False, True]


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, "dcb"),
        ({"contact_id": 1}, "cb"),
        ({"contact_id": [1, 2]}, "dcb"),
        ({"contact_id": 3}, ""),
        ({"event_name": "b"}, "b"),
        ({"event_name": ["b", "d", "x"]}, "db"),
        ({"object_type": "subscription"}, "c"),
        ({"object_type": ["vehicle", "subscription"], "event_name": "c"}, "c"),
        ({"startDate": "2024-01-01", "endDate": "2026-06-01"}, "ba"),
        ({"startDate": "2026-06-01T10:00:00Z", "endDate": "2026-06-01T10:00:00Z"}, "b"),
        ({"startDate": "2026-06-01T12:00:01+02:00", "endDate": "2026-08-01"}, "c"),
        ({"limit": 2}, "dc"),
        ({"limit": 2, "offset": 2}, "b"),
        ({"offset": 3}, ""),
        ({"unknown": "x"}, "dcb"),
    ],
)
def test_events_are_filtered_and_paged(sandbox: Sandbox, params: dict[str, Any], names: str) -> None:
    """Every filter narrows the list, newest first; by default six months are shown."""
    subscription = {"type": "subscription", "identifiers": {"id": "1"}}
    for body in (
        event("a", event_date="2024-02-06T20:59:23Z"),
        event("d", event_date="2026-08-02T00:00:00Z", identifiers={"ext_id": "2"}),
        event("b", event_date="2026-06-01T10:00:00Z"),
        event("c", event_date="2026-08-01T23:59:59+00:00", object=subscription),
    ):
        assert post(sandbox, body).status_code == 204
    answer = get(sandbox, **params).json()
    assert "".join(listed["event_name"] for listed in answer["events"]) == names
    total = 3 if {"limit", "offset"} & set(params) else len(names)
    assert answer["count"] == total


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "offset=-1", "contact_id=x", "startDate=2026-01-01"])
def test_a_wrong_parameter_gets_400_with_its_name(sandbox: Sandbox, query: str) -> None:
    """The answer has Brevo's form."""
    answer = requests.get(f"{sandbox.url}/events?{query}", headers=KEY, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert query.split("=", maxsplit=1)[0] in answer.json()["message"]


def test_the_account_has_the_documented_shape(sandbox: Sandbox) -> None:
    """Fields the official client requires are there, with their types."""
    answer = get(sandbox, "/account")
    account = answer.json()
    assert answer.status_code == 200
    assert account["companyName"] == "Sandbox GmbH"
    assert {"organization_id", "user_id", "enterprise", "email", "firstName", "lastName"} <= set(account)
    assert {"street", "city", "zipCode", "country"} == set(account["address"])
    assert account["plan"][0]["creditsType"] == "sendLimit"
    assert account["relay"]["data"]["port"] == 587
    assert account["marketingAutomation"]["key"]


def test_every_request_is_kept(sandbox: Sandbox) -> None:
    """Refused ones too, with headers in lower case, query and body, and without secrets in the repr."""
    get(sandbox, "/nothing", a="1", b=["x y", "z"])
    post(sandbox, event())
    refused, taken = sandbox.requests
    assert (refused.method, refused.path, refused.query, refused.status) == (
        *("GET", "/v3/nothing", "a=1&b=x+y&b=z"),
        404,
    )
    assert refused.headers["api-key"] == "test-key"
    assert json.loads(taken.body) == event()
    assert taken.headers["content-type"] == "application/json"
    assert "test-key" not in repr(taken)
    assert "jane" not in repr(taken)


def test_reset_forgets_everything(sandbox: Sandbox) -> None:
    """Events, requests, contacts and faults are gone."""
    post(sandbox, event())
    sandbox.add_fault("503")
    sandbox.reset()
    assert (sandbox.events, sandbox.requests) == ([], [])
    assert get(sandbox).json() == {"count": 0, "events": []}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80"])
def test_another_host_name_is_refused(sandbox: Sandbox, host: str) -> None:
    """A page that lets its own name resolve to this machine gets nothing."""
    answer = post(sandbox, event(), headers={**KEY, "Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")
    assert sandbox.events == []


def test_a_request_without_host_is_refused(sandbox: Sandbox) -> None:
    """HTTP/1.0 may leave it out; then nobody knows whom it was meant for."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=TIMEOUT) as connection:
        connection.sendall(b"GET /v3/account HTTP/1.0\r\napi-key: test-key\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.0 421 ")


def test_no_answer_grants_other_origins_access(sandbox: Sandbox) -> None:
    """There are no CORS headers, and nobody may guess another media type."""
    origin = {**KEY, "Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method, path in (("OPTIONS", "/v3/events"), ("GET", "/v3/events"), ("GET", "/"), ("GET", "/nothing")):
        answer = requests.request(method, sandbox.origin + path, headers=origin, timeout=TIMEOUT)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_limits_are_reported_and_kept() -> None:
    """Every answer carries the headers; past the limit it is 429 without Retry-After, per endpoint."""
    now = [NOW]
    with Sandbox(rate=2, clock=lambda: now[0]) as sandbox:
        answers = [post(sandbox, event()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [204, 204, 429]
        assert [answer.headers["x-sib-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert {answer.headers["x-sib-ratelimit-limit"] for answer in answers} == {"2"}
        assert {answer.headers["x-sib-ratelimit-reset"] for answer in answers} == {"1"}
        assert answers[2].json()["code"] == "too_many_requests"
        assert "Retry-After" not in answers[2].headers
        assert get(sandbox).status_code == 200
        now[0] = NOW.replace(second=1)
        assert post(sandbox, event()).status_code == 204
        assert len(sandbox.events) == 3


@pytest.mark.parametrize(
    ("path", "headers", "status"), [("/account", KEY, 200), ("/account", {}, 401), ("/nothing", {}, 404)]
)
def test_every_answer_reports_limits(sandbox: Sandbox, path: str, headers: dict[str, str], status: int) -> None:
    """On refusals too the headers describe a window; without a rate, one that stays full."""
    answer = requests.get(sandbox.url + path, headers=headers, timeout=TIMEOUT)
    assert answer.status_code == status
    limit = answer.headers["x-sib-ratelimit-limit"]
    assert int(limit) > 0
    assert answer.headers["x-sib-ratelimit-remaining"] == limit
    assert answer.headers["x-sib-ratelimit-reset"] == "1"


def test_it_speaks_tls() -> None:
    """With a context it is https, and a client that trusts the authority gets through."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with Sandbox(ssl_context=server) as sandbox:
        assert sandbox.url == f"https://127.0.0.1:{sandbox.port}/v3"
        connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, timeout=TIMEOUT, context=client)
        connection.request("GET", "/v3/account", headers=KEY)
        assert connection.getresponse().status == 200
        connection.close()
        with pytest.raises(requests.exceptions.SSLError):
            get(sandbox, "/account")


def test_without_aiohttp_it_says_how_to_get_it() -> None:
    """The import fails with one sentence that names the extra, and no other error before it."""
    code = "import sys; sys.modules['aiohttp'] = None; import airflow_provider_brevo.sandbox"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith("ImportError: ")
    assert last_line.endswith(": install aiohttp, or this package with its extra sandbox")
    assert done.stderr.count("Traceback") == 1
