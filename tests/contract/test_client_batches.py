"""Batches over real sockets: each answer of the sandbox, and what the bulk engine makes of it."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.batch_answers import BatchAnswer
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions
from airflow_provider_brevo.core.checkpoint import InFile
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.sandbox import Sandbox

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
BODY = (
    b'{"events":[{"event_name":"order","identifiers":{"ext_id":"0"}},'
    b'{"event_name":"order","identifiers":{"ext_id":"1"}}]}'
)
BOTH = pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])


def event(number):
    """Return an event that can be told from the others."""
    return {"event_name": "order", "identifiers": {"ext_id": str(number)}}


def arrived(sandbox):
    """Return the numbers of the events that the sandbox took, in order."""
    return sorted(int(event.body["identifiers"]["ext_id"]) for event in sandbox.events)


@pytest.fixture
def send(clients, tmp_path):
    """Send events with the engine, with a checkpoint and a file of rejected events."""

    def send(sandbox, count, *, client=None, attempt=None, timeout=20, **options):
        return send_events(
            client or clients(sandbox.url, timeout=timeout),
            lambda: map(event, range(count)),
            options=BulkOptions(**options),
            attempt=attempt,
            store=InFile(tmp_path / "checkpoint"),
            rejected=RejectedEvents(tmp_path / "rejected"),
        )

    return send


@pytest.mark.parametrize("status", [200, 202, 204, 207])
def test_each_status_of_a_success_is_one(clients, status):
    """Brevo has answered with each of them."""
    with Sandbox(api_key=KEY, batch_status=status) as sandbox:
        assert clients(sandbox.url).send_batch(BODY, count=2) == BatchAnswer(accepted=2)
        assert arrived(sandbox) == [0, 1]


def test_a_batch_in_part_is_told_event_by_event(sandbox, clients):
    """207 names what was not taken."""
    sandbox.add_fault("partial,indices=1,message=Unknown contact")
    answer = clients(sandbox.url).send_batch(BODY, count=2)
    assert (answer.accepted, list(answer.refused), answer.refused[1].reason) == (1, [1], "Unknown contact")


def test_a_batch_that_is_refused_event_by_event_is_no_error(sandbox, clients):
    """400 with places says the same of all events."""
    sandbox.add_fault("partial,share=1")
    answer = clients(sandbox.url).send_batch(BODY, count=2)
    assert (answer.accepted, list(answer.refused), answer.not_taken) == (0, [0, 1], ())


def test_a_server_that_wants_a_bare_array_is_advised_on(clients):
    """The form of before 21 April 2026 isn't sent; the error says where to look."""
    with (
        Sandbox(api_key=KEY, batch_form="array") as sandbox,
        pytest.raises(exc.BrevoBadRequestError, match="wants a batch as a bare array"),
    ):
        clients(sandbox.url).send_batch(BODY, count=2)


def test_the_pace_is_told_once_it_is_known(clients):
    """Before the first answer nothing paces; then the limit of Brevo's headers does."""
    with Sandbox(api_key=KEY, rate=10) as sandbox:
        client = clients(sandbox.url)
        assert client.batch_rate() is None
        assert client.wait_for_batch(at_most=0.0) == 0.0
        client.send_batch(BODY, count=2)
        assert 0 < client.batch_rate() <= 10
        assert client.wait_for_batch(at_most=0.0) > 0.0


def test_every_event_arrives_once(sandbox, send):
    """1,000 events need five requests."""
    result = send(sandbox, 1000)
    assert arrived(sandbox) == list(range(1000))
    assert (result.total, result.accepted, result.requests) == (1000, 1000, 5)


def test_rejections_of_brevo_are_in_the_file(sandbox, send, tmp_path):
    """Places are those of the source, and the rest is taken."""
    sandbox.add_fault("partial,indices=3-4,times=1")
    result = send(sandbox, 10, max_rejected=2)
    assert arrived(sandbox) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (result.accepted, result.rejected) == (8, 2)
    assert [line[:10] for line in (tmp_path / "rejected").read_text(encoding="utf-8").splitlines()] == [
        '{"index":3',
        '{"index":4',
    ]


