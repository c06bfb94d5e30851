"""The file of rejected events: JSON Lines that somebody can mend and send again.

It is written in parts, each complete before the checkpoint that counts it, and put together at the end. So every
rejection is in it exactly once, whenever the process dies.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.core.checkpoint import write_durably
from airflow_provider_brevo.exceptions import BrevoCheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_brevo.core.batches import Rejection
    from airflow_provider_brevo.core.checkpoint import Progress

_PART_BYTES = 4_000_000


class RejectedEvents:
    """Collects rejections and writes them below a folder.

    :param path: the file: a ``pathlib.Path`` or a path of an object store; ``None`` keeps no events.
    """

    def __init__(self, path: Any) -> None:
        self.path: Any = path
        self.lost = 0
        """Parts that :meth:`merge` did not find: somebody has removed them."""
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, rejection: Rejection) -> None:
        """Take a rejection; it is durable after :meth:`flush` only."""
        if self.path is not None:
            line = rejection.to_line()
            self._lines.append(line)
            self._size += len(line)

    def of_a_check(self) -> RejectedEvents:
        """Return what writes to a file beside this one, which goes on saying what became of a sending."""
        path = self.path
        return RejectedEvents(None if path is None else path.parent / f"{path.stem}.check{path.suffix}")

    @property
    def is_full(self) -> bool:
        """Whether so much is collected that it should be flushed."""
        return self._size > _PART_BYTES

    def flush(self, progress: Progress) -> None:
        """Write what was collected as the session's next part, and count it in the progress.

        :raises BrevoCheckpointError: it can't be written.
        """
        if not self._lines:
            return
        number = progress.parts.get(progress.session, 0)
        try:
            write_durably(self._part(progress.session, number), b"".join(self._lines))
        except Exception as error:
            raise self._unwritable(error) from error
        progress.parts[progress.session] = number + 1
        self._lines.clear()
        self._size = 0

    def merge(self, progress: Progress) -> str | None:
        """Put the parts together to the file, and return where it is, or ``None`` if nothing was rejected.

        The parts stay until :meth:`clean_up`, so that it can be done again. Those that are gone are counted as lost.

        :raises BrevoCheckpointError: it can't be written.
        """
        if self.path_of(progress) is None:
            if self.path is not None:
                with contextlib.suppress(Exception):
                    self.path.unlink()  # of a try that died before it was recorded, or of an earlier run
            return None
        try:
            with self.path.open("wb") as file:
                if hasattr(self.path, "chmod"):
                    with contextlib.suppress(NotImplementedError):
                        self.path.chmod(0o600)
                self.lost = 0
                for part in self._parts(progress.parts):
                    file.write(self._read(part))
                if isinstance(self.path, Path):
                    file.flush()
                    os.fsync(file.fileno())  # before the parts are removed
        except Exception as error:
            raise self._unwritable(error) from error
        return str(self.path)

    def path_of(self, progress: Progress) -> str | None:
        """Return where :meth:`merge` has put the rejections of the progress, or ``None`` if there were none."""
        return str(self.path) if self.path is not None and any(progress.parts.values()) else None

    def clean_up(self, progress: Progress) -> None:
        """Remove the parts that the progress counts, as well as it can be done."""
        counts = progress.parts
        if progress.finished:  # then also the one of each session that a crash may have left uncounted
            counts = {session: counts.get(session, 0) + 1 for session in range(1, progress.session + 1)}
        for part in self._parts(counts):
            with contextlib.suppress(Exception):
                part.unlink()

    def _read(self, part: Any) -> bytes:
        try:
            lines: bytes = part.read_bytes()
        except FileNotFoundError:
            self.lost += 1
            return b""
        return lines

    def _parts(self, counts: Mapping[int, int]) -> Iterator[Any]:
        if self.path is not None:
            for session, count in sorted(counts.items()):
                for number in range(count):
                    yield self._part(session, number)

    def _part(self, session: int, number: int) -> Any:
        return self.path.parent / f"{self.path.name}.part-{session}-{number}"

    def _unwritable(self, error: Exception) -> BrevoCheckpointError:
        return BrevoCheckpointError(
            f"The file of rejected events {self.path} can't be written ({type(error).__name__})",
            advice="check access and free space at rejected_path, and run the task again: it goes on from the last"
            " checkpoint",
            retry_later=True,
        )
