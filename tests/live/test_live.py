"""What Brevo's documents leave open, asked of Brevo itself.

Each docstring starts with a question; the record has the answer. A test fails only where the answer contradicts what
our code relies on. The order matters: the last test looks for the events of the others.
"""

import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.answers import Sent, expect_taken
from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.payload import encode
from airflow_provider_brevo.core.rate_limit import RESET_HEADER, seconds_until_reset
from airflow_provider_brevo.core.validation import load_schema

pytestmark = pytest.mark.live

if not os.environ.get("BREVO_API_KEY"):
    pytest.skip("BREVO_API_KEY is not set", allow_module_level=True)

MAX_BYTES = load_schema("event")["properties"]["event_properties"]["x-max-bytes"]
NOW = datetime.now(UTC).replace(microsecond=0)
DATES = {
    "a month ago": NOW - timedelta(days=30),
    "ten years ago": NOW - timedelta(days=3653),
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
    "tomorrow": NOW + timedelta(days=1),
    "in ten years": NOW + timedelta(days=3653),
}
VALUES = {
    "float": 42.5,
    "whole": 3,
    "beyond_float": 2**53 + 1,
    "flag": False,
    "text": "00123",
    "date": "2026-03-01T14:30:00+01:00",
    "list": [{"sku": "TEA-1", "price": 12.5}],
}
WRONG = {
    "no identifiers": {"identifiers": None},
    "empty identifiers": {"identifiers": {}},
    "empty ext_id": {"identifiers": {"ext_id": ""}},
    "blanks in event_name": {"event_name": "airflow provider brevo live"},
    "blank in a key": {"event_properties": {"a b": "c"}},
    "null": {"event_properties": {"a": None}},
    "no date": {"event_date": "yesterday"},
    "unknown field": {"a": "b"},
}
NO_KEY = "xkeysib-" + "0" * 64 + "-" + "0" * 16


def test_the_simplest_event(asked):
    """Does POST /events answer 204? Any success must be readable as one."""
    failure = asked.first_failure
    assert failure is None, f"{failure} If the contact is the reason, name one in BREVO_LIVE_CONTACT."


def test_types_and_delay(brevo):
    """How long does an event take to show in GET /events? Numbers, text and booleans must come back as such."""
    event = brevo.event(event_properties=VALUES)
    assert brevo.settle(event) is None
    sent_at, probe = time.monotonic(), event["event_properties"]["probe"]
    for pause in (0, 1, 2, 4, 8, 16, 32):  # few requests: GET /events may have 100 an hour
        brevo.pause(pause)
        found = brevo.shown().get(probe)
        if found:
            break
    brevo.note(seen=bool(found), after_seconds=round(time.monotonic() - sent_at, 1))
    if not found:
        pytest.skip("the event did not show in time")
    back = {name: found["event_properties"].get(name) for name in VALUES}
    brevo.note(came_back=back, object_type=found.get("object_type"), fields=sorted(found))
    for name in ("float", "whole", "flag", "text"):
        assert (back[name], isinstance(back[name], bool)) == (VALUES[name], isinstance(VALUES[name], bool))


def test_missing_contact(brevo):
    """Does an event create a contact that doesn't exist? 200 says yes, 404 no."""
    if not brevo.contact_is_made_up:
        pytest.skip("BREVO_LIVE_CONTACT exists")
    answer = brevo.ask("GET", f"/contacts/{brevo.contact}?identifierType=ext_id")
    assert answer.status < 500


@pytest.mark.parametrize("size", [MAX_BYTES, 50_001, 51_200, 51_201])
def test_size(brevo, size):
    """Does "50Kb" mean 50,000 or 51,200 bytes? What our schema lets pass must be taken."""
    event = brevo.event(event_properties={"filler": ""})
    event["event_properties"]["filler"] = "x" * (size - len(encode(event["event_properties"])))
    assert brevo.settle(event) is None or size > MAX_BYTES


@pytest.mark.parametrize("when", DATES)
def test_event_date(brevo, when):
    """How far may event_date lie in the past or future? A month ago must do, for backfills."""
    assert brevo.settle(brevo.event(event_date=DATES[when].isoformat())) is None or when != "a month ago"


