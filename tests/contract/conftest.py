"""A sandbox and a client for it."""

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox that knows one key."""
    with Sandbox(api_key=KEY) as running:
        yield running


class Clients:
    """Makes clients whose waits are recorded instead of waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._made: list[BrevoClient] = []

    def __call__(
        self, url: str, *, key: str = KEY, sleep: Callable[[float], object] | None = None, **extra: object
    ) -> BrevoClient:
        settings, _ = read_settings(ConnectionFields(host=url, password=key, extra=extra))
        client = BrevoClient(settings, sleep=sleep or self.waits.append, jitter=lambda: 0.5)
        self._made.append(client)
        return client

    def close(self) -> None:
        for client in self._made:
            client.close()


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Make clients, and close them in the end."""
    made = Clients()
    yield made
    made.close()
