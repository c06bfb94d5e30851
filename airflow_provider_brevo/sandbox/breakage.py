"""How faults look on the wire."""

import socket
import struct
from html import escape

from aiohttp import web

from airflow_provider_brevo.sandbox.faults import Fault
from airflow_provider_brevo.sandbox.replies import error

_UNKNOWN_IP = (
    "We have detected you are using an unrecognised IP address 10.1.2.3. If you performed this action make "
    "sure to add the new IP address in this link: https://app.brevo.com/security/authorised_ips"
)
_RESTRICTED = "Access denied for resource: account"
_REDIRECT_HOST = "https://elsewhere.example"
_TOO_MANY_REQUESTS = 429
# Linger for no time at all: closing then discards what is unsent and sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


def fault_reply(fault: Fault, status: int, request: web.Request, body: bytes) -> web.Response:
    """Make the answer of a fault that answers.

    :param fault: The fault.
    :param status: The status it answers with.
    :param request: What it answers to.
    :param body: The request's body.
    """
    reply = _body_of(fault, status, request, body)
    # Brevo's 429 has no Retry-After; the header that counts says that nothing remains.
    reset = 1 if fault.reset is None and status == _TOO_MANY_REQUESTS else fault.reset
    if reset is not None:
        reply.headers.update({"x-sib-ratelimit-remaining": "0", "x-sib-ratelimit-reset": str(reset)})
    if fault.retry_after is not None:
        reply.headers["Retry-After"] = str(fault.retry_after)
    return reply


def _body_of(fault: Fault, status: int, request: web.Request, body: bytes) -> web.Response:
    message = fault.message
    match fault.kind:
        case "truncated":
            reply = error(status, message or "This text ends before its announced length", code="truncated")
        case "non-json":
            title = escape(message or "Something went wrong on the way")
            page = f"<html><head><title>{status}</title></head><body><h1>{title}</h1></body></html>"
            reply = web.Response(status=status, text=page, content_type="text/html")
        case "empty":
            reply = web.Response(status=status)
        case "redirect":
            location = f"{_REDIRECT_HOST}{request.rel_url}" if fault.location is None else fault.location
            reply = web.Response(status=status, headers={"Location": location})
        case "unknown-ip":
            reply = error(status, message or _UNKNOWN_IP)
        case "restricted":
            reply = error(status, message or _RESTRICTED, code="permission_denied")
        case "echo":
            quoted = body.decode("utf-8", errors="replace")
            sent = request.headers.get("api-key") or request.headers.get("Authorization") or ""
            key = sent.encode(errors="replace").decode()
            reply = error(status, f"{message or 'Cannot process'}: {quoted} (api-key {key})")
        case _:
            reply = error(status, message)
    return reply


def break_connection(request: web.Request, *, reset: bool) -> None:
    """End a connection without an answer.

    :param request: The request that gets none.
    :param reset: Whether by RST, as a crash or a firewall does it, or else in order.
    """
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


async def send_half(request: web.Request, reply: web.Response) -> web.StreamResponse:
    """Send half of an answer and close the connection.

    :param request: What is answered to.
    :param reply: The whole answer.
    """
    whole = reply.body if isinstance(reply.body, bytes) else b""
    half = web.StreamResponse(status=reply.status, headers=reply.headers)
    half.content_length = len(whole)
    await half.prepare(request)
    await half.write(whole[: len(whole) // 2])
    break_connection(request, reset=False)
    return half
