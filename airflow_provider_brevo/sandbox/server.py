"""The sandbox as a server in a thread of its own, so that blocking tests can use it."""

import asyncio
import logging
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from airflow_provider_brevo.sandbox.app import Api
from airflow_provider_brevo.sandbox.batch import BatchCall
from airflow_provider_brevo.sandbox.connection import connection_line
from airflow_provider_brevo.sandbox.counts import Duplicates, Stats
from airflow_provider_brevo.sandbox.faults import Fault, FaultList
from airflow_provider_brevo.sandbox.journal import Journal
from airflow_provider_brevo.sandbox.limits import Limits
from airflow_provider_brevo.sandbox.oauth import TokenDesk
from airflow_provider_brevo.sandbox.page import Page
from airflow_provider_brevo.sandbox.records import ReceivedEvent, ReceivedRequest
from airflow_provider_brevo.sandbox.store import KEEP, Store

_HOST = "127.0.0.1"
_BACKLOG = 256
_START_SECONDS = 10.0
# Connections are aborted before, so this is only a bound; aiohttp takes 0 for "wait for ever".
_SHUTDOWN_SECONDS = 0.1

# aiohttp reports a request it can't parse with the line at fault, which may hold the key.
_QUIET = logging.Logger("airflow_provider_brevo.sandbox.http")  # noqa: LOG001  # outside the tree: no handler sees it
_QUIET.addHandler(logging.NullHandler())


