"""Brevo's official client, brevo-python, works against the sandbox over sockets.

It was not made for the sandbox, and so shows whether the sandbox is like Brevo where clients look.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_brevo.sandbox import Sandbox

brevo = pytest.importorskip("brevo", reason="brevo-python is pinned for the newest Airflow only")

from brevo.core.api_error import ApiError  # noqa: E402  # not without the module
from brevo.errors import BadRequestError, UnauthorizedError  # noqa: E402 # see above
from brevo.event import (  # noqa: E402 # see above
    CreateBatchEventsRequestEventsItem,
    CreateBatchEventsRequestEventsItemIdentifiers,
    CreateEventRequestIdentifiers,
    CreateEventRequestObject,
    CreateEventRequestObjectIdentifiers,
)
from brevo.types import BatchEventsResponse  # noqa: E402 # see above

KEY = "xkeysib-test-key"
SECRET = "client-secret"
NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
JANE = CreateEventRequestIdentifiers(email_id="jane@example.com")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox with a key and an OAuth client, whose clock stands still."""
    with Sandbox(
        api_key=KEY, oauth_clients={"app": SECRET}, known_objects=["subscription"], clock=lambda: NOW
    ) as running:
        yield running


def client(sandbox: Sandbox, **options: Any) -> Any:
    """Make a client that tries once."""
    return brevo.Brevo(base_url=sandbox.url, max_retries=0, timeout=10, **(options or {"api_key": KEY}))


def test_it_sends_an_event(sandbox: Sandbox) -> None:
    """Every field arrives, with its type."""
    paid = CreateEventRequestObject(type="subscription", identifiers=CreateEventRequestObjectIdentifiers(ext_id="s-1"))
    client(sandbox).event.create_event(
        event_name="order_completed",
        identifiers=JANE,
        event_date=NOW - timedelta(hours=1),
        event_properties={"order_id": "00123", "count": 3, "first": True, "items": [{"sku": "TEA-1"}]},
        contact_properties={"FIRSTNAME": "Jane", "AGE": 37},
        object=paid,
    )
    (received,) = sandbox.events
    assert received.event_date == NOW - timedelta(hours=1)
    assert (received.object_ignored, received.object_type) == (False, "subscription")
    body = {name: value for name, value in received.body.items() if name != "event_date"}
    assert repr(sorted(body.items())) == repr(
        sorted(
            {
                "event_name": "order_completed",
                "identifiers": {"email_id": "jane@example.com"},
                "event_properties": {"order_id": "00123", "count": 3, "first": True, "items": [{"sku": "TEA-1"}]},
                "contact_properties": {"FIRSTNAME": "Jane", "AGE": 37},
                "object": {"identifiers": {"ext_id": "s-1"}, "type": "subscription"},
            }.items()
        )
    )


def test_it_lists_events_by_filter_and_page(sandbox: Sandbox) -> None:
    """What it sent comes back as objects of its own, newest first."""
    events = client(sandbox).event
    for number in range(5):
        who = JANE if number % 2 else CreateEventRequestIdentifiers(ext_id="4711")
        happened = NOW - timedelta(days=number)
        properties = {"n": number, "part": 0.5, "ok": True}
        events.create_event(event_name=f"e{number}", identifiers=who, event_date=happened, event_properties=properties)
    everything = events.get_events()
    assert (everything.count, [each.event_name for each in everything.events]) == (5, ["e0", "e1", "e2", "e3", "e4"])
    first = everything.events[0]
    assert (first.contact_id, first.event_date, first.object_type) == (1, NOW, None)
    assert repr(first.event_properties) == repr({"n": 0, "part": 0.5, "ok": True})
    assert isinstance(first.event_filter_id, str)

    def names(**query: Any) -> list[str]:
        return [each.event_name for each in events.get_events(**query).events]

    assert names(limit=2, offset=1) == ["e1", "e2"]
    assert names(contact_id=2) == ["e1", "e3"]
    assert names(contact_id=[1, 2], event_name=["e1", "e2", "x"]) == ["e1", "e2"]
    assert names(object_type="subscription") == []
    assert names(start_date="2026-08-28", end_date="2026-08-29T12:00:00Z") == ["e2", "e3"]
    assert events.get_events(limit=2).count == 5


def test_it_reads_the_account(sandbox: Sandbox) -> None:
    """The fields that the client requires are there."""
    account = client(sandbox).account.get_account()
    assert (account.company_name, account.email) == ("Sandbox GmbH", "owner@sandbox.example")
    assert account.plan[0].type == "free"
    assert account.relay.data.port == 587
    assert account.address.city == "Berlin"


def test_it_raises_its_errors_for_400(sandbox: Sandbox) -> None:
    """An event and a query that are wrong become BadRequestError, with Brevo's body."""
    events = client(sandbox).event
    with pytest.raises(BadRequestError) as wrong:
        events.create_event(event_name="not valid", identifiers=JANE)
    assert wrong.value.body == {
        "code": "invalid_parameter",
        "message": 'Invalid value "not valid" for event_name',
    }
    with pytest.raises(BadRequestError) as wrong:
        events.get_events(start_date="2026-08-28")
    assert wrong.value.body["message"] == "startDate and endDate must be given together"


