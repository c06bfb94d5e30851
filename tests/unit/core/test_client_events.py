"""The client's look-ups, over a transport of its own."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.events import EventFilter
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import BrevoRefusedError, BrevoServerError, BrevoUsageError


class Server:
    """A transport that gives prepared answers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.targets = []

    def send(self, method, target, *, headers, body):  # noqa: ARG002 # looked at elsewhere
        self.targets.append(target)
        assert (method, body) == ("GET", None)
        return self.answers.pop(0)

    def close(self):
        """Nothing is open."""


def page(*numbers, count):
    """Return an answer that holds events."""
    events = [{"event_name": "order", "event_date": "2026-03-01T10:00:00Z", "contact_id": n} for n in numbers]
    return Answer(status=200, body=json.dumps({"events": events, "count": count}).encode())


def look(*answers, events=None, **options):
    """Look up events; return what was found and what was asked for."""
    server = Server(*answers)
    client = BrevoClient(BrevoSettings(auth=ApiKey("key"), max_retries=1), transport=server, sleep=lambda _: None)
    found = [event["contact_id"] for event in client.get_events(events or EventFilter(), **options)]
    return found, [(urlsplit(target).path, parse_qs(urlsplit(target).query)) for target in server.targets]


def test_pages_are_asked_for_one_after_another():
    """Each with its limit and offset, until there are no more."""
    found, asked = look(page(1, 2, count=3), page(3, count=3), page_size=2)
    assert found == [1, 2, 3]
    assert asked == [
        ("/events", {"limit": ["2"], "offset": ["0"]}),
        ("/events", {"limit": ["2"], "offset": ["2"]}),
    ]


def test_conditions_are_repeated_parameters():
    """Several names or contacts are one parameter each, and both dates are sent."""
    wanted = EventFilter.of(
        event_name="order", contact_id=[1, 2], since="2026-01-01T00:00:00+01:00", until="2026-04-01T00:00:00Z"
    )
    _, ((_, query),) = look(page(1, count=1), events=wanted)
    assert query == {
        "limit": ["1000"],
        "offset": ["0"],
        "event_name": ["order"],
        "contact_id": ["1", "2"],
        "startDate": ["2026-01-01T00:00:00+01:00"],
        "endDate": ["2026-04-01T00:00:00Z"],
    }


def test_a_fault_is_met_with_the_settings_retries():
    """One more request by the settings, none where the caller wants none; then the error says nothing of events."""
    found, _ = look(Answer(status=503), page(1, count=1))
    assert found == [1]
    with pytest.raises(BrevoServerError, match="nothing was changed by it"):
        look(Answer(status=503), max_retries=0)


def test_what_a_server_quotes_of_the_conditions_is_not_shown():
    """A contact's number in Brevo's message is replaced."""
    refusal = Answer(status=400, body=b'{"code": "invalid_parameter", "message": "no contact 4711"}')
    with pytest.raises(BrevoRefusedError, match=r"no contact \*\*\*"):
        look(refusal, events=EventFilter.of(contact_id=4711))


def test_bounds_are_checked_at_once():
    """Before anything is asked."""
    client = BrevoClient(BrevoSettings(auth=ApiKey("key")), transport=Server())
    with pytest.raises(BrevoUsageError, match="limit"):
        client.get_events(EventFilter(), limit=0)
