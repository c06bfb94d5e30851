"""The key goes to Brevo, this machine or a listed host, or nowhere, and no message shows a value."""

from urllib.parse import urlsplit

import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_brevo.core.config import EXTRAS, ConnectionFields, read_settings
from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.exceptions import BrevoSettingsError

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
MARK = "Zq7MARK"
PIECES = "https:// http:// brevo.com . evil.org @ : \\ / %2f # ? 127.0.0.1 localhost ::1 [ ] 8025 - _ v3 ; , &"
pieces = st.sampled_from([*PIECES.split(), " ", "\t", "\n", "\0", "\u3002"])
hosts = st.lists(pieces, max_size=8).map("".join) | st.text(max_size=20)


@given(hosts, st.none() | st.integers(-1, 70_000), st.none() | hosts)
@example("https://brevo.com@evil.org", None, None)
def test_no_reader_of_the_url_finds_another_host(host, port, schema):
    """Whatever is accepted, two independent URL parsers find Brevo or this machine in it, and nobody else."""
    try:
        settings, _ = read_settings(ConnectionFields(password=KEY, host=host, port=port, schema=schema))
    except BrevoSettingsError:
        return
    for url in (settings.base_url, settings.base_url + "/events"):
        for found in (urlsplit(url).hostname, urllib3.util.parse_url(url).host):
            assert found == "brevo.com" or found.endswith(".brevo.com") or is_loopback(found)
        assert urlsplit(url).scheme == "https" or is_loopback(urlsplit(url).hostname)
        assert "@" not in url
        assert "%" not in url


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(MARK) | st.just(KEY),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(
    st.dictionaries(st.sampled_from(EXTRAS) | st.text(max_size=6) | st.just(f"{MARK} "), odd, max_size=6),
    st.sampled_from([None, "", KEY, f"{KEY} x", f"{KEY}\n"]),
    st.sampled_from([None, "api.brevo.com", f"{MARK}.org", f"https://{KEY}", f"{MARK} x", "127.0.0.1"]),
)
def test_any_extras_give_settings_or_one_error_without_values(extra, password, host):
    """Whatever the fields hold, settings or one error come out, and neither they nor the warnings show a value."""
    fields = ConnectionFields(password=password, host=host, extra=extra)
    try:
        settings, warnings = read_settings(fields)
    except BrevoSettingsError as error:
        shown = f"{error} {error!r} {error.problems}"  # settings are as good
    else:
        shown = f"{settings!r} {warnings}"
        assert 0 < settings.timeout <= 86_400
        assert settings.max_retries >= 0
    assert KEY not in shown + repr(fields)
    assert MARK.lower() not in (shown + repr(fields)).lower()
