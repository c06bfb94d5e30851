"""No cleaned text holds what was sent."""

import json

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.redaction import clean_text

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
words = st.text(st.characters(categories=["L", "Nd"]), min_size=3, max_size=30)
server_texts = st.lists(words | st.sampled_from(["the value", "is wrong", ":", "\n", "'"]), max_size=5)


@given(words, server_texts, server_texts, st.sampled_from([str, str.upper, str.lower, json.dumps]))
def test_sent_value_never_comes_back(value, before, after, written):
    """Wherever a server quotes a value, whole, it is masked, in other cases and escapes too."""
    quoted = written(value)
    cleaned = clean_text(
        " ".join([*before, quoted, *after]), sent=json.dumps([value]).encode(), secrets=[KEY], max_length=10_000
    )

    if len(value) >= 8 or written in {str, json.dumps}:
        assert value.casefold() not in cleaned.casefold()


@given(st.text(max_size=200), st.integers(0, 80), st.integers(8, 80), st.text(max_size=200))
def test_no_piece_of_the_key_comes_back(before, start, length, after):
    """No run of eight characters of the key survives, wherever a server cuts it out."""
    piece = KEY[start : start + length]
    cleaned = clean_text(f"{before} {piece} {after}", sent=None, secrets=[KEY], max_length=10_000)

    assert not any(piece[n : n + 8] in cleaned for n in range(len(piece) - 7))


@given(st.text(), st.integers(1, 100), st.dictionaries(st.text(), st.text() | st.integers() | st.floats()))
def test_cleaned_text_is_one_short_printable_line(text, max_length, sent):
    """Whatever a server says, what is shown is printable, on one line, and not too long."""
    cleaned = clean_text(text, sent=json.dumps(sent).encode(), secrets=[KEY], max_length=max_length)

    assert cleaned.isprintable()
    assert len(cleaned) <= max_length
