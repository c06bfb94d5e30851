"""The API key, and what looks wrong with one."""

import pytest

from airflow_provider_brevo.core.auth import ApiKey

GOOD = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


def test_key_is_sent_in_its_header():
    """Brevo reads the key from the header api-key."""
    assert dict(ApiKey(GOOD).headers()) == {"api-key": GOOD}


def test_key_is_never_shown():
    """Neither the key's nor its headers' repr holds the key."""
    key = ApiKey(GOOD)

    assert GOOD not in f"{key!r} {key} {key.headers()!r} {key.headers()}"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        (GOOD, None),
        (GOOD[:-1], "cut off or masked"),
        (GOOD + "x", "cut off or masked"),
        (GOOD[:20] + "********", "cut off or masked"),
        ("xsmtpsib-" + GOOD[8:], "it is an SMTP key"),
        ("something else", "does not look like an API key"),
    ],
)
def test_hint_names_the_common_mistakes(key, hint):
    """SMTP keys and keys that were cut off are told apart, without showing them."""
    said = ApiKey(key).hint()

    assert (said is None) if hint is None else (hint in said)
    assert key not in (said or "")
