"""One call in, a typed result or a typed error out."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode

from airflow_provider_brevo import __version__
from airflow_provider_brevo.core.answers import Sent, expect_object, expect_taken
from airflow_provider_brevo.core.auth import OAuthClient, SecretHeaders
from airflow_provider_brevo.core.batch_answers import BatchAnswer, expect_batch
from airflow_provider_brevo.core.events import (
    DEFAULT_PAGE_SIZE,
    EventFilter,
    EventPage,
    check_bounds,
    expect_events,
    read_pages,
    settle,
)
from airflow_provider_brevo.core.payload import encode
from airflow_provider_brevo.core.rate_limit import RateLimiter
from airflow_provider_brevo.core.retry import Delivery, RetryPolicy, pause_before_retry
from airflow_provider_brevo.core.tokens import Authenticator, KeyAuthenticator, TokenAuthenticator
from airflow_provider_brevo.core.transport import Answer, RequestsTransport, Transport
from airflow_provider_brevo.exceptions import BrevoRateLimitError, BrevoRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_brevo.core.config import BrevoSettings


DEFAULT_MAX_WAIT = 60.0
"""Seconds in all that one call may spend waiting for the rate limit."""

BATCH_ENDPOINT = "POST /events/batch"
"""What Brevo's limit for batches counts by."""

_TOO_MANY_REQUESTS = 429
_UNAUTHORIZED = 401

_T = TypeVar("_T")


