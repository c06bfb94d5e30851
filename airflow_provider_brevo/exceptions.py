"""Everything this package raises.

.. code-block:: text

    BrevoError
    ├── BrevoUsageError                 ours to mend; found before anything was sent
    │   ├── BrevoSettingsError          the connection: every wrong field at once
    │   ├── BrevoInvalidEventError      the event: every wrong place at once
    │   ├── BrevoTemplateError          a template: the field that could not be rendered
    │   ├── BrevoDeliveryError          the delivery that was asked for can't be promised here
    │   └── BrevoSourceError            a source of many events: it can't be read, or not to its end
    ├── BrevoBulkError                  many events: the send ended before, or with, something to look at
    │   ├── BrevoInvalidEventsError     events that break rules, so none was sent
    │   ├── BrevoCheckpointError        progress can't be read, written, or gone on from
    │   └── BrevoIncompleteError        all is sent that can be, and not all was taken
    └── BrevoRequestError               a request was made, or tried
        ├── BrevoTokenError             no OAuth token could be fetched: nothing was sent
        ├── BrevoTransportError         no complete answer came
        │   ├── BrevoConnectError       no connection: certainly not taken
        │   ├── BrevoTLSError           the certificate isn't trusted: certainly not taken
        │   ├── BrevoTimeoutError       sent, no answer in time: uncertain
        │   └── BrevoConnectionLostError   sent, the connection broke: uncertain
        └── BrevoResponseError          an answer that is no success
            ├── BrevoRefusedError       3xx, 4xx: the same request will be refused again
            │   ├── BrevoRedirectError              3xx, never followed
            │   ├── BrevoBadRequestError            400
            │   ├── BrevoAuthenticationError        401
            │   │   ├── BrevoUnknownKeyError
            │   │   ├── BrevoMissingKeyError
            │   │   ├── BrevoTokenRefusedError      no OAuth token for these credentials
            │   │   └── BrevoUnrecognisedIPError    another worker may be let in
            │   ├── BrevoAccessDeniedError          403
            │   │   └── BrevoRestrictedKeyError     valid key, not for this call
            │   ├── BrevoNotFoundError              404
            │   ├── BrevoMethodNotAllowedError      405
            │   └── BrevoPayloadTooLargeError       413
            ├── BrevoRateLimitError     429: certainly not taken
            ├── BrevoServerError        408, 5xx: uncertain
            └── BrevoUnexpectedAnswerError   2xx that isn't Brevo's: uncertain

A message says what is wrong, where, and what to do. It never holds a key or a value of a payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_E = TypeVar("_E", bound="BrevoError")

_SHOWN_VIOLATIONS = 20
"""Reasons spelled out in one message; the rest is counted. All are in ``violations``."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One reason why an event is refused.

    :param pointer: JSON pointer (RFC 6901) to the place inside the event, ``""`` for the event itself. A key that
        breaks the key rules may be personal data, so it appears by its position, as ``<key 3>``.
    :param rule: which rule is broken, as a stable word to count by: ``required``, ``unknown-field``, ``type``,
        ``name``, ``key``, ``date``, ``identifier``, ``empty``, ``range``, ``size``, ``count``, ``depth``, ``null``,
        ``not-json``, ``precision``; for the rows of a source also ``column``, ``json``, ``cells``, ``encoding``.
    :param problem: what is wrong, without any value of the payload.
    :param advice: what to do about it.
    """

    pointer: str
    rule: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the event'} {self.problem}: {self.advice}"


def _restore(cls: type[_E], args: tuple[Any, ...]) -> _E:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class BrevoError(Exception):
    """Base of all errors of this package.

    :param problem: what is wrong, and where.
    :param advice: what to do about it.
    """

    def __init__(self, problem: str, *, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.problem}; {self.advice}." if self.advice else f"{self.problem}."

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with args alone, which fails for keyword-only parameters: an error that
        # crosses a process border (Celery, a process pool) would turn into a TypeError.
        return _restore, (type(self), self.args), self.__dict__


# ------------------------------------------------------------------------------------- before anything was sent


class BrevoUsageError(BrevoError):
    """What was asked for can't be done as asked; nothing was sent."""


