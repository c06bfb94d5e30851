"""What comes of a request that brings no success."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_brevo.exceptions.base import BrevoError


class BrevoRequestError(BrevoError):
    """A request brought no success.

    :cvar uncertain: Brevo may have taken the event all the same.
    :cvar retry_here: the same worker may try again within seconds.
    :cvar retry_later: a later try of the task, maybe on another worker, may succeed.
    """

    uncertain: bool = False
    retry_here: bool = False
    retry_later: bool = False

    attempts: int = 1
    """How many requests were made before this error was raised."""

    retry_after: float | None = None
    """Seconds to wait as told by the server, or ``None`` where it said nothing."""

    def __str__(self) -> str:
        tried = f" (tried {self.attempts} times)" if self.attempts > 1 else ""
        return super().__str__() + tried


class BrevoTokenError(BrevoRequestError):
    """No OAuth token could be fetched for now, so nothing was sent.

    :param can_pass: trying again may help.
    """

    def __init__(self, problem: str, *, advice: str, can_pass: bool) -> None:
        super().__init__(problem, advice=advice)
        self.retry_here = can_pass
        self.retry_later = can_pass


class BrevoTransportError(BrevoRequestError):
    """No complete answer came."""

    retry_here = True
    retry_later = True


class BrevoConnectError(BrevoTransportError):
    """No connection could be made: Brevo has certainly not taken the event."""


class BrevoTLSError(BrevoTransportError):
    """The server's certificate isn't trusted: nothing was sent. Trying again brings the same certificate."""

    retry_here = False
    retry_later = False


class BrevoTimeoutError(BrevoTransportError):
    """The request went out and no answer came in time: Brevo may have taken the event."""

    uncertain = True


class BrevoConnectionLostError(BrevoTransportError):
    """The connection broke before the answer was complete: Brevo may have taken the event."""

    uncertain = True


class BrevoResponseError(BrevoRequestError):
    """An answer that is no success.

    :param status: HTTP status.
    :param code: ``code`` of Brevo's error body, a slug or a sentence, cleaned and cut; ``None`` if there is none.
    :param message: ``message`` of Brevo's error body, cleaned of everything that was sent and cut; ``None`` if
        there is none.
    :param advice: what to do about it.
    :param retry_after: seconds to wait as told by the server.
    """

    what: ClassVar[str] = "Brevo answered with an error"

    def __init__(
        self,
        *,
        status: int,
        code: str | None = None,
        message: str | None = None,
        advice: str,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        said = ": ".join(part for part in (code, message) if part)
        super().__init__(f"{self.what} (HTTP {status}{', ' + said if said else ''})", advice=advice)


class BrevoRefusedError(BrevoResponseError):
    """Brevo refused the request, and would refuse the same request again."""

    what = "Brevo refused the request"


class BrevoRedirectError(BrevoRefusedError):
    """A redirect (3xx). Following it would send the key elsewhere and lose the event, so it is refused."""

    what = "The server answered with a redirect, which is never followed"


class BrevoBadRequestError(BrevoRefusedError):
    """400: Brevo found the event invalid."""

    what = "Brevo found the event invalid"


class BrevoAuthenticationError(BrevoRefusedError):
    """401 of a kind that isn't known more closely."""

    what = "Brevo did not accept the credentials"


class BrevoUnknownKeyError(BrevoAuthenticationError):
    """401: Brevo doesn't know the key."""

    what = "Brevo does not know this key"


class BrevoMissingKeyError(BrevoAuthenticationError):
    """401: no key arrived at Brevo."""

    what = "No key arrived at Brevo"


class BrevoTokenRefusedError(BrevoAuthenticationError):
    """The token server refused the OAuth client: wrong id, secret or scope. Nothing was sent."""

    what = "No OAuth token is given out for these credentials"


class BrevoUnrecognisedIPError(BrevoAuthenticationError):
    """401: the account only lets listed IP addresses in, and this worker's isn't one. Another worker's may be."""

    what = "Brevo does not know this worker's IP address"
    retry_later = True


class BrevoAccessDeniedError(BrevoRefusedError):
    """403: access denied."""

    what = "Access was denied"


class BrevoRestrictedKeyError(BrevoAccessDeniedError):
    """The key is valid but restricted, and this call isn't among what it may do."""

    what = "The key is valid but may not make this call"


class BrevoNotFoundError(BrevoRefusedError):
    """404: there is no such call at this address."""

    what = "There is no such call at this address"


class BrevoMethodNotAllowedError(BrevoRefusedError):
    """405: the address exists but doesn't take this method."""

    what = "This address does not take this method"


class BrevoPayloadTooLargeError(BrevoRefusedError):
    """413: the request is too large."""

    what = "The request is too large"


class BrevoRateLimitError(BrevoResponseError):
    """429, or the limit is known to be used up: Brevo has certainly not taken the event.

    ``retry_after`` says how many seconds Brevo wants to be left alone, where it said so.
    """

    what = "The rate limit is used up"
    retry_here = True
    retry_later = True


class BrevoServerError(BrevoResponseError):
    """408 or 5xx: a fault on Brevo's side, or of something between. Brevo may have taken the event."""

    what = "Brevo has a problem"
    uncertain = True
    retry_here = True
    retry_later = True


class BrevoUnexpectedAnswerError(BrevoResponseError):
    """A body that Brevo documents nowhere, a login page's say, or one for a batch that contradicts itself.

    It comes with a 2xx, for a batch also with 400. Brevo may or may not have taken what was sent.
    """

    what = "The answer is not what Brevo documents"
    uncertain = True
    retry_later = True
