"""The sandbox's rules for one event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.sandbox.checks import (
    MAX_PROPERTIES_BYTES,
    InvalidEventError,
    check_event,
    parse_json,
)

MINIMAL: dict[str, Any] = {"event_name": "video_played", "identifiers": {"email_id": "jane@example.com"}}


def refusal(**fields: Any) -> str:
    """Give the text with which an event is refused."""
    with pytest.raises(InvalidEventError) as caught:
        check_event({**MINIMAL, **fields})
    return str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"event_name": "a"},
        {"event_name": "Az09-_" + "x" * 249},
        {"event_date": "2024-02-06T20:59:23.383Z"},
        {"identifiers": {"contact_id": 42}},
        {"identifiers": {"contact_id": -(2**63)}},
        {"identifiers": {"contact_id": 2**63 - 1, "email_id": "a", "ext_id": "b"}},
        {"identifiers": {"phone_id": "1", "whatsapp_id": "2", "landline_number_id": "3"}},
        {"event_properties": {}},
        {"event_properties": {"a": "", "b": 1, "c": 1.5, "d": True, "e": [[1], {"f": {}}], "g-_9": []}},
        {"contact_properties": {"FIRSTNAME": "Jane", "AGE": 37, "SCORE": 1.5, "VIP": True, "ÄRA_1": ""}},
        {"object": {}},
        {"object": {"type": "subscription", "identifiers": {"id": "1", "ext_id": "2"}}},
    ],
)
def test_what_the_documents_allow_is_taken(fields: dict[str, Any]) -> None:
    """Every documented field passes with every documented type of value."""
    event = {**MINIMAL, **fields}
    assert check_event(event) is event


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event_name": ""}, 'Invalid value "" for event_name'),
        ({"event_name": "x y"}, 'Invalid value "x y" for event_name'),
        ({"event_name": "a,b"}, 'Invalid value "a,b" for event_name'),
        ({"event_name": "é"}, 'Invalid value "é" for event_name'),
        ({"event_name": "a\n"}, 'Invalid value "a\\n" for event_name'),
        ({"event_name": 7}, "event_name must be a string"),
        ({"event_name": None}, "event_name must be a string"),
        ({"identifiers": {}}, "identifiers needs at least one identifier"),
        ({"identifiers": "jane"}, 'identifiers must be an object, not "jane"'),
        ({"identifiers": {"email": "jane"}}, "Unknown field identifiers.email"),
        ({"identifiers": {"contact_id": True}}, "Invalid value true for identifiers.contact_id"),
        ({"identifiers": {"contact_id": "42"}}, 'Invalid value "42" for identifiers.contact_id'),
        ({"identifiers": {"contact_id": 42.0}}, "Invalid value 42.0 for identifiers.contact_id"),
        ({"identifiers": {"contact_id": 2**63}}, f"Invalid value {2**63} for identifiers.contact_id"),
        ({"identifiers": {"email_id": ""}}, 'Invalid value "" for identifiers.email_id'),
        ({"identifiers": {"contact_id": 1, "ext_id": 7}}, "identifiers.ext_id must be a string"),
        ({"identifiers": {"contact_id": 1, "phone_id": None}}, "identifiers.phone_id must be a string"),
        ({"eventName": "x"}, "Unknown field eventName"),
        ({"event_date": "2024-02-30T00:00:00Z"}, 'Invalid value "2024-02-30T00:00:00Z" for event_date'),
        ({"event_date": 1707253163}, "event_date must be a string"),
        ({"event_date": None}, "event_date must be a string"),
        ({"event_properties": []}, "event_properties must be an object"),
        ({"event_properties": None}, "event_properties must be an object"),
        ({"event_properties": {"a b": 1}}, 'Invalid key "a b" in event_properties'),
        ({"event_properties": {"": 1}}, 'Invalid key "" in event_properties'),
        ({"event_properties": {"k" * 256: 1}}, f'Invalid key "{"k" * 256}" in event_properties'),
        ({"event_properties": {"a": [{"b.c": 1}]}}, 'Invalid key "b.c" in event_properties.a[0]'),
        ({"event_properties": {"a": None}}, "event_properties.a must not be null"),
        ({"event_properties": {"a": {"b": [1, None]}}}, "event_properties.a.b[1] must not be null"),
        ({"contact_properties": []}, "contact_properties must be an object"),
        ({"contact_properties": {"firstname": "J"}}, 'Invalid attribute "firstname" in contact_properties'),
        ({"contact_properties": {"": "J"}}, 'Invalid attribute "" in contact_properties'),
        ({"contact_properties": {"A": None}}, "contact_properties.A must be a string, a number or a boolean"),
        ({"contact_properties": {"A": []}}, "contact_properties.A must be a string, a number or a boolean"),
        ({"contact_properties": {"A": {}}}, "contact_properties.A must be a string, a number or a boolean"),
        ({"object": "subscription"}, 'object must be an object, not "subscription"'),
        ({"object": {"kind": "x"}}, "Unknown field object.kind"),
        ({"object": {"type": 1}}, "object.type must be a string"),
        ({"object": {"identifiers": {"id": 1}}}, "object.identifiers.id must be a string"),
        ({"object": {"identifiers": {"key": "1"}}}, "Unknown field object.identifiers.key"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(fields: dict[str, Any], message: str) -> None:
    """A refusal names the field and, like Brevo, may quote the value."""
    assert refusal(**fields) == message


@pytest.mark.parametrize("name", ["event_name", "identifiers"])
def test_required_fields_are_required(name: str) -> None:
    """An event without name or identifiers is refused."""
    with pytest.raises(InvalidEventError, match=f"^{name} is missing$"):
        check_event({key: value for key, value in MINIMAL.items() if key != name})


@pytest.mark.parametrize("event", [None, [], "x", 1, [MINIMAL]])
def test_an_event_is_an_object(event: object) -> None:
    """Any other JSON value is refused."""
    with pytest.raises(InvalidEventError, match="^the event must be an object"):
        check_event(event)


def test_event_properties_are_measured_in_bytes_of_compact_utf_8() -> None:
    """Exactly the limit passes, one byte more does not, and a letter of two bytes counts as two."""
    room = MAX_PROPERTIES_BYTES - len('{"a":""}')
    check_event({**MINIMAL, "event_properties": {"a": "x" * room}})
    assert refusal(event_properties={"a": "x" * (room + 1)}).startswith("event_properties has 50001 bytes")
    assert "has 50001 bytes" in refusal(event_properties={"a": "x" * (room - 1) + "é"})


def test_json_is_read_with_its_types() -> None:
    """Integers, floats, booleans and text stay what they are."""
    read = parse_json('{"a": [1, 1.5, true, null, "é"]}'.encode())
    assert json.dumps(read) == json.dumps({"a": [1, 1.5, True, None, "é"]})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": 1}}', "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": "\\ud800"}', "not Unicode"),
        (b'{"a": [[["\\udfff"]]]}', "not Unicode"),
        (b'{"\\ud800": 1}', "not Unicode"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes, message: str) -> None:
    """Broken syntax, numbers JSON doesn't have, doubtful names and text that is not Unicode are refused."""
    with pytest.raises(InvalidEventError, match=message):
        parse_json(body)


