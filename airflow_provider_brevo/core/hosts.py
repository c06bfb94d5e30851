"""Where the key may go: the rules for URLs that a connection names.

Whoever may edit a connection but not read its key must not be able to have the key sent to a host of their own.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_BASE_URL = "https://api.brevo.com/v3"
"""Brevo's only base URL; there are no regional hosts."""

_DEFAULT_PATH = "v3"
_TOKEN_PATH = "/realms/partner/oauth/token"  # noqa: S105 # a path
_BREVO_DOMAIN = "brevo.com"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])"
# Deliberately narrower than RFC 3986: what one URL parser takes for a user name or a path, another may take for a
# host, and the key would follow the second one.
_URL = re.compile(
    rf"(?P<scheme>(?i:https?))://{_HOST}(?::(?P<port>\d{{1,5}}))?(?P<path>(?:/[A-Za-z0-9._~-]*)*)", re.ASCII
)
_PATH = re.compile(r"[A-Za-z0-9._~/-]*", re.ASCII)
_SCHEMES = frozenset({"http", "https"})

KEY_LOOK = re.compile(r"(?i)x(?:keysib|smtpsib)-")
"""How keys of Brevo begin, wherever somebody may have pasted one."""


def shown_id(conn_id: object) -> str:
    """Return the id of a connection for a message; a key that was given in its place is not shown.

    :param conn_id: what was given as the id.
    """
    return (
        "'***' (that looks like a key: name the connection by its id)"
        if KEY_LOOK.search(str(conn_id))
        else repr(conn_id)
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine.

    :param host: name, or address with or without brackets.
    """
    host = host.strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HostRules:
    """Reads the URLs of one connection, and collects what is wrong with them. Values never enter a message.

    :param allowed_hosts: hosts beside ``brevo.com`` and loopback that may be given the key: ``host`` or ``host:port``.
    :param problems: takes what is wrong, one sentence each.
    """

    def __init__(self, allowed_hosts: Collection[str], problems: list[str]) -> None:
        self._allowed = {_normalised(host) for host in allowed_hosts}
        self._problems = problems
        self._token_in_clear = False

    def base_url(self, host: str | None, port: int | None, schema: str | None) -> str:
        """Put host, port and schema together to the base URL.

        :param host: a whole URL, or a host with or without port and path.
        :param port: the port, where the host doesn't name it.
        :param schema: the path, as Airflow reads it from a URI; or the scheme, as other connection types use the field.
        """
        host = (host or "").strip().rstrip("/")
        path = (schema or "").strip().strip("/")
        if not host:
            if path or port:
                self._problems.append("a port or schema is given without a host: give the whole base URL as host")
            return DEFAULT_BASE_URL
        scheme = path.lower() if path.lower() in _SCHEMES else None
        if scheme:
            path = ""
        match = _URL.fullmatch(_with_scheme(host, scheme))
        if match is None or KEY_LOOK.search(f"{host} {path}") or not _PATH.fullmatch(path):
            self._problems.append(
                "the base URL (host) is not of the form https://host[:port][/path]: no user, key, query or fragment is"
                " taken"
            )
            return DEFAULT_BASE_URL
        if scheme and match["scheme"].lower() != scheme:
            self._problems.append("the base URL (host) and the field 'schema' name different schemes")
        if match["port"] and port is not None and int(match["port"]) != port:
            self._problems.append("the base URL (host) and the field 'port' name different ports")
        if match["path"].strip("/") and path:
            self._problems.append("the base URL (host) and the field 'schema' both name a path")
        path = match["path"].strip("/") or path
        if path.split("/")[-1] == "events":
            self._problems.append("the base URL (host) ends before /events: https://api.brevo.com/v3")
        netloc = self._check("base URL (host)", match, str(port) if port is not None else match["port"])
        return f"{match['scheme'].lower()}://{netloc}/{path or _DEFAULT_PATH}"

    def token_url(self, url: str | None, base_url: str) -> str:
        """Check where OAuth tokens are fetched.

        :param url: what the connection names, if anything. The default is Brevo's path on the origin of the base URL,
            so that the secret of a connection to a sandbox is never sent to the real Brevo.
        :param base_url: the connection's base URL.
        """
        if url is None:
            return "/".join(base_url.split("/")[:3]) + _TOKEN_PATH
        match = _URL.fullmatch(url.strip())
        if match is None or KEY_LOOK.search(url):
            self._problems.append("extra 'oauth_token_url' is not of the form https://host[:port]/path")
            return DEFAULT_BASE_URL
        self._token_in_clear = match["scheme"].lower() == "http"
        netloc = self._check("extra 'oauth_token_url'", match, match["port"])
        return f"{match['scheme'].lower()}://{netloc}{match['path']}"

    def proxy(self, url: str | None, base_url: str) -> str | None:
        """Check an HTTP proxy, after the token URL, which is reached through it too.

        :param url: what the connection names, if anything.
        :param base_url: the connection's base URL.
        """
        if url is None:
            return None
        match = _URL.fullmatch(url.strip().rstrip("/"))
        if match is None:
            self._problems.append(
                "extra 'proxy' is not of the form http://host:port: a user and password for it belong into the worker's"
                " environment (HTTPS_PROXY)"
            )
            return None
        if (self._token_in_clear or base_url.startswith("http://")) and not is_loopback(match["host"]):
            self._problems.append(
                "extra 'proxy' would carry the key unencrypted away from this machine: use https URLs"
            )
        return url.strip().rstrip("/")

    def _check(self, what: str, match: re.Match[str], port: str | None) -> str:
        """Check that the key may go to a URL, and return its host and port."""
        name = match["host"].lower()
        netloc = f"{name}:{port}" if port else name
        if port and not 0 < int(port) < 65536:  # noqa: PLR2004 # the range of TCP ports
            self._problems.append(f"the port of the {what} must be between 1 and 65535")
        if is_loopback(name):
            return netloc
        is_brevo = name == _BREVO_DOMAIN or name.endswith("." + _BREVO_DOMAIN)
        if not is_brevo and not self._allowed & {name, f"{name}:{int(port or 443)}"}:
            self._problems.append(
                f"the host of the {what} may not be given the key: use {DEFAULT_BASE_URL}, or ask an administrator to"
                " list the host in Airflow's configuration, [brevo] allowed_hosts"
            )
        if match["scheme"].lower() != "https":
            self._problems.append(f"the {what} must be https, since http would show the key to the network between")
        return netloc


def _with_scheme(host: str, scheme: str | None) -> str:
    if "://" in host:
        return host
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address, which Airflow takes out of its brackets in a URI
    bare = re.match(_HOST, host)
    return f"{scheme or ('http' if bare and is_loopback(bare['host']) else 'https')}://{host}"


def _normalised(host: str) -> str:
    """Bring an allowed host to the form in which hosts are compared: no scheme, no slash."""
    return host.strip().lower().removeprefix("https://").rstrip("/")
