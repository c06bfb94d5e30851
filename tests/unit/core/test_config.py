"""Settings from the fields of a connection."""

import pytest

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.config import (
    DEFAULT_BASE_URL,
    EXTRAS,
    BrevoSettings,
    ConnectionFields,
    read_settings,
)
from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.exceptions import BrevoSettingsError

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


def read(extra=None, *, allowed_hosts=(), **fields):
    """Return the settings of a connection that has a key."""
    fields = ConnectionFields(**{"password": KEY, "extra": extra, **fields})
    return read_settings(fields, allowed_hosts=allowed_hosts)[0]


def problems(extra=None, *, allowed_hosts=(), **fields):
    """Return what is wrong with a connection."""
    with pytest.raises(BrevoSettingsError) as caught:
        read(extra, allowed_hosts=allowed_hosts, **fields)
    return caught.value.problems


def test_key_alone_gives_the_defaults():
    """A connection with nothing but a key goes to Brevo with the documented defaults."""
    settings, warnings = read_settings(ConnectionFields(password=KEY))

    assert settings == BrevoSettings(
        auth=ApiKey(KEY),
        base_url="https://api.brevo.com/v3",
        sending="on",
        timeout=30.0,
        max_retries=5,
        requests_per_second=None,
        proxy=None,
        ca_bundle=None,
    )
    assert warnings == []
    assert settings.host == "api.brevo.com"


@pytest.mark.parametrize("unset", [None, ""])
def test_null_and_empty_mean_unset(unset):
    """Airflow's forms save unset fields as null or as empty text: both give the defaults."""
    assert read(dict.fromkeys(EXTRAS, unset), host=unset, schema=unset, login=unset) == read()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sending", "validate_only", "validate_only"),
        ("sending", " Validate_Only ", "validate_only"),
        ("timeout", 5, 5.0),
        ("timeout", "2.5", 2.5),
        ("max_retries", 0, 0),
        ("max_retries", "3", 3),
        ("max_retries", 3.0, 3),
        ("requests_per_second", "0.5", 0.5),
        ("proxy", "http://proxy.example.com:3128/", "http://proxy.example.com:3128"),
        ("ca_bundle", __file__, __file__),
    ],
)
def test_each_extra_is_read(name, value, expected):
    """Every extra arrives in its type, also where a URI or a form made text of it."""
    got = getattr(read({name: value}), name)

    assert got == expected
    assert type(got) is type(expected)


def test_api_key_is_the_default_way_to_authenticate():
    """auth_type may be named, and is the API key where it isn't."""
    assert read({"auth_type": "api_key"}) == read()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("auth_type", ["basic", 5, [], True]),
        ("sending", ["off", False, 1, {}]),
        ("timeout", [0, -1, "soon", True, [], "nan", "inf", 10**400, "1e400", 86_401]),
        ("max_retries", [-1, 1.5, "many", False, "nan", {}]),
        ("requests_per_second", [0, "-2", "fast", "inf"]),
        ("proxy", [5, "proxy:3128", "http://user:pass@proxy:3128", "socks5://proxy", "http://proxy?x"]),
        ("ca_bundle", [5, "/no/such/file", "x" * 5000, "a\0b"]),
    ],
)
def test_wrong_extra_is_named_without_its_value(name, values):
    """A wrong value is refused by the name of its field, and never shown."""
    for value in values:
        (problem,) = problems({name: value})
        assert f"'{name}'" in problem
        if len(str(value)) > 3:
            assert str(value) not in problem.replace("http://host:port", "")


