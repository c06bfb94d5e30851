"""Settings of a connection: read from its fields, checked, frozen."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.exceptions import BrevoSettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

DEFAULT_BASE_URL = "https://api.brevo.com/v3"
"""Brevo's only base URL; there are no regional hosts."""

_DEFAULT_PATH = "/v3"
_BREVO_DOMAIN = "brevo.com"

DEFAULT_TIMEOUT = 30.0
"""Seconds, for connecting and for each wait on the answer."""

_LONGEST_TIMEOUT = 86_400.0
"""Seconds; the operating system's sockets take no number beyond some years."""

DEFAULT_MAX_RETRIES = 5
"""Requests after the first one that a single call may make."""

Sending = Literal["on", "validate_only"]
AuthType = Literal["api_key", "oauth"]

EXTRAS = (
    "auth_type",
    "oauth_scope",
    "oauth_token_url",
    "sending",
    "timeout",
    "max_retries",
    "requests_per_second",
    "proxy",
    "ca_bundle",
)
"""Names of the connection extras that mean something here."""

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
# Deliberately narrower than RFC 3986: what one URL parser takes for a user name or a path, another may take for a
# host, and the key would follow the second one.
_URL = re.compile(rf"(?P<scheme>https?)://{_HOST}(?::(?P<port>\d{{1,5}}))?(?P<path>(?:/[A-Za-z0-9._~-]*)*)", re.ASCII)
_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|credential")
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_KEY_VALUE = re.compile(r"(?i)x(?:keysib|smtpsib)-")


@dataclass(frozen=True, kw_only=True)
class BrevoSettings:
    """How to reach Brevo, and as whom.

    :param auth: the credentials; hidden in ``repr``.
    :param base_url: scheme, host, port and path before ``/events``, without a trailing slash.
    :param sending: ``validate_only`` checks events and sends none: safety for staging, as Brevo has no test mode.
    :param timeout: seconds, for connecting and for each wait on the answer.
    :param max_retries: requests after the first one that a single call may make.
    :param requests_per_second: ceiling set by the user; ``None`` leaves it to the limits that Brevo announces.
    :param proxy: URL of an HTTP proxy; ``None`` follows the environment (``HTTPS_PROXY``, ``NO_PROXY``).
    :param ca_bundle: file or folder of trusted certificates; beats ``REQUESTS_CA_BUNDLE``.
    """

    auth: ApiKey
    base_url: str = DEFAULT_BASE_URL
    sending: Sending = "on"
    timeout: float = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    requests_per_second: float | None = None
    proxy: str | None = None
    ca_bundle: str | None = None

    @property
    def host(self) -> str:
        """Host and port of the base URL, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def is_loopback(self) -> bool:
        """Whether the base URL stays on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """The fields of an Airflow connection, as plain values. Secrets are hidden in ``repr``."""

    password: str | None = None
    login: str | None = None
    host: str | None = None
    port: int | None = None
    schema: str | None = None
    extra: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(host=…, port={self.port}, …)"


