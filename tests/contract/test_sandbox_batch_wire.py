"""The sandbox's batch call over a socket."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests

from airflow_provider_brevo.sandbox import Sandbox

KEY = {"api-key": "test-key"}
TIMEOUT = 10
ACCEPTED = "Batch accepted. Valid events have been added to the processing queue."


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox."""
    with Sandbox(api_key="test-key") as running:
        yield running


def event(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Make an event."""
    properties = {"order_id": f"o-{number}"}
    return {"event_name": "e", "identifiers": {"ext_id": "1"}, "event_properties": properties, **fields}


def batch(size: int) -> list[dict[str, Any]]:
    """Make so many different events."""
    return [event(number) for number in range(size)]


def post(sandbox: Sandbox, events: Any = None, **options: Any) -> requests.Response:
    """Send a batch."""
    settings = {"json": {"events": events}, "headers": KEY, "timeout": TIMEOUT, **options}
    return requests.post(f"{sandbox.url}/events/batch", **settings)  # noqa: S113  # it is among the settings


def orders(sandbox: Sandbox) -> list[str]:
    """Give the orders whose events were taken."""
    return [each.body["event_properties"]["order_id"] for each in sandbox.events]


def outcome(answer: requests.Response) -> tuple[int, int, int, list[list[int]]]:
    """Give status, taken and rejected events, and the indices of the latter by reason."""
    said = answer.json()
    assert set(said) == {"status", "total_events", "successful_events", "failed_events", "errors"}
    indices = [each["eventIndex"] for each in said["errors"]]
    return answer.status_code, said["successful_events"], said["failed_events"], indices


def test_a_batch_is_taken_as_if_sent_one_by_one(sandbox: Sandbox) -> None:
    """The answer counts the events; each is kept with its request and place, and found like any other."""
    answer = post(sandbox, batch(200))
    assert (answer.status_code, answer.json()) == (202, {"message": ACCEPTED, "count": 200})
    assert orders(sandbox) == [f"o-{number}" for number in range(200)]
    assert [each.index for each in sandbox.events] == list(range(200))
    assert {each.request.number for each in sandbox.events if each.request} == {1}
    assert requests.get(f"{sandbox.url}/events", headers=KEY, timeout=TIMEOUT).json()["count"] == 200
    sent = sandbox.requests[0]
    assert (sent.path, sent.status, sent.reason) == ("/v3/events/batch", 202, None)


def test_a_part_of_a_batch_can_be_rejected(sandbox: Sandbox) -> None:
    """207 names the indices by reason, counted from 0, and the others are taken."""
    nameless = {"identifiers": {"ext_id": "1"}}
    answer = post(sandbox, [event(0), nameless, event(2), {**event(), "event_date": "today"}, nameless])
    assert outcome(answer) == (207, 2, 3, [[1, 4], [3]])
    assert answer.json()["status"] == "partial"
    assert answer.json()["errors"][0]["message"] == "event_name is missing"
    assert [(each.index, each.body) for each in sandbox.events] == [(0, event(0)), (2, event(2))]
    assert sandbox.requests[0].reason == "3 of 5 events were rejected: event_name is missing"


def test_a_batch_without_a_valid_event_gets_400(sandbox: Sandbox) -> None:
    """It has the same shape, and nothing is kept but the request."""
    answer = post(sandbox, [7, 7])
    assert outcome(answer) == (400, 0, 2, [[0, 1]])
    assert answer.json()["status"] == "failed"
    assert sandbox.events == []
    assert sandbox.requests[0].reason == "2 of 2 events were rejected: the event must be an object"


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"json": [event()]}, 400, "The request body must be an object with the array events"),
        ({"json": {"events": []}}, 400, "events must hold at least one event"),
        ({"json": {"events": batch(201)}}, 400, "events must hold at most 200 events, not 201"),
        ({"json": None, "data": b"[NaN]"}, 400, "The request body holds NaN, which is not JSON"),
        ({"json": None, "data": b""}, 400, "The request body is not valid JSON"),
        ({"json": None, "data": b" " * 512_001}, 413, "The request body has 512001 bytes, more than 512000"),
        ({"json": None, "data": b" " * 512_000}, 400, "The request body is not valid JSON"),
        ({"headers": {**KEY, "Content-Type": "text/plain"}}, 400, "Content-Type must be application/json"),
        ({"headers": {**KEY, "Content-Encoding": "gzip"}}, 400, "Content-Encoding is not supported"),
        ({"headers": {}}, 401, "authentication not found in headers"),
    ],
)
def test_what_is_no_batch_gets_brevos_error(
    sandbox: Sandbox, options: dict[str, Any], status: int, message: str
) -> None:
    """The body has code and message, and nothing is taken."""
    if options.get("json", 1) is None:
        options = {"headers": {**KEY, "Content-Type": "application/json"}, **options}
    answer = post(sandbox, [event()], **options)
    assert (answer.status_code, set(answer.json()), answer.json()["message"]) == (status, {"code", "message"}, message)
    assert sandbox.events == []


def test_only_post_is_a_batch(sandbox: Sandbox) -> None:
    """Other methods get the guide's 405."""
    assert requests.get(f"{sandbox.url}/events/batch", headers=KEY, timeout=TIMEOUT).status_code == 405


def test_the_old_form_can_be_asked_for() -> None:
    """A sandbox of before 21 April 2026 takes the bare array, and today's object gets 400."""
    with Sandbox(batch_form="array") as sandbox:
        assert post(sandbox, json=batch(2)).json()["count"] == 2
        refused = post(sandbox, batch(2))
        assert (refused.status_code, refused.json()["message"]) == (400, "The request body must be an array of events")
        assert len(sandbox.events) == 2


@pytest.mark.parametrize("status", [200, 202, 204, 207])
def test_the_answer_to_a_valid_batch_can_be_chosen(status: int) -> None:
    """204 has no body, 207 the shape of a partial success; it is no refusal."""
    with Sandbox(batch_status=status) as sandbox:
        answer = post(sandbox, batch(2))
        assert answer.status_code == status
        if status == 204:
            assert answer.content == b""
        elif status == 207:
            assert outcome(answer) == (207, 2, 0, [])
        else:
            assert answer.json()["count"] == 2
        assert len(sandbox.events) == 2
        assert sandbox.requests[0].reason is None
        assert outcome(post(sandbox, [event(), 7])) == (207, 1, 1, [[1]])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("partial", (207, 4, 1, [[0]])),
        ("partial,indices=1-2,4", (207, 2, 3, [[1, 2, 4]])),
        ("partial,indices=0-4", (400, 0, 5, [[0, 1, 2, 3, 4]])),
        ("partial,indices=0-4,status=207", (207, 0, 5, [[0, 1, 2, 3, 4]])),
        ("partial,status=200", (200, 4, 1, [[0]])),
        ("partial,status=503", (503, 4, 1, [[0]])),
    ],
)
def test_valid_events_can_be_rejected(sandbox: Sandbox, spec: str, expected: tuple[Any, ...]) -> None:
    """With the fault's message and status; they are not taken, and the next batch is whole again."""
    sandbox.add_fault(f"{spec},message=Try again, please,times=1")
    answer = post(sandbox, batch(5))
    assert outcome(answer) == expected
    assert answer.json()["errors"][0]["message"] == "Try again, please"
    rejected = set(expected[3][0])
    assert [each.index for each in sandbox.events] == [index for index in range(5) if index not in rejected]
    assert sandbox.requests[0].reason == f"Fault partial: {len(rejected)} of 5 events were rejected: Try again, please"
    assert post(sandbox, batch(5)).status_code == 202