def test_all_wrong_values_are_listed_at_once():
    """One error names everything that is to be mended."""
    found = problems(
        {"timeout": "WRONG1", "max_retries": "WRONG2", "sending": "WRONG3", "proxy": "WRONG4", "api_key": "WRONG5"},
        password=" ",
        host="wrong6.example.com",
    )

    assert len(found) == 7
    assert not any("wrong" in problem.lower() for problem in found)


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": "x"},
        {"api-key": "x"},
        {"apiKey": "x"},
        {"client_secret": "x"},
        {"access_token": "x"},
        {"password": "x"},
        {"note": KEY},
        {"note": f"the key is {KEY}"},
        {"note": "XSMTPSIB-abc"},
        {"proxy": f"http://{KEY}"},
        {"headers": {"x": KEY}},
        {"headers": [KEY]},
        {KEY: True},
    ],
)
def test_secrets_in_extras_are_refused(extra):
    """A secret belongs into the password; in extras it is refused by name or look, and not shown."""
    with pytest.raises(BrevoSettingsError, match="extras hold a secret") as caught:
        read(extra)

    assert KEY not in str(caught.value)
    assert "move it to the field 'API key'" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"host": KEY},
        {"host": f"https://{KEY}@api.brevo.com/v3"},
        {"host": f"https://api.brevo.com/v3?api-key={KEY}"},
        {"host": f"https://api.brevo.com/{KEY}"},
        {"host": "api.brevo.com", "schema": KEY},
        {"host": f"{KEY}.brevo.com"},
    ],
)
def test_key_in_the_url_is_refused_and_not_shown(fields):
    """Wherever in the base URL a key stands, it is refused and not shown."""
    (problem,) = problems(**fields)

    assert KEY not in problem


@pytest.mark.parametrize("password", [None, "", "  ", "\n"])
def test_missing_key_is_said_so(password):
    """Without a key the message says where to put it."""
    (problem,) = problems(password=password)
    assert problem.startswith("the API key is missing")


@pytest.mark.parametrize("password", ["a b", "a\nb", "clé", "a\x00b", "a\r\nX-Header: b"])
def test_key_with_impossible_characters_is_refused(password):
    """Blanks, line ends and non-ASCII letters are in no key: they would break the header."""
    (problem,) = problems(password=password)
    assert "copy it again" in problem
    assert password not in problem


def test_line_end_around_the_key_is_removed():
    """What copying brings along is cut off."""
    assert read(password=f" {KEY}\r\n").auth.key == KEY


def test_unknown_extras_are_warned_of_by_name():
    """Extras that mean nothing are named, without values; odd names aren't shown."""
    _, warnings = read_settings(
        ConnectionFields(
            password=KEY, extra={"time-out": "VALUE", "zzz": 1, "jane@example.com": 2, "timeout": 3, "n": None}
        )
    )

    assert warnings == [
        "The Brevo connection has extras that mean nothing here: one whose name is not a word, 'time-out', 'zzz'."
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "https://api.brevo.com/v3"}, DEFAULT_BASE_URL),
        ({"host": "https://api.brevo.com/v3/"}, DEFAULT_BASE_URL),
        ({"host": " https://api.brevo.com "}, DEFAULT_BASE_URL),
        ({"host": "api.brevo.com"}, DEFAULT_BASE_URL),
        ({"host": "API.Brevo.com"}, DEFAULT_BASE_URL),
        ({"host": "api.brevo.com/v4"}, "https://api.brevo.com/v4"),
        ({"host": "api.brevo.com", "schema": "v3"}, DEFAULT_BASE_URL),
        ({"host": "api.brevo.com", "schema": "/a/b/"}, "https://api.brevo.com/a/b"),
        ({"host": "127.0.0.1", "port": 8025, "schema": "v3"}, "http://127.0.0.1:8025/v3"),
        ({"host": "127.0.0.1", "port": 8025}, "http://127.0.0.1:8025/v3"),
        ({"host": "127.0.0.1:8025"}, "http://127.0.0.1:8025/v3"),
        ({"host": "127.0.0.1:8025", "port": 8025}, "http://127.0.0.1:8025/v3"),
        ({"host": "localhost", "port": 1}, "http://localhost:1/v3"),
        ({"host": "LOCALHOST:65535"}, "http://localhost:65535/v3"),
        ({"host": "https://localhost"}, "https://localhost/v3"),
        ({"host": "127.9.9.9"}, "http://127.9.9.9/v3"),
        ({"host": "[::1]:8025"}, "http://[::1]:8025/v3"),
        ({"host": "::1", "port": 8025}, "http://[::1]:8025/v3"),
        ({"host": "0:0:0:0:0:0:0:1"}, "http://[0:0:0:0:0:0:0:1]/v3"),
        ({"host": "http://[::1]"}, "http://[::1]/v3"),
    ],
)
def test_base_url_is_put_together(fields, expected):
    """Host, port and schema make the base URL: http on this machine, https elsewhere, /v3 unless told otherwise."""
    assert read(**fields).base_url == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"port": 8025}, "without a host"),
        ({"schema": "v3"}, "without a host"),
        ({"host": "127.0.0.1:8025", "port": 8026}, "different ports"),
        ({"host": "127.0.0.1", "port": 0}, "between 1 and 65535"),
        ({"host": "127.0.0.1", "port": 65536}, "between 1 and 65535"),
        ({"host": "127.0.0.1:99999"}, "between 1 and 65535"),
        ({"host": "api.brevo.com/v3", "schema": "v3"}, "both name a path"),
        ({"host": "api.brevo.com", "schema": "v3?x=1"}, "no user"),
        ({"host": "api.brevo.com", "schema": "@evil.org"}, "no user"),
    ],
)
def test_contradictions_in_the_url_are_refused(fields, expected):
    """Parts that contradict each other are refused, not guessed at."""
    (problem,) = problems(**fields)
    assert expected in problem


