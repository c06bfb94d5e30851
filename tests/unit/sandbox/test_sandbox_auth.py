"""Who may ask the sandbox."""

import pytest

from airflow_provider_brevo.sandbox.auth import bearer_token, is_loopback_host, refuse_key


@pytest.mark.parametrize(
    ("sent", "expected", "message"),
    [
        (None, "key", "authentication not found in headers"),
        ("", None, "authentication not found in headers"),
        ("kex", "key", "Key not found"),
        ("schlüssel\udcff", "key", "Key not found"),
        ("key", "key", None),
        ("anything", None, None),
    ],
)
def test_keys_are_refused_in_brevos_words(sent: str | None, expected: str | None, message: str | None) -> None:
    """A missing and a wrong key are told apart; without an expected key any will do."""
    assert refuse_key(sent, expected) == message


@pytest.mark.parametrize(
    ("header", "token"),
    [
        *((None, None), ("", None), ("Bearer", None), ("Bearer ", None), ("Basic eDp5", None)),
        *(("Bearer abc", "abc"), ("bearer  abc ", "abc")),
    ],
)
def test_a_token_is_read_from_its_header(header: str | None, token: str | None) -> None:
    """The scheme is written in any case; another scheme holds no token."""
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8025", "127.9.9.9", "[::1]", "[::1]:8025"]
)
def test_loopback_names_and_addresses_are_accepted(host: str) -> None:
    """The machine may be named in every usual way, with or without a port."""
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "brevo.com",
            "api.brevo.com:443",
            "localhost.example",
            "127.0.0.1.example",
            "10.0.0.1",
            "[::2]",
        ),
        *("a@127.0.0.1", "127.0.0.1/x", "127.0.0.1:x", "[::1", "0.0.0.0"),
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    """A name that merely resolves to this machine, and anything malformed, is refused."""
    assert not is_loopback_host(host)
