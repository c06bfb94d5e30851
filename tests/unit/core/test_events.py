"""What can be looked up, how answers are read, and how pages follow one another."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_brevo.core.answers import Sent
from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.events import (
    EventFilter,
    EventPage,
    check_bounds,
    count_and_dates,
    expect_events,
    read_pages,
    settle,
)
from airflow_provider_brevo.core.transport import Answer
from airflow_provider_brevo.exceptions import (
    BrevoConnectError,
    BrevoRefusedError,
    BrevoServerError,
    BrevoTimeoutError,
    BrevoUnexpectedAnswerError,
    BrevoUsageError,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = {"event_name": "order", "event_date": "2026-03-01T10:00:00Z", "contact_id": 42}
SENT = Sent(body=b'{"contact_id":[4711]}', auth=ApiKey("key"), secrets=("key",))


def read(content, *, status=200, asked=10, **filters):
    """Read an answer to a request for ten events."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return expect_events(Answer(status=status, body=body), SENT, events=EventFilter.of(**filters), asked=asked)


def test_values_are_converted_like_those_of_events():
    """A number as text is a number, a datetime is RFC 3339, one value is a list of one."""
    plus_two = timezone(timedelta(hours=2))
    found = EventFilter.of(
        event_name="order",
        contact_id=["42", 43.0, 44],
        object_type=("subscription",),
        since=datetime(2026, 3, 1, 12),  # noqa: DTZ001 # without a zone on purpose
        until=datetime(2026, 3, 2, tzinfo=UTC),
        timezone=plus_two,
    )
    assert found == EventFilter(
        event_names=("order",),
        contact_ids=(42, 43, 44),
        object_types=("subscription",),
        since="2026-03-01T12:00:00+02:00",
        until="2026-03-02T00:00:00+00:00",
    )
    assert EventFilter.of(**json.loads(json.dumps(found.arguments()))) == found
    assert "42" not in repr(found)


def test_nothing_asked_for_is_everything():
    """Without conditions only the page is said, and the filter is made again from nothing."""
    assert EventFilter.of().query(limit=5, offset=10, now=NOW) == {"limit": 5, "offset": 10}
    assert EventFilter.of(**EventFilter.of().arguments()) == EventFilter.of()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"since": "2026-02-01T00:00:00z"}, ("2026-02-01T00:00:00z", "2026-03-01T12:00:00.000+00:00")),
        ({"since": "2027-01-01T00:00:00Z"}, ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00.000+00:00")),
        (
            {"since": "2026-02-01T00:00:00Z", "until": "2026-02-02T00:00:00Z"},
            ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"),
        ),
    ],
)
def test_brevo_gets_both_dates_in_order(dates, expected):
    """The end is now where none was given, and never before the beginning."""
    query = EventFilter.of(**dates).query(limit=1, offset=0, now=NOW)
    assert (query["startDate"], query["endDate"]) == expected


@pytest.mark.parametrize(
    ("conditions", "problems"),
    [
        ({"event_name": "secret name"}, ["event_name must be 1 to 255 characters"]),
        ({"event_name": ["a", None]}, ["event_name/1 is None: leave it out"]),
        ({"event_name": {"a": 1}}, ["event_name must be", "not an object"]),
        ({"event_name": b"secret"}, ["event_name is of type bytes"]),
        ({"contact_id": "secret@example.com"}, ["contact_id must be a whole number"]),
        ({"contact_id": [1, True]}, ["contact_id/1 must be a whole number"]),
        ({"contact_id": 10**30}, ["contact_id is an integer beyond 64 bits"]),
        ({"contact_id": []}, ["contact_id is an empty list: leave it out"]),
        ({"object_type": ""}, ["object_type must be text that is not empty"]),
        ({"since": "2026-03-01"}, ["since must be a timestamp by RFC 3339"]),
        ({"since": [NOW, NOW]}, ["since is a list: give one moment"]),
        ({"until": NOW}, ["until stands alone: give since too"]),
        ({"since": NOW, "until": "2026-03-01T11:59:59Z"}, ["until is before since: exchange them"]),
        ({"event_name": "secret name", "contact_id": "secret"}, ["for 2 reasons", "event_name", "contact_id"]),
    ],
)
def test_what_can_not_be_looked_for_is_told_at_once_and_without_values(conditions, problems):
    """The rules are those of events, each problem is named by its argument, and no value is shown."""
    with pytest.raises(BrevoUsageError, match="can't be looked up as asked") as caught:
        EventFilter.of(**conditions)
    for problem in problems:
        assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("bounds", [{"limit": 0}, {"limit": True}, {"page_size": 0}, {"page_size": 10_001}])