@pytest.mark.parametrize("host", ["brevo.com", "api.brevo.com", "a.b.brevo.com", "BREVO.COM", "api.brevo.com:8443"])
def test_brevo_may_be_given_the_key(host):
    """brevo.com and its subdomains may have the key."""
    assert read(host=host).base_url.startswith("https://")


@pytest.mark.parametrize(
    "host",
    [
        "evilbrevo.com",
        "brevo.com.evil.org",
        "brevo.co",
        "https://evil.org/brevo.com",
        "https://brevo.com@evil.org",
        "https://api.brevo.com:443@evil.org",
        "brevo.com@evil.org",
        "127.0.0.1@evil.org",
        "https://evil.org\\@brevo.com",
        "https://evil.org\\.brevo.com",
        "https://evil.org#.brevo.com",
        "https://evil.org?.brevo.com",
        "https://evil.org%2f.brevo.com",
        "https://evil.org%00.brevo.com",
        "https://evil.org .brevo.com",
        "https://evil.org\t.brevo.com",
        "https://evil.org\n.brevo.com",
        "https://evil.org\u2044.brevo.com",
        "https://\uff42revo.com",
        "https://brevo\u3002com",
        "https:///api.brevo.com",
        "https:api.brevo.com",
        "//api.brevo.com",
        "ftp://api.brevo.com",
        "file:///etc/passwd",
        "https://.brevo.com",
        "https://-.brevo.com",
        "https://api.brevo.com.",
        "https://api.brevo.com:",
        "https://api.brevo.com:port",
        "localhost.evil.org",
        "127.0.0.1.evil.org",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::]",
        "[fe80::1]",
        "::2",
    ],
)
def test_other_hosts_are_never_given_the_key(host):
    """Foreign hosts, and all that two readers of a URL may read differently, are refused without being shown."""
    found = problems(host=host)

    assert any("may not be given the key" in problem or "not of the form" in problem for problem in found)
    assert "evil" not in "".join(found)


@pytest.mark.parametrize("host", ["http://api.brevo.com", "http://gateway.example.com"])
def test_plain_http_is_refused_outside_of_this_machine(host):
    """The key never travels unencrypted, not even to allowed hosts."""
    (problem,) = problems(host=host, allowed_hosts=["gateway.example.com"])
    assert "must be https" in problem


