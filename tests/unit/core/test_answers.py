"""Each answer means success, or exactly one typed error."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from airflow_provider_brevo import exceptions
from airflow_provider_brevo.core.answers import Sent, expect_object, expect_taken, retry_after_seconds
from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import BrevoResponseError, BrevoUnexpectedAnswerError

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
EVENT = {
    "event_name": "order",
    "identifiers": {"email_id": "jane.doe@example.com"},
    "p": ["Key not found", "IP address"],
}
SENT = Sent(body=json.dumps(EVENT).encode(), auth=ApiKey(KEY), secrets=[KEY])


def answer(status, body=b"", **headers):
    """Return an answer; a dict or list as body becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}, body=content)


def error_of(given, expect=expect_taken, sent=SENT):
    """Return the error that an answer becomes."""
    with pytest.raises(BrevoResponseError) as caught:
        expect(given, sent)
    assert caught.value.__cause__ is None
    return caught.value


BODIES = {
    "documented": b'{"code": "some_code", "message": "Some message"}',
    "sentence as code": b'{"code": "Some sentence"}',
    "number as code": b'{"code": 17, "message": null}',
    "metadata": b'{"message": "x", "metadata": {"a": 1}}',
    "empty": b"",
    "html": b"<html>Some page</html>",
    "list": b"[1]",
    "text": b'"text"',
    "cut off": b'{"code": "some',
    "no utf-8": b"\xff\xfe\xfa",
    "too deep": b"[" * 100_000,
}
STATUSES = {
    100: "BrevoRefusedError",
    300: "BrevoRedirectError",
    301: "BrevoRedirectError",
    302: "BrevoRedirectError",
    304: "BrevoRedirectError",
    307: "BrevoRedirectError",
    308: "BrevoRedirectError",
    400: "BrevoBadRequestError",
    401: "BrevoAuthenticationError",
    402: "BrevoRefusedError",
    403: "BrevoAccessDeniedError",
    404: "BrevoNotFoundError",
    405: "BrevoMethodNotAllowedError",
    406: "BrevoRefusedError",
    408: "BrevoServerError",
    409: "BrevoRefusedError",
    413: "BrevoPayloadTooLargeError",
    415: "BrevoRefusedError",
    422: "BrevoRefusedError",
    429: "BrevoRateLimitError",
    499: "BrevoRefusedError",
    500: "BrevoServerError",
    501: "BrevoServerError",
    502: "BrevoServerError",
    503: "BrevoServerError",
    504: "BrevoServerError",
    520: "BrevoServerError",
    599: "BrevoServerError",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("status", "name"), STATUSES.items())
@pytest.mark.parametrize("expect", [expect_taken, expect_object])
def test_every_status_with_every_body_is_exactly_one_error(status, name, body, expect):
    """The status alone decides on the type, whatever the body is, and there is always an advice."""
    error = error_of(answer(status, body), expect)

    assert type(error) is getattr(exceptions, name)
    assert error.status == status
    assert error.advice
    assert f"HTTP {status}" in str(error)
    assert "page" not in str(error)


def test_code_and_message_of_the_body_are_told():
    """What Brevo says is an attribute and stands in the message."""
    error = error_of(answer(400, {"code": "invalid_parameter", "message": "event_name is wrong"}))

    assert (error.code, error.message) == ("invalid_parameter", "event_name is wrong")
    assert "(HTTP 400, invalid_parameter: event_name is wrong)" in str(error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 17}, ("17", None)),
        ({"code": "", "message": " "}, (None, None)),
        ({"code": ["x"], "message": {"a": 1}}, (None, None)),
        ({"error": "x"}, (None, None)),
        ([], (None, None)),
    ],
)
def test_nothing_is_required_of_an_error_body(body, expected):
    """Code and message are taken where they are, and missed where they aren't."""
    error = error_of(answer(400, body))

    assert (error.code, error.message) == expected


@pytest.mark.parametrize(
    ("said", "name", "advice"),
    [
        ("Key not found", "BrevoUnknownKeyError", "copy the API key again"),
        ("authentication not found in headers", "BrevoMissingKeyError", "check the proxy"),
        (
            "We have detected you are using an unrecognised IP address 203.0.113.7.",
            "BrevoUnrecognisedIPError",
            "https://app.brevo.com/security/authorised_ips",
        ),
        ("Access denied for resource: events", "BrevoRestrictedKeyError", "give the key this permission"),
        ("Something new", "BrevoAuthenticationError", "check the key"),
    ],
)
@pytest.mark.parametrize("where", ["message", "code"])
def test_kinds_of_401_are_told_apart(said, name, advice, where):
    """Each kind of 401 has a type and an advice of its own, wherever Brevo puts the sentence and whatever was sent."""
    error = error_of(answer(401, {"code": "unauthorized", "message": "", where: said}))

    assert type(error) is getattr(exceptions, name)
    assert advice in error.advice


def test_403_that_names_a_resource_is_a_restricted_key():
    """A refusal that names a resource means a valid key, with either status."""
    error = error_of(answer(403, {"message": "Access denied for resource"}))

    assert type(error) is exceptions.BrevoRestrictedKeyError


