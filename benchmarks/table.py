"""The table that a run prints: a block for each question, a row for each contender or case."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL = 52
_FIGURE = 9


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is meant to be kept to.

    :param text: the goal in words, and what came of it.
    :param reached: whether the run kept to it.
    """

    text: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender or case.

    :param name: what it is.
    :param figures: as many as the block's columns.
    :param goals: what it is meant to keep to.
    """

    name: str
    figures: tuple[str, ...]
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Block:
    """One question, and what came of it.

    :param title: what is measured, and how.
    :param columns: what the figures are.
    :param rows: in the order in which they are shown.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[Row]


def compared(title: str, seconds: Mapping[str, float], goals: Mapping[str, tuple[Goal, ...]]) -> Block:
    """Return a block of times.

    :param title: what is measured, and how.
    :param seconds: the contenders' times by their names. The first is ours, which the others are compared with.
    :param goals: by the contender's name.
    """
    ours = next(iter(seconds.values()))
    rows = [
        Row(name=name, figures=(in_words(time), f"{time / ours:.2f}"), goals=goals.get(name, ()))
        for name, time in seconds.items()
    ]
    return Block(title=title, columns=("time", "x ours"), rows=rows)


def render(blocks: list[Block]) -> str:
    """Return the table as text.

    :param blocks: in the order in which they are to be shown.
    """
    return "\n".join(line for block in blocks for line in _lines(block))


def in_words(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 1e-6:.1f} µs"


def _lines(block: Block) -> list[str]:
    lines = ["", *textwrap.wrap(block.title, 110), _line("", block.columns, "")]
    for row in block.rows:
        goals = [f"{'reached' if goal.reached else 'MISSED '}  {goal.text}" for goal in row.goals] or [""]
        lines.append(_line(f"  {row.name}", row.figures, goals[0]))
        lines += [_line("", ("",) * len(row.figures), goal) for goal in goals[1:]]
    return lines


def _line(name: str, figures: tuple[str, ...], goal: str) -> str:
    cells = [name.ljust(_LABEL), *(figure.rjust(_FIGURE) for figure in figures), f"  {goal}"]
    return " ".join(cells).rstrip()
