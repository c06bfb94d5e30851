"""Settings of a connection: read from its fields, checked, frozen."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from airflow_provider_brevo.core.auth import ApiKey, OAuthClient
from airflow_provider_brevo.core.hosts import DEFAULT_BASE_URL, KEY_LOOK, HostRules
from airflow_provider_brevo.exceptions import BrevoSettingsError

if TYPE_CHECKING:
    from collections.abc import Collection

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

_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|credential")
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)


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

    auth: ApiKey | OAuthClient
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
    reader = _Reader(fields.extra)
    problems = reader.problems
    reader.refuse_secrets()

    auth_type = reader.choice("auth_type", get_args(AuthType), "api_key")
    hosts = HostRules(allowed_hosts, problems)
    base_url = hosts.base_url(fields.host, fields.port, fields.schema)
    scope, token_url = reader.text("oauth_scope"), hosts.token_url(reader.text("oauth_token_url"), base_url)
    auth: ApiKey | OAuthClient
    if auth_type == "oauth":
        auth = _read_oauth_client(fields, token_url, scope, problems)
    else:
        auth = _read_key(fields, problems)
    sending = reader.choice("sending", get_args(Sending), "on")
    timeout = reader.number("timeout", DEFAULT_TIMEOUT, unit="a number of seconds", at_most=_LONGEST_TIMEOUT)
    max_retries = reader.whole_number("max_retries", DEFAULT_MAX_RETRIES)
    requests_per_second = reader.number("requests_per_second", None, unit="a number of requests")
    proxy = hosts.proxy(reader.text("proxy"), base_url)
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
            auth=auth,
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


def _shown(name: str) -> str | None:
    """Return an extra's name for a message, or ``None`` if somebody may have put a value there."""
    return repr(name) if _NAME.fullmatch(name) and not KEY_LOOK.search(name) else None


class _Reader:
    """Reads typed values from extras and collects what is wrong with them. Values never enter a message."""

    def __init__(self, extra: object) -> None:
        self.problems: list[str] = []
        if not isinstance(extra, Mapping | None):
            self.problems.append("the extra is no JSON object")
        given = extra if isinstance(extra, Mapping) else {}
        # The page of Airflow 2 tests a connection with each extra twice, under its own name and under a longer one.
        self.extra: dict[str, Any] = {
            str(k).removeprefix("extra__brevo__"): v for k, v in given.items() if v is not None and v != ""
        }

    def refuse_secrets(self) -> None:
        for name, value in self.extra.items():
            named_so = name not in EXTRAS and _SECRET_NAME.search(name)
            if named_so or KEY_LOOK.search(f"{name} {value}"):
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


def _read_key(fields: ConnectionFields, problems: list[str]) -> ApiKey:
    auth = ApiKey((fields.password or "").strip())  # keys copied from a page often bring a line end along
    if not auth.key:
        where = "it seems to be in the login: move" if KEY_LOOK.search(fields.login or "") else "put"
        problems.append(f"the API key is missing: {where} it into the field 'API key' (password)")
    elif not (auth.key.isascii() and auth.key.isprintable()) or " " in auth.key:
        problems.append("the API key holds blanks or characters that no key has: copy it again")
    return auth


def _read_oauth_client(fields: ConnectionFields, token_url: str, scope: str | None, problems: list[str]) -> OAuthClient:
    client = OAuthClient(
        client_id=(fields.login or "").strip(),
        client_secret=(fields.password or "").strip(),
        token_url=token_url,
        scope=scope,
    )
    if not client.client_id:
        problems.append("the OAuth client ID is missing: put it into the field 'OAuth client ID' (login)")
    if not client.client_secret:
        problems.append("the OAuth client secret is missing: put it into the field of the API key (password)")
    return client