def read_settings(fields: ConnectionFields, *, allowed_hosts: Collection[str] = ()) -> tuple[BrevoSettings, list[str]]:
    """Turn the fields of a connection into settings.

    ``None`` and ``""`` mean unset everywhere, since Airflow's forms save unset fields so. Numbers may be strings,
    since URIs and the form of Airflow 2.11 can't give anything else.

    :param fields: the connection.
    :param allowed_hosts: hosts beside ``brevo.com`` and loopback that may be given the key, as the deployment's
        configuration lists them (``[brevo] allowed_hosts``): ``host`` or ``host:port``.
    :return: the settings, and warnings for the log (they hold no values).
    :raises BrevoSettingsError: something is wrong; the error lists all of it.
    """
    reader = _Reader({k: v for k, v in (fields.extra or {}).items() if v is not None and v != ""})
    problems = reader.problems
    reader.refuse_secrets()

    auth_type = reader.choice("auth_type", get_args(AuthType), "api_key")
    if auth_type == "oauth":
        problems.append("extra 'auth_type' is oauth, which this version does not support yet: use api_key")
    key = _read_key(fields.password, problems)
    base_url = _read_base_url(fields, allowed_hosts, problems)
    sending = reader.choice("sending", get_args(Sending), "on")
    timeout = reader.number("timeout", DEFAULT_TIMEOUT, unit="a number of seconds", at_most=_LONGEST_TIMEOUT)
    max_retries = reader.whole_number("max_retries", DEFAULT_MAX_RETRIES)
    requests_per_second = reader.number("requests_per_second", None, unit="a number of requests")
    proxy = _read_proxy(reader.text("proxy"), base_url, problems)
    ca_bundle = reader.text("ca_bundle")
    if ca_bundle and not os.path.exists(ca_bundle):  # noqa: PTH110 # Path.exists() raises for folders it may not enter
        problems.append("extra 'ca_bundle' names a file that this worker does not have")
    if problems:
        raise BrevoSettingsError(problems)

    warnings = []
    if unknown := sorted(reader.extra.keys() - set(EXTRAS)):
        names = ", ".join(_shown(name) or "one whose name is not a word" for name in unknown)
        warnings.append(f"The Brevo connection has extras that mean nothing here: {names}.")
    return (
        BrevoSettings(
            auth=ApiKey(key),
            base_url=base_url,
            sending=sending,  # type: ignore[arg-type] # choice() lets only members of Sending through
            timeout=timeout,
            max_retries=max_retries,
            requests_per_second=requests_per_second,
            proxy=proxy,
            ca_bundle=ca_bundle,
        ),
        warnings,
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    host = host.strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(name: str) -> str | None:
    """Return an extra's name for a message, or ``None`` if somebody may have put a value there."""
    return repr(name) if _NAME.fullmatch(name) and not _KEY_VALUE.search(name) else None


class _Reader:
    """Reads typed values from extras and collects what is wrong with them. Values never enter a message."""

    def __init__(self, extra: Mapping[str, Any]) -> None:
        self.extra = extra
        self.problems: list[str] = []

    def refuse_secrets(self) -> None:
        for name, value in self.extra.items():
            named_so = name not in EXTRAS and _SECRET_NAME.search(name)
            if named_so or _KEY_VALUE.search(f"{name} {value}"):
                self.problems.append(
                    f"the extras hold a secret ({_shown(name) or 'one'}), and extras are not encrypted in every place"
                    " they are shown: move it to the field 'API key' (password)"
                )

    def text(self, name: str) -> str | None:
        value = self.extra.get(name)
        if value is None or isinstance(value, str):
            return value
        self.problems.append(f"extra {name!r} must be text")
        return None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.extra.get(name, default)
        if isinstance(value, str) and value.strip().lower() in choices:
            return value.strip().lower()
        self.problems.append(f"extra {name!r} must be one of {', '.join(choices)}")
        return default

    def number(self, name: str, default: Any, *, unit: str, at_most: float = math.inf) -> Any:
        value = self.extra.get(name)
        if value is None:
            return default
        number = _as_float(value)
        if number is not None and 0 < number <= at_most:
            return number
        bound = f", at most {at_most:g}" if math.isfinite(at_most) else ""
        self.problems.append(f"extra {name!r} must be {unit} above 0{bound}")
        return default

    def whole_number(self, name: str, default: int) -> int:
        value = self.extra.get(name)
        if value is None:
            return default
        number = _as_float(value)
        if number is not None and number >= 0 and number == int(number):
            return int(number)
        self.problems.append(f"extra {name!r} must be a whole number, 0 or more")
        return default


def _as_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_key(password: str | None, problems: list[str]) -> str:
    key = (password or "").strip()  # keys copied from a page often bring a line end along
    if not key:
        problems.append("the API key is missing: put it into the field 'API key' (password)")
    elif not (key.isascii() and key.isprintable()) or " " in key:
        problems.append("the API key holds blanks or characters that no key has: copy it again")
    return key


def _read_base_url(fields: ConnectionFields, allowed_hosts: Collection[str], problems: list[str]) -> str:
    """Put the host, port and schema fields together to the base URL, and check that the key may go there."""
    host = (fields.host or "").strip().rstrip("/")
    path = (fields.schema or "").strip().strip("/")
    if not host:
        if path or fields.port:
            problems.append("a port or schema is given without a host: give the whole base URL as host")
        return DEFAULT_BASE_URL
    match = _URL.fullmatch(_with_scheme(host))
    if match is None:
        problems.append(
            "the base URL (host) is not of the form https://host[:port][/path]: no user, query or fragment is taken"
        )
        return DEFAULT_BASE_URL
    if _KEY_VALUE.search(f"{host} {path}"):
        problems.append(
            "the base URL (host) or the field 'schema' holds a key: move it to the field 'API key' (password)"
        )
        return DEFAULT_BASE_URL
    port = match["port"]
    if fields.port is not None:
        if port and int(port) != fields.port:
            problems.append("the base URL (host) and the field 'port' name different ports")
        port = str(fields.port)
    if port and not 0 < int(port) < 65536:  # noqa: PLR2004 # the range of TCP ports
        problems.append("the port of the base URL must be between 1 and 65535")
    if path and match["path"].strip("/"):
        problems.append("the base URL (host) and the field 'schema' both name a path")
    path = "/".join(part for part in (match["path"].strip("/"), path) if part)
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", path):
        problems.append("the field 'schema' is no path of a base URL")
        return DEFAULT_BASE_URL
    name = match["host"].lower()
    netloc = f"{name}:{port}" if port else name
    _check_host(match["scheme"], name, netloc, allowed_hosts, problems)
    return f"{match['scheme']}://{netloc}/{path}" if path else f"{match['scheme']}://{netloc}{_DEFAULT_PATH}"


def _with_scheme(host: str) -> str:
    if "://" in host:
        return host
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address, which Airflow takes out of its brackets in a URI
    bare = re.match(_HOST, host)
    return f"{'http' if bare and is_loopback(bare['host']) else 'https'}://{host}"


def _check_host(scheme: str, name: str, netloc: str, allowed_hosts: Collection[str], problems: list[str]) -> None:
    if is_loopback(name):
        return
    allowed = {host.strip().lower() for host in allowed_hosts}
    if name != _BREVO_DOMAIN and not name.endswith("." + _BREVO_DOMAIN) and not allowed & {name, netloc}:
        problems.append(
            f"the connection's host may not be given the key: use {DEFAULT_BASE_URL}, or ask an administrator to list"
            " the host in Airflow's configuration, [brevo] allowed_hosts"
        )
    if scheme != "https":
        problems.append("the base URL must be https, since http would show the key to the network between")


def _read_proxy(proxy: str | None, base_url: str, problems: list[str]) -> str | None:
    if proxy is None:
        return None
    match = _URL.fullmatch(proxy.strip().rstrip("/"))
    if match is None:
        problems.append(
            "extra 'proxy' is not of the form http://host:port: a user and password for it belong into the worker's"
            " environment (HTTPS_PROXY)"
        )
        return None
    if base_url.startswith("http://") and not is_loopback(match["host"]):
        problems.append("extra 'proxy' would carry the key unencrypted away from this machine: use an https base URL")
    return proxy.strip().rstrip("/")