@BOTH
def test_what_may_pass_arrives_once(sandbox, send, delivery):
    """Events refused for now are sent again alone."""
    sandbox.add_fault("partial,indices=1-2,times=1,message=Please try again later")
    assert send(sandbox, 4, delivery=delivery).accepted == 4
    assert arrived(sandbox) == [0, 1, 2, 3]


def test_a_count_smaller_than_sent_is_unidentified(sandbox, send):
    """Nobody knows which events are missing, so none is sent again."""
    sandbox.add_fault("short,by=2,times=1")
    with pytest.raises(exc.BrevoIncompleteError, match="2 were not taken by Brevo") as caught:
        send(sandbox, 10)
    assert (caught.value.result["accepted"], caught.value.result["unidentified"]) == (8, 2)
    assert len(sandbox.requests) == 1


def test_a_batch_that_is_too_large_for_something_between_is_split(sandbox, send):
    """413 refuses the request and not its events."""
    sandbox.add_fault("413,times=3")
    assert send(sandbox, 10).accepted == 10
    assert arrived(sandbox) == list(range(10))


@BOTH
def test_a_429_is_waited_for(sandbox, send, delivery):
    """Certainly not taken: both deliveries send it again, after the time that Brevo told."""
    sandbox.add_fault("429,times=1,retry_after=1")
    result = send(sandbox, 10, delivery=delivery)
    assert (result.accepted, result.requests) == (10, 2)
    assert result.seconds >= 1.0
    assert arrived(sandbox) == list(range(10))


@pytest.mark.parametrize("fault", ["reset,times=1,taken", "hang,times=1,taken", "503,times=1,taken"])
def test_an_unknown_fate_is_sent_again_at_least_once(sandbox, send, fault):
    """Nothing is lost, and what was taken before the fault is there twice."""
    sandbox.add_fault(fault)
    assert send(sandbox, 3, timeout=1).accepted == 3
    assert arrived(sandbox) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("fault", ["reset,times=1,taken", "hang,times=1,taken", "503,times=1,taken"])
def test_an_unknown_fate_is_named_at_most_once(sandbox, send, fault):
    """Nothing is there twice, and the uncertain events are told."""
    sandbox.add_fault(fault)
    with pytest.raises(exc.BrevoIncompleteError, match="of 2 nobody knows .*: events 0-1;") as caught:
        send(sandbox, 6, timeout=1, delivery="at_most_once", batch_size=2, max_in_flight=1)
    assert arrived(sandbox) == list(range(6))
    assert caught.value.result["accepted"] == 4


@BOTH
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("restricted", exc.BrevoRestrictedKeyError),
        ("unknown-ip", exc.BrevoUnrecognisedIPError),
        ("401", exc.BrevoAuthenticationError),
    ],
)
def test_a_refused_key_ends_at_once(sandbox, send, delivery, fault, error):
    """No request more than were under way, and the next try sends what is left."""
    sandbox.add_fault(fault)
    with pytest.raises(error, match="of the source"):
        send(sandbox, 1000, delivery=delivery, batch_size=10)
    assert len(sandbox.requests) < 12
    sandbox.clear_faults()
    assert send(sandbox, 1000, delivery=delivery).accepted == 1000
    assert arrived(sandbox) == list(range(1000))


@BOTH
def test_a_token_is_renewed_in_the_middle(send, delivery):
    """A token that ends while batches are sent costs one request and no event."""
    ahead = timedelta()
    with Sandbox(oauth_clients={"app": "s3cret"}, clock=lambda: datetime.now(UTC) + ahead) as sandbox:
        fields = ConnectionFields(host=sandbox.url, login="app", password="s3cret", extra={"auth_type": "oauth"})
        with BrevoClient(read_settings(fields)[0]) as client:
            send(sandbox, 4, client=client, delivery=delivery)
            ahead = timedelta(hours=2)
            result = send(sandbox, 40, client=client, attempt=Attempt(max_tries=1), batch_size=4, delivery=delivery)
    assert result.accepted == 40
    assert arrived(sandbox) == sorted([*range(4), *range(40)])
    assert sandbox.tokens_issued == 2
    assert [request.status for request in sandbox.requests if request.path == "/v3/events/batch"].count(401) >= 1
