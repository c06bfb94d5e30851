"""The token call's rules, from RFC 6749, and the life of a token."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from airflow_provider_brevo.sandbox.oauth import FORM, TokenDesk

NOW = datetime(2026, 10, 1, tzinfo=UTC)
GOOD = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "p+ss:w%6Frd"}


class Clock:
    """A time that stands still until it is moved."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


def desk(clock: Clock | None = None, **options: Any) -> TokenDesk:
    """Make a desk that knows one client."""
    settings = {
        "clients": {"app": "p+ss:w%6Frd"},
        "scopes": None,
        "seconds": 60.0,
        "clock": clock or Clock(),
        **options,
    }
    return TokenDesk(**settings)


def ask(
    where: TokenDesk, fields: dict[str, str] | bytes, *, basic: str | None = None, content_type: str = FORM
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Ask for a token and give status, answer and headers."""
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    authorization = None if basic is None else f"Basic {b64encode(basic.encode()).decode()}"
    reply = where.answer(content_type=content_type, authorization=authorization, body=body)
    assert isinstance(reply.text, str)
    return reply.status, json.loads(reply.text), dict(reply.headers)


def test_a_client_gets_a_token_that_is_good_until_it_expires() -> None:
    """The answer is that of RFC 6749, 5.1; each token has its own end."""
    clock = Clock()
    where = desk(clock)
    status, first, headers = ask(where, GOOD)
    token = first.pop("access_token")
    assert (status, first) == (200, {"token_type": "Bearer", "expires_in": 60})
    assert headers["Cache-Control"] == "no-store"
    clock.now = NOW + timedelta(seconds=59)
    other = ask(where, GOOD)[1]["access_token"]
    assert (where.refuse(token), where.refuse(other), where.issued) == (None, None, 2)
    clock.now = NOW + timedelta(seconds=60)
    assert (where.refuse(token), where.refuse(other)) == ("Access token has expired", None)
    assert where.refuse("unknown") == "Key not found"
    assert where.refuse("\udcff") == "Key not found"


def test_a_reset_forgets_tokens() -> None:
    """What was given is unknown, and counted from 0 again."""
    where = desk()
    token = ask(where, GOOD)[1]["access_token"]
    where.reset()
    assert (where.refuse(token), where.issued) == ("Key not found", 0)


def test_tokens_that_ended_long_ago_are_forgotten() -> None:
    """A desk that runs for days holds no more than the tokens of a day."""
    clock = Clock()
    where = desk(clock)
    token = ask(where, GOOD)[1]["access_token"]
    clock.now = NOW + timedelta(days=2)
    ask(where, GOOD)
    assert where.refuse(token) == "Key not found"
    assert where.issued == 2


@pytest.mark.parametrize("basic", ["app:p+ss:w%6Frd", "app:p%2Bss%3Aw%256Frd"])
def test_http_basic_is_taken_plain_and_encoded(basic: str) -> None:
    """RFC 6749, 2.3.1 wants id and secret encoded like a form; many clients send them as they are."""
    assert ask(desk(), {"grant_type": "client_credentials"}, basic=basic)[0] == 200


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({**GOOD, "client_secret": "wrong"}, 401, "invalid_client"),
        ({**GOOD, "client_id": "other"}, 401, "invalid_client"),
        ({**GOOD, "client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({**GOOD, "grant_type": "password"}, 400, "unsupported_grant_type"),
        ({**GOOD, "grant_type": ""}, 400, "invalid_request"),
        ({**GOOD, "scope": "events:write other:read"}, 400, "invalid_scope"),
        (b"grant_type=client_credentials&client_id=app&client_id=app", 400, "invalid_request"),
        (b"\xff", 400, "invalid_request"),
        (b"&".join([b"a=1"] * 101), 400, "invalid_request"),
    ],
)
def test_refusals_have_the_codes_of_the_rfc(fields: dict[str, str] | bytes, status: int, code: str) -> None:
    """RFC 6749, 5.2: 401 if the client is wrong, else 400; no secret is repeated."""
    got, said, headers = ask(desk(scopes=["events:write"]), fields)
    assert (got, said["error"]) == (status, code)
    assert said["error_description"]
    assert "w%6Frd" not in str(said)
    assert "WWW-Authenticate" not in headers


@pytest.mark.parametrize("basic", ["app:wrong", "app", "nobody:", ":x", "other:p+ss:w%6Frd"])
def test_a_wrong_basic_client_is_told_the_scheme(basic: str) -> None:
    """RFC 6749, 5.2: the answer to an Authorization header that is wrong says which scheme is right."""
    status, said, headers = ask(desk(), {"grant_type": "client_credentials"}, basic=basic)
    assert (status, said["error"]) == (401, "invalid_client")
    assert headers["WWW-Authenticate"].startswith("Basic ")


def test_a_broken_authorization_header_is_no_client() -> None:
    """Neither another scheme nor what is no base64 authenticates."""
    for header in ("Bearer abc", "Basic ###", "Basic /w=="):
        reply = desk().answer(content_type=FORM, authorization=header, body=b"grant_type=client_credentials")
        assert reply.status == 401


def test_two_ways_to_authenticate_are_one_too_many() -> None:
    """RFC 6749, 2.3 forbids to use both in one request."""
    status, said, _ = ask(desk(), GOOD, basic="app:p+ss:w%6Frd")
    assert (status, said["error"]) == (400, "invalid_request")


def test_the_request_must_be_a_form() -> None:
    """JSON is refused."""
    status, said, _ = ask(desk(), json.dumps(GOOD).encode(), content_type="application/json")
    assert (status, said["error"]) == (400, "invalid_request")


def test_without_clients_any_will_do() -> None:
    """But an id and a secret are needed all the same."""
    anybody = desk(clients=None)
    assert ask(anybody, {**GOOD, "client_id": "x", "client_secret": "y"})[0] == 200
    assert ask(anybody, {"grant_type": "client_credentials", "client_id": "x"})[0] == 401


@pytest.mark.parametrize(
    ("scopes", "asked", "granted"),
    [
        (None, "", None),
        (None, "a b", "a b"),
        (["b", "a"], "", "a b"),
        (["b", "a"], " a ", "a"),
    ],
)
def test_scopes_are_granted_as_asked(scopes: list[str] | None, asked: str, granted: str | None) -> None:
    """Without a wish all that exist are granted, if it is known which."""
    assert ask(desk(scopes=scopes), {**GOOD, "scope": asked})[1].get("scope") == granted


def test_a_negative_life_is_refused() -> None:
    """It is found when the desk is made."""
    with pytest.raises(ValueError, match="token_seconds"):
        desk(seconds=-1.0)