def test_leap_second(brevo):
    """Are leap seconds (23:59:60) accepted? If not, then refused with a 4xx."""
    brevo.settle(brevo.event(event_date="2016-12-31T23:59:60Z"))


@pytest.mark.parametrize("name", ["AIRFLOW_PROVIDER_BREVO_LIVE", "airflow_provider_brevo_live"])
def test_attribute_name(brevo, name):
    """Are attribute names with small letters accepted? Capitals are asked for too: the account has neither."""
    brevo.settle(brevo.event(contact_properties={name: "x"}))


def test_limits(brevo):
    """Which window do the x-sib-ratelimit-* headers describe? The reset must be readable as seconds that remain."""
    for pause in (0, 0, 0.5, 0.5, 1, 2):
        brevo.pause(pause)
        assert brevo.settle(brevo.event()) is None
        assert RESET_HEADER not in brevo.last.headers or seconds_until_reset(brevo.last.headers) is not None


@pytest.mark.parametrize("case", WRONG)
def test_wrong_event(brevo, case):
    """How is a wrong event refused? With a 4xx, if at all: anything else would be tried again."""
    brevo.settle(brevo.event(**WRONG[case]))


@pytest.mark.parametrize(
    ("method", "path", "credentials", "error"),
    [
        ("POST", "/events", {}, exc.BrevoAuthenticationError),
        ("POST", "/events", {"api-key": NO_KEY}, exc.BrevoAuthenticationError),
        ("POST", "/events", {"Authorization": "Bearer nobodys-token"}, exc.BrevoAuthenticationError),
        ("POST", "/events", None, exc.BrevoBadRequestError),
        ("PUT", "/events", None, exc.BrevoMethodNotAllowedError),
        ("GET", "/airflow-provider-brevo-live", None, exc.BrevoRefusedError),
    ],
    ids=["no key", "unknown key", "unknown token", "no object", "wrong method", "wrong path"],
)
def test_wrong_request(brevo, method, path, credentials, error):
    """What do refusals look like? Each must be read as what it is."""
    event = [] if error is exc.BrevoBadRequestError else brevo.event()
    answer = brevo.ask(method, path, body=None if method == "GET" else encode(event), credentials=credentials)
    with pytest.raises(error):
        expect_taken(answer, Sent(body=None, auth=ApiKey(NO_KEY), secrets=[]))


def test_account(brevo):
    """May the key read GET /account? If not, the refusal must be read as a key that is valid but restricted."""
    with suppress(exc.BrevoRestrictedKeyError):
        brevo.client().get_account()


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_batch(brevo, wrong):
    """Does POST /events/batch take {"events": […]}, of which some may be wrong? A 404 is an answer too."""
    events = [brevo.event(**WRONG["empty identifiers"]) if i < wrong else brevo.event() for i in range(2)]
    assert brevo.ask("POST", "/events/batch", body=encode({"events": events})).status < 500


@pytest.fixture
def oauth():
    """Read the settings of an OAuth client."""
    fields = ConnectionFields(
        host=os.environ.get("BREVO_BASE_URL"),
        login=os.environ.get("BREVO_OAUTH_CLIENT_ID"),
        password=os.environ.get("BREVO_OAUTH_CLIENT_SECRET"),
        extra={"auth_type": "oauth", "oauth_scope": os.environ.get("BREVO_OAUTH_SCOPE")},
    )
    if not fields.login or not fields.password:
        pytest.skip("BREVO_OAUTH_CLIENT_ID and BREVO_OAUTH_CLIENT_SECRET are not set")
    return read_settings(fields)[0].auth


def test_oauth(brevo, oauth):
    """Which scope does a token have, how long does it live, and may it send events? If not, a 4xx says so."""
    brevo.settle(brevo.event(), auth=oauth)


def test_oauth_refusal(brevo, oauth):
    """How is a wrong client secret refused? It must be read as a refusal of the token."""
    refusal = brevo.settle(brevo.event(), auth=replace(oauth, client_secret="wrong"))
    assert isinstance(refusal, exc.BrevoTokenRefusedError)


def test_what_shows(brevo):
    """Which of the accepted events show in GET /events, and with which date? Late ones may be missing."""
    shown = brevo.shown(startDate="1970-01-01", endDate="2100-01-01")
    brevo.note(shown={probe: event["event_date"] for probe, event in sorted(shown.items())})
