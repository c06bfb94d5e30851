"""Masked fields: whole for the code, keys only for everybody who looks."""

import pickle

import pytest
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_brevo.templating import Masked, TypedTemplateFields, unmask

try:
    from airflow.sdk.definitions._internal.templater import Templater
except ImportError:  # Airflow 2
    from airflow.template.templater import Templater

ADDRESS = "jané@example.com"


class Operator(TypedTemplateFields, Templater):
    """An operator with a masked field, on the class that renders templates in Airflow."""

    template_fields = ("identifiers",)
    masked_fields = frozenset({"identifiers"})

    def __init__(self, identifiers):
        self.identifiers = identifiers

    def rendered(self):
        """Render the field as Airflow does."""
        return self.render_template(self.identifiers, {"address": ADDRESS}, SandboxedEnvironment())


@pytest.mark.parametrize("content", [{"email_id": "{{ address }}"}, {"email_id": ADDRESS}])
def test_masked_field_shows_its_keys_only(content):
    """Both forms that Airflow stores hold the keys and no value; the value itself is whole."""
    masked = Operator(content).rendered()

    assert masked.serialize() == {"email_id": "***"}
    assert repr(masked) == str(masked) == '{"email_id": "***"}'
    assert unmask(masked) == {"email_id": ADDRESS}


def test_unset_field_stays_unset():
    """None is no secret, and is left as it is."""
    assert Operator(None).rendered() is None


def test_masked_field_is_masked_once():
    """Rendering what is rendered already changes nothing."""
    operator = Operator({"email_id": ADDRESS})
    operator.identifiers = once = operator.rendered()

    assert operator.rendered() is once


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({}, {}),
        ({"a": {"b": 1}, "c": [1, {"d": 2}]}, {"a": {"b": "***"}, "c": "***"}),
        ({5: ADDRESS}, {"5": "***"}),
        (ADDRESS, "***"),
        ([ADDRESS], "***"),
        (0, "***"),
    ],
)
def test_stored_form_holds_no_value(value, stored):
    """Objects are stored with their keys at every depth, anything else as a mask alone."""
    assert Masked(value).serialize() == stored


def test_masked_object_is_a_mapping():
    """Code that reads a masked object finds what is in it."""
    masked = Masked({"a": 1, "b": 2})

    assert dict(masked) == {"a": 1, "b": 2}
    assert masked == {"a": 1, "b": 2}
    assert (masked["a"], len(masked), list(masked), "b" in masked) == (1, 2, ["a", "b"], True)
    with pytest.raises(KeyError):
        masked["c"]


@pytest.mark.parametrize("value", ["text", [1, 2], 5])
def test_masked_value_that_is_no_object_is_an_empty_mapping(value):
    """A mistake of the author is kept for the validation to refuse, and is no mapping of its own."""
    masked = Masked(value)

    assert dict(masked) == {}
    assert unmask(masked) == value


@pytest.mark.parametrize(("value", "truth"), [({}, False), ({"a": None}, True), ("", False), ("x", True), (0, False)])
def test_masked_value_has_the_truth_of_its_value(value, truth):
    """Airflow sets rendered values by their truth in places, so it is the value's own."""
    assert bool(Masked(value)) is truth


def test_masked_value_survives_pickling():
    """A masked field may cross a process border."""
    copied = pickle.loads(pickle.dumps(Masked({"a": 1})))  # noqa: S301 # pickled on this line

    assert unmask(copied) == {"a": 1}
    assert repr(copied) == '{"a": "***"}'


def test_what_is_not_masked_is_unmasked_as_it_is():
    """unmask() leaves other values alone."""
    value = {"a": 1}

    assert unmask(value) is value
