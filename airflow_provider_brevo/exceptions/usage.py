"""What is found before anything was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_brevo.exceptions.base import BrevoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHOWN_VIOLATIONS = 20
"""Reasons spelled out in one message; the rest is counted. All are in ``violations``."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One reason why an event is refused.

    :param pointer: JSON pointer (RFC 6901) to the place inside the event, ``""`` for the event itself. A key that
        breaks the key rules may be personal data, so it appears by its position, as ``<key 3>``.
    :param rule: which rule is broken, as a stable word to count by: ``required``, ``unknown-field``, ``type``,
        ``name``, ``key``, ``date``, ``identifier``, ``empty``, ``range``, ``size``, ``count``, ``depth``, ``null``,
        ``not-json``, ``precision``; for the rows of a source also ``column``, ``json``, ``cells``, ``encoding``; by a
        tracking plan also ``unplanned``, ``plan``.
    :param problem: what is wrong, without any value of the payload.
    :param advice: what to do about it.
    """

    pointer: str
    rule: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the event'} {self.problem}: {self.advice}"


class BrevoUsageError(BrevoError):
    """What was asked for can't be done as asked; nothing was sent."""

    @classmethod
    def of_problems(cls, what: str, problems: Sequence[str]) -> BrevoUsageError:
        """Return one error that lists all that is wrong.

        :param what: what can't be done.
        :param problems: at least one, each with its cure.
        """
        reasons = "1 reason" if len(problems) == 1 else f"{len(problems)} reasons"
        return cls("\n".join([f"{what}, for {reasons}:", *(f"  - {problem}" for problem in problems)]))


class BrevoSettingsError(BrevoUsageError):
    """The connection's fields can't be used.

    :param problems: every wrong field, one sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The Brevo connection can't be used: " + "; ".join(self.problems))


class BrevoInvalidEventError(BrevoUsageError):
    """The event breaks rules of the Events API; nothing was sent.

    :param violations: every reason, each with its place.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        count = len(self.violations)
        lines = [f"  - {violation}" for violation in self.violations[:_SHOWN_VIOLATIONS]]
        if count > _SHOWN_VIOLATIONS:
            lines.append(f"  - and {count - _SHOWN_VIOLATIONS} more")
        reasons = "1 reason" if count == 1 else f"{count} reasons"
        super().__init__("\n".join([f"The event was not sent, for {reasons}:", *lines]))

    def __str__(self) -> str:
        return self.problem


class BrevoTemplateError(BrevoUsageError):
    """A template could not be rendered.

    :param field: JSON pointer to the template, starting with the operator's field: ``/event_properties/total``.
    :param problem: what is wrong with it.
    :param advice: what to do about it.
    """

    def __init__(self, field: str, problem: str, *, advice: str) -> None:
        self.field = field
        self.further: tuple[BrevoTemplateError, ...] = ()
        super().__init__(f"{field} {problem}", advice=advice)

    @classmethod
    def of_all(cls, errors: Sequence[BrevoTemplateError]) -> BrevoTemplateError:
        """Return the first of several errors, with the others in ``further`` and in its message.

        :param errors: at least one.
        """
        first = errors[0]
        first.further = tuple(errors[1:])
        return first

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(str(error) for error in self.further)])


class BrevoDeliveryError(BrevoUsageError):
    """``at_most_once`` can't be promised here, or a former try's outcome is unknown; nothing was sent now."""


class BrevoSourceError(BrevoUsageError):
    """A source of many events can't be read, or not to its end: a file of another format, damaged, without a column."""

    retry_later: bool = False
    """Whether a later try of the task may get further: a file that isn't there may appear."""