class BrevoClient:
    """The Events API. Safe to share between threads.

    :param settings: where to and as whom.
    :param user_agent: what is put behind our own name and version in the header ``User-Agent``.
    :param transport: the network; for tests and for other HTTP libraries.
    :param limiter: keeps each endpoint below its limit.
    :param sleep: waits for seconds.
    :param jitter: returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        settings: BrevoSettings,
        *,
        user_agent: str = "",
        transport: Transport | None = None,
        limiter: RateLimiter | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self._transport = transport or RequestsTransport(settings)
        self._limiter = limiter or RateLimiter(requests_per_second=settings.requests_per_second)
        self._sleep = sleep
        self._jitter = jitter
        user_agent = f"airflow-provider-brevo/{__version__} {user_agent}".strip()
        self._headers = {
            "accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": user_agent,
        }
        self._authenticator: Authenticator
        if isinstance(settings.auth, OAuthClient):
            self._authenticator = TokenAuthenticator(settings.auth, self._transport, user_agent=user_agent)
        else:
            self._authenticator = KeyAuthenticator(settings.auth)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def create_event(
        self,
        event: Mapping[str, Any],
        *,
        delivery: Delivery = "at_least_once",
        max_wait: float = DEFAULT_MAX_WAIT,
    ) -> None:
        """Send one event: ``POST /events``.

        :param event: the event as JSON values, already converted and validated.
        :param delivery: ``at_most_once`` never repeats a request that may have been taken.
        :param max_wait: seconds in all to wait for the rate limit.
        :raises BrevoRequestError: it was not taken, or not surely; ``uncertain`` tells which.
        """
        policy = RetryPolicy(max_retries=self.settings.max_retries, max_wait=max_wait, delivery=delivery)
        self._call("POST", "/events", body=encode(event), policy=policy, expect=expect_taken)

    def wait_for_batch(self, *, at_most: float) -> float:
        """Take the next free place for a batch below the rate limit.

        :param at_most: seconds that the caller can wait; no place is taken if more would be needed.
        :return: seconds until the place comes: the caller waits, and then calls :meth:`send_batch`.
        """
        return self._limiter.wait_needed(BATCH_ENDPOINT, at_most=at_most)

    def batch_rate(self) -> float | None:
        """Return the requests a second at which batches are paced now, or ``None`` where nothing paces them."""
        return self._limiter.rate(BATCH_ENDPOINT)

    def send_batch(self, body: bytes, *, count: int) -> BatchAnswer:
        """Send one batch of events, in one request: ``POST /events/batch``.

        It neither waits for the rate limit (see :meth:`wait_for_batch`) nor tries again: whoever sends many batches
        decides that for all of them.

        :param body: ``{"events": […]}`` with up to 200 events that were checked, at most 512,000 bytes.
        :param count: how many events it holds.
        :return: what became of each event.
        :raises BrevoRequestError: the batch was not taken, or not surely; ``uncertain`` tells which.
        """
        answer, sent, renewed = self._send("POST", "/events/batch", body)
        if renewed:
            answer, sent, _ = self._send("POST", "/events/batch", body)
        return expect_batch(answer, sent, count=count)

    def get_events(
        self,
        events: EventFilter,
        *,
        limit: int | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        max_retries: int | None = None,
        max_wait: float = DEFAULT_MAX_WAIT,
    ) -> Iterator[dict[str, Any]]:
        """Yield events that Brevo has, newest first, page by page: ``GET /events``. They are personal data.

        Events that come in while pages are read may make an event of one page appear again on the next: Brevo gives
        them no id to tell that by.

        :param events: which events.
        :param limit: events in all, or ``None`` for all there are.
        :param page_size: events in one answer, 1 to 10,000.
        :param max_retries: requests for a page after the first one; the connection's setting where ``None``.
        :param max_wait: seconds in all that each page may wait for the rate limit.
        :raises BrevoUsageError: ``limit`` or ``page_size`` is no such number.
        :raises BrevoRequestError: a page could not be read; raised when its first event is asked for.
        """
        check_bounds(limit=limit, page_size=page_size)
        retries = self.settings.max_retries if max_retries is None else max_retries
        policy = RetryPolicy(max_retries=retries, max_wait=max_wait)

        def read(asked: int, offset: int) -> EventPage:
            def expect(answer: Answer, sent: Sent) -> EventPage:
                return expect_events(answer, sent, events=events, asked=asked)

            query = events.query(limit=asked, offset=offset, now=datetime.now(UTC))
            try:
                return self._call("GET", "/events", body=None, query=query, policy=policy, expect=expect)
            except BrevoRequestError as error:
                settle(error)
                raise

        return read_pages(read, limit=limit, page_size=page_size)

    def get_account(self, *, max_retries: int | None = None, max_wait: float = DEFAULT_MAX_WAIT) -> dict[str, Any]:
        """Return the account: ``GET /account``. It holds personal data and the tracker key: never log it.

        :param max_retries: requests after the first one; the connection's setting where ``None``.
        :param max_wait: seconds in all to wait for the rate limit.
        :raises BrevoRequestError: the call brought no success.
        """
        retries = self.settings.max_retries if max_retries is None else max_retries
        policy = RetryPolicy(max_retries=retries, max_wait=max_wait)
        return self._call("GET", "/account", body=None, policy=policy, expect=expect_object)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        query: Mapping[str, Any] | None = None,
        policy: RetryPolicy,
        expect: Callable[[Answer, Sent], _T],
    ) -> _T:
        endpoint = f"{method} {path}"
        renewed = False
        waited = 0.0
        retries = 0
        throttled = 0
        requests_made = 0
        while True:
            waited += self._wait_for_limit(
                endpoint, at_most=max(0.0, policy.max_wait - waited), requests_made=requests_made
            )
            requests_made += 1
            try:
                answer, sent, may_renew = self._send(method, path, body, query)
                if may_renew and not renewed:
                    renewed = True
                    continue
                return expect(answer, sent)
            except BrevoRequestError as error:
                error.attempts = requests_made
                pause = pause_before_retry(
                    error, policy, retries=retries, throttled=throttled, waited=waited, jitter=self._jitter()
                )
                if pause is None:
                    raise
                if isinstance(error, BrevoRateLimitError):
                    waited += pause
                    throttled += 1
                else:
                    retries += 1
            self._sleep(pause)

    def _send(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, Any] | None = None
    ) -> tuple[Answer, Sent, bool]:
        """Make one request; the last value says that its token wasn't taken, and that there is a new one."""
        credentials = self._authenticator.headers()
        headers = SecretHeaders({**self._headers, **credentials})
        sent_at = self._limiter.now()
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        answer = self._transport.send(method, target, headers=headers, body=body)
        self._limiter.learn(f"{method} {path}", answer.headers, status=answer.status, sent=sent_at)
        renewed = answer.status == _UNAUTHORIZED and self._authenticator.renew(credentials)
        said = encode(query) if query else body
        return answer, Sent(body=said, auth=self.settings.auth, secrets=self._authenticator.secrets()), renewed

    def _wait_for_limit(self, endpoint: str, *, at_most: float, requests_made: int) -> float:
        wait = self._limiter.wait_needed(endpoint, at_most=at_most)
        if wait > at_most:
            error = BrevoRateLimitError(
                status=_TOO_MANY_REQUESTS,
                advice=f"the next request is due in {wait:.0f} s, by Brevo's limit or the connection's"
                " requests_per_second, which is longer than this call may wait",
                retry_after=wait,
            )
            error.attempts = requests_made
            raise error
        if wait > 0:
            self._sleep(wait)
        return wait
