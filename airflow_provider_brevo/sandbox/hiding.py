"""What must not be shown or written to disk: keys, tokens and client secrets."""

from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

HIDDEN = "(hidden)"
"""Stands where a secret was."""

TOKEN_PATH = "/realms/partner/oauth/token"  # noqa: S105  # a path
"""Path of the token call, whose body holds a client's secret."""

_SECRET_HEADERS = frozenset({"api-key", "authorization", "proxy-authorization", "cookie", "partner-key"})
_FORM = "application/x-www-form-urlencoded"
# Whatever else a form or a query holds there may be a secret, under whatever name.
_HARMLESS_TOKEN_FIELDS = frozenset({"grant_type", "client_id", "scope"})
_SECRET_PARAMETERS = frozenset({"api-key", "api_key", "apikey", "access_token", "token", "client_secret"})


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Give headers without secrets.

    :param headers: Headers by lower-case name.
    """
    return {name: HIDDEN if name in _SECRET_HEADERS else value for name, value in headers.items()}


def shown_query(query: str) -> str:
    """Give a query string without secrets; Brevo takes none there, but clients err.

    :param query: The query string as it was sent.
    """
    return _mask(query, lambda name: name.lower() in _SECRET_PARAMETERS)


def shown_body(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Give a body without secrets. Only that of the token call can hold any.

    :param path: The request's path.
    :param headers: Its headers by lower-case name.
    :param body: Its body as it was sent.
    """
    if path != TOKEN_PATH or not body:
        return body
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return HIDDEN.encode()
    text = body.decode("utf-8", errors="replace")
    return _mask(text, lambda name: name not in _HARMLESS_TOKEN_FIELDS).encode()


def without_secrets(text: str, headers: Mapping[str, str], path: str, body: bytes) -> str:
    """Take a request's own secrets out of a text that quotes it.

    :param text: The text.
    :param headers: The request's headers by lower-case name.
    :param path: The request's path.
    :param body: The request's body.
    """
    if path == TOKEN_PATH and body:
        text = text.replace(body.decode("utf-8", errors="replace"), HIDDEN)
    secrets = [value for name, value in headers.items() if name in _SECRET_HEADERS]
    secrets += [value.partition(" ")[2] for value in secrets]
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret.encode(errors="replace").decode(), HIDDEN)
    return text


def _mask(pairs: str, is_secret: Callable[[str], bool]) -> str:
    def shown(pair: str) -> str:
        name, equals, _ = pair.partition("=")
        if not equals:
            # A pair without a name may be a secret that was pasted alone.
            return HIDDEN if pair and is_secret(pair) else pair
        return f"{name}={HIDDEN}" if is_secret(unquote_plus(name)) else pair

    return "&".join(shown(pair) for pair in pairs.split("&"))