@pytest.mark.parametrize("options", [{"api_key": "wrong"}, {"token": "unknown"}])
def test_it_raises_its_errors_for_401(sandbox: Sandbox, options: dict[str, str]) -> None:
    """A wrong key and a wrong token become UnauthorizedError, or for the account the base of its errors."""
    refused = client(sandbox, **options)
    for kind, call in (
        (UnauthorizedError, refused.event.get_events),
        (UnauthorizedError, lambda: refused.event.create_event(event_name="e", identifiers=JANE)),
        (ApiError, refused.account.get_account),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.status_code == 401
        assert caught.value.body == {"code": "unauthorized", "message": "Key not found"}
    assert sandbox.events == []


def test_it_understands_limits_and_failures(sandbox: Sandbox) -> None:
    """Other statuses carry status, headers and body; a body that is no JSON stays text."""
    events = client(sandbox).event
    for fault, status, body in (
        ("429", 429, {"code": "too_many_requests"}),
        ("503", 503, {"code": "service_unavailable"}),
        ("non-json", 502, "<html>"),
    ):
        sandbox.clear_faults()
        sandbox.add_fault(fault)
        with pytest.raises(ApiError) as caught:
            events.create_event(event_name="e", identifiers=JANE)
        assert caught.value.status_code == status
        assert caught.value.headers["x-sib-ratelimit-limit"]
        if isinstance(body, dict):
            assert caught.value.body["code"] == body["code"]
        else:
            assert caught.value.body.startswith(body)


def test_it_gets_a_token_and_uses_it(sandbox: Sandbox) -> None:
    """With client id and secret it asks the sandbox for one token, and sends with it."""
    by_oauth = client(sandbox, client_id="app", client_secret=SECRET)
    for number in range(2):
        by_oauth.event.create_event(event_name=f"e{number}", identifiers=JANE)
    assert by_oauth.event.get_events().count == 2
    assert sandbox.tokens_issued == 1
    assert [request.path for request in sandbox.requests] == [
        "/realms/partner/oauth/token",
        *("/v3/events",) * 3,
    ]
    assert {request.headers.get("api-key") for request in sandbox.requests} == {None}


def test_a_wrong_client_secret_is_an_error(sandbox: Sandbox) -> None:
    """It carries the code of the RFC, and nothing is sent."""
    with pytest.raises(ApiError) as caught:
        client(sandbox, client_id="app", client_secret="wrong").account.get_account()
    assert (caught.value.status_code, caught.value.body["error"]) == (401, "invalid_client")
    assert len(sandbox.requests) == 1


def orders(*names: str) -> list[CreateBatchEventsRequestEventsItem]:
    """Make a batch of events with these names."""
    who = CreateBatchEventsRequestEventsItemIdentifiers(email_id="jane@example.com")
    return [
        CreateBatchEventsRequestEventsItem(event_name=name, identifiers=who, event_properties={"n": number})
        for number, name in enumerate(names)
    ]


def test_it_sends_a_batch(sandbox: Sandbox) -> None:
    """All events arrive, and the answer counts them."""
    accepted = client(sandbox).event.create_batch_events(events=orders(*(f"e{n}" for n in range(200))))
    assert (accepted.count, bool(accepted.message)) == (200, True)
    assert [each.body["event_name"] for each in sandbox.events] == [f"e{n}" for n in range(200)]
    assert sandbox.events[7].body == {
        "event_name": "e7",
        "identifiers": {"email_id": "jane@example.com"},
        "event_properties": {"n": 7},
    }


def test_it_reads_which_events_of_a_batch_failed(sandbox: Sandbox) -> None:
    """The body of a 400, and of a 207 that it takes for a success, is what its own type for it expects."""
    events = client(sandbox).event
    with pytest.raises(BadRequestError) as wrong:
        events.create_batch_events(events=orders("not valid", "not valid", "nor this"))
    failed = BatchEventsResponse.model_validate(wrong.value.body)
    assert (failed.status, failed.total_events, failed.successful_events, failed.failed_events) == ("failed", 3, 0, 3)
    assert [each.event_index for each in failed.errors] == [[0, 1], [2]]
    assert failed.errors[0].message == 'Invalid value "not valid" for event_name'
    partial = BatchEventsResponse.model_validate(
        events.create_batch_events(events=orders("fine", "not valid")).model_dump(by_alias=True)
    )
    assert (partial.status, partial.successful_events, partial.failed_events) == ("partial", 1, 1)
    assert [each.event_index for each in partial.errors] == [[1]]


def test_it_raises_its_errors_for_batches(sandbox: Sandbox) -> None:
    """Too many events are a bad request, and a wrong key is refused."""
    with pytest.raises(BadRequestError) as wrong:
        client(sandbox).event.create_batch_events(events=orders(*["e"] * 201))
    assert wrong.value.body["message"] == "events must hold at most 200 events, not 201"
    with pytest.raises(UnauthorizedError):
        client(sandbox, api_key="wrong").event.create_batch_events(events=orders("e"))
    assert sandbox.events == []
