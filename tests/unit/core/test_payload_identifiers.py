"""The types that identifiers get."""

import json
from decimal import Decimal
from enum import IntEnum
from uuid import UUID

import pytest

from airflow_provider_brevo.core.payload import convert_event

ID = UUID("12345678-1234-5678-1234-567812345678")


class Level(IntEnum):
    """An enum that is a number."""

    HIGH = 3


def same(one, other):
    """Tell whether two JSON values are equal in types too: 1, 1.0 and True are not."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("contact_id", "42", 42),
        ("contact_id", "-42", -42),
        ("contact_id", 42.0, 42),
        ("contact_id", 42, 42),
        ("contact_id", Decimal("42.0"), 42),
        ("contact_id", str(2**63 - 1), 2**63 - 1),
        ("contact_id", 42.5, 42.5),
        ("contact_id", " 42", " 42"),
        ("contact_id", "42\n", "42\n"),
        ("contact_id", "\u0664\u0662", "\u0664\u0662"),
        ("contact_id", "4e2", "4e2"),
        ("contact_id", True, True),
        ("email_id", 42, "42"),
        ("ext_id", 42, "42"),
        ("ext_id", "00042", "00042"),
        ("ext_id", Level.HIGH, "3"),
        ("ext_id", ID, str(ID)),
        ("ext_id", 42.0, 42.0),
        ("ext_id", True, True),
        ("phone_id", 33612345678, "33612345678"),
        ("whatsapp_id", 33612345678, "33612345678"),
        ("landline_number_id", 33612345678, "33612345678"),
        ("unknown", 42, 42),
    ],
)
def test_identifiers_get_their_own_types(field, value, expected):
    """contact_id becomes a whole number where it is one, whole numbers of the others become text."""
    converted = convert_event({"identifiers": {field: value}})

    assert converted.violations == []
    assert same(converted.value, {"identifiers": {field: expected}})


@pytest.mark.parametrize("value", ["9999999999999999999", 1e300, 2**63])
def test_contact_id_beyond_64_bits_is_refused(value):
    """A contact_id never becomes an integer that Brevo can't read."""
    converted = convert_event({"identifiers": {"ext_id": 1, "contact_id": value}})

    assert converted.value == {"identifiers": {"ext_id": "1"}}
    assert [(v.pointer, v.rule) for v in converted.violations] == [("/identifiers/contact_id", "range")]


def test_identifiers_of_the_object_become_text():
    """The ids of an object are text like those of a contact; the rest of the object stays as it is."""
    converted = convert_event({"object": {"type": 1, "identifiers": {"id": 42, "ext_id": 7, "other": 1}}})

    assert converted.value == {"object": {"type": 1, "identifiers": {"id": "42", "ext_id": "7", "other": 1}}}


@pytest.mark.parametrize("event", [{"identifiers": [1]}, {"object": {"identifiers": 5}}, {"object": "text"}])
def test_fields_of_the_wrong_type_are_left_to_the_validation(event):
    """Conversion doesn't stumble over a list where an object should be."""
    assert convert_event(event).value == event
