"""Requests and answers as text for people: the key hidden, and personal values unless asked for."""

from __future__ import annotations

import http
import json
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.payload import encode
from airflow_provider_brevo.core.redaction import clean_text
from airflow_provider_brevo.core.transport import Answer, RequestsTransport
from airflow_provider_brevo.templating import Masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_brevo.core.config import BrevoSettings
    from airflow_provider_brevo.core.transport import Transport

_PUBLIC_HEADERS = {"accept", "content-type", "user-agent"}
_PERSONAL = ("identifiers", "contact_properties")
_MASK = "***"
_LONGEST = 4_000
"""Characters of an answer's body that are shown."""

_SHORTEST = 4
"""Characters of a personal text that is looked for in headers. Shorter ones stand in dates and counts, too."""


class Nowhere:
    """A transport that sends nothing, and answers as if Brevo had taken it."""

    def send(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:  # noqa: ARG002 # the seam's
        """Return an answer that holds a token, where one is asked for."""
        token = {"access_token": "none", "expires_in": 3600}
        return Answer(status=204) if path.startswith("/") else Answer(status=200, body=encode(token))

    def close(self) -> None:
        """Do nothing."""


class ShowingTransport:
    """A transport that shows what goes out and what comes back, but no exchange of OAuth credentials for a token.

    :param settings: the connection's.
    :param show: takes each request and each answer as a text of some lines.
    :param sends: whether to send at all; ``False`` shows requests alone.
    :param show_values: show personal values as they are.
    :param first_only: show the first request and its answer, and none after that.
    """

    def __init__(
        self,
        settings: BrevoSettings,
        show: Callable[[str], None],
        *,
        sends: bool,
        show_values: bool,
        first_only: bool,
    ) -> None:
        self._base_url = settings.base_url
        self._show = show
        self._sends = sends
        self._show_values = show_values
        self._first_only = first_only
        self._transport: Transport = RequestsTransport(settings) if sends else Nowhere()
        self._lock = threading.Lock()
        self._shown = False

    def send(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send one request, and show it with its answer.

        :raises BrevoTransportError: no complete answer came.
        """
        shown = path.startswith("/") and self._is_to_be_shown()
        if shown:
            sent = {name: value if name.lower() in _PUBLIC_HEADERS else _MASK for name, value in headers.items()}
            lines = [f"{method} {self._base_url}{path}", *(f"{name}: {value}" for name, value in sent.items())]
            self._show("\n".join([*lines, "", self._request_body(body), ""]))
        answer = self._transport.send(method, path, headers=headers, body=body)
        if shown and self._sends:
            self._show(f"{self._answer(answer, headers, body)}\n")
        return answer

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _is_to_be_shown(self) -> bool:
        with self._lock:
            shown, self._shown = self._shown, True
        return not (shown and self._first_only)

    def _request_body(self, body: bytes | None) -> str:
        content = _events_of(body)
        events = [self._masked(event) for event in content.get("events", [content])]
        text = _pretty({"events": events[:1]} if "events" in content else events[0])
        return text + (f"\nand {len(events) - 1} more in the same request" if len(events) > 1 else "")

    def _masked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: Masked(value).serialize() if name in _PERSONAL and not self._show_values else value
            for name, value in event.items()
        }

    def _answer(self, answer: Answer, headers: Mapping[str, str], body: bytes | None) -> str:
        secrets = [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() not in _PUBLIC_HEADERS]
        personal = [] if self._show_values else list(_personal_values(_events_of(body)))
        hidden = [*secrets, *(text for text in _texts(personal) if len(text) >= _SHORTEST)]

        def header(value: str) -> str:
            return _MASK if any(text.casefold() in value.casefold() for text in hidden) else value

        said = answer.body.decode(errors="replace")[:_LONGEST]
        if self._show_values:
            for secret in secrets:
                said = said.replace(secret, _MASK)
            said = "".join(char for char in said if char.isprintable() or char == "\n")
        else:
            said = clean_text(said, sent=encode(personal), secrets=secrets, max_length=_LONGEST)
        phrase = http.HTTPStatus(answer.status).phrase if answer.status in list(http.HTTPStatus) else ""
        lines = [f"{answer.status} {phrase}".strip()]
        lines += [
            f"{name}: {_MASK if name.lower() == 'set-cookie' else header(value)}"
            for name, value in answer.headers.items()
        ]
        return "\n".join([*lines, "", _as_pretty_as_possible(said)] if said.strip() else lines)


def _events_of(body: bytes | None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body or b"{}")
    return content


def _personal_values(content: Mapping[str, Any]) -> Iterator[Any]:
    for event in content.get("events", [content]):
        yield from (event[name] for name in _PERSONAL if name in event)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif not isinstance(value, bool):
        yield str(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _as_pretty_as_possible(text: str) -> str:
    try:
        return _pretty(json.loads(text))
    except ValueError:
        return text
