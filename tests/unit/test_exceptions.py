"""The error tree: as drawn, picklable, and with messages that help."""

import pickle
import re

import pytest

from airflow_provider_brevo import exceptions
from airflow_provider_brevo.exceptions import (
    BrevoCheckpointError,
    BrevoConnectError,
    BrevoError,
    BrevoIncompleteError,
    BrevoInvalidEventError,
    BrevoInvalidEventsError,
    BrevoRateLimitError,
    BrevoRequestError,
    BrevoResponseError,
    BrevoSettingsError,
    BrevoTemplateError,
    BrevoTokenError,
    BrevoUnknownKeyError,
    Violation,
)


def _classes(base=BrevoError):
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


def _drawn_tree():
    """Return name -> name of the parent, as the module's docstring draws it."""
    parents, line_of_ancestors = {}, []
    for line in exceptions.__doc__.splitlines():
        match = re.match(r"^( {4}[│├└─ ]*)(Brevo\w+)", line)
        if match:
            depth = len(match[1]) // 4 - 1
            del line_of_ancestors[depth:]
            parents[match[2]] = line_of_ancestors[-1] if line_of_ancestors else None
            line_of_ancestors.append(match[2])
    return parents


def _example(cls):
    if issubclass(cls, BrevoResponseError):
        return cls(status=418, code="a_code", message="a message", advice="do something", retry_after=2.5)
    if cls is BrevoSettingsError:
        return cls(["one thing", "another"])
    if cls is BrevoInvalidEventError:
        return cls([Violation(pointer="/event_name", rule="name", problem="must be short", advice="rename it")])
    if cls is BrevoTemplateError:
        return cls("/event_name", "names 'x', which is not defined", advice="correct the name")
    if cls is BrevoInvalidEventsError:
        return cls(total=9, invalid=2, reasons={"date": 1, "required": 2}, first=["event 3: is wrong", "event 7: too"])
    more = {BrevoTokenError: {"can_pass": True}, BrevoIncompleteError: {"result": {"total": 9}}}.get(cls, {})
    return cls("Something is wrong", advice="do something", **more)


def test_tree_in_docstring_is_the_real_tree():
    """The docstring draws every class below its real parent, and none that doesn't exist."""
    real = {cls.__name__: None if cls is BrevoError else cls.__base__.__name__ for cls in _classes()}

    assert _drawn_tree() == real


@pytest.mark.parametrize("cls", list(_classes()), ids=lambda cls: cls.__name__)
def test_error_survives_pickling(cls):
    """An error that crosses a process border keeps its type, message and attributes, notes included."""
    error = _example(cls)
    error.add_note("a note")
    if isinstance(error, BrevoRequestError):
        error.attempts = 3

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 # pickled one line above

    assert type(copy) is cls
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(
    "cls",
    [cls for cls in _classes() if cls not in {BrevoInvalidEventError, BrevoInvalidEventsError}],
    ids=lambda cls: cls.__name__,
)
def test_message_is_one_sentence_on_one_line(cls):
    """A message is one line that ends with one full stop, so that it reads well in a log."""
    message = str(_example(cls))

    assert "\n" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
    assert message[0].isupper() or message.startswith("/")


def test_response_error_says_status_code_message_and_advice():
    """The message of an answer's error holds all that there is to know of it."""
    error = BrevoUnknownKeyError(status=401, code="unauthorized", message="Key not found", advice="copy the key again")

    assert str(error) == ("Brevo does not know this key (HTTP 401, unauthorized: Key not found); copy the key again.")
    assert (error.status, error.code, error.message, error.advice, error.retry_after) == (
        401,
        "unauthorized",
        "Key not found",
        "copy the key again",
        None,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "(HTTP 429);"),
        ({"code": "too_many_requests"}, "(HTTP 429, too_many_requests);"),
        ({"message": "Slow down"}, "(HTTP 429, Slow down);"),
    ],
)
def test_response_error_leaves_out_what_the_answer_lacks(said, expected):
    """Where Brevo gives no code or no message, none is made up."""
    assert expected in str(BrevoRateLimitError(status=429, advice="wait", **said))


def test_error_without_advice_is_a_plain_sentence():
    """An error needs no advice to end in a full stop."""
    assert str(BrevoError("Something is wrong")) == "Something is wrong."


def test_attempts_are_told_once_there_was_more_than_one():
    """The message counts the requests as soon as there was a second one."""
    error = BrevoConnectError("No way", advice="look")
    assert str(error) == "No way; look."

    error.attempts = 4
    assert str(error) == "No way; look. (tried 4 times)"


