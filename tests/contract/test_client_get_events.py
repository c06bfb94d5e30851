"""Looking up events, over real sockets."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.events import EventFilter
from airflow_provider_brevo.sandbox import Sandbox

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
ALL = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.fixture
def client(sandbox, clients):
    """Send ten events of two names, contacts and types, an hour apart; return the client."""
    client = clients(sandbox.url)
    for n in range(10):
        client.create_event(
            {
                "event_name": "order" if n % 2 else "visit",
                "identifiers": {"ext_id": "a" if n < 5 else "b"},
                "event_date": (START + timedelta(hours=n)).isoformat(),
                "event_properties": {"n": n, "total": 42.5, "zip": "00123"},
                "object": {"type": "subscription" if n < 3 else "deal", "identifiers": {"id": "1"}},
            }
        )
    return client


def numbers(client, *, limit=None, page_size=1000, **conditions):
    """Return which events are found, in their order."""
    found = client.get_events(EventFilter.of(**conditions), limit=limit, page_size=page_size)
    return [event["event_properties"]["n"] for event in found]


def failure(client, **options):
    """Look up events, and return the error that comes of it."""
    with pytest.raises(exc.BrevoError) as caught:
        list(client.get_events(EventFilter.of(contact_id=471100), **options))
    return caught.value


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ALL),
        ({"since": START - timedelta(days=1)}, ALL),
        ({"event_name": "order"}, [9, 7, 5, 3, 1]),
        ({"event_name": ["order", "visit"], "object_type": "subscription"}, [2, 1, 0]),
        ({"object_type": ["subscription", "deal"]}, ALL),
        ({"event_name": "nothing"}, []),
        ({"since": START + timedelta(hours=7)}, [9, 8, 7]),
        ({"since": START, "until": START + timedelta(hours=1)}, [1, 0]),
        ({"since": START + timedelta(days=3650)}, []),
        ({"limit": 4}, [9, 8, 7, 6]),
        ({"limit": 4, "page_size": 3}, [9, 8, 7, 6]),
        ({"page_size": 3}, ALL),
        ({"page_size": 10}, ALL),
    ],
)
def test_what_is_asked_for_is_found_newest_first(client, conditions, expected):
    """By name, type and date, on however many pages."""
    assert numbers(client, **conditions) == expected


def test_contacts_are_looked_up_by_brevos_number(sandbox, client):
    """One contact or several; the number may be text."""
    first, last = sandbox.events[0].contact_id, sandbox.events[-1].contact_id
    assert numbers(client, contact_id=str(first)) == [4, 3, 2, 1, 0]
    assert numbers(client, contact_id=[first, last]) == ALL
    assert numbers(client, contact_id=999_999) == []


def test_events_come_as_brevo_shows_them(client):
    """Values keep their types."""
    event = next(client.get_events(EventFilter.of(event_name="order")))
    assert event["event_properties"] == {"n": 9, "total": 42.5, "zip": "00123"}
    assert event["event_date"] == (START + timedelta(hours=9)).isoformat()


def test_one_event_costs_one_request(sandbox, client):
    """Pages are read as they are needed, and the headers are those of any call."""
    before = len(sandbox.requests)
    next(client.get_events(EventFilter.of(), page_size=2))
    (request,) = sandbox.requests[before:]
    assert (request.method, request.path) == ("GET", "/v3/events")
    assert request.query == "limit=2&offset=0"
    assert request.headers["api-key"].startswith("xkeysib-0123")
    assert request.body == b""


def test_wrong_bounds_are_told_before_any_request(sandbox, clients):
    """Also where nobody asks for the first event."""
    with pytest.raises(exc.BrevoUsageError, match="page_size"):
        clients(sandbox.url).get_events(EventFilter.of(), page_size=0)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("fault", "kind", "requests"),
    [
        ("400,message=contact 471100 is wrong", exc.BrevoRefusedError, 1),
        ("401", exc.BrevoUnknownKeyError, 1),
        ("restricted", exc.BrevoRestrictedKeyError, 1),
        ("404", exc.BrevoNotFoundError, 1),
        ("redirect", exc.BrevoRedirectError, 1),
        ("unknown-ip", exc.BrevoUnrecognisedIPError, 1),
        ("non-json,status=200", exc.BrevoUnexpectedAnswerError, 1),
        ("429,reset=600", exc.BrevoRateLimitError, 1),
        ("500", exc.BrevoServerError, 3),
        ("reset", exc.BrevoConnectionLostError, 3),
        ("hang", exc.BrevoTimeoutError, 3),
    ],
)
def test_each_failure_is_one_error_that_speaks_of_looking_up(sandbox, clients, fault, kind, requests):
    """Requests are repeated as for other calls; no error says that an event may have been taken, or shows a contact."""
    sandbox.add_fault(fault)
    error = failure(clients(sandbox.url, timeout=0.3), max_retries=2, max_wait=60)
    assert type(error) is kind
    assert not error.uncertain
    assert len(sandbox.requests) == requests
    for word in ("taken", "arrived", "event as", "471100", "0123456789"):
        assert word not in str(error)


def test_no_contact_is_logged(sandbox, clients, caplog):
    """Not even by our modules' most talkative level."""
    sandbox.add_fault("500,times=1")
    with caplog.at_level(logging.DEBUG):
        list(clients(sandbox.url).get_events(EventFilter.of(contact_id=471100)))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_brevo")]
    assert not any("471100" in text for text in ours)


def test_the_limit_of_this_call_is_learned_from_its_answers(clients):
    """What its headers say holds requests back before they are refused, whatever the filters; other calls go on."""
    with Sandbox(api_key=None, rate=2, window_seconds=3600, phase=0) as sandbox:
        client = clients(sandbox.url)
        for name in ("a", "b"):
            list(client.get_events(EventFilter.of(event_name=name), max_wait=0))
        with pytest.raises(exc.BrevoRateLimitError) as caught:
            list(client.get_events(EventFilter.of(event_name="c"), max_wait=0))
        assert caught.value.retry_after > 1
        assert len(sandbox.requests) == 2
        client.create_event({"event_name": "a", "identifiers": {"ext_id": "1"}}, max_wait=0)


def test_the_connections_retries_hold_where_nothing_else_is_said(sandbox, clients):
    """A passing fault costs a request, and the page is read."""
    sandbox.add_fault("500,times=1")
    assert list(clients(sandbox.url, max_retries=1).get_events(EventFilter.of())) == []
    assert len(sandbox.requests) == 2
