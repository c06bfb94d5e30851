"""Who we are to Brevo: an API key, or an OAuth client."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ApiKey", "OAuthClient"]

_API_KEY = re.compile(r"xkeysib-[0-9a-fA-F]{64}-[0-9A-Za-z]{16}")
_SMTP_PREFIX = "xsmtpsib-"
_API_PREFIX = "xkeysib-"


class SecretHeaders(dict[str, str]):
    """Headers that don't show their values: tools that print local variables with a traceback find no key."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


@dataclass(frozen=True)
class ApiKey:
    """A key of the kind ``xkeysib-…``, sent in the header ``api-key``.

    :param key: the key; it never appears in ``repr``.
    """

    key: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """Return the headers that authenticate a request."""
        return SecretHeaders({"api-key": self.key})

    def hint(self) -> str | None:
        """Say what looks wrong with the key, without showing it, or ``None`` if it looks like an API key."""
        if self.key.startswith(_SMTP_PREFIX):
            return "it is an SMTP key (xsmtpsib-…), the Events API wants an API key (xkeysib-…)"
        if _API_KEY.fullmatch(self.key):
            return None
        if self.key.startswith(_API_PREFIX):
            return "it looks cut off or masked: an API key is xkeysib-, 64 hex digits, - and 16 more characters"
        return "it does not look like an API key (xkeysib-…)"


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """An OAuth 2.0 client, which gets its tokens by the grant ``client_credentials`` (RFC 6749, 4.4).

    :param client_id: the client's id; it never appears in ``repr``.
    :param client_secret: its secret; it never appears in ``repr``.
    :param token_url: where tokens are fetched.
    :param scope: the scope to ask for; ``None`` asks for none.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    token_url: str
    scope: str | None = None
