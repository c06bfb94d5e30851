"""What authenticates a request: a key that stays, or a token that is fetched, kept and renewed."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from airflow_provider_brevo.core.answers import retry_after_seconds
from airflow_provider_brevo.core.auth import ApiKey, OAuthClient, SecretHeaders
from airflow_provider_brevo.core.redaction import clean_text
from airflow_provider_brevo.exceptions import (
    BrevoTLSError,
    BrevoTokenError,
    BrevoTokenRefusedError,
    BrevoTransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_brevo.core.transport import Answer, Transport

_RENEW_BEFORE = 60.0
"""Seconds before its end that a token is renewed, so that it doesn't end on its way; a tenth of its life if less."""

_DEFAULT_LIFE = 600.0
"""Seconds that a token is used if the server doesn't say how long it lives, as RFC 6749, 5.1 lets it."""

_MAX_TEXT = 200
_CHECK_TOKEN_URL = "check the connection's extra oauth_token_url, and whether this worker may reach it"  # noqa: S105 # an advice
_ADVICE = {
    "invalid_client": "check the OAuth client ID (login) and its secret (password) of the connection",
    "invalid_scope": "check the connection's extra oauth_scope, or leave it empty",
    "unauthorized_client": "let the client use the grant client_credentials in Brevo",
}


class _SecretBody(bytes):
    """A body that doesn't show itself: see :class:`~airflow_provider_brevo.core.auth.SecretHeaders`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__


class Authenticator(Protocol):
    """Gives requests their credentials."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that authenticate a request.

        :raises BrevoTokenError: no token can be had now.
        :raises BrevoTokenRefusedError: no token can be had with these credentials.
        """

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Give up credentials that were answered with 401, and tell whether others may do better.

        :param refused: the headers that the request was sent with.
        """

    def secrets(self) -> list[str]:
        """List what must not appear in any text."""


class KeyAuthenticator:
    """Sends the API key with each request.

    :param key: the key.
    """

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def headers(self) -> Mapping[str, str]:
        """Return the header with the key."""
        return self._key.headers()

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 # there is but one key
        """Tell that a key that was refused will be refused again."""
        return False

    def secrets(self) -> list[str]:
        """List the key."""
        return [self._key.key]


class TokenAuthenticator:
    """Fetches a token on first use, keeps it, and renews it before it ends. All threads share one token.

    :param client: the OAuth client.
    :param transport: the network.
    :param user_agent: for the header of that name.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        client: OAuthClient,
        transport: Transport,
        *,
        user_agent: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._transport = transport
        self._user_agent = user_agent
        self._clock = clock
        self._lock = threading.Lock()
        self._token = SecretHeaders()
        self._former = SecretHeaders()
        self._renew_at = -math.inf

    def headers(self) -> Mapping[str, str]:
        """Return the header with a token that is good for a while."""
        with self._lock:  # whoever comes while a token is being fetched waits for that one
            asked_at = self._clock()  # a token's life starts before its answer is here
            if asked_at >= self._renew_at:
                token, life = self._fetch()
                self._former, self._token = self._token, token
                self._renew_at = asked_at + life - min(_RENEW_BEFORE, life / 10)
            return self._token

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Drop the refused token, unless another thread has renewed it already."""
        with self._lock:
            if refused == self._token:
                self._renew_at = -math.inf
        return True

    def secrets(self) -> list[str]:
        """List the client's id and secret, the token, and the one before, which other threads may still be using."""
        headers = [*self._token.values(), *self._former.values()]
        return [*self._client_secrets(), *(header.removeprefix("Bearer ") for header in headers)]

    def _client_secrets(self) -> list[str]:
        return [self._client.client_secret, self._client.client_id]

    def _form(self) -> bytes:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret,
            **({"scope": self._client.scope} if self._client.scope else {}),
        }
        # JSON can hold surrogates, which are no characters; the error of their encoding would hold the secret.
        return _SecretBody(urlencode(form, errors="surrogatepass").encode("ascii"))

    def _fetch(self) -> tuple[SecretHeaders, float]:
        headers = {
            "accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": self._user_agent,
        }
        try:
            answer = self._transport.send("POST", self._client.token_url, headers=headers, body=self._form())
        except BrevoTransportError as error:
            # Whatever became of this request, the event was not sent: nothing is uncertain.
            raise BrevoTokenError(
                f"No OAuth token could be fetched: {error.problem}",
                advice=error.advice if isinstance(error, BrevoTLSError) else _CHECK_TOKEN_URL,
                can_pass=error.retry_here,
            ) from error
        granted = _granted(answer)
        if granted is None:
            raise self._refusal(answer)
        return granted

    def _refusal(self, answer: Answer) -> BrevoTokenError | BrevoTokenRefusedError:
        content = _as_object(answer.body)
        said = content.get("error")
        # Read before it is cleaned: an id like "prod_client" would hide a part of "invalid_client".
        known = isinstance(said, str) and said in _ADVICE
        if not known and (answer.status >= 500 or answer.status in {408, 429}):  # noqa: PLR2004 # faults that pass
            error = BrevoTokenError(
                f"No OAuth token could be fetched (HTTP {answer.status})", advice="try again later", can_pass=True
            )
            error.retry_after = retry_after_seconds(answer)
            return error
        code = str(said) if known else self._clean(said)
        return BrevoTokenRefusedError(
            status=answer.status,
            code=code,
            message=self._clean(content.get("error_description")),
            advice=_ADVICE.get(code or "", "check the connection's OAuth fields and its extra oauth_token_url"),
        )

    def _clean(self, text: object) -> str | None:
        if not isinstance(text, str) or not text.strip():
            return None
        return clean_text(text, sent=None, secrets=self._client_secrets(), max_length=_MAX_TEXT)


def _granted(answer: Answer) -> tuple[SecretHeaders, float] | None:
    """Read the token and its life in seconds, or ``None`` if there is none that could be sent in a header."""
    content = _as_object(answer.body)
    token = content.get("access_token")
    sendable = isinstance(token, str) and token.isascii() and token.isprintable() and token != ""
    if answer.status != 200 or not sendable:  # noqa: PLR2004 # RFC 6749, 5.1
        return None
    return SecretHeaders({"Authorization": f"Bearer {token}"}), _life(content.get("expires_in"))


def _life(seconds: object) -> float:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= sys.float_info.max:
        return _DEFAULT_LIFE
    return float(seconds)


def _as_object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
