"""A progress bar on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """A bar on stderr if that is a terminal. It is taken away in the end.

    :param what: what goes on.
    :param total: how much there is to do.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 # for terminals only
            from rich.markup import escape  # noqa: PLC0415 # see above
            from rich.progress import Progress  # noqa: PLC0415 # see above

            console = Console(stderr=True)
            self._progress = Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._task = self._progress.add_task(escape(self._what), total=self._total)
            self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def move_to(self, done: int) -> None:
        """Show how much is done."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done)

    def write(self, line: str, out: TextIO) -> None:
        """Write a line, above the bar if both are on the terminal.

        :param line: the line, without its end.
        :param out: where to.
        """
        if self._progress is not None and out.isatty():
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            out.write(f"{line}\n")
