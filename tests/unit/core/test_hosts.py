"""Where the secret of an OAuth connection may go, and the corners of the rules for hosts."""

from urllib.parse import urlsplit

import pytest

from airflow_provider_brevo.core.auth import OAuthClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.hosts import HostRules, is_loopback, shown_id
from airflow_provider_brevo.core.transport import RequestsTransport
from airflow_provider_brevo.exceptions import BrevoSettingsError

PATH = "/realms/partner/oauth/token"


def settings(*, allowed_hosts=(), host=None, port=None, schema=None, **extra):
    """Return the settings of an OAuth connection."""
    fields = ConnectionFields(
        login="ID", password="SECRET", host=host, port=port, schema=schema, extra={"auth_type": "oauth", **extra}
    )
    return read_settings(fields, allowed_hosts=allowed_hosts)[0]


def problems(**fields):
    """Return what is wrong with an OAuth connection."""
    with pytest.raises(BrevoSettingsError) as caught:
        settings(**fields)
    assert "SECRET" not in str(caught.value)
    return caught.value.problems


def base_url(*args):
    """Put a base URL together, where nothing is wrong with it."""
    found = []
    url = HostRules((), found).base_url(*args)
    assert found == []
    return url


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, "https://api.brevo.com"),
        ("https://api.brevo.com/v4", "https://api.brevo.com"),
        ("http://127.0.0.1:8025/v3", "http://127.0.0.1:8025"),
        ("[::1]:8025", "http://[::1]:8025"),
        ("https://gw.example.com:8443/brevo/a/b", "https://gw.example.com:8443"),
    ],
)
@pytest.mark.parametrize("unset", [None, ""])
def test_tokens_come_from_the_origin_of_the_base_url(host, origin, unset):
    """Without a token URL the secret goes where the events go, and never from a sandbox's connection to Brevo."""
    found = settings(host=host, oauth_token_url=unset, allowed_hosts=["gw.example.com"])
    assert found.auth.token_url == origin + PATH


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://oauth.brevo.com/token", "https://oauth.brevo.com/token"),
        (" HTTPS://OAuth.Brevo.com:443/Token\n", "https://oauth.brevo.com:443/Token"),
        ("http://localhost:9/t", "http://localhost:9/t"),
        ("http://[::1]:9/t", "http://[::1]:9/t"),
        ("https://gw.example.com/t/", "https://gw.example.com/t/"),
    ],
)
def test_another_token_url_may_be_named(url, expected):
    """A token URL on brevo.com, on this machine or on an allowed host is taken, with its path as it is."""
    assert settings(oauth_token_url=url, allowed_hosts=["gw.example.com"]).auth.token_url == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://evil.org/token", "may not be given the key"),
        ("https://brevo.com.evil.org/token", "may not be given the key"),
        ("https://gw.example.com:8444/token", "may not be given the key"),
        ("http://api.brevo.com/token", "must be https"),
        ("http://gw.example.com:8443/token", "must be https"),
        ("https://api.brevo.com:0/token", "between 1 and 65535"),
        ("api.brevo.com/token", "not of the form"),
        ("/token", "not of the form"),
        ("  ", "not of the form"),
        ("https://api.brevo.com@evil.org/token", "not of the form"),
        ("https://evil.org\\@api.brevo.com/token", "not of the form"),
        ("https://api.brevo.com/token?secret=1", "not of the form"),
        ("https://api.brevo.com/token#x", "not of the form"),
        ("https://api.brevo.com/to ken", "not of the form"),
        ("https://evil.org\n.brevo.com/token", "not of the form"),
        ("ftp://api.brevo.com/token", "not of the form"),
        ("http://[127.0.0.1]/token", "not of the form"),
    ],
)
def test_the_secret_goes_to_no_other_place(url, expected):
    """The rules for the base URL hold for the token URL too, and the message names the field but not the value."""
    (problem,) = problems(oauth_token_url=url, allowed_hosts=["gw.example.com:8443"])
    assert expected in problem
    assert "oauth_token_url" in problem
    assert "evil" not in problem


def test_a_token_url_is_text():
    """A number is no token URL."""
    assert problems(oauth_token_url=5) == ("extra 'oauth_token_url' must be text",)


def test_a_key_in_the_token_url_is_refused():
    """A key pasted into the token URL is found, and not shown."""
    found = problems(oauth_token_url="https://api.brevo.com/xkeysib-0123")
    assert "hold a secret" in found[0]
    assert "'oauth_token_url' is not of the form" in found[1]
    assert "xkeysib-0123" not in "".join(found)


@pytest.mark.parametrize(
    ("urls", "passes"),
    [
        ({}, True),
        ({"oauth_token_url": "https://127.0.0.1:1/t"}, True),
        ({"oauth_token_url": "HTTP://127.0.0.1:1/t"}, False),
        ({"host": "http://127.0.0.1:1", "oauth_token_url": "https://api.brevo.com/t"}, False),
        ({"host": "http://127.0.0.1:1"}, False),
    ],
)
def test_a_proxy_never_sees_the_secret(urls, passes):
    """A proxy elsewhere is refused if either URL is plain http, since it would be sent the secret or the token."""
    proxy = "http://proxy.example.com:3128"
    if passes:
        assert settings(proxy=proxy, **urls).proxy == proxy
    else:
        assert "unencrypted" in problems(proxy=proxy, **urls)[0]
    assert settings(proxy="http://127.0.0.1:3128", **urls).proxy == "http://127.0.0.1:3128"


