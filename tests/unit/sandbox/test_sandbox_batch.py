"""The sandbox's rules for a batch."""

import json
from typing import Any

import pytest

from airflow_provider_brevo.sandbox.batch import MAX_BYTES, BatchCall, check_batch, refuse_size
from airflow_provider_brevo.sandbox.checks import InvalidEventError

EVENT: dict[str, Any] = {"event_name": "e", "identifiers": {"email_id": "jane@example.com"}}


@pytest.mark.parametrize(
    ("form", "body", "message"),
    [
        ("object", [EVENT], "The request body must be an object with the array events"),
        ("object", "events", "The request body must be an object with the array events"),
        ("object", {}, "events is missing"),
        ("object", {"events": {}}, "events must be an array"),
        ("object", {"events": None}, "events must be an array"),
        ("object", {"events": []}, "events must hold at least one event"),
        ("object", {"events": [0] * 201}, "events must hold at most 200 events, not 201"),
        ("object", {"events": [EVENT], "name": 1}, "Unknown field name"),
        ("array", {"events": [EVENT]}, "The request body must be an array of events"),
        ("array", [], "events must hold at least one event"),
        ("array", [0] * 201, "events must hold at most 200 events, not 201"),
    ],
)
def test_what_is_no_batch_is_refused(form: str, body: Any, message: str) -> None:
    """The refusal says what is expected."""
    with pytest.raises(InvalidEventError) as caught:
        BatchCall(form=form).read(json.dumps(body).encode())
    assert str(caught.value) == message


@pytest.mark.parametrize("number", [1, 200])
def test_1_to_200_events_are_a_batch(number: int) -> None:
    """In either form, whatever the events are."""
    events = [0] * number
    assert BatchCall().read(json.dumps({"events": events}).encode()) == events
    assert BatchCall(form="array").read(json.dumps(events).encode()) == events


def test_a_body_has_at_most_512000_bytes() -> None:
    """One more is refused with 413, as HTTP has it."""
    assert refuse_size(bytes(MAX_BYTES)) is None
    refusal = refuse_size(bytes(MAX_BYTES + 1))
    assert refusal is not None
    assert (refusal.status, MAX_BYTES) == (413, 512_000)


def test_events_are_checked_one_by_one() -> None:
    """Every rule for a single event holds; those that break the same one are told together."""
    nameless = {"identifiers": EVENT["identifiers"]}
    valid, errors = check_batch([nameless, EVENT, 7, nameless, {**EVENT, "event_name": "x y"}, EVENT])
    assert valid == {1: EVENT, 5: EVENT}
    assert errors == {
        "event_name is missing": [0, 3],
        "the event must be an object": [2],
        'Invalid value "x y" for event_name': [4],
    }


def said(call: BatchCall, *arguments: Any, **options: Any) -> tuple[int, Any]:
    """Give status and body of an answer."""
    answer = call.answer(*arguments, **options)
    return answer.status, json.loads(answer.text) if answer.text else None


def test_answers_have_the_documented_shapes() -> None:
    """202 counts, 207 and 400 say how many events were taken and which were not, and why."""
    accepted = {"message": "Batch accepted. Valid events have been added to the processing queue.", "count": 3}
    assert said(BatchCall(), 3, {}) == (202, accepted)
    assert said(BatchCall(), 5, {}, dropped=2) == (202, accepted)
    partial = {
        "status": "partial",
        "total_events": 4,
        "successful_events": 1,
        "failed_events": 3,
        "errors": [{"eventIndex": [0, 2], "message": "a"}, {"eventIndex": [3], "message": "b"}],
    }
    assert said(BatchCall(), 4, {"a": [0, 2], "b": [3]}) == (207, partial)
    assert said(BatchCall(), 4, {"a": [0, 2], "b": [3]}, status=200) == (200, partial)
    failed = {
        "status": "failed",
        "total_events": 1,
        "successful_events": 0,
        "failed_events": 1,
        "errors": [{"eventIndex": [0], "message": "a"}],
    }
    assert said(BatchCall(), 1, {"a": [0]}) == (400, failed)
    assert said(BatchCall(status=204), 1, {"a": [0]}) == (400, failed)
    assert said(BatchCall(), 3, {"a": [0]}, dropped=1)[1]["successful_events"] == 1


def test_success_may_have_another_status() -> None:
    """As the call answered before: 200 like 202, 204 without a body, 207 like that of a partial success."""
    assert said(BatchCall(status=200), 3, {}) == (200, said(BatchCall(), 3, {})[1])
    assert said(BatchCall(status=204), 3, {}) == (204, None)
    assert said(BatchCall(status=207), 3, {}) == (
        207,
        {"status": "success", "total_events": 3, "successful_events": 3, "failed_events": 0, "errors": []},
    )


@pytest.mark.parametrize("options", [{"form": "bare"}, {"status": 201}])
def test_an_unknown_form_or_status_is_refused(options: dict[str, Any]) -> None:
    """The refusal lists those that are known."""
    with pytest.raises(ValueError, match="must be one of"):
        BatchCall(**options)