def test_a_share_of_the_events_can_be_rejected(sandbox: Sandbox) -> None:
    """A tenth of 50 events is 5."""
    sandbox.add_fault("partial,share=0.1")
    assert outcome(post(sandbox, batch(50)))[:3] == (207, 45, 5)
    assert len(sandbox.events) == 45


def test_rejected_events_stand_beside_invalid_ones(sandbox: Sandbox) -> None:
    """Each has its own reason; an index that is invalid anyway is not told twice."""
    sandbox.add_fault("partial,indices=0-1")
    assert outcome(post(sandbox, [event(0), 7, event(2)])) == (207, 1, 2, [[1], [0]])


def test_a_batch_can_be_cut_short(sandbox: Sandbox) -> None:
    """The count is smaller than what was sent, without a reason, and the last events are missing."""
    sandbox.add_fault("short,by=2,times=1")
    assert post(sandbox, batch(5)).json() == {"message": ACCEPTED, "count": 3}
    assert orders(sandbox) == ["o-0", "o-1", "o-2"]
    sandbox.add_fault("short,times=1")
    assert outcome(post(sandbox, [7, event(1), event(2)])) == (207, 1, 1, [[0]])
    assert post(sandbox, batch(5)).json()["count"] == 5


@pytest.mark.parametrize("spec", ["partial,indices=0-4", "short,by=5"])
def test_an_answer_can_deny_what_was_taken(sandbox: Sandbox, spec: str) -> None:
    """With taken all valid events arrive, whatever is said of them."""
    sandbox.add_fault(f"{spec},taken")
    said = post(sandbox, batch(5)).json()
    assert said.get("successful_events", said.get("count")) == 0
    assert len(sandbox.events) == 5


