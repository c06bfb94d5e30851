"""The table that a run prints: a block for each question, a row for each contender."""

from __future__ import annotations

from dataclasses import dataclass

_HEADERS = ("time", "x ours", "goal", "")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a contender of ours is meant to keep to.

    :param text: the goal in words.
    :param reached: whether the run kept to it.
    """

    text: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Block:
    """One question, and what the contenders took.

    :param title: what is measured, and how.
    :param seconds: the contenders' times by their names. The first is ours, which the others are compared with.
    :param goals: by the contender's name.
    """

    title: str
    seconds: dict[str, float]
    goals: dict[str, Goal]


def render(blocks: list[Block]) -> str:
    """Return the table as text, in columns of equal width.

    :param blocks: in the order in which they are to be shown.
    """
    lines: list[tuple[str, ...]] = []
    for block in blocks:
        ours = next(iter(block.seconds.values()))
        lines += [(), (block.title, *_HEADERS)]
        for name, seconds in block.seconds.items():
            goal = block.goals.get(name)
            outcome = (goal.text, "reached" if goal.reached else "MISSED") if goal else ("", "")
            lines.append((f"  {name}", _in_words(seconds), f"{seconds / ours:.2f}", *outcome))
    widths = [max(len(cell) for cell in column) for column in zip(*filter(None, lines), strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    """Put numbers to the right of their columns and text to the left."""
    cells = [
        cell.rjust(width) if position in {1, 2} else cell.ljust(width)
        for position, (cell, width) in enumerate(zip(line, widths, strict=False))
    ]
    return "   ".join(cells).rstrip()


def _in_words(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 1e-6:.1f} µs"
