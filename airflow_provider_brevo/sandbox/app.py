"""The HTTP side: routes, what every request passes through, and the calls themselves."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from airflow_provider_brevo.sandbox.auth import bearer_token, is_loopback_host, refuse_key
from airflow_provider_brevo.sandbox.batch import BatchCall, check_batch, refuse_size
from airflow_provider_brevo.sandbox.breakage import break_connection, fault_reply, send_half
from airflow_provider_brevo.sandbox.checks import InvalidEventError, check_event, parse_json
from airflow_provider_brevo.sandbox.faults import Fault, FaultList
from airflow_provider_brevo.sandbox.hiding import TOKEN_PATH, without_secrets
from airflow_provider_brevo.sandbox.limits import Limits
from airflow_provider_brevo.sandbox.oauth import TokenDesk
from airflow_provider_brevo.sandbox.page import Page, is_page_request
from airflow_provider_brevo.sandbox.query import InvalidQueryError, parse_query
from airflow_provider_brevo.sandbox.records import ReceivedRequest
from airflow_provider_brevo.sandbox.replies import ACCOUNT, error
from airflow_provider_brevo.sandbox.store import Store

MAX_BODY_BYTES = 1024 * 1024
"""Most bytes of any request body; past it 413. Well above what any documented call needs."""

_FIRST_ERROR_STATUS = 400
_FIRST_REFUSAL_STATUS = 300
_MULTI_STATUS = 207
_ARRIVAL: web.RequestKey[ReceivedRequest] = web.RequestKey("arrival", ReceivedRequest)
# A fault that happens to single events of a batch; taken away by the call to which it happens.
_FAULT: web.RequestKey[Fault] = web.RequestKey("fault", Fault)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Brevo's calls as an aiohttp application.

    Every request passes, in this order: Host, size of the body, latency, faults, route, key or token, limit. The
    page's own requests pass the Host only, and are not kept.

    :param store: Keeps what arrives.
    :param faults: What goes wrong.
    :param limits: How many requests are allowed.
    :param api_key: The one key that is right, None if any is.
    :param tokens: Gives and knows access tokens.
    :param page: The page at ``/``.
    :param batches: How the batch call reads and answers.
    :param queue_delay: Seconds until the events of a batch are shown.
    :param latency: Seconds every answer takes longer.
    :param clock: Gives the time.
    """

    store: Store
    faults: FaultList
    limits: Limits
    api_key: str | None = field(repr=False)
    tokens: TokenDesk
    page: Page
    batches: BatchCall
    queue_delay: float
    latency: float
    clock: Callable[[], datetime]

    def application(self) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=[self._middleware()], client_max_size=MAX_BODY_BYTES)
        self.page.add_routes(app)
        app.router.add_route("POST", TOKEN_PATH, self.give_token)
        app.router.add_route("POST", "/v3/events", self.create_event)
        app.router.add_route("POST", "/v3/events/batch", self.create_batch)
        app.router.add_route("GET", "/v3/events", self.list_events)
        app.router.add_route("GET", "/v3/account", self.show_account)
        return app

    async def give_token(self, request: web.Request) -> web.StreamResponse:
        """Give a client an access token.

        :param request: The request.
        """
        return self.tokens.answer(
            content_type=request.content_type,
            authorization=request.headers.get("Authorization"),
            body=await request.read(),
        )

    async def create_event(self, request: web.Request) -> web.StreamResponse:
        """Take one event: 204 without a body.

        The reference requires the header ``Content-Type: application/json`` and documents no answer but 400
        for a request that is wrong, so another type is answered with 400, not with 415.

        :param request: The request.
        """
        refusal = _refuse_media(request)
        if refusal is not None:
            return refusal
        try:
            event = check_event(parse_json(await request.read()))
        except InvalidEventError as wrong:
            return error(400, str(wrong))
        self.store.add_event(event, request[_ARRIVAL])
        return web.Response(status=204)

    async def create_batch(self, request: web.Request) -> web.StreamResponse:
        """Take the valid events of a batch.

        :param request: The request.
        """
        body = await request.read()
        refusal = _refuse_media(request) or refuse_size(body)
        if refusal is not None:
            return refusal
        try:
            events = self.batches.read(body)
        except InvalidEventError as wrong:
            return error(400, str(wrong))
        valid, errors = check_batch(events)
        fault = request.get(_FAULT)
        hit = self.faults.choose(fault, valid) if fault is not None else set()
        taken = valid if fault is None or fault.taken else {at: valid[at] for at in valid if at not in hit}
        if taken:
            self.store.add_batch(taken, request[_ARRIVAL], delay=self.queue_delay)
            if self.queue_delay:
                asyncio.get_running_loop().call_later(self.queue_delay, self.store.release)
        if fault is None or not hit:
            return self.batches.answer(len(events), errors)
        del request[_FAULT]
        if fault.kind == "short":
            return self.batches.answer(len(events), errors, dropped=len(hit))
        errors.setdefault(fault.message or "Event could not be processed", []).extend(sorted(hit))
        return self.batches.answer(len(events), errors, status=fault.status)

    async def list_events(self, request: web.Request) -> web.StreamResponse:
        """Show the events that match the query, newest first.

        :param request: The request.
        """
        try:
            query = parse_query(request.query.items(), now=self.clock())
        except InvalidQueryError as refusal:
            return error(400, str(refusal))
        count, events = self.store.find(query)
        return web.json_response({"count": count, "events": [event.listed() for event in events]})

    async def show_account(self, _: web.Request) -> web.StreamResponse:
        """Show the account that belongs to the key.

        :param _: The request.
        """
        return web.json_response(ACCOUNT)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._serve(request, handler)

        return serve

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_page_request(request.method, request.path):
            return await self._serve_page(request, handler)
        arrival = ReceivedRequest(
            method=request.method,
            path=request.path,
            query=request.rel_url.raw_query_string,
            headers={name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers},
        )
        request[_ARRIVAL] = arrival
        fault: Fault | None = None
        try:
            self.store.add_request(arrival)
            reply = await self._screen(request, arrival)
            if reply is None:
                await asyncio.sleep(self.latency)
                fault = self.faults.claim(arrival.method, arrival.path)
                reply, fault = await self._answer(request, arrival, handler, fault)
        except asyncio.CancelledError:
            self.store.complete_request(arrival, reason="The connection ended before the answer")
            self.store.count_answer(arrival)
            raise
        except Exception:  # noqa: BLE001  # whatever it is, a client gets an answer, and the log the reason.
            _log.exception("the sandbox failed to answer %s %s", arrival.method, arrival.path)
            reply = error(500)
        if fault is not None and fault.kind in {"reset", "close"}:
            self.store.complete_request(arrival, reason=f"Fault {fault.kind}: no answer")
            self.store.count_answer(arrival)
            break_connection(request, reset=fault.kind == "reset")
            return reply
        self._add_headers(request, reply)
        # Kept before it is sent, so that whoever reads the answer finds the status here.
        self.store.complete_request(arrival, status=reply.status, reason=_reason(reply, fault, arrival))
        self.store.count_answer(arrival)
        if fault is not None and fault.kind == "truncated" and isinstance(reply, web.Response):
            return await send_half(request, reply)
        return reply

    async def _serve_page(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refuse_host(request) or self.page.refuse(request)
        try:
            reply = await self._route(request, handler) if refusal is None else refusal
        except Exception:  # noqa: BLE001  # see above
            _log.exception("the sandbox failed to answer %s %s", request.method, request.path)
            reply = error(500)
        if not reply.prepared:
            self.page.secure(reply)
        return reply

    async def _screen(self, request: web.Request, arrival: ReceivedRequest) -> web.StreamResponse | None:
        """Read the request, unless it should not have come here or is too large."""
        refusal = _refuse_host(request)
        if refusal is not None:
            return refusal
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return error(413)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return error(413)
        except web.RequestPayloadError:
            return error(400, "The request body could not be read")
        self.store.complete_request(arrival, body=body)
        return None

    async def _answer(
        self, request: web.Request, arrival: ReceivedRequest, handler: Handler, fault: Fault | None
    ) -> tuple[web.StreamResponse, Fault | None]:
        """Give the answer, and the fault that happens to it."""
        if fault is None:
            return await self._carry_out(request, handler), None
        usual: web.StreamResponse | None = None
        if fault.of_batches:
            request[_FAULT] = fault
            usual = await self._carry_out(request, handler)
            if _FAULT in request:
                self.faults.give_back(fault)
            return usual, None if _FAULT in request else fault
        if fault.taken:
            usual = await self._carry_out(request, handler)
            if usual.status >= _FIRST_ERROR_STATUS:
                self.faults.give_back(fault)
                return usual, None
        status = fault.answer_status
        if status is not None:
            return fault_reply(fault, status, request, arrival.body), fault
        if fault.kind == "hang":
            await asyncio.sleep(fault.wait)
            return await self._carry_out(request, handler) if usual is None else usual, fault
        return web.Response(), fault

    async def _carry_out(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Do what a request asks for: route, key or token, limit, call."""
        if request.match_info.http_exception is not None or not _is_api(request):
            return await self._route(request, handler)
        message_of_refusal = self._refuse(request)
        if message_of_refusal is not None:
            return error(401, message_of_refusal)
        allowance = self.limits.take(_endpoint(request))
        if allowance.exceeded:
            return error(429, headers=allowance.headers())
        reply = await handler(request)
        reply.headers.update(allowance.headers())
        return reply

    async def _route(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        unrouted = request.match_info.http_exception
        if isinstance(unrouted, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(unrouted.allowed_methods))
            message = f"{request.method} Method is not allowed on this path"
            return error(405, message, headers={"Allow": allowed})
        return error(404, "Path not found") if unrouted is not None else await handler(request)

    def _refuse(self, request: web.Request) -> str | None:
        """Check key or token. Which of them counts if both are sent is undocumented: here the key."""
        key = request.headers.get("api-key")
        token = bearer_token(request.headers.get("Authorization"))
        if key or token is None:
            return refuse_key(key, self.api_key)
        return self.tokens.refuse(token)

    def _add_headers(self, request: web.Request, reply: web.StreamResponse) -> None:
        # Nothing grants other origins access: there are no CORS headers, on purpose.
        reply.headers["X-Content-Type-Options"] = "nosniff"
        if _is_api(request) and "x-sib-ratelimit-limit" not in reply.headers:
            for name, value in self.limits.peek(_endpoint(request)).headers().items():
                reply.headers.setdefault(name, value)


def _is_api(request: web.Request) -> bool:
    return request.path == "/v3" or request.path.startswith("/v3/")


def _endpoint(request: web.Request) -> str:
    return f"{request.method} {request.path}"


def _refuse_media(request: web.Request) -> web.Response | None:
    if request.content_type != "application/json":
        return error(400, "Content-Type must be application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return error(400, "Content-Encoding is not supported")
    return None


def _refuse_host(request: web.Request) -> web.Response | None:
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not is_loopback_host(hosts[0]):
        return error(421, "The sandbox answers only to loopback names and addresses")
    return None


def _reason(reply: web.StreamResponse, fault: Fault | None, arrival: ReceivedRequest) -> str | None:
    """Tell why a request was refused, without its secrets; None if it was not."""
    if fault is not None and fault.kind == "hang":
        # It is over, and what was asked for was done after all.
        fault = None
    if fault is None and reply.status < _FIRST_REFUSAL_STATUS and reply.status != _MULTI_STATUS:
        return None
    text = (reply.text if isinstance(reply, web.Response) else None) or ""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    if fault is None and said.get("failed_events") == 0:
        return None
    message = (
        said.get("message")
        or _rejected(said)
        or ": ".join(filter(None, (said.get("error"), said.get("error_description"))))
    )
    if fault is not None:
        message = f"Fault {fault.kind}: {message or reply.headers.get('Location') or reply.reason}"
    return without_secrets(message or str(reply.reason), arrival.headers, arrival.path, arrival.body)


def _rejected(said: dict[str, Any]) -> str:
    """Tell which part of a batch was rejected, and why its first event was; nothing if it is no such answer."""
    if not said.get("errors"):
        return ""
    events = f"{said['failed_events']} of {said['total_events']} events were rejected"
    return f"{events}: {said['errors'][0]['message']}"
