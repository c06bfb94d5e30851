"""Standard output and standard error, whatever becomes of them."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.exceptions import BrevoUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


class Output:
    r"""A stream that is written to until it fails. From then on, all goes nowhere.

    Characters that its encoding lacks are written as ``\xe9`` or ``\u2026``.

    :param stream: the stream, or ``None`` as Python has it where it is closed.
    :param lasts: never raise an error because of the stream, but keep the first one.
    """

    def __init__(self, stream: TextIO | None, *, lasts: bool = False) -> None:
        self.lasts = lasts
        self.error: OSError | None = None
        if stream is None:
            self.error = OSError("it is closed")
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 # for as long as the process
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text.

        :raises BrokenPipeError: as :meth:`check`, unless it lasts.
        :raises BrevoUsageError: as :meth:`check`, unless it lasts.
        """
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what waits to be written.

        :raises BrokenPipeError: as :meth:`check`, unless it lasts.
        :raises BrevoUsageError: as :meth:`check`, unless it lasts.
        """
        self._try(self._stream.flush)

    def check(self) -> None:
        """Do nothing if everything was written.

        :raises BrokenPipeError: whoever read it has gone.
        :raises BrevoUsageError: it can't be written for another reason.
        """
        if isinstance(self.error, BrokenPipeError):
            raise self.error
        if self.error is not None:
            raise BrevoUsageError(
                f"Standard output can't be written ({self.error.strerror or self.error})", advice="check where it leads"
            ) from self.error

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
        except OSError as error:
            self.error = self.error or error
            self._lead_nowhere()
            if not self.lasts:
                self.check()

    def _lead_nowhere(self) -> None:
        # The file itself: Python writes what is left when it ends, and complains where that fails.
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 # no path of anybody
            os.dup2(nowhere.fileno(), self._stream.fileno())
