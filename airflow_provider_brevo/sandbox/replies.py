"""Answers in Brevo's form, and the account that the sandbox pretends to be."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

ACCOUNT: dict[str, Any] = {
    "organization_id": "5f0000000000000000000025",
    "user_id": 8025,
    "enterprise": False,
    "companyName": "Sandbox GmbH",
    "email": "owner@sandbox.example",
    "firstName": "Sam",
    "lastName": "Sandbox",
    "address": {"street": "Example Street 1", "city": "Berlin", "zipCode": "10115", "country": "Germany"},
    "plan": [{"type": "free", "creditsType": "sendLimit", "credits": 300}],
    "planVerticals": [
        {
            "planCategory": "Marketing",
            "planType": "free",
            "name": "Free",
            "status": "active",
            "credits": "300",
        }
    ],
    "relay": {
        "enabled": True,
        "data": {"userName": "owner@sandbox.example", "relay": "smtp-relay.sandbox.example", "port": 587},
    },
    "marketingAutomation": {"enabled": True, "key": "sandbox-tracker-key"},
}
"""What ``GET /v3/account`` answers. The real one holds personal data and a key; here they are invented."""

_CODES = {
    400: ("invalid_parameter", "Invalid parameter"),
    401: ("unauthorized", "Key not found"),
    402: ("not_enough_credits", "Not enough credits"),
    403: ("permission_denied", "Access denied"),
    404: ("document_not_found", "Document not found"),
    405: ("method_not_allowed", "Method is not allowed on this path"),
    413: ("payload_too_large", "The request body is too large"),
    429: ("too_many_requests", "Too many requests have been sent. Please try again later"),
}


def error(
    status: int, message: str | None = None, *, code: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """Make an answer that refuses.

    :param status: The HTTP status.
    :param message: What to say; by default something that fits the status.
    :param code: Brevo's short code; by default the one that fits the status.
    :param headers: Headers to send with it.
    """
    usual_code, usual_message = _usual(status)
    return web.json_response(
        {"code": code or usual_code, "message": usual_message if message is None else message},
        status=status,
        headers=headers,
    )


def _usual(status: int) -> tuple[str, str]:
    if status in _CODES:
        return _CODES[status]
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        return "error", f"Status {status}"
    return phrase.lower().replace(" ", "_").replace("-", "_").replace("'", ""), phrase
