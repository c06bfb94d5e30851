"""A progress bar on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

    from airflow_provider_brevo.commands._output import Output


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
            from rich.progress import Progress  # noqa: PLC0415 # see above

            console = Console(stderr=True)
            self._progress = Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._task = self._progress.add_task(self._what, total=self._total)
            self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def move_to(self, done: int) -> None:
        """Show how much is done."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done)

    def write(self, text: str, out: Output | TextIO) -> None:
        """Write lines as they are, above the bar if both are on the terminal.

        :param text: the lines, without the end of the last one.
        :param out: where to.
        """
        if self._progress is not None and out.isatty():
            self._progress.console.out(text, highlight=False)
        else:
            out.write(f"{text}\n")
