"""One request out, one answer in, over pooled HTTP connections.

This is the seam between the client and the network: a :class:`Transport` either returns an :class:`Answer`, whatever
its status, or raises a :class:`~airflow_provider_brevo.exceptions.BrevoTransportError`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.exceptions import (
    BrevoConnectError,
    BrevoConnectionLostError,
    BrevoTimeoutError,
    BrevoTLSError,
    BrevoTransportError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_brevo.core.config import BrevoSettings

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_POOL_SIZE = 16

_CHECK_CA_BUNDLE = "check the connection's ca_bundle, or REQUESTS_CA_BUNDLE in the worker's environment"
_CHECK_NETWORK = "check the base URL of the connection, and whether this worker may reach it"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer, whatever its status.

    :param status: HTTP status.
    :param headers: found by their names in any case.
    :param body: the complete body, not decoded.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


class Transport(Protocol):
    """What the client needs of the network."""

    def send(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send one request.

        :param method: HTTP method.
        :param path: path below the base URL, starting with ``/``, or a whole URL.
        :param headers: all headers.
        :param body: the body, or ``None``.
        :raises BrevoTransportError: no complete answer came.
        """

    def close(self) -> None:
        """Close the pooled connections."""


class RequestsTransport:
    """The real network, by `requests <https://requests.readthedocs.io>`_.

    Redirects are not followed, ``.netrc`` is not read, cookies are not kept, nothing is retried here. Proxies of the
    environment are used, except for loopback addresses: plain HTTP would show them the key.

    :param settings: host, timeout, proxy, certificates.
    """

    def __init__(self, settings: BrevoSettings) -> None:
        self._base_url = settings.base_url
        self._host = settings.host
        self._timeout = settings.timeout
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # What requests would read from the environment at every request is read once. An explicit `verify` is the
        # only kind that REQUESTS_CA_BUNDLE doesn't override (psf/requests 6695).
        environment = self._session.merge_environment_settings(self._base_url, {}, None, None, None)
        self._verify = settings.ca_bundle or environment["verify"] or True
        self._proxy = settings.proxy
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}
        self._proxies_by_host: dict[str, dict[str, str]] = {}

    def send(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send one request and read the whole answer.

        :param method: HTTP method.
        :param path: path below the base URL, starting with ``/``, or a whole URL.
        :param headers: all headers.
        :param body: the body, or ``None``.
        :raises BrevoTransportError: no complete answer came.
        """
        url = self._base_url + path if path.startswith("/") else path
        request = self._prepare(method, url)
        request.prepare_headers(headers)
        request.prepare_body(body, None)
        try:
            response = self._session.send(
                request,
                timeout=(self._timeout, self._timeout),
                verify=self._verify,
                proxies=self._proxies_for(url),
                cert=None,
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = bytearray()
                for chunk in response.iter_content(_CHUNK_BYTES):
                    content += chunk
                    if len(content) > _MAX_ANSWER_BYTES:
                        raise requests.exceptions.ContentDecodingError
                return Answer(status=response.status_code, headers=response.headers, body=bytes(content))
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own errors are OSErrors
            failure = error
        # Raised outside of the except block: requests' errors hold the request with its key and body, and must not
        # travel along as context.
        chain = _chain(failure)
        root = chain[-1]
        # Without their traceback, whose frames hold the key and say nothing beyond the error itself.
        cause = None if isinstance(root, requests.RequestException) else root.with_traceback(None)
        raise self._translate(chain) from cause

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _prepare(self, method: str, url: str) -> requests.PreparedRequest:
        """Return a request without headers and body; what is costly is done once for each URL without a query."""
        request = self._prepared.get((method, url))
        if request is None:
            # Without the session, which would add an Authorization header from .netrc (psf/requests 3929).
            request = requests.Request(method, url).prepare()
            if "?" not in url:
                self._prepared[method, url] = request
        return request.copy()

    def _proxies_for(self, url: str) -> dict[str, str]:
        host = urlsplit(url).hostname or ""
        if host not in self._proxies_by_host:
            if self._proxy:
                proxies = {"http": self._proxy, "https": self._proxy}
            elif is_loopback(host):
                proxies = {}
            else:
                proxies = dict(self._session.merge_environment_settings(url, {}, None, None, None)["proxies"])
            self._proxies_by_host[host] = proxies
        return self._proxies_by_host[host]

    def _translate(self, chain: list[BaseException]) -> BrevoTransportError:  # noqa: PLR0911 # a table
        host, seconds = self._host, f"{self._timeout:g} s"

        def has(*types: type[BaseException]) -> bool:
            return any(isinstance(error, types) for error in chain)

        if has(requests.exceptions.SSLError, ssl.SSLError):
            return self._translate_tls(chain)
        if has(requests.exceptions.ProxyError):
            return BrevoConnectError(
                f"The proxy on the way to {host} can't be used",
                advice="check the connection's proxy, or HTTPS_PROXY in the worker's environment",
            )
        if has(urllib3.exceptions.NameResolutionError):
            return BrevoConnectError(f"The host name of {host} can't be resolved", advice=_CHECK_NETWORK)
        if has(urllib3.exceptions.NewConnectionError, requests.exceptions.InvalidURL):
            return BrevoConnectError(f"{host} can't be reached", advice=_CHECK_NETWORK)
        # After the two above, which urllib3 derives from the connect timeout.
        if has(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
            return BrevoConnectError(f"{host} did not take the connection within {seconds}", advice=_CHECK_NETWORK)
        if has(requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            return BrevoTimeoutError(
                f"{host} did not answer within {seconds}",
                advice="the request may have been taken all the same; raise the connection's timeout if this stays so",
            )
        if isinstance(chain[0], OSError) and not isinstance(chain[0], requests.RequestException):
            # Not from the network at all: requests raises a bare OSError for a CA bundle that isn't there.
            return BrevoTLSError("The CA bundle can't be read", advice=_CHECK_CA_BUNDLE)
        return BrevoConnectionLostError(
            f"The connection to {host} broke before the answer was complete",
            advice="the request may have been taken all the same",
        )

    def _translate_tls(self, chain: list[BaseException]) -> BrevoTransportError:
        root = next((error for error in reversed(chain) if isinstance(error, ssl.SSLError)), None)
        reason = getattr(root, "reason", None) or ""
        if isinstance(root, ssl.SSLCertVerificationError):
            return BrevoTLSError(
                f"The certificate of {self._host} is not trusted ({root.verify_message})",
                advice="if a company proxy stands between, name its certificate as the connection's ca_bundle",
            )
        if root is not None and root.library != "SSL":  # OpenSSL's parts that read files
            return BrevoTLSError("The CA bundle holds no certificates", advice=_CHECK_CA_BUNDLE)
        if root is None or reason in {"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL"} or "ALERT" in reason:
            said = f" ({reason.replace('_', ' ').lower()})" if reason else ""
            return BrevoTLSError(
                f"{self._host} can't be spoken to by TLS{said}",
                advice="check the base URL's scheme and port, and the connection's ca_bundle",
            )
        # Anything else may also happen once the request is out.
        return BrevoConnectionLostError(
            f"The TLS connection to {self._host} broke", advice="the request may have been taken all the same"
        )


def _chain(error: BaseException) -> list[BaseException]:
    """List an error and what it wraps, outermost first: requests and urllib3 nest by argument, attribute and cause."""
    chain: list[BaseException] = []
    following: object = error
    while isinstance(following, BaseException) and following not in chain:
        chain.append(following)
        inner = [
            getattr(following, "reason", None),
            *following.args,
            following.__cause__,
            following.__context__,
        ]
        following = next((e for e in inner if isinstance(e, BaseException) and e not in chain), None)
    return chain