@pytest.mark.parametrize(
    ("listed", "host", "passes"),
    [
        ("https://gw.example.com/", "gw.example.com", True),
        ("HTTPS://GW.example.com", "gw.example.com", True),
        ("https://gw.example.com/", "gw.example.com:8443", True),
        ("gw.example.com:443", "gw.example.com", True),
        ("gw.example.com:443", "https://gw.example.com:443/v3", True),
        ("gw.example.com:443", "gw.example.com:8443", False),
        ("https://gw.example.com:443/", "gw.example.com:444", False),
        ("https://gw.example.com:8443/", "gw.example.com:8443", True),
        ("gw.example.com", "gw.example.com:443", True),
        ("gw.example.com/v3", "gw.example.com/v3", False),
        ("http://gw.example.com", "gw.example.com", False),
        ("[2001:db8::1]:443", "https://[2001:db8::1]", True),
        ("", "gw.example.com", False),
    ],
)
def test_allowed_hosts_may_be_written_as_urls(listed, host, passes):
    """Scheme, slash, case and a port that goes unsaid don't matter; a listed port allows that one alone."""
    if passes:
        assert settings(host=host, allowed_hosts=[listed]).host.startswith(("gw.", "[2001"))
    else:
        assert all("may not be given the key" in problem for problem in problems(host=host, allowed_hosts=[listed]))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("127.0.0.1", 8025, "https"), "https://127.0.0.1:8025/v3"),
        (("127.0.0.1", None, "HTTP"), "http://127.0.0.1/v3"),
        (("api.brevo.com", None, " https "), "https://api.brevo.com/v3"),
        (("https://api.brevo.com/v4", None, "https"), "https://api.brevo.com/v4"),
        (("HTTPS://API.brevo.com", None, None), "https://api.brevo.com/v3"),
        (("::1", 8025, "https"), "https://[::1]:8025/v3"),
        (("api.brevo.com//v3//", None, None), "https://api.brevo.com/v3"),
    ],
)
def test_the_schema_may_be_the_scheme(fields, expected):
    """The field 'schema' is read as the scheme where it is one, as other connection types use it."""
    assert base_url(*fields) == expected


@pytest.mark.parametrize("fields", [("http://127.0.0.1", "https"), ("https://127.0.0.1", "http")])
def test_contradicting_schemes_are_refused(fields):
    """A host and a schema that name different schemes are refused, not guessed at."""
    host, schema = fields
    assert problems(host=host, schema=schema) == ("the base URL (host) and the field 'schema' name different schemes",)


def test_the_scheme_can_not_lower_the_guard():
    """The scheme http in the schema is refused outside of this machine."""
    assert "must be https" in problems(host="api.brevo.com", schema="http")[0]


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("a" * 63 + ".brevo.com", True),
        ("a" * 64 + ".brevo.com", False),
        ("a..brevo.com", False),
        (".brevo.com", False),
        ("api.brevo.com.", False),
        ("-api.brevo.com", False),
        ("api-.brevo.com", False),
        ("a-b.brevo.com", True),
        ("[127.0.0.1]", False),
        ("[]", False),
        ("https://", False),
    ],
)
def test_labels_are_those_of_host_names(host, fits):
    """A label has 1 to 63 letters, digits and inner hyphens; what stands in brackets is an IPv6 address."""
    if fits:
        assert settings(host=host).host == host
    else:
        (problem,) = problems(host=host)
        assert "not of the form" in problem


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "127.0.0.1", "localhost:1"])
def test_what_is_taken_can_be_used(host):
    """A base URL that passes can be taken apart by what makes the requests."""
    found = settings(host=host)
    RequestsTransport(found).close()
    assert is_loopback(urlsplit(found.base_url).hostname)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"host": "https://api.brevo.com/v3/events"}, True),
        ({"host": "https://api.brevo.com/v3/events/"}, True),
        ({"host": "https://api.brevo.com/events"}, True),
        ({"host": "api.brevo.com", "schema": "v3/events"}, True),
        ({"host": "api.brevo.com", "schema": "events"}, True),
        ({"host": "https://api.brevo.com/myevents"}, False),
        ({"host": "https://api.brevo.com/events/v3"}, False),
    ],
)
def test_a_base_url_ends_before_events(fields, refused):
    """A base URL that names the call itself would lead to /events/events, and is refused with the right one."""
    if refused:
        assert problems(**fields) == ("the base URL (host) ends before /events: https://api.brevo.com/v3",)
    else:
        assert settings(**fields)


def test_an_oauth_connection_names_a_client():
    """Login and password are the client's id and secret, without what copying brings along."""
    fields = ConnectionFields(login=" ID\n", password="SECRET\n", extra={"auth_type": "OAuth", "oauth_scope": "a b"})
    found, warnings = read_settings(fields)
    assert warnings == []
    assert found.auth == OAuthClient(
        client_id="ID", client_secret="SECRET", token_url="https://api.brevo.com" + PATH, scope="a b"
    )


def test_an_oauth_connection_without_a_client_says_so():
    """Both missing fields are named at once, with where they belong."""
    with pytest.raises(BrevoSettingsError) as caught:
        read_settings(ConnectionFields(login=" ", extra={"auth_type": "oauth"}))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "the OAuth client ID is missing",
        "the OAuth client secret is missing",
    ]


def test_extras_that_are_no_object_are_refused():
    """A list instead of an object is one problem, and nothing else is read from it."""
    with pytest.raises(BrevoSettingsError) as caught:
        read_settings(ConnectionFields(password="x", extra=["auth_type"]))
    assert caught.value.problems == ("the extra is no JSON object",)


def test_a_key_in_place_of_an_id_is_not_shown():
    """Ids are shown as they are."""
    assert shown_id("brevo_default") == "'brevo_default'"
    assert shown_id(None) == "None"
    assert "SECRET" not in shown_id("xsmtpsib-SECRET")