def test_a_fault_of_batches_waits_for_one_that_it_hits(sandbox: Sandbox) -> None:
    """Single events, refused batches and batches that are too small leave it standing."""
    sandbox.add_fault("partial,indices=3,times=1")
    assert requests.post(f"{sandbox.url}/events", json=event(), headers=KEY, timeout=TIMEOUT).status_code == 204
    assert post(sandbox, batch(5), headers={}).status_code == 401
    assert post(sandbox, []).status_code == 400
    assert post(sandbox, [7, 7, 7, 7]).status_code == 400
    assert post(sandbox, batch(3)).status_code == 202
    assert [post(sandbox, batch(4)).status_code for _ in range(2)] == [207, 202]


@pytest.mark.parametrize(
    "spec", ["hang", "reset", "close", "truncated", "500", "429", "non-json", "empty", "redirect", "echo"]
)
@pytest.mark.parametrize("taken", [False, True])
def test_other_faults_befall_batches_too(sandbox: Sandbox, spec: str, *, taken: bool) -> None:
    """None of its events arrive, or with taken all, although the client learns of a failure."""
    sandbox.add_fault(f"{spec},path=/v3/events/batch{',taken' if taken else ''},times=1")
    with suppress(requests.exceptions.RequestException):
        assert post(sandbox, batch(3), timeout=0.5, allow_redirects=False).status_code >= 300
    time.sleep(0.05)
    assert len(sandbox.events) == (3 if taken else 0)
    assert post(sandbox, batch(3)).status_code == 202


def page(sandbox: Sandbox, what: str) -> Any:
    """Read what the page reads."""
    return requests.get(f"{sandbox.origin}/_sandbox/{what}", timeout=TIMEOUT).json()


def test_a_queue_can_be_slow() -> None:
    """Accepted events of a batch are listed and on the page only later; a single event is there at once."""
    with Sandbox(queue_delay=0.6) as sandbox:

        def listed() -> int:
            count: int = requests.get(f"{sandbox.url}/events", headers=KEY, timeout=TIMEOUT).json()["count"]
            return count

        start = time.monotonic()
        assert post(sandbox, batch(3)).status_code == 202
        requests.post(f"{sandbox.url}/events", json=event(), headers=KEY, timeout=TIMEOUT)
        assert (listed(), len(sandbox.events)) == (1, 4)
        assert page(sandbox, "entries")["counts"]["event"] == 1
        with requests.get(f"{sandbox.origin}/_sandbox/changes", timeout=TIMEOUT, stream=True) as changes:
            lines = changes.iter_lines(chunk_size=1)
            told = 0
            while told < 2:
                # One message at the start, one when the queue is through.
                told += next(lines).startswith(b"data:")
        assert time.monotonic() - start >= 0.6
        assert page(sandbox, "entries")["counts"]["event"] == 4
        assert listed() == 4


def test_it_counts_what_arrived_for_other_processes() -> None:
    """Events, repeated values and answers are counted beyond what is kept, and told over HTTP as in Python."""
    with Sandbox(keep=10, faults=["503,times=1", "close,times=1"]) as sandbox:
        for size in (50, 50, 50, 30):
            with suppress(requests.exceptions.ConnectionError):
                post(sandbox, batch(size))
        post(sandbox, [7])
        requests.get(f"{sandbox.url}/nothing", headers=KEY, timeout=TIMEOUT)
        assert (len(sandbox.events), len(sandbox.requests)) == (10, 6)
        assert sandbox.duplicates("order_id") == {"events": 80, "distinct": 50, "duplicates": 30}
        assert sandbox.duplicates("nothing") == {"events": 0, "distinct": 0, "duplicates": 0}
        assert sandbox.stats() == {
            "requests": {"POST /v3/events/batch": {"503": 1, "none": 1, "202": 2, "400": 1}, "other": {"404": 1}},
            "events": 80,
        }
        assert page(sandbox, "stats") == sandbox.stats()
        assert page(sandbox, "duplicates?property=order_id") == sandbox.duplicates("order_id")
        for wrong in ("duplicates", "duplicates?property=", "duplicates?property=a&property=b"):
            assert page(sandbox, wrong)["message"] == "property must be given once"
        sandbox.reset()
        assert sandbox.stats() == {"requests": {}, "events": 0}


def test_the_page_tells_the_events_of_a_batch_apart(sandbox: Sandbox) -> None:
    """Each is an entry that says where in the batch it was, with the raw request of all."""
    post(sandbox, [event(0), 7, event(2)])
    entries = page(sandbox, "entries")["entries"]
    assert [(entry["kind"], entry["status"]) for entry in entries] == [("event", 207)] * 2
    shown = page(sandbox, f"entries/{entries[0]['key']}")
    assert shown["notes"] == ["The event came in a batch, as events[2]. The body is that of the whole batch."]
    assert "o-2" in json.dumps(shown["values"])
    assert "o-0" not in json.dumps(shown["values"])
    assert len(json.loads(shown["body"])["events"]) == 3
