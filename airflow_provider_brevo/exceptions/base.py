"""What all errors of this package share."""

from __future__ import annotations

from typing import Any, TypeVar

_E = TypeVar("_E", bound="BrevoError")


def _restore(cls: type[_E], args: tuple[Any, ...]) -> _E:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class BrevoError(Exception):
    """Base of all errors of this package.

    :param problem: what is wrong, and where.
    :param advice: what to do about it.
    """

    def __init__(self, problem: str, *, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.problem}; {self.advice}." if self.advice else f"{self.problem}."

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with args alone, which fails for keyword-only parameters: an error that
        # crosses a process border (Celery, a process pool) would turn into a TypeError.
        return _restore, (type(self), self.args), self.__dict__