def test_settings_error_lists_every_problem():
    """All wrong fields of a connection stand in one message and in an attribute."""
    error = BrevoSettingsError(iter(["one thing", "another"]))

    assert error.problems == ("one thing", "another")
    assert str(error) == "The Brevo connection can't be used: one thing; another."


@pytest.mark.parametrize(("count", "lines", "head"), [(1, 2, "1 reason:"), (20, 21, "20 reasons:")])
def test_invalid_event_error_has_one_line_for_each_reason(count, lines, head):
    """Each reason has a line of its own with place, problem and advice."""
    error = BrevoInvalidEventError(
        Violation(pointer=f"/event_properties/p{n}", rule="type", problem="is wrong", advice="mend it")
        for n in range(count)
    )

    assert len(error.violations) == count
    assert str(error).splitlines()[0] == f"The event was not sent, for {head}"
    assert str(error).splitlines()[1] == "  - /event_properties/p0 is wrong: mend it"
    assert len(str(error).splitlines()) == lines


def test_invalid_event_error_counts_what_it_does_not_show():
    """A message stays readable however many reasons there are; the attribute has them all."""
    violation = Violation(pointer="", rule="type", problem="is wrong", advice="mend it")
    error = BrevoInvalidEventError([violation] * 23)

    assert str(error).splitlines()[-1] == "  - and 3 more"
    assert len(str(error).splitlines()) == 22
    assert len(error.violations) == 23


def test_invalid_events_error_counts_by_rule_and_shows_the_first():
    """What is wrong with many events is counted by rule, and told in full for the first of them."""
    error = BrevoInvalidEventsError(
        total=9, invalid=3, reasons={"required": 2, "date": 1}, first=iter(["event 3: no name", "event 7: no name"])
    )

    assert str(error).splitlines() == [
        "3 of 9 events are invalid, so none was sent (by rule: date 1, required 2):",
        "  - event 3: no name",
        "  - event 7: no name",
        "  - and 1 more events",
    ]
    assert (error.total, error.invalid, error.reasons) == (9, 3, {"required": 2, "date": 1})


def test_one_invalid_event_is_spoken_of_in_the_singular():
    """One event is, several are."""
    error = BrevoInvalidEventsError(total=1, invalid=1, reasons={"date": 1}, first=["event 0: no date"])

    assert str(error).splitlines() == [
        "1 of 1 events is invalid, so none was sent (by rule: date 1):",
        "  - event 0: no date",
    ]


def test_invalid_events_after_others_were_sent():
    """What earlier tries have sent isn't denied."""
    error = BrevoInvalidEventsError(
        total=9,
        invalid=1,
        reasons={"date": 1},
        first=["event 8: no date"],
        accepted=7,
        rejected=2,
        rejected_path="/file",
    )

    assert str(error).startswith("1 of 9 events is invalid, so no more were sent after the 7 of earlier tries (by")
    assert (error.accepted, error.rejected, error.rejected_path) == (7, 2, "/file")


@pytest.mark.parametrize("retry_later", [True, False])
def test_checkpoint_error_says_whether_a_later_try_may_help(retry_later):
    """A store that is away may come back; a checkpoint of another source stays one."""
    assert BrevoCheckpointError("No way", advice="look", retry_later=retry_later).retry_later is retry_later


def test_incomplete_error_holds_the_numbers():
    """What a task would have returned is there for whoever catches the error."""
    assert BrevoIncompleteError("Some are missing", advice="look", result={"total": 9}).result == {"total": 9}


def test_violation_without_pointer_speaks_of_the_event():
    """A reason that concerns the whole event names the event as its place."""
    assert str(Violation(pointer="", rule="depth", problem="is too deep", advice="flatten it")) == (
        "the event is too deep: flatten it"
    )


@pytest.mark.parametrize("cls", list(_classes(BrevoRequestError)), ids=lambda cls: cls.__name__)
def test_what_may_be_retried_here_may_be_retried_later(cls):
    """No error is worth a retry within seconds and none later."""
    assert cls.retry_later or not cls.retry_here


def test_exactly_the_documented_errors_are_uncertain():
    """Only a lost or late answer, a server's fault and a stranger's answer leave open whether the event was taken."""
    assert {cls.__name__ for cls in _classes(BrevoRequestError) if cls.uncertain} == {
        "BrevoTimeoutError",
        "BrevoConnectionLostError",
        "BrevoServerError",
        "BrevoUnexpectedAnswerError",
    }
