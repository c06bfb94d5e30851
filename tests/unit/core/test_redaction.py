"""Cleaning a server's text of what was sent."""

import json

import pytest

from airflow_provider_brevo.core.redaction import _REMEMBERED, Cleaner, clean_text

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"


def clean(text, sent=None, *, secrets=(KEY,), max_length=300):
    """Clean a text that answers the given event."""
    body = None if sent is None else json.dumps(sent, ensure_ascii=False).encode()
    return clean_text(text, sent=body, secrets=secrets, max_length=max_length)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value Jane is wrong", "value *** is wrong"),
        ("value JANE is wrong", "value *** is wrong"),
        ("'Jane' is wrong", "'***' is wrong"),
        ("Janet is wrong", "Janet is wrong"),
        ("see 12 Rue de la Paix, Paris", "see ***, Paris"),
        ("see 12 RUE DE LA PAIX", "see ***"),
        ("see 12 Rue de la", "see ***"),
        ("see Rue de la Paix", "see***"),
        ("number 4711 is wrong", "number *** is wrong"),
        ("number 47110 is wrong", "number 47110 is wrong"),
        ("number 42.5 is wrong", "number *** is wrong"),
        ("Großmünsterplatz is unknown", "*** is unknown"),
        ("GROSSMÜNSTERPLATZ is unknown", "*** is unknown"),
        ("Weißmüller is unknown", "*** is unknown"),
        (r"Wei\u00dfm\u00fcller is unknown", "*** is unknown"),
        (r"say \"hello\" Anna now", "*** now"),
        ("true is wrong", "true is wrong"),
    ],
)
def test_sent_values_are_masked(text, expected):
    """Values are masked whole, cut off, in another case and as JSON escapes them."""
    sent = {
        "name": "Jane",
        "street": "12 Rue de la Paix",
        "parts": ["12", "de", "la"],
        "number": 4711,
        "decimal": 42.5,
        "city": "Großmünsterplatz",
        "family": "Weißmüller",
        "quote": 'say "hello" Anna',
        "flag": True,
        "nothing": None,
        "blank": " ",
    }

    assert clean(text, sent) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bob@x.io",
        "bob%40x.io",
        "bob%2540x.io",
        "bob%252540x.io",
        "bob&#64;x.io",
        "bob&amp;#64;x.io",
        "bob&amp;amp;#64;x.io",
        r"bob\u0040x.io",
        r"bob\\u0040x.io",
        "bob%5Cu0040x.io",
        r"\u0062\u006f\u0062\u0026#64;x.io",
    ],
)
def test_an_address_that_was_escaped_again_is_masked(text):
    """Escapes of JSON, HTML and URLs are undone, also those of escapes; the address itself was not sent."""
    assert clean(f"value {text} is wrong") == "value *** is wrong"


def test_what_was_sent_with_escapes_in_it_is_masked():
    """A value that looks escaped itself is found, and so is a letter that JSON escapes as two."""
    sent = {"page": "/a?n=J%20D", "team": "Owls \U0001f989", "nick": "a&lt;b"}
    for text in ("/a?n=J%20D", r"Owls \ud83e\udd89", "a&lt;b"):
        assert clean(f"value {text} is wrong", sent) == "value *** is wrong"


def test_escapes_without_end_are_left():
    """Unescaping ends, however often a text was escaped."""
    assert clean("tea %2525252520 time") == "tea %2520 time"


@pytest.mark.parametrize(
    "shown", [KEY, KEY.upper(), KEY[:20], KEY[10:40], f"'{KEY}'", f"api-key={KEY}", "xkeysib-other", "xsmtpsib-other"]
)
def test_keys_are_masked(shown):
    """The key, a piece of it and everything that looks like a key are masked."""
    cleaned = clean(f"bad {shown} there")

    assert cleaned.endswith("there")
    assert shown.lower() not in cleaned.lower()
    assert "***" in cleaned


@pytest.mark.parametrize(
    "text", ["jane@example.com", "+33612345678", "33612345678", "1234567", "Bearer abc.def", "bearer abc.def"]
)
def test_personal_data_is_masked_by_its_look(text):
    """Addresses, phone numbers and tokens are masked even if they were not sent now."""
    assert clean(f"the value {text} is wrong") == "the value *** is wrong"


def test_text_becomes_one_line():
    """Line ends and control characters can't forge a second line of a log."""
    assert clean("one\r\ntwo\x1b[31m\u2028three\tfour\0") == "one two [31m three four"


@pytest.mark.parametrize(("length", "expected"), [(10, "x" * 10), (11, "x" * 9 + "…")])
def test_text_is_cut_to_its_length(length, expected):
    """A longer text is cut, visibly."""
    assert clean("x" * length, max_length=10) == expected


def test_very_long_text_is_read_in_part():
    """A text of megabytes doesn't take longer than one of some thousand characters."""
    assert len(clean("é " * 1_000_000, {"a": "y" * 40_000}, max_length=50)) == 50


def test_text_that_quotes_nothing_stays_as_it_is():
    """A server's own words are kept."""
    assert clean("Invalid event_name: only letters", {"a": "something else"}) == "Invalid event_name: only letters"


def test_text_of_letters_that_fold_to_several_is_masked_in_place():
    """Letters that become two when their case is folded don't shift what is masked."""
    assert clean("ßßß ŉŉ İstanbulspor ßßß", {"team": "İstanbulspor"}) == "ßßß ŉŉ *** ßßß"


def test_one_cleaner_cleans_many_texts():
    """What it remembers of the texts before changes nothing, also where it has to forget."""
    cleaner = Cleaner(sent=json.dumps({"name": "Jane", "street": "12 Rue de la Paix"}).encode(), secrets=[KEY])
    texts = [
        "see 12 Rue de la Paix",
        "Jane is wrong",
        f"key {KEY[:30]}",
        *(f"{n:012}" for n in range(_REMEMBERED // 4)),
    ]

    first = [cleaner.clean(text, 300) for text in texts]
    assert first[:3] == ["see ***", "*** is wrong", "key ***"]
    assert [cleaner.clean(text, 300) for text in texts] == first