@pytest.mark.parametrize(
    ("host", "allowed", "passes"),
    [
        ("gw.example.com", ["gw.example.com"], True),
        ("gw.example.com", [" GW.example.com "], True),
        ("gw.example.com:8443", ["gw.example.com"], True),
        ("gw.example.com:8443", ["gw.example.com:8443"], True),
        ("gw.example.com:8444", ["gw.example.com:8443"], False),
        ("gw.example.com", ["gw.example.com:8443"], False),
        ("a.gw.example.com", ["gw.example.com"], False),
        ("gw.example.com.evil.org", ["gw.example.com"], False),
        ("gw.example.com", ["example.com"], False),
        ("gw.example.com", [""], False),
    ],
)
def test_deployment_may_allow_other_hosts(host, allowed, passes):
    """Hosts that the deployment lists may have the key: with any port, or with the one that is listed."""
    if passes:
        assert read(host=host, allowed_hosts=allowed).base_url == f"https://{host}/v3"
    else:
        assert "may not be given the key" in problems(host=host, allowed_hosts=allowed)[0]


@pytest.mark.parametrize(
    ("host", "proxy", "passes"),
    [
        ("api.brevo.com", "http://proxy.example.com:3128", True),
        ("127.0.0.1", "http://127.0.0.1:3128", True),
        ("127.0.0.1", "http://proxy.example.com:3128", False),
        ("https://127.0.0.1", "http://proxy.example.com:3128", True),
    ],
)
def test_proxy_never_sees_the_key(host, proxy, passes):
    """With an http base URL on this machine, a proxy elsewhere would see the key: it is refused."""
    if passes:
        assert read({"proxy": proxy}, host=host).proxy == proxy
    else:
        assert "unencrypted" in problems({"proxy": proxy}, host=host)[0]


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.255.255.254", "::1", "[::1]"])
def test_loopback_in_all_its_forms(host):
    """Names and addresses that can only mean this machine are loopback."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.org", "my.localhost", "128.0.0.1", "0.0.0.0", "::", "127.1"])
def test_all_else_is_not_loopback(host):
    """What may mean another machine is not."""
    assert not is_loopback(host)


def test_secrets_are_never_shown():
    """Neither the fields' nor the settings' repr holds the key, a login or a host's parts."""
    fields = ConnectionFields(password=KEY, login="LOGIN", host="127.0.0.1", port=8025, extra={"x": "EXTRA"})
    settings, _ = read_settings(fields)

    assert repr(fields) == "ConnectionFields(host=…, port=8025, …)"
    assert KEY not in repr(settings)
    assert settings.host == "127.0.0.1:8025"


@pytest.mark.parametrize("extra", [[1], "text", 5])
def test_an_extra_that_is_no_object_is_refused(extra):
    """JSON that is no object holds no settings, and is told so beside what else is wrong."""
    with pytest.raises(BrevoSettingsError) as caught:
        read_settings(ConnectionFields(password="", extra=extra))
    assert len(caught.value.problems) == 2
    assert "the extra is no JSON object" in caught.value.problems


def test_a_key_in_the_login_is_told():
    """A URI that names the key as user leaves the password empty, and the message says where the key seems to be."""
    with pytest.raises(BrevoSettingsError, match="seems to be in the login"):
        read_settings(ConnectionFields(login="xkeysib-0123"))


def test_the_page_of_airflow_2_tests_with_each_extra_twice():
    """The longer name means the same, and is neither unknown nor taken for a secret because of ``token`` in it."""
    extra = {"oauth_token_url": "https://oauth.brevo.com/token", "timeout": "5"}
    assert read(extra | {f"extra__brevo__{name}": value for name, value in extra.items()}) == read(extra)
    assert read({"timeout": "5", "extra__brevo__timeout": None}).timeout == 5
