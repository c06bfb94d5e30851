"""When the progress is recorded: complete, at most four times a second, and rejections before what counts them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from airflow_provider_brevo.core.checkpoint import SECONDS_BETWEEN_WRITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_brevo.core.checkpoint import CheckpointStore, Progress
    from airflow_provider_brevo.core.rejections import RejectedEvents


class Recorder:
    """Records the progress of one try.

    :param store: where the checkpoint is kept.
    :param rejected: takes the rejected events.
    :param progress: what is recorded.
    """

    def __init__(self, store: CheckpointStore, rejected: RejectedEvents, progress: Progress) -> None:
        self._store = store
        self._rejected = rejected
        self._progress = progress
        self.durable = store.durable
        """Whether what is recorded survives the process."""
        self.dirty = False
        """Whether the progress has changed since it was recorded."""
        self.whole = True
        """Whether the progress may be recorded as it is."""
        self._started = self._last_write = time.monotonic()
        self._seconds_before = progress.seconds

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Change the progress: it isn't recorded half changed, if a signal ends the task meanwhile."""
        self.whole = False
        yield
        self.whole = True

    @property
    def next_write_in(self) -> float:
        """Seconds until it may be written."""
        if not self.durable:
            return 0.0
        return max(0.0, self._last_write + SECONDS_BETWEEN_WRITES - time.monotonic())

    def save_if_due(self) -> None:
        """Save what has changed, where that lasts or much was rejected, and where it may be written by now.

        :raises BrevoCheckpointError: it can't be written.
        """
        if self.dirty and not self.next_write_in and (self.durable or self._rejected.is_full):
            self.save()

    def wait_and_save(self) -> None:
        """Save as soon as it may be written.

        :raises BrevoCheckpointError: it can't be written.
        """
        while self.next_write_in > 0:
            time.sleep(0.01)
        self.save()

    def save(self) -> None:
        """Write the rejected events, and then the progress.

        :raises BrevoCheckpointError: it can't be written.
        """
        self._rejected.flush(self._progress)
        self.count_seconds()
        if self.durable:
            self._last_write = time.monotonic()
            self._store.save(self._progress)
        self.dirty = False

    def count_seconds(self) -> None:
        """Let the progress say how long it took until now."""
        self._progress.seconds = self._seconds_before + time.monotonic() - self._started
