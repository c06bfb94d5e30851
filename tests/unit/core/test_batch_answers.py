"""What an answer to a batch means, event by event."""

import json

import pytest

from airflow_provider_brevo.core import redaction
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
    "message",
    [
        "Rate limit exceeded",
        "rate-limited",
        "Ratelimit reached",
        "Too many requests",
        "Timed out",
        "Request timeout",
        "Gateway time-out",
        "Please try again later",
        "Contacts are temporarily locked",
        "A temporary problem",
        "Internal error",
        "Internal Server Error",
        "Service unavailable",
        "The service is overloaded.",
    ],
)
def test_a_reason_that_may_pass_is_told(message):
    """What has nothing to do with the event may be gone at the next try."""
    assert read(207, {"errors": [failed(0, message=message)]}).refused[0].transient


@pytest.mark.parametrize(
    "message",
    [
        "event_name is missing",
        "Unknown contact",
        "event has too many properties",
        "value has too many characters",
        "Contemporary is no list",
        "retry_count is not an attribute",
        "INTERNAL_ID attribute does not exist",
        "TIMEOUT attribute is unknown",
        "RATE_LIMIT attribute is unknown",
        "TEMPORARY_ADDRESS is no date",
        "INTERNAL_ERROR attribute does not exist",
        "internals are unknown",
        "OVERLOAD is no boolean",
    ],
)
def test_a_reason_that_stays_is_told(message):
    """A word of a passing reason inside of a name, or beside a property, doesn't make the reason pass."""
    assert not read(207, {"errors": [failed(0, message=message)]}).refused[0].transient


def test_an_answer_of_many_reasons_reads_the_request_once(monkeypatch):
    """A batch of half a megabyte isn't read again for each event that is refused."""
    read_bodies = []
    values = redaction._sent_values
    monkeypatch.setattr(redaction, "_sent_values", lambda sent: read_bodies.append(sent) or values(sent))
    sent = Sent(body=SENT.body, auth=SENT.auth, secrets=())
    content = {"errors": [failed(at, message=f"'secret_order' is bad in {at}") for at in range(COUNT)]}

    answer = expect_batch(Answer(status=207, body=json.dumps(content).encode()), sent, count=COUNT)
    assert [refusal.reason for refusal in answer.refused.values()] == [f"'***' is bad in {at}" for at in range(COUNT)]
    assert read_bodies == [SENT.body]


def test_a_reason_that_comes_often_is_cleaned_once():
    """Brevo gives one sentence to many events."""
    refused = read(207, {"errors": [failed(0), failed(1), failed(2, message="Bad date")]}).refused
    assert refused[0] is refused[1] is not refused[2]


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
    ("content", "said"),
    [
        ([], "something else, not the JSON object expected"),
        ("accepted", "something else, not the JSON object expected"),
        (b"<html>", "something else, not the JSON object expected"),
        (b"[" * 100_000, "something else, not the JSON object expected"),
        ({"code": "unauthorized", "message": "no"}, "unauthorized: no"),
        ({"code": "unauthorized", "message": "no", "errors": [failed(9)]}, "unauthorized: no"),
    ],
)
def test_an_answer_of_somebody_else_is_uncertain(content, said):
    """Where nobody knows what was taken, nobody pretends to."""
    with pytest.raises(BrevoUnexpectedAnswerError) as caught:
        read(202, content)
    assert caught.value.uncertain
    assert str(caught.value).startswith(
        f"The answer is not what Brevo documents (HTTP 202, {said}); check the base URL"
    )


NAMELESS = "it lists an error that names no event by its number"
CONTRADICTION = "its numbers contradict each other"


@pytest.mark.parametrize("status", [200, 202, 207, 400])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"count": 6}, "its count is 6, and 5 events were sent"),
        ({"count": -1}, "its count is -1, and 5 events were sent"),
        ({"successful_events": 336_123_456_78}, "its successful_events is ***, and 5 events were sent"),
        ({"count": 4.0}, "its count is no whole number"),
        ({"count": "5"}, "its count is no whole number"),
        ({"failed_events": True}, "its failed_events is no whole number"),
        ({"total_events": 4}, "its total_events is 4, and 5 events were sent"),
        ({"count": 5, "successful_events": 4}, CONTRADICTION),
        ({"successful_events": 2, "failed_events": 2}, CONTRADICTION),
        ({"count": 5, "errors": [failed(0)]}, CONTRADICTION),
        ({"errors": "many"}, NAMELESS),
        ({"errors": [7]}, NAMELESS),
        ({"errors": [{"message": "somewhere"}]}, NAMELESS),
        ({"errors": [failed()]}, NAMELESS),
        ({"errors": [failed(True)]}, NAMELESS),
        ({"errors": [failed("1")]}, NAMELESS),
        ({"errors": [{"eventIndex": "0"}]}, NAMELESS),
        ({"errors": [failed(5)]}, "it names event 5 of a batch of 5, counted from 0"),
        ({"errors": [failed(0, -1)]}, "it names event -1 of a batch of 5, counted from 0"),
        ({"errors": [failed(33612345678)]}, "it names event *** of a batch of 5, counted from 0"),
    ],
)
def test_an_answer_that_makes_no_sense_says_why(content, why, status):
    """It is of Brevo's form, so neither the base URL nor its JSON is blamed; what was taken is uncertain."""
    content = {"errors": [failed(0)], **content} if status == 400 else content
    with pytest.raises(BrevoUnexpectedAnswerError) as caught:
        read(status, content)
    assert caught.value.uncertain
    assert str(caught.value) == (
        f"The answer is not what Brevo documents (HTTP {status}, {why}); "
        "report it, and look in Brevo whether the events arrived."
    )


def test_an_event_that_is_named_twice_is_refused_once():
    """An event may break two rules."""
    answer = read(207, {"errors": [failed(1, 1), failed(1, message="Bad date")]})
    assert (answer.accepted, answer.refused) == (4, {1: Refusal(reason="Bad date", transient=False)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ""),
        (b"<html>", ""),
        ({"code": "invalid", "message": "Unknown field"}, ", invalid: Unknown field"),
        ({"errors": []}, ""),
    ],
)
def test_a_bad_request_without_places_refuses_the_whole_batch(content, said):
    """The same request would be refused again, so it is an error, which says how to find the event."""
    with pytest.raises(BrevoBadRequestError) as caught:
        read(400, content)
    assert str(caught.value) == (
        f"Brevo refuses the batch as a whole, without saying which event is wrong (HTTP 400{said}); "
        "send its events one by one (batch_size=1) to find it, and correct it as the message says."
    )


def test_a_bad_request_of_one_event_is_about_that_event():
    """There is nothing left to find."""
    with pytest.raises(BrevoBadRequestError, match=r"^Brevo found the event invalid \(HTTP 400\); correct the event"):
        expect_batch(Answer(status=400), SENT, count=1)


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
