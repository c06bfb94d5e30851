"""The trigger: it waits, and hands back what it was given."""

import asyncio
import json
import time

import pytest

from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.triggers.brevo import BrevoWaitTrigger

PROGRESS = Progress(planned=400, accepted=200, waiting=Ranges([(200, 400)]), parts={1: 2}, session=1)


def events_of(trigger):
    """Run a trigger to its end."""

    async def collect():
        return [event async for event in trigger.run()]

    return asyncio.run(collect())


@pytest.mark.parametrize("seconds", [-60, 0, 0.2])
def test_it_waits_until_the_moment_and_no_longer(seconds):
    """A moment that has passed is no wait."""
    started = time.time()
    events = events_of(BrevoWaitTrigger(until=started + seconds, progress={}))
    assert len(events) == 1
    assert max(0, seconds) <= time.time() - started + 0.01 < max(0, seconds) + 2


def test_what_is_stored_makes_the_same_trigger():
    """Its arguments pass through JSON, so that any triggerer can go on with it, and a second one does no harm."""
    until = time.time() + 0.05
    path, arguments = BrevoWaitTrigger(until=until, progress=PROGRESS.to_json()).serialize()
    assert path == "airflow_provider_brevo.triggers.brevo.BrevoWaitTrigger"
    assert arguments["until"] == until
    again = BrevoWaitTrigger(**json.loads(json.dumps(arguments)))
    (event,), (twin,) = events_of(again), events_of(again)
    assert event.payload == twin.payload
    assert Progress.from_json(event.payload["progress"], kept_in="the event") == PROGRESS
