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
    │   │   └── BrevoSourceChangedError     the source isn't the one that an earlier try has sent events of
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

from airflow_provider_brevo.exceptions.base import (
    BrevoError,
)
from airflow_provider_brevo.exceptions.bulk import (
    BrevoBulkError,
    BrevoCheckpointError,
    BrevoIncompleteError,
    BrevoInvalidEventsError,
    BrevoSourceChangedError,
)
from airflow_provider_brevo.exceptions.requests import (
    BrevoAccessDeniedError,
    BrevoAuthenticationError,
    BrevoBadRequestError,
    BrevoConnectError,
    BrevoConnectionLostError,
    BrevoMethodNotAllowedError,
    BrevoMissingKeyError,
    BrevoNotFoundError,
    BrevoPayloadTooLargeError,
    BrevoRateLimitError,
    BrevoRedirectError,
    BrevoRefusedError,
    BrevoRequestError,
    BrevoResponseError,
    BrevoRestrictedKeyError,
    BrevoServerError,
    BrevoTimeoutError,
    BrevoTLSError,
    BrevoTokenError,
    BrevoTokenRefusedError,
    BrevoTransportError,
    BrevoUnexpectedAnswerError,
    BrevoUnknownKeyError,
    BrevoUnrecognisedIPError,
)
from airflow_provider_brevo.exceptions.usage import (
    BrevoDeliveryError,
    BrevoInvalidEventError,
    BrevoSettingsError,
    BrevoSourceError,
    BrevoTemplateError,
    BrevoUsageError,
    Violation,
)

__all__ = [  # noqa: RUF022 # in the order of the tree
    "BrevoError",
    "BrevoUsageError",
    "BrevoSettingsError",
    "BrevoInvalidEventError",
    "BrevoTemplateError",
    "BrevoDeliveryError",
    "BrevoSourceError",
    "BrevoBulkError",
    "BrevoInvalidEventsError",
    "BrevoCheckpointError",
    "BrevoSourceChangedError",
    "BrevoIncompleteError",
    "BrevoRequestError",
    "BrevoTokenError",
    "BrevoTransportError",
    "BrevoConnectError",
    "BrevoTLSError",
    "BrevoTimeoutError",
    "BrevoConnectionLostError",
    "BrevoResponseError",
    "BrevoRefusedError",
    "BrevoRedirectError",
    "BrevoBadRequestError",
    "BrevoAuthenticationError",
    "BrevoUnknownKeyError",
    "BrevoMissingKeyError",
    "BrevoTokenRefusedError",
    "BrevoUnrecognisedIPError",
    "BrevoAccessDeniedError",
    "BrevoRestrictedKeyError",
    "BrevoNotFoundError",
    "BrevoMethodNotAllowedError",
    "BrevoPayloadTooLargeError",
    "BrevoRateLimitError",
    "BrevoServerError",
    "BrevoUnexpectedAnswerError",
    "Violation",
]
