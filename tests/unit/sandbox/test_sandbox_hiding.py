"""What the sandbox neither shows nor writes to disk."""

import pytest

from airflow_provider_brevo.sandbox.hiding import TOKEN_PATH, shown_body, shown_headers, shown_query, without_secrets

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_secret_headers_are_hidden() -> None:
    """Keys and tokens are, the rest is not."""
    headers = {"api-key": "k", "authorization": "Bearer t", "cookie": "c", "accept": "a"}
    assert shown_headers(headers) == {
        "api-key": "(hidden)",
        "authorization": "(hidden)",
        "cookie": "(hidden)",
        "accept": "a",
    }


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("limit=1&event_name=a", "limit=1&event_name=a"),
        ("api-key=k&limit=1&API_KEY=k", "api-key=(hidden)&limit=1&API_KEY=(hidden)"),
        ("client%5Fsecret=s", "client%5Fsecret=(hidden)"),
        ("access_token", "(hidden)"),
    ],
)
def test_secret_parameters_are_hidden(query: str, shown: str) -> None:
    """A key in the query is a mistake; it is not shown all the same."""
    assert shown_query(query) == shown


def test_the_body_of_the_token_call_shows_harmless_fields_only() -> None:
    """Whatever else a form holds may be a secret under a wrong name."""
    body = b"grant_type=client_credentials&client_id=a&client_secret=s%26&scope=b&secret=s&s"
    assert shown_body(TOKEN_PATH, FORM, body) == (
        b"grant_type=client_credentials&client_id=a&client_secret=(hidden)&scope=b&secret=(hidden)&(hidden)"
    )


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
def test_another_body_of_the_token_call_is_hidden_whole(headers: dict[str, str]) -> None:
    """Where a secret stands in it is unknown."""
    assert shown_body(TOKEN_PATH, headers, b'{"client_secret": "s"}') == b"(hidden)"
    assert shown_body(TOKEN_PATH, headers, b"") == b""


def test_other_bodies_are_shown() -> None:
    """Events hold no secrets of the account."""
    assert shown_body("/v3/events", FORM, b"client_secret=s") == b"client_secret=s"


def test_a_text_that_quotes_a_request_loses_its_secrets() -> None:
    """The key, the token with and without its scheme, and the body of the token call are taken out."""
    headers = {"api-key": "abc", "authorization": "Bearer abcdef", "accept": "x"}
    assert without_secrets("abcdef, Bearer abcdef, abc, x", headers, "/v3/events", b"x") == (
        "(hidden), (hidden), (hidden), x"
    )
    assert without_secrets("sent a=1", {"api-key": ""}, TOKEN_PATH, b"a=1") == "sent (hidden)"
