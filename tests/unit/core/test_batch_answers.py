"""What an answer to a batch means, event by event."""

import json

import pytest

from airflow_provider_brevo.core.answers import Sent
from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.batch_answers import BatchAnswer, Refusal, expect_batch
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import (
    BrevoBadRequestError,
    BrevoPayloadTooLargeError,
    BrevoRateLimitError,
    BrevoServerError,
    BrevoUnexpectedAnswerError,
)

COUNT = 5
SENT = Sent(body=b'{"events":[{"event_name":"secret_order"}]}', auth=ApiKey("k" * 20), secrets=())


def read(status, content=None, **headers):
    """Read an answer with a JSON body, or none."""
    body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
    return expect_batch(Answer(status=status, headers=headers, body=body), SENT, count=COUNT)


def failed(*places, message="Invalid"):
    """Return one of Brevo's errors."""
    return {"eventIndex": list(places), "message": message}


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (202, {"message": "Batch accepted.", "count": 5}),
        (202, {}),
        (200, {"count": 5}),
        (200, {"count": None, "errors": []}),
        (204, None),
        (200, b" \n"),
        (207, {"status": "success", "total_events": 5, "successful_events": 5, "failed_events": 0, "errors": []}),
    ],
)
def test_a_success_takes_all_events(status, content):
    """The status has changed within weeks, so whatever says success is one."""
    assert read(status, content) == BatchAnswer(accepted=5)


@pytest.mark.parametrize("status", [200, 202, 207])
def test_what_the_body_lists_was_not_taken_whatever_the_status(status):
    """Errors name the events by their places in the batch."""
    answer = read(status, {"errors": [failed(0, 3), failed(4, message="Bad date")]})
    assert answer == BatchAnswer(
        accepted=2,
        refused={
            0: Refusal(reason="Invalid", transient=False),
            3: Refusal(reason="Invalid", transient=False),
            4: Refusal(reason="Bad date", transient=False),
        },
    )


@pytest.mark.parametrize("errors", [{"eventIndex": 2, "message": "no"}, [{"eventIndex": 2, "message": "no"}]])
def test_one_error_may_come_without_its_lists(errors):
    """A place alone, and an error alone, mean what they say."""
    assert list(read(207, {"errors": errors}).refused) == [2]


@pytest.mark.parametrize("message", [None, 7, " "])
def test_an_error_without_a_sentence_is_one_all_the_same(message):
    """No reason is made up."""
    answer = read(207, {"errors": [{"eventIndex": [1], "message": message}]})
    assert answer.refused == {1: Refusal(reason="no reason given", transient=False)}


@pytest.mark.parametrize(
    ("message", "transient"),
    [
        ("Rate limit exceeded", True),
        ("Too many requests", True),
        ("Timed out, please try again", True),
        ("Service temporarily unavailable", True),
        ("Internal error", True),
        ("event_name is missing", False),
        ("Unknown contact", False),
    ],
)
def test_a_reason_tells_whether_another_try_may_help(message, transient):
    """What has nothing to do with the event may pass."""
    assert read(207, {"errors": [failed(0, message=message)]}).refused[0].transient is transient


def test_a_reason_is_cleaned_of_what_was_sent():
    """Brevo may quote the payload; a log doesn't."""
    assert "secret_order" not in read(207, {"errors": [failed(0, message="'secret_order' is bad")]}).refused[0].reason


@pytest.mark.parametrize(
    ("content", "accepted", "unidentified"),
    [
        ({"count": 3}, 3, 2),
        ({"total_events": 5, "successful_events": 3, "failed_events": 2}, 3, 2),
        ({"failed_events": 5}, 0, 5),
        ({"successful_events": 3, "errors": [failed(0)]}, 3, 1),
        ({"count": 0}, 0, 5),
    ],
)
def test_a_shortfall_without_a_name_is_unidentified(content, accepted, unidentified):
    """Numbers below what was sent, and no places: nobody knows which events they are."""
    answer = read(202, content)
    assert (answer.accepted, answer.unidentified, answer.not_taken) == (accepted, unidentified, ())


def test_a_refused_batch_sets_free_what_no_error_names():
    """If nothing was taken, the events that aren't to blame are sent again."""
    answer = read(400, {"status": "failed", "errors": [failed(1, 2)]})
    assert (answer.accepted, list(answer.refused), answer.not_taken) == (0, [1, 2], (0, 3, 4))
    assert read(400, {"successful_events": 0, "errors": [failed(*range(5))]}).not_taken == ()


def test_a_bad_request_that_took_some_is_a_partial_success():
    """The numbers count, whatever the status says."""
    answer = read(400, {"successful_events": 4, "errors": [failed(1)], "code": "x", "message": "y"})
    assert (answer.accepted, list(answer.refused), answer.unidentified) == (4, [1], 0)


@pytest.mark.parametrize(
    "content",
    [
        [],
        "accepted",
        b"<html>",
        b"[" * 100_000,
        {"count": 6},
        {"count": -1},
        {"count": 4.0},
        {"count": True},
        {"total_events": 4},
        {"count": 5, "successful_events": 4},
        {"count": 5, "errors": [failed(0)]},
        {"code": "unauthorized", "message": "no"},
        {"errors": "many"},
        {"errors": [7]},
        {"errors": [{"message": "somewhere"}]},
        {"errors": [failed()]},
        {"errors": [failed(5)]},
        {"errors": [failed(-1)]},
        {"errors": [failed(True)]},
        {"errors": [{"eventIndex": "0"}]},
    ],
)
def test_an_answer_that_makes_no_sense_is_uncertain(content):
    """Where nobody knows what was taken, nobody pretends to."""
    with pytest.raises(BrevoUnexpectedAnswerError) as caught:
        read(202, content)
    assert caught.value.uncertain


@pytest.mark.parametrize("errors", [[failed(9)], [failed()], "many"])
def test_errors_of_a_bad_request_have_to_make_sense_too(errors):
    """A place outside of the batch isn't guessed at."""
    with pytest.raises(BrevoUnexpectedAnswerError):
        read(400, {"errors": errors})


@pytest.mark.parametrize("content", [None, b"<html>", {"code": "invalid", "message": "Unknown field"}, {"errors": []}])
def test_a_bad_request_without_places_refuses_the_whole_batch(content):
    """The same request would be refused again, so it is an error and no outcome."""
    with pytest.raises(BrevoBadRequestError, match="correct the event"):
        read(400, content)


def test_a_server_of_the_old_form_is_advised_on():
    """Before 21 April 2026 a batch was a bare array: whoever wants one isn't today's Brevo."""
    with pytest.raises(BrevoBadRequestError, match="wants a batch as a bare array, .* check the base URL"):
        read(400, {"code": "invalid_parameter", "message": "The request body must be an Array"})


@pytest.mark.parametrize(
    ("status", "error"), [(413, BrevoPayloadTooLargeError), (429, BrevoRateLimitError), (503, BrevoServerError)]
)
def test_any_other_status_is_its_own_error(status, error):
    """They are told apart as those of a single event."""
    with pytest.raises(error):
        read(status, {"errors": [failed(0)]})
