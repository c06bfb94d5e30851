"""The words of sending many events, and the table that says what follows."""

import pytest

from airflow_provider_brevo.core.bulk_states import (
    TRANSITIONS,
    BulkOptions,
    BulkPaused,
    Happening,
    State,
    next_state,
)
from airflow_provider_brevo.core.checkpoint import Progress


def test_only_an_unknown_fate_depends_on_the_delivery():
    """What is certain is the same for both; what isn't, is sent again or given up."""
    differing = [key for key, by_delivery in TRANSITIONS.items() if len(set(by_delivery.values())) > 1]
    assert differing == [(State.IN_FLIGHT, Happening.UNKNOWN)]
    assert next_state(State.IN_FLIGHT, Happening.UNKNOWN, "at_least_once") is State.PLANNED
    assert next_state(State.IN_FLIGHT, Happening.UNKNOWN, "at_most_once") is State.UNCERTAIN


def test_nothing_follows_an_end():
    """Whatever was taken, refused or given up stays so."""
    assert {state for state, _ in TRANSITIONS} == {State.PLANNED, State.IN_FLIGHT}


def test_nothing_is_answered_that_was_not_recorded():
    """A batch is recorded as about to be sent before anything else can happen to it."""
    assert [happening for state, happening in TRANSITIONS if state is State.PLANNED] == [Happening.RECORDED]
    with pytest.raises(KeyError):
        next_state(State.PLANNED, Happening.TAKEN, "at_least_once")


def test_every_happening_has_its_place():
    """The table is complete."""
    assert {happening for _, happening in TRANSITIONS} == set(Happening)


def test_the_defaults_are_fine():
    """Nothing has to be said."""
    assert list(BulkOptions().problems()) == []


@pytest.mark.parametrize("value", [0, 0.0, 1, 1.0, 250, 0.05, 0.999])
def test_a_count_and_a_share_are_both_understood(value):
    """Below 1 it is a share, from 1 a whole number."""
    assert list(BulkOptions(max_rejected=value).problems()) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("on_invalid", "ignore", "on_invalid is not known: use fail or skip"),
        ("delivery", "exactly_once", "delivery is not known: use at_least_once or at_most_once"),
        ("on_rerun", None, "on_rerun is not known: use send or skip"),
        ("max_rejected", 1.5, "max_rejected is neither a count nor a share"),
        ("max_rejected", -1, "max_rejected is neither"),
        ("max_rejected", True, "max_rejected is neither"),
        ("max_rejected", float("nan"), "max_rejected is neither"),
        ("max_rejected", "5 %", "max_rejected is neither"),
        ("batch_size", 0, "batch_size is out of range: give a whole number from 1 to 200"),
        ("batch_size", 201, "batch_size is out of range"),
        ("batch_size", 2.0, "batch_size is out of range"),
        ("max_in_flight", 17, "max_in_flight is out of range: give a whole number from 1 to 16"),
        ("validate_only", "yes", "validate_only is neither true nor false"),
        ("max_retries", -1, "max_retries is no number of requests"),
        ("pause_after", -1, "pause_after is no number of seconds"),
        ("pause_after", float("inf"), "pause_after is no number of seconds"),
    ],
)
def test_a_wrong_value_is_named(name, value, said):
    """One sentence says which value it is and what to give."""
    (problem,) = BulkOptions(**{name: value}).problems()
    assert problem.startswith(said)
    assert ": " in problem


def test_all_wrong_values_are_told_at_once():
    """Nobody has to run the task five times."""
    assert len(list(BulkOptions(batch_size=0, delivery="x", max_retries=-1).problems())) == 3


def test_a_pause_may_have_a_length():
    """Zero pauses at once; None never does."""
    assert list(BulkOptions(pause_after=0).problems()) == []


def test_a_pause_says_how_long():
    """Whoever sees it in a log knows what is waited for."""
    assert str(BulkPaused(61.4, Progress())) == "Brevo asks to wait 61 s."
