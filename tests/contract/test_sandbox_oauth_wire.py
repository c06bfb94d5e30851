"""The sandbox's OAuth call and its tokens, as a client meets them on the wire."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from airflow_provider_brevo.sandbox import Sandbox
from airflow_provider_brevo.sandbox.hiding import TOKEN_PATH

EVENT = {"event_name": "e", "identifiers": {"email_id": "jane@example.com"}}
SECRET = "client-secret"
TIMEOUT = 10


class Clock:
    """A time that stands still until it is moved."""

    now = datetime(2026, 10, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """Run a sandbox with a client, a scope and a key."""
    with Sandbox(
        api_key="test-key", oauth_clients={"app": SECRET}, oauth_scopes=["events:write"], token_seconds=60, clock=clock
    ) as running:
        yield running


def token_call(sandbox: Sandbox, **fields: str) -> requests.Response:
    """Ask for a token."""
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET, **fields}
    return requests.post(sandbox.origin + TOKEN_PATH, data=form, timeout=TIMEOUT)


def send(sandbox: Sandbox, authorization: str, **headers: str) -> requests.Response:
    """Send an event with an Authorization header."""
    every = {"Authorization": authorization, **headers}
    return requests.post(f"{sandbox.url}/events", json=EVENT, headers=every, timeout=TIMEOUT)


def test_a_token_opens_every_call_until_it_expires(sandbox: Sandbox, clock: Clock) -> None:
    """It works like the key; afterwards the answer is 401, and a new token works again."""
    answer = token_call(sandbox, scope="events:write")
    assert answer.status_code == 200
    said = answer.json()
    token = said.pop("access_token")
    assert said == {"token_type": "Bearer", "expires_in": 60, "scope": "events:write"}
    assert send(sandbox, f"Bearer {token}").status_code == 204
    for path in ("/account", "/events"):
        got = requests.get(sandbox.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT)
        assert got.status_code == 200
        assert "x-sib-ratelimit-remaining" in got.headers
    clock.now += timedelta(seconds=60)
    late = send(sandbox, f"Bearer {token}")
    assert (late.status_code, late.json()) == (401, {"code": "unauthorized", "message": "Access token has expired"})
    assert send(sandbox, f"Bearer {token_call(sandbox).json()['access_token']}").status_code == 204
    assert sandbox.tokens_issued == 2


@pytest.mark.parametrize(
    ("authorization", "headers", "status", "message"),
    [
        ("Bearer unknown", {}, 401, "Key not found"),
        ("Bearer test-key", {}, 401, "Key not found"),
        ("Basic YTpi", {}, 401, "authentication not found in headers"),
        ("Bearer unknown", {"api-key": "wrong"}, 401, "Key not found"),
        ("Bearer unknown", {"api-key": "test-key"}, 204, None),
    ],
)
def test_other_tokens_are_refused(
    sandbox: Sandbox, authorization: str, headers: dict[str, str], status: int, message: str | None
) -> None:
    """What this sandbox did not give is unknown; a key that is sent too counts instead."""
    answer = send(sandbox, authorization, **headers)
    assert answer.status_code == status
    assert message is None or answer.json() == {"code": "unauthorized", "message": message}


def test_without_settings_any_client_gets_any_scope() -> None:
    """A token is needed all the same: an invented one is unknown."""
    with Sandbox() as sandbox:
        said = token_call(sandbox, client_id="x", client_secret="y", scope="a:read b:write").json()
        assert (said["expires_in"], said["scope"]) == (3600, "a:read b:write")
        assert send(sandbox, f"Bearer {said['access_token']}").status_code == 204
        assert send(sandbox, "Bearer invented").status_code == 401


def test_refusals_have_the_form_of_the_rfc(sandbox: Sandbox) -> None:
    """The body has error and error_description; the reason is kept, the secret is nowhere."""
    wrong = token_call(sandbox, client_secret="wrong-secret")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    scope = token_call(sandbox, scope="other:read")
    assert (scope.status_code, scope.json()["error"]) == (400, "invalid_scope")
    assert [each.reason for each in sandbox.requests] == [
        "invalid_client: Invalid client or Invalid client credentials",
        "invalid_scope: Invalid scopes",
    ]
    assert sandbox.tokens_issued == 0


def test_faults_befall_the_token_call_by_its_path(sandbox: Sandbox) -> None:
    """Those for every path under /v3 don't; those that name it do."""
    sandbox.add_fault("503,times=1")
    assert token_call(sandbox).status_code == 200
    sandbox.clear_faults()
    sandbox.add_fault(f"500,path={TOKEN_PATH},times=1")
    assert token_call(sandbox).status_code == 500
    sandbox.add_fault(f"close,path={TOKEN_PATH},times=1")
    with pytest.raises(requests.exceptions.ConnectionError):
        token_call(sandbox)
    assert token_call(sandbox).status_code == 200


def test_a_token_or_a_secret_is_quoted_by_echo_and_hidden_in_the_reason(sandbox: Sandbox) -> None:
    """Clients must clean such answers; the sandbox's own record is clean."""
    token = token_call(sandbox).json()["access_token"]
    sandbox.add_fault("echo")
    sandbox.add_fault(f"echo,path={TOKEN_PATH}")
    assert token in send(sandbox, f"Bearer {token}").json()["message"]
    assert SECRET in token_call(sandbox).json()["message"]
    for each in sandbox.requests[1:]:
        assert each.reason is not None
        assert token not in each.reason
        assert SECRET not in each.reason


def test_a_reset_makes_tokens_unknown(sandbox: Sandbox) -> None:
    """They are forgotten with everything else."""
    token = token_call(sandbox).json()["access_token"]
    sandbox.reset()
    assert sandbox.tokens_issued == 0
    assert send(sandbox, f"Bearer {token}").status_code == 401


def test_secrets_are_in_no_log_and_no_repr(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the client's secret nor the token nor the key."""
    caplog.set_level(logging.DEBUG)
    token = token_call(sandbox).json()["access_token"]
    send(sandbox, f"Bearer {token}", **{"api-key": "test-key"})
    everything = " ".join(
        [
            *(record.getMessage() for record in caplog.records if record.name.startswith(("airflow", "aiohttp"))),
            *map(repr, (sandbox, sandbox._api, sandbox._tokens, sandbox.requests, sandbox.events)),
        ]
    )
    assert [secret for secret in (token, SECRET, "test-key") if secret in everything] == []


def test_the_token_call_has_one_method(sandbox: Sandbox) -> None:
    """GET is refused, and below /v3 there is no such path."""
    assert requests.get(sandbox.origin + TOKEN_PATH, timeout=TIMEOUT).status_code == 405
    assert requests.post(f"{sandbox.origin}/v3{TOKEN_PATH}", timeout=TIMEOUT).status_code == 404
