"""The sandbox's limits and settings, as a client meets them on the wire."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from airflow_provider_brevo.sandbox import Sandbox

KEY = {"api-key": "k"}
EVENT = {"event_name": "e", "identifiers": {"ext_id": "1"}}
NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
TIMEOUT = 10


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def send(url: str, path: str = "/events/batch") -> requests.Response:
    """Send an event, alone or as a batch."""
    body = {"events": [EVENT]} if path.endswith("batch") else EVENT
    return requests.post(url + path, json=body, headers=KEY, timeout=TIMEOUT)


def told(answer: requests.Response) -> tuple[int, str, str]:
    """Give status, what remains, and when more is allowed."""
    names = ("x-sib-ratelimit-remaining", "x-sib-ratelimit-reset")
    remaining, reset = (answer.headers[name] for name in names)
    return answer.status_code, remaining, reset


def test_fixed_windows_change_at_their_phase() -> None:
    """Two requests just before a change and two just after it all pass; the call has a limit of its own."""
    clock = Clock()
    with Sandbox(rate=2, phase=0.3, clock=clock) as sandbox:
        clock.move(0.25)
        assert [told(send(sandbox.url)) for _ in range(3)] == [(202, "1", "1"), (202, "0", "1"), (429, "0", "1")]
        assert send(sandbox.url, "/events").status_code == 204
        clock.move(0.05)
        assert [send(sandbox.url).status_code for _ in range(3)] == [202, 202, 429]
        assert len(sandbox.events) == 5


def test_a_sliding_window_frees_one_request_after_the_other() -> None:
    """A refused request doesn't count, and the reset tells of the oldest that does."""
    clock = Clock()
    with Sandbox(rate=2, window="sliding", window_seconds=5, clock=clock) as sandbox:
        assert told(send(sandbox.url)) == (202, "1", "5")
        clock.move(3)
        assert told(send(sandbox.url)) == (202, "0", "2")
        for _ in range(3):
            clock.move(0.5)
            assert told(send(sandbox.url)) == (429, "0", "2" if clock.now < NOW + timedelta(seconds=4) else "1")
        clock.move(0.5)
        assert told(send(sandbox.url)) == (202, "0", "3")
        assert send(sandbox.url).status_code == 429


def test_the_phase_is_drawn_and_can_be_repeated() -> None:
    """Each sandbox has its own, within its window; the same dice or the phase itself give the same."""
    phases = {Sandbox(window_seconds=10).phase for _ in range(5)}
    assert len(phases) == 5
    assert all(0 <= phase <= 10 for phase in phases)
    assert Sandbox(rng=random.Random(7)).phase == Sandbox(rng=random.Random(7)).phase
    assert Sandbox(phase=0.25).phase == 0.25


@pytest.mark.parametrize(
    "options",
    [{"rate": 0}, {"window": "x"}, {"window_seconds": 0}, {"batch_form": "x"}, {"batch_status": 201}, {"keep": 0}],
)
def test_a_setting_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """The constructor says so, before anything listens."""
    with pytest.raises(ValueError, match="must"):
        Sandbox(**options)


@contextmanager
def command(*arguments: str) -> Iterator[str]:
    """Run the sandbox as a process and give its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_brevo.sandbox", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://[0-9.:]+/v3", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def test_every_setting_is_an_option_of_the_command() -> None:
    """Form and status of batches, the slow queue, what is kept, and limits."""
    options = ("--batch-form", "array", "--batch-status", "200", "--queue-delay", "3600", "--keep", "2", "--seed", "7")
    limits = ("--rate", "2", "--window", "sliding", "--window-seconds", "3600")
    with command(*options, *limits, "--fault", "partial,share=0.5,times=1") as url:

        def post() -> requests.Response:
            return requests.post(f"{url}/events/batch", json=[EVENT] * 20, headers=KEY, timeout=TIMEOUT)

        first, second, third = post(), post(), post()
        assert [told(each) for each in (first, second, third)] == [
            *((207, "1", "3600"), (200, "0", "3600"), (429, "0", "3600")),
        ]
        drawn = random.Random(7)
        drawn.uniform(0, 3600)
        expected = sorted(drawn.sample(range(20), 10))
        assert first.json()["errors"][0]["eventIndex"] == expected
        assert requests.get(f"{url}/events", headers=KEY, timeout=TIMEOUT).json()["count"] == 0
        stats = requests.get(f"{url.removesuffix('/v3')}/_sandbox/stats", timeout=TIMEOUT).json()
        assert stats["events"] == 30
        page = requests.get(f"{url.removesuffix('/v3')}/_sandbox/entries", timeout=TIMEOUT)
        assert json.loads(page.text)["counts"]["event"] == 0
