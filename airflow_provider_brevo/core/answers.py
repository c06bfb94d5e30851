"""What an answer means: success, or exactly one typed error."""

from __future__ import annotations

import email.utils
import json
import math
import time
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.auth import ApiKey, OAuthClient
from airflow_provider_brevo.core.rate_limit import seconds_until_reset
from airflow_provider_brevo.core.redaction import Cleaner
from airflow_provider_brevo.exceptions import (
    BrevoAccessDeniedError,
    BrevoAuthenticationError,
    BrevoBadRequestError,
    BrevoMethodNotAllowedError,
    BrevoMissingKeyError,
    BrevoNotFoundError,
    BrevoPayloadTooLargeError,
    BrevoRateLimitError,
    BrevoRedirectError,
    BrevoRefusedError,
    BrevoResponseError,
    BrevoRestrictedKeyError,
    BrevoServerError,
    BrevoUnexpectedAnswerError,
    BrevoUnknownKeyError,
    BrevoUnrecognisedIPError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from airflow_provider_brevo.core.transport import Answer

_MAX_MESSAGE = 300
_MAX_CODE = 80
_LONGEST_RETRY_AFTER = 86_400.0

_CHECK_BASE_URL = "check the base URL of the connection: Brevo's is https://api.brevo.com/v3"
_TRY_LATER = "try again later"

_BY_STATUS: dict[int, tuple[type[BrevoResponseError], str]] = {
    400: (BrevoBadRequestError, "correct the event as the message says"),
    403: (BrevoAccessDeniedError, "check what the key may do, and what stands between this worker and Brevo"),
    404: (BrevoNotFoundError, _CHECK_BASE_URL),
    405: (BrevoMethodNotAllowedError, _CHECK_BASE_URL),
    408: (BrevoServerError, "the event may have been taken all the same; " + _TRY_LATER),
    413: (BrevoPayloadTooLargeError, "send fewer or shorter properties"),
    429: (BrevoRateLimitError, "wait, or run fewer of these tasks at once: a pool bounds them"),
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was sent: needed to clean an answer of it, never shown."""

    body: bytes | None
    auth: ApiKey | OAuthClient
    secrets: Collection[str]

    def clean(self, text: str, max_length: int) -> str:
        """Make a server's text fit for a log."""
        return self._cleaner.clean(text, max_length)

    @cached_property
    def _cleaner(self) -> Cleaner:
        return Cleaner(sent=self.body, secrets=self.secrets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


def expect_taken(answer: Answer, sent: Sent) -> None:
    """Check that a ``POST /events`` was taken.

    Brevo documents 204 without a body. Its sister call for batches has changed its status between 202, 204 and 207, so
    any 2xx is taken for success, unless the body shows that somebody else answered, or holds errors.

    :raises BrevoResponseError: it was not, or not surely.
    """
    raise_for_status(answer, sent)
    if answer.body.strip():
        content = _as_json(answer.body)
        if not isinstance(content, dict) or _holds_error(content):
            raise unexpected(answer, sent)


def expect_object(answer: Answer, sent: Sent) -> dict[str, Any]:
    """Return the JSON object that a successful answer holds.

    :raises BrevoResponseError: the answer is no success, or no JSON object.
    """
    raise_for_status(answer, sent)
    content = _as_json(answer.body)
    if not isinstance(content, dict) or _holds_error(content):
        raise unexpected(answer, sent)
    return content


def retry_after_seconds(answer: Answer, *, now: Callable[[], float] = time.time) -> float | None:
    """Read how long the server wants to be left alone: ``Retry-After``, or Brevo's own header on a 429.

    Brevo sends its header with every answer, but only a 429 makes it a request to wait.

    :param answer: the answer; ``Retry-After`` may be seconds or a date (RFC 9110, 10.2.3).
    :param now: wall clock, for a date without a ``Date`` header to compare it with.
    """
    seconds = _as_seconds(answer.headers.get("retry-after", ""), answer.headers.get("date", ""), now)
    if seconds is None and answer.status == 429:  # noqa: PLR2004 # Too Many Requests
        seconds = seconds_until_reset(answer.headers)
    return seconds


def _as_seconds(value: str, date: str, now: Callable[[], float]) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        moment = _as_timestamp(value)
        if moment is None:
            return None
        # The server's clock, not ours, is the one its date was read from.
        arrived = _as_timestamp(date)
        seconds = max(0.0, moment - (now() if arrived is None else arrived))
    return seconds if math.isfinite(seconds) and 0 <= seconds <= _LONGEST_RETRY_AFTER else None


def raise_for_status(answer: Answer, sent: Sent) -> None:
    """Raise the typed error of an answer that is no 2xx.

    :raises BrevoResponseError: it is none.
    """
    if not 200 <= answer.status < 300:  # noqa: PLR2004 # the range of successful statuses
        raise _error(answer, sent)


def _error(answer: Answer, sent: Sent) -> BrevoResponseError:
    status = answer.status
    said = _said(answer)
    if 300 <= status < 400:  # noqa: PLR2004 # the range of redirects
        return BrevoRedirectError(status=status, advice=_CHECK_BASE_URL)
    if status == 401 or (status == 403 and _names_resource(said)):  # noqa: PLR2004 # unauthorized, forbidden
        kind, advice = _authentication_kind(said, sent.auth)
    elif status in _BY_STATUS:
        kind, advice = _BY_STATUS[status]
    elif status >= 500:  # noqa: PLR2004 # the range of server errors
        kind, advice = BrevoServerError, "the event may have been taken all the same; " + _TRY_LATER
    else:
        kind, advice = BrevoRefusedError, "read what the message says, and Brevo's reference of this call"
    code, message = _code_and_message(answer, sent)
    limited = kind in {BrevoRateLimitError, BrevoServerError}
    retry_after = retry_after_seconds(answer) if limited else None
    if kind is BrevoRateLimitError and retry_after is not None:
        advice = f"Brevo asks to wait {retry_after:g} s: {advice}"
    return kind(status=status, code=code, message=message, advice=advice, retry_after=retry_after)


def _authentication_kind(said: str, auth: ApiKey | OAuthClient) -> tuple[type[BrevoResponseError], str]:
    """Tell the kinds of 401 apart. Brevo gives them one code, so there is nothing but the text to go by."""
    if _names_resource(said):
        return BrevoRestrictedKeyError, "give the key this permission in Brevo, or use another key"
    if "ip address" in said:
        return (
            BrevoUnrecognisedIPError,
            "let the address in at https://app.brevo.com/security/authorised_ips, or switch the list off there",
        )
    if isinstance(auth, OAuthClient):
        return BrevoAuthenticationError, "check in Brevo what the OAuth client may do, and the connection's oauth_scope"
    hint = auth.hint()
    hint = f" ({hint})" if hint else ""
    if "key not found" in said:
        return BrevoUnknownKeyError, f"copy the API key again into the connection's password{hint}"
    if "not found in headers" in said:
        return (
            BrevoMissingKeyError,
            "something between this worker and Brevo removes the header api-key: check the proxy",
        )
    return BrevoAuthenticationError, f"check the key in the connection's password{hint}"


def _names_resource(said: str) -> bool:
    return "denied for resource" in said


def _said(answer: Answer) -> str:
    """Return what the error body says, in small letters: to be searched and never shown, as it isn't cleaned."""
    content = _as_json(answer.body)
    # Either may be the sentence.
    return " ".join(str(content.get(name)) for name in ("code", "message")).lower() if isinstance(content, dict) else ""


def _holds_error(content: dict[str, Any]) -> bool:
    return bool(content.get("errors")) or {"code", "message"} <= content.keys()


def unexpected(answer: Answer, sent: Sent, *, why: str = "") -> BrevoUnexpectedAnswerError:
    """Return the error for an answer that isn't what Brevo documents.

    :param answer: the answer.
    :param sent: the request, to clean the server's sentence of it.
    :param why: what makes no sense in an answer of Brevo's form. Otherwise somebody else is taken to have answered.
    """
    if why:
        advice = "report it, and look in Brevo whether the events arrived"
        return BrevoUnexpectedAnswerError(status=answer.status, message=why, advice=advice)
    code, message = _code_and_message(answer, sent)
    if message is None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        known = kind if kind in {"text/html", "text/plain", "application/json"} else "something else"
        message = "an empty body" if not answer.body.strip() else f"{known}, not the JSON object expected"
    return BrevoUnexpectedAnswerError(
        status=answer.status,
        code=code,
        message=message,
        advice="check the base URL and what stands between here and Brevo, then look in Brevo whether it arrived",
    )


def _code_and_message(answer: Answer, sent: Sent) -> tuple[str | None, str | None]:
    """Read Brevo's error body. Bodies may be anything; text that isn't JSON is a stranger's and is not shown."""
    content = _as_json(answer.body)
    if not isinstance(content, dict):
        return None, None
    code, message = content.get("code"), content.get("message")
    return (
        sent.clean(str(code), _MAX_CODE) if isinstance(code, str | int) and code != "" else None,
        sent.clean(message, _MAX_MESSAGE) if isinstance(message, str) and message.strip() else None,
    )


def _as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _as_timestamp(value: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
        # Without a zone it is UTC, as all dates of HTTP are.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
