"""Batches that are to be sent again, and when."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_brevo.core.batches import Batch


class Backlog:
    """Keeps the batches that are to be sent again. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.held: list[Batch] = []
        """To be recorded and sent before anything new."""
        self._delayed: list[tuple[float, int, Batch]] = []
        self._order = itertools.count()

    @property
    def delayed(self) -> int:
        """How many batches wait for a time of their own; they stay recorded as in flight."""
        return len(self._delayed)

    @property
    def next_at(self) -> float:
        """When the first of them is due; infinity if there is none."""
        return self._delayed[0][0] if self._delayed else math.inf

    def __len__(self) -> int:
        return len(self.held) + len(self._delayed)

    def delay(self, batch: Batch, *, until: float) -> None:
        """Keep a batch until a time.

        :param batch: the batch.
        :param until: the time.
        """
        heapq.heappush(self._delayed, (until, next(self._order), batch))

    def due(self, now: float) -> Iterator[Batch]:
        """Hand out the batches whose time has come, the first ones first.

        :param now: the time.
        """
        while self.next_at <= now:
            yield heapq.heappop(self._delayed)[2]

    def hold_all(self) -> list[Batch]:
        """Hold the delayed ones as well, and return all, in the order of the source."""
        self.held += (batch for _, _, batch in self._delayed)
        self.held.sort(key=lambda batch: batch.indices[0])
        self._delayed.clear()
        return self.held