@pytest.mark.parametrize("message", ["Key not found", "Something new"])
@pytest.mark.parametrize(
    ("key", "hint"),
    [("xsmtpsib-abc", "SMTP key"), (KEY[:30], "cut off"), ("abc", "does not look like"), (KEY, None)],
)
def test_refused_key_is_looked_at(message, key, hint):
    """A key that is refused and looks wrong gets a hint, and is not shown."""
    error = error_of(answer(401, {"message": message}), sent=Sent(body=None, auth=ApiKey(key), secrets=[key]))

    assert ("(it " in error.advice) == (hint is not None)
    assert (hint or "") in error.advice
    assert key not in str(error)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def http_date(seconds):
    """Write a date of HTTP, some seconds after NOW."""
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "86401"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": http_date(90)}, 90.0),
        ({"retry-after": http_date(-90)}, 0.0),
        ({"retry-after": http_date(90), "date": http_date(60)}, 30.0),
        ({"retry-after": http_date(90), "date": "nonsense"}, 90.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30"}, 90.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30 -0000"}, 90.0),
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 9999 00:00:00 GMT"}, None),
        ({"x-sib-ratelimit-reset": "5"}, 5.0),
        ({"x-sib-ratelimit-reset": "nonsense"}, None),
        ({"retry-after": "7", "x-sib-ratelimit-reset": "5"}, 7.0),
        ({"retry-after": "-1", "x-sib-ratelimit-reset": "5"}, 5.0),
        ({"retry-after": "soon", "x-sib-ratelimit-reset": "5"}, 5.0),
    ],
)
def test_advised_wait_is_read_from_the_headers(headers, expected):
    """Retry-After in seconds or as a date comes first, then Brevo's header; nonsense counts as nothing."""
    assert retry_after_seconds(Answer(status=429, headers=headers), now=NOW.timestamp) == expected


def test_reset_header_is_no_advice_unless_the_limit_is_used_up():
    """Brevo sends its header with every answer, so a server's fault is not waited for until the reset."""
    headers = {"x-sib-ratelimit-reset": "3000"}

    assert retry_after_seconds(Answer(status=503, headers=headers)) is None
    assert retry_after_seconds(Answer(status=503, headers={**headers, "retry-after": "2"})) == 2.0


def test_rate_limit_error_says_how_long_to_wait():
    """The advised wait is an attribute and stands in the advice."""
    error = error_of(answer(429, x_sib_ratelimit_reset="12"))

    assert error.retry_after == 12.0
    assert error.advice.startswith("Brevo asks to wait 12 s: ")
    assert error_of(answer(429)).advice.startswith("wait, or run fewer")


@pytest.mark.parametrize(("status", "expected"), [(503, 9.0), (429, 9.0), (400, None), (301, None)])
def test_only_errors_that_pass_carry_an_advised_wait(status, expected):
    """A refusal has no wait that would help."""
    assert error_of(answer(status, retry_after="9")).retry_after == expected


@pytest.mark.parametrize(
    "body",
    [b"", b" \r\n", {}, {"message": "Events queued", "count": 1}, {"errors": []}],
    ids=["empty", "blank", "object", "batch", "no errors"],
)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 207])
def test_success_of_brevo_is_taken(status, body):
    """Any 2xx without a body, or with an object that holds no error, means that the event was taken."""
    assert expect_taken(answer(status, body), SENT) is None


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<html>Log in</html>", "text/html; charset=utf-8", "text/html, not the JSON object expected"),
        (b"hello", "text/plain", "text/plain, not"),
        (b"[]", "application/json", "application/json, not"),
        (b"null", "application/json", "application/json, not"),
        (b'{"cut', "application/json", "application/json, not"),
        (b"\x00", "image/jane-doe", "something else, not"),
        ({"code": "unauthorized", "message": "No way"}, "application/json", "unauthorized: No way"),
        ({"errors": [{"message": "x"}]}, "application/json", "application/json, not"),
    ],
)
@pytest.mark.parametrize("expect", [expect_taken, expect_object])
def test_success_of_somebody_else_is_an_error(body, kind, said, expect):
    """A login page, an error body or a cut off body with a 2xx is no success, and nobody knows what happened."""
    error = error_of(answer(200, body, content_type=kind), expect)

    assert type(error) is BrevoUnexpectedAnswerError
    assert error.uncertain
    assert said in str(error)
    assert "Log in" not in str(error)


def test_object_is_returned():
    """Where an object is expected and comes, it is returned."""
    assert expect_object(answer(200, {"companyName": "X"}), SENT) == {"companyName": "X"}


def test_empty_body_is_no_object():
    """Where an object is expected, an empty body is an error that says so."""
    assert "an empty body" in str(error_of(answer(200), expect_object))


@pytest.mark.parametrize("status", [400, 401, 429, 500, 200])
@pytest.mark.parametrize("field", ["code", "message"])
@pytest.mark.parametrize(
    "quoted", ["jane.doe@example.com", "JANE.DOE@EXAMPLE.COM", "jane.doe@exam", KEY, KEY[:30], "order"]
)
def test_messages_hold_nothing_that_was_sent(status, field, quoted):
    """Whatever a server quotes, whole, cut off or in another case, is in no message and no attribute."""
    body = {"code": "c", "message": "m", field: f"the value {quoted}\nis wrong"}
    error = error_of(answer(status, body))

    shown = f"{error} {error!r} {vars(error)}"
    assert quoted.lower() not in shown.lower()
    assert "the value ***" in getattr(error, field)
    assert "\n" not in str(error)


def test_messages_are_cut_to_a_sane_length():
    """A server can't fill the log."""
    error = error_of(answer(400, {"code": "c d " * 500, "message": "m n " * 5000}))

    assert len(error.code) <= 80
    assert len(error.message) <= 300


def test_what_was_sent_is_never_shown():
    """The record of what was sent hides body and key."""
    assert repr(SENT) == "Sent(…)"