def _now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """A local Brevo on 127.0.0.1, for use in a ``with`` statement or with :meth:`start` and :meth:`stop`.

    :param port: The port; 0 for any that is free.
    :param api_key: The one key that is right; None if any key is.
    :param rate: Requests a window and endpoint; None for a limit that is never reached. A request that is refused
        for it does not count.
    :param window: ``fixed``: one window follows the other, from a moment that clients can't know; or ``sliding``: the
        requests of the last ``window_seconds`` count.
    :param window_seconds: How long a window is, in seconds.
    :param phase: When fixed windows begin: so many seconds after every whole multiple of their length since 1970 in
        UTC; None to have it drawn.
    :param latency: Seconds every answer takes longer.
    :param faults: What goes wrong, as :class:`Fault` or text.
    :param known_objects: Types of object the account has; None if it has all.
    :param batch_form: What the body of a batch is: ``object``, ``{"events": […]}``, or ``array``, the list alone, as
        before 21 April 2026.
    :param batch_status: The answer to a batch of valid events: 202 as documented, or 200, 204 or 207 as seen before.
    :param queue_delay: Seconds until the events of a batch are shown by ``GET /v3/events`` and the page;
        :attr:`events` has them at once.
    :param keep: How many events, and how many requests (of at most 64 MiB together), are kept in memory: the newest.
        Counts are of everything.
    :param db: A file that keeps what arrives beyond the sandbox's end; None to keep it in memory.
    :param oauth_clients: Secrets by client id; None if any client with any secret is right.
    :param oauth_scopes: The scopes that exist; None if all do.
    :param token_seconds: How long an access token is good for.
    :param ssl_context: Makes it speak https.
    :param clock: Gives the aware time for arrivals, limits and the default range of queries.
    :param rng: Rolls the dice for faults with a ``chance`` or ``share``, and draws the phase.
    :raises ValueError: if a value is out of range.
    """

    def __init__(  # settings, all by keyword and with a default
        self,
        *,
        port: int = 0,
        api_key: str | None = None,
        rate: int | None = None,
        window: str = "fixed",
        window_seconds: float = 1.0,
        phase: float | None = None,
        latency: float = 0.0,
        faults: Iterable[Fault | str] = (),
        known_objects: Collection[str] | None = None,
        batch_form: str = "object",
        batch_status: int = 202,
        queue_delay: float = 0.0,
        keep: int = KEEP,
        db: str | os.PathLike[str] | None = None,
        oauth_clients: Mapping[str, str] | None = None,
        oauth_scopes: Collection[str] | None = None,
        token_seconds: float = 3600.0,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = _now,
        rng: random.Random | None = None,
    ) -> None:
        self._wanted_port = port
        self._ssl_context = ssl_context
        self._has_key = api_key is not None
        rng = random.Random() if rng is None else rng  # noqa: S311  # dice, no secrets
        journal = None if db is None else Journal(db)
        self._store = Store(known_objects=known_objects, clock=clock, journal=journal, keep=keep)
        self._tokens = TokenDesk(clients=oauth_clients, scopes=oauth_scopes, seconds=token_seconds, clock=clock)
        self._phase = rng.uniform(0, window_seconds) if phase is None else phase
        self._limits = Limits(rate=rate, clock=clock, window=window, seconds=window_seconds, phase=self._phase)
        self._faults = FaultList(rng=rng)
        for fault in faults:
            self._faults.add(fault)
        self._api = Api(
            store=self._store,
            faults=self._faults,
            limits=self._limits,
            api_key=api_key,
            tokens=self._tokens,
            page=Page(store=self._store, connection=lambda: self.connection),
            batches=BatchCall(form=batch_form, status=batch_status),
            queue_delay=queue_delay,
            latency=latency,
            clock=clock,
        )
        self._port: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Listen, and answer in a thread of its own.

        :raises OSError: if the port is taken.
        :raises DatabaseError: if the file for what arrives can't be used.
        :raises RuntimeError: if it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("The sandbox is already running")
        listener = socket.create_server((_HOST, self._wanted_port), backlog=_BACKLOG)
        try:
            self._store.open()
        except BaseException:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run, args=(self._loop,), name=f"brevo-sandbox-{self._port}", daemon=True
        )
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(listener), self._loop).result(_START_SECONDS)
        except BaseException:
            listener.close()
            self._end_thread()
            self._store.close()
            raise

    def stop(self) -> None:
        """Close every connection at once, hanging ones too. What arrived stays readable."""
        if self._thread is None or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._end_thread()
        self._store.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._port is None:
            raise RuntimeError("The sandbox is not running")
        return self._port

    @property
    def origin(self) -> str:
        """Scheme, address and port, without a path."""
        return f"{'http' if self._ssl_context is None else 'https'}://{_HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, as a connection wants it."""
        return f"{self.origin}/v3"

    @property
    def events(self) -> list[ReceivedEvent]:
        """The events it took so far, the newest ``keep`` of them, in order of arrival."""
        return self._store.events()

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests that reached it so far, refused and faulted ones too, the newest, in order of arrival."""
        return self._store.requests()

    @property
    def phase(self) -> float:
        """When fixed windows begin, in seconds; a sandbox that is given it has the same windows."""
        return self._phase

    @property
    def tokens_issued(self) -> int:
        """How many access tokens it gave so far."""
        return self._tokens.issued

    @property
    def connection(self) -> str:
        """The line with which a shell sets ``brevo_default`` to lead here. It does not hold the key."""
        return connection_line(self.url, has_key=self._has_key)

    def stats(self) -> Stats:
        """Count what arrived so far, also what is not kept any more.

        The same comes from ``GET /_sandbox/stats``, for another process.

        :return: ``events`` is the number of events it took, ``requests`` that of answered requests by endpoint, such
            as ``POST /v3/events/batch``, and status; ``other`` is no documented call, ``none`` no answer.
        """
        return self._store.stats()

    def duplicates(self, name: str) -> Duplicates:
        """Count how often the values of a property repeat, among all events it took, also those not kept any more.

        The same comes from ``GET /_sandbox/duplicates?property=NAME``, for another process.

        :param name: The property, of the top level of ``event_properties``. Lists and objects are not counted.
        :return: ``events`` is the number of events that have it, ``distinct`` that of its values, ``duplicates`` that
            of the events beyond the first of each value.
        """
        return self._store.duplicates(name)

    def add_fault(self, fault: Fault | str) -> None:
        """Have something go wrong from now on, after the faults that stand already.

        :param fault: The fault, or its text.
        :raises InvalidFaultError: if the text is wrong.
        """
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Have nothing go wrong any more."""
        self._faults.clear()

    def reset(self) -> None:
        """Forget everything: events, requests, contacts, tokens, faults and counted requests."""
        self._store.reset()
        self._tokens.reset()
        self._faults.clear()
        self._limits.reset()

    async def _open(self, listener: socket.socket) -> None:
        self._runner = web.AppRunner(
            self._api.application(),
            access_log=None,
            logger=_QUIET,
            # A client that gave up is not served: its hanging request ends, and nothing is recorded late.
            handler_cancellation=True,
            # Nothing documents compressed requests; unpacking them would hide a client's mistake.
            auto_decompress=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._ssl_context, backlog=_BACKLOG).start()

    async def _close(self) -> None:
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await self._runner.cleanup()
        self._runner = None

    def _end_thread(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop = self._thread = self._port = None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