class BrevoSettingsError(BrevoUsageError):
    """The connection's fields can't be used.

    :param problems: every wrong field, one sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The Brevo connection can't be used: " + "; ".join(self.problems))


class BrevoInvalidEventError(BrevoUsageError):
    """The event breaks rules of the Events API; nothing was sent.

    :param violations: every reason, each with its place.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        count = len(self.violations)
        lines = [f"  - {violation}" for violation in self.violations[:_SHOWN_VIOLATIONS]]
        if count > _SHOWN_VIOLATIONS:
            lines.append(f"  - and {count - _SHOWN_VIOLATIONS} more")
        reasons = "1 reason" if count == 1 else f"{count} reasons"
        super().__init__("\n".join([f"The event was not sent, for {reasons}:", *lines]))

    def __str__(self) -> str:
        return self.problem


class BrevoTemplateError(BrevoUsageError):
    """A template could not be rendered.

    :param field: JSON pointer to the template, starting with the operator's field: ``/event_properties/total``.
    :param problem: what is wrong with it.
    :param advice: what to do about it.
    """

    def __init__(self, field: str, problem: str, *, advice: str) -> None:
        self.field = field
        self.further: tuple[BrevoTemplateError, ...] = ()
        super().__init__(f"{field} {problem}", advice=advice)

    @classmethod
    def of_all(cls, errors: Sequence[BrevoTemplateError]) -> BrevoTemplateError:
        """Return the first of several errors, with the others in ``further`` and in its message.

        :param errors: at least one.
        """
        first = errors[0]
        first.further = tuple(errors[1:])
        return first

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(str(error) for error in self.further)])


class BrevoDeliveryError(BrevoUsageError):
    """``at_most_once`` can't be promised here, or a former try's outcome is unknown; nothing was sent now."""


class BrevoSourceError(BrevoUsageError):
    """A source of many events can't be read, or not to its end: a file of another format, damaged, without a column."""


# ---------------------------------------------------------------------------------------------------- many events


class BrevoBulkError(BrevoError):
    """Many events were to be sent, and not all were taken."""

    retry_later: bool = False
    """Whether a later try of the task may get further."""


class BrevoInvalidEventsError(BrevoBulkError):
    """Events of the source break rules of the Events API; none was sent.

    :param total: how many events the source has.
    :param invalid: how many of them break rules.
    :param reasons: how often each rule is broken.
    :param first: the first invalid events, each as a sentence with its place.
    """

    def __init__(self, *, total: int, invalid: int, reasons: Mapping[str, int], first: Iterable[str]) -> None:
        self.total = total
        self.invalid = invalid
        self.reasons = dict(reasons)
        counted = ", ".join(f"{rule} {count}" for rule, count in sorted(reasons.items()))
        lines = [f"  - {sentence}" for sentence in first]
        if invalid > len(lines):
            lines.append(f"  - and {invalid - len(lines)} more events")
        what = f"{invalid} of {total} events {'is' if invalid == 1 else 'are'} invalid, so none was sent"
        super().__init__("\n".join([f"{what} (by rule: {counted}):", *lines]))

    def __str__(self) -> str:
        return self.problem


class BrevoCheckpointError(BrevoBulkError):
    """The progress of a bulk send can't be read or written, or it belongs to another source.

    :param problem: what is wrong, and where it is kept.
    :param advice: what to do about it.
    :param retry_later: whether a later try of the task may get further.
    """

    def __init__(self, problem: str, *, advice: str, retry_later: bool = False) -> None:
        super().__init__(problem, advice=advice)
        self.retry_later = retry_later


class BrevoIncompleteError(BrevoBulkError):
    """All events were sent that can be, and Brevo did not surely take all of them.

    :param problem: how many were rejected, are uncertain, or unidentified.
    :param advice: what to do about it.
    :param result: the numbers, as the task returns them on success.
    """

    def __init__(self, problem: str, *, advice: str, result: Mapping[str, Any]) -> None:
        super().__init__(problem, advice=advice)
        self.result = dict(result)


# -------------------------------------------------------------------------------------------- a request was made


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
    """A 2xx whose body isn't what Brevo sends, from a login page say: Brevo may or may not have taken the event."""

    what = "The answer is not one of Brevo's"
    uncertain = True
    retry_later = True