def test_bounds_are_numbers_that_brevo_takes(bounds):
    """One event at least, ten thousand in one answer at most."""
    with pytest.raises(BrevoUsageError, match=next(iter(bounds))):
        check_bounds(**{"limit": None, "page_size": 100, **bounds})


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ({"events": [EVENT], "count": 7}, 7),
        ({"events": [EVENT]}, None),
        ({"events": [], "count": 0}, 0),
        ({"events": None, "count": 0}, 0),
        ({"count": 0}, 0),
    ],
)
def test_answers_that_make_sense_are_read(content, count):
    """Events may be missing where there are none, and the count may be missing."""
    assert read(content) == EventPage(events=content.get("events") or [], count=count)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"",
        {"events": {}, "count": 0},
        {"count": 1},
        {},
        [EVENT],
        {"events": [1]},
        {"events": [{**EVENT, "event_name": None}]},
        {"events": [{"event_name": "order"}]},
        {"events": [EVENT] * 11},
        {"events": [EVENT], "count": 0},
        {"events": [EVENT], "count": "1"},
        {"events": [EVENT], "count": True},
        {"code": "x", "message": "y", "events": []},
    ],
)
def test_answers_that_make_no_sense_are_errors(content):
    """Nothing is guessed from an answer that somebody else may have given."""
    with pytest.raises(BrevoUnexpectedAnswerError):
        read(content)


@pytest.mark.parametrize(
    ("conditions", "admitted"),
    [
        ({"event_name": "ORDER"}, True),
        ({"event_name": ["other", "order"], "contact_id": [1, 42]}, True),
        ({"event_name": "other"}, False),
        ({"contact_id": 43}, False),
    ],
)
def test_events_that_were_not_asked_for_are_noticed(conditions, admitted):
    """A server that ignores a condition would let anybody's event pass for the one that is waited for."""
    if admitted:
        assert read({"events": [EVENT], "count": 1}, **conditions).events == [EVENT]
    else:
        with pytest.raises(BrevoUnexpectedAnswerError, match="events of another name or contact"):
            read({"events": [EVENT], "count": 1}, **conditions)


def test_a_refusal_speaks_of_what_was_looked_for():
    """A 400 is about the conditions, not about an event, and Brevo's words are cleaned of them."""
    with pytest.raises(BrevoRefusedError) as caught:
        read({"code": "invalid_parameter", "message": "contact 4711 is wrong"}, status=400)
    assert str(caught.value) == (
        "Brevo refused the request (HTTP 400, invalid_parameter: contact *** is wrong); correct what is looked for."
    )
    assert caught.value.__cause__ is None


def test_other_failures_stay_what_they_are():
    """A 5xx is Brevo's problem, for this call too."""
    with pytest.raises(BrevoServerError):
        read({}, status=503)


def test_a_request_that_reads_leaves_nothing_uncertain():
    """No event was sent, so none may have been taken, and the advice doesn't say so."""
    server = BrevoServerError(status=503, advice="the event may have been taken all the same")
    strange = BrevoUnexpectedAnswerError(status=200, advice="look in Brevo whether it arrived")
    timeout = BrevoTimeoutError("no answer", advice="the request may have been taken all the same")
    unreachable = BrevoConnectError("can't be reached", advice="check the network")
    for error in (server, strange, timeout, unreachable):
        settle(error)
        assert not error.uncertain
    assert server.advice == timeout.advice == "nothing was changed by it: ask again later"
    assert strange.advice.startswith("check the base URL")
    assert unreachable.advice == "check the network"


class Pages:
    """Reads numbers as a server would that has so many, and puts so many into one answer at most."""

    def __init__(self, total, *, most=10_000, counts="all"):
        self.total, self.most, self.counts = total, most, counts
        self.asked = []

    def __call__(self, asked, offset):
        self.asked.append((asked, offset))
        events = [{"n": n} for n in range(self.total)][offset : offset + min(asked, self.most)]
        count = {"all": self.total, "page": len(events), "none": None}[self.counts]
        return EventPage(events=events, count=count)


@pytest.mark.parametrize("counts", ["all", "page", "none"])
@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 20, 25])
@pytest.mark.parametrize("limit", [None, 1, 10, 15, 100])
def test_pages_give_each_event_once(counts, total, limit):
    """However many there are, and whatever the count counts."""
    pages = Pages(total, counts=counts)
    numbers = [event["n"] for event in read_pages(pages, limit=limit, page_size=10)]
    assert numbers == list(range(min(total, limit or total)))
    assert len(pages.asked) <= total // 10 + 1


def test_a_short_page_is_not_the_end_where_the_count_says_more():
    """A server that gives fewer than were asked for is asked for the rest."""
    assert len(list(read_pages(Pages(25, most=4), limit=None, page_size=10))) == 25


def test_a_page_is_read_when_it_is_needed():
    """Whoever wants one event pays for one page."""
    pages = Pages(25)
    assert next(read_pages(pages, limit=None, page_size=10)) == {"n": 0}
    assert pages.asked == [(10, 0)]


def test_only_count_and_dates_are_said():
    """What goes into an XCom holds nothing personal."""
    later = {**EVENT, "event_date": "2026-03-02T10:00:00Z", "contact_properties": {"EMAIL": "jane@example.com"}}
    assert count_and_dates([later, EVENT]) == {
        "count": 2,
        "first_event_date": "2026-03-01T10:00:00Z",
        "last_event_date": "2026-03-02T10:00:00Z",
    }
    assert count_and_dates([]) == {"count": 0, "first_event_date": None, "last_event_date": None}
