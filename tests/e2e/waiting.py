"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from contextlib import suppress

import requests

PATIENCE = 90


def wait_until(reached: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Come back when something has come true."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(requests.RequestException):  # Airflow is slow at times
            if reached():
                return
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)
