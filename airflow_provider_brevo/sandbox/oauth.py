"""The OAuth token call, as RFC 6749 describes it for client credentials (4.4), and the tokens it gives."""

import binascii
import hashlib
import hmac
import math
import secrets
import threading
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from airflow_provider_brevo.sandbox.auth import UNKNOWN_KEY

EXPIRED_TOKEN = "Access token has expired"  # noqa: S105  # a message
FORM = "application/x-www-form-urlencoded"

_GRANT = "client_credentials"
_FIELDS = ("grant_type", "client_id", "client_secret", "scope")
_TOKEN_BYTES = 32


class TokenError(Exception):
    """A request for a token is refused.

    :param code: One of the error codes of RFC 6749, 5.2.
    :param description: What is wrong, without any secret.
    :param status: The HTTP status.
    """

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


class TokenDesk:
    """Gives tokens to clients, and knows the ones it gave.

    :param clients: Secrets by client id; None if any client is right.
    :param scopes: The scopes a client may ask for; None if any.
    :param seconds: How long a token is good for.
    :param clock: Gives the time.
    """

    def __init__(
        self,
        *,
        clients: Mapping[str, str] | None,
        scopes: Collection[str] | None,
        seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        if not 0 <= seconds < math.inf:
            raise ValueError("token_seconds must be a number from 0")
        self._clients = None if clients is None else dict(clients)
        self._scopes = None if scopes is None else sorted(set(scopes))
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    @property
    def issued(self) -> int:
        """How many tokens were given."""
        with self._lock:
            return self._issued

    def reset(self) -> None:
        """Forget every token."""
        with self._lock:
            self._issued = 0
            self._ends: dict[bytes, datetime] = {}

    def answer(self, *, content_type: str, authorization: str | None, body: bytes) -> web.Response:
        """Answer the token call.

        :param content_type: The media type of the body.
        :param authorization: The Authorization header, None if there is none.
        :param body: The body.
        """
        # RFC 6749, 5.1: answers that hold tokens must not be cached.
        headers = {"Cache-Control": "no-store"}
        try:
            scope = self._check(content_type, authorization, body)
        except TokenError as refusal:
            if refusal.code == "invalid_client" and authorization is not None:
                headers["WWW-Authenticate"] = 'Basic realm="partner"'
            said = {"error": refusal.code, "error_description": refusal.description}
            return web.json_response(said, status=refusal.status, headers=headers)
        granted = {"access_token": self._issue(), "token_type": "Bearer", "expires_in": int(self._seconds)}
        # A scope can't be empty (RFC 6749, 3.3): where none is known, none is told.
        return web.json_response({**granted, "scope": scope} if scope else granted, headers=headers)

    def refuse(self, token: str) -> str | None:
        """Check a token.

        :param token: What follows ``Bearer`` in the Authorization header.
        :return: The message of refusal, or None if the token is good.
        """
        with self._lock:
            end = self._ends.get(_digest(token))
        if end is None:
            return UNKNOWN_KEY
        return None if self._clock() < end else EXPIRED_TOKEN

    def _issue(self) -> str:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self._clock()
        with self._lock:
            # Long-ended ones are forgotten, so that a sandbox that runs for days stays small.
            self._ends = {key: end for key, end in self._ends.items() if now - end < timedelta(days=1)}
            self._ends[_digest(token)] = now + timedelta(seconds=self._seconds)
            self._issued += 1
        return token

    def _check(self, content_type: str, authorization: str | None, body: bytes) -> str:
        """Give the scope to grant.

        :raises TokenError: if the request is refused.
        """
        fields = _read_form(content_type, body)
        if "grant_type" not in fields:
            raise TokenError("invalid_request", "Missing form parameter: grant_type")
        if fields["grant_type"] != _GRANT:
            raise TokenError("unsupported_grant_type", "Unsupported grant_type")
        self._check_client(_credentials(fields, authorization))
        wanted = fields.get("scope", "").split()
        if self._scopes is None:
            return " ".join(wanted)
        if not set(wanted) <= set(self._scopes):
            raise TokenError("invalid_scope", "Invalid scopes")
        return " ".join(wanted or self._scopes)

    def _check_client(self, readings: list[tuple[str, str]]) -> None:
        if not readings or not all(readings[0]):
            raise TokenError("invalid_client", "Missing client id or client secret", status=401)
        if self._clients is None:
            return
        right = False
        for client, secret in readings:
            # An unknown client takes as long as a known one.
            expected = self._clients.get(client, "")
            same = hmac.compare_digest(_digest(secret), _digest(expected))
            right |= same and client in self._clients
        if not right:
            raise TokenError("invalid_client", "Invalid client or Invalid client credentials", status=401)


def _read_form(content_type: str, body: bytes) -> dict[str, str]:
    if content_type != FORM:
        raise TokenError("invalid_request", f"Content-Type must be {FORM}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=False, errors="strict", max_num_fields=100)
    except ValueError:
        raise TokenError("invalid_request", "The form could not be read") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        # RFC 6749, 3.2: "parameters MUST NOT be included more than once".
        raise TokenError("invalid_request", "A form parameter is given more than once")
    return {name: value for name, value in fields.items() if name in _FIELDS}


def _credentials(fields: dict[str, str], authorization: str | None) -> list[tuple[str, str]]:
    """Give what may be meant as client id and secret: by form one reading, by HTTP Basic up to two."""
    if authorization is None:
        return [(fields.get("client_id", ""), fields.get("client_secret", ""))]
    if "client_secret" in fields:
        # RFC 6749, 2.3: "MUST NOT use more than one authentication method in each request".
        raise TokenError("invalid_request", "The client authenticates in more than one way")
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    client, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise TokenError("invalid_client", "The Authorization header is not HTTP Basic", status=401)
    # RFC 6749, 2.3.1 wants both encoded like a form before they are joined; many clients leave that out.
    return [(unquote_plus(client), unquote_plus(secret)), (client, secret)]


def _digest(text: str) -> bytes:
    # Secrets are compared and looked up by digest: how long that takes tells nothing about them.
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
