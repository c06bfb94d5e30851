"""A local Brevo: the Events API on 127.0.0.1, for tests, demonstrations and development.

The sandbox answers as Brevo documents it, keeps what arrived, and misbehaves on demand::

    with Sandbox(api_key="test-key") as sandbox:
        ...  # point a client at sandbox.url
        assert sandbox.events[0].body["event_name"] == "video_played"

It checks events with code of its own, written from Brevo's documents. It imports neither Airflow nor
anything else of this provider, so that a mistake in one of the two is noticed by the other.
"""

try:
    import aiohttp  # noqa: F401  # asked for here, so that its absence gives one clear sentence
except ImportError:
    raise ImportError(
        "The sandbox needs aiohttp, which is not installed: install aiohttp, or this package with its extra sandbox"
    ) from None

from airflow_provider_brevo.sandbox.faults import Fault, InvalidFaultError
from airflow_provider_brevo.sandbox.journal import DatabaseError
from airflow_provider_brevo.sandbox.records import ReceivedEvent, ReceivedRequest
from airflow_provider_brevo.sandbox.server import Sandbox

__all__ = ["DatabaseError", "Fault", "InvalidFaultError", "ReceivedEvent", "ReceivedRequest", "Sandbox"]