@pytest.mark.parametrize("depth", [300, 800, 5000])
def test_deep_nesting_never_escapes_as_another_error(depth: int) -> None:
    """However deep an event nests, it is taken or refused, and nothing else happens."""
    deep = '{"a":' * depth + "1" + "}" * depth
    body = json.dumps(MINIMAL)[:-1] + f', "event_properties": {deep}}}'
    try:
        check_event(parse_json(body.encode()))
    except InvalidEventError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017  # both outcomes are right


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = st.text() | st.sampled_from(
    [
        *MINIMAL,
        "event_date",
        "event_properties",
        "contact_properties",
        "object",
        "type",
        "contact_id",
        "email_id",
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(fields=st.dictionaries(NAMES, ANYTHING, max_size=6), lawful=st.booleans())
def test_any_json_is_taken_unchanged_or_refused_in_words(fields: dict[str, Any], *, lawful: bool) -> None:
    """Whatever arrives, no other error escapes, and a refusal can be sent as UTF-8."""
    sent = {**fields, **MINIMAL} if lawful else fields
    try:
        read = check_event(parse_json(json.dumps(sent).encode()))
    except InvalidEventError as error:
        assert str(error).encode()  # noqa: PT017  # both outcomes are right
    else:
        assert read == sent


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No other error escapes from reading."""
    try:
        parse_json(body)
    except InvalidEventError as error:
        assert str(error)  # noqa: PT017  # both outcomes are right
