"""Who may ask: the API key, the token, and the Host header that keeps web pages of other origins out."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

MISSING_KEY = "authentication not found in headers"
UNKNOWN_KEY = "Key not found"


def refuse_key(sent: str | None, expected: str | None) -> str | None:
    """Check an ``api-key`` header.

    :param sent: The header's value, None if there is none.
    :param expected: The one key that is right, or None if any key is.
    :return: Brevo's message of refusal, or None if the key is right.
    """
    if not sent:
        return MISSING_KEY
    if expected is None:
        return None
    # Headers are bytes on the wire; surrogateescape gives back the ones that are not UTF-8.
    same = hmac.compare_digest(sent.encode(errors="surrogateescape"), expected.encode())
    return None if same else UNKNOWN_KEY


def bearer_token(authorization: str | None) -> str | None:
    """Read an ``Authorization`` header.

    :param authorization: The header's value, None if there is none.
    :return: The token, or None if it holds none.
    """
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def is_loopback_host(host: str) -> bool:
    """Tell whether a Host header names this machine by a loopback name or address.

    A web page elsewhere can have its own host name resolve to 127.0.0.1 and so reach a local server with a
    visitor's browser (DNS rebinding). The browser then still sends that name as Host.

    :param host: The header's value.
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if name is None or parts.netloc != host or "@" in host:
        return False
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
