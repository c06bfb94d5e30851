"""All events checked and spooled before the first of them is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.exceptions import BrevoInvalidEventsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_brevo.core.batches import Planner, Spool
    from airflow_provider_brevo.core.rejections import RejectedEvents

SHOWN = 20
"""Rejections that are spelled out in a message or a log; the others are counted."""


def spool_if_valid(
    planner: Planner, spool: Spool, rejected: RejectedEvents, progress: Progress, *, tell: Callable[[], None]
) -> None:
    """Read a source to its end, and keep its batches, unless an event is invalid.

    :param planner: reads the source.
    :param spool: takes the batches.
    :param rejected: takes the invalid events.
    :param progress: where the work goes on from; it is left as it is.
    :param tell: is called after each batch.
    :raises BrevoInvalidEventsError: events are invalid; the file of rejected events holds them, and those that earlier
        tries rejected.
    """
    invalid = 0
    reasons: dict[str, int] = {}
    first: list[str] = []
    scratch = Progress(session=progress.session)  # the parts of earlier sessions are still needed
    for batch in planner.batches():
        for rejection in batch.rejections:
            invalid += 1
            first.extend([str(rejection)] if len(first) < SHOWN else [])
            for rule in rejection.rules:
                reasons[rule] = reasons.get(rule, 0) + 1
            rejected.add(rejection)
        if rejected.is_full:
            rejected.flush(scratch)
        if not invalid:
            spool.add(batch)
        tell()
    if invalid:
        rejected.flush(scratch)
        path = rejected.merge(Progress(parts={**progress.parts, **scratch.parts}))
        rejected.clean_up(scratch)
        raise BrevoInvalidEventsError(
            total=planner.total,
            invalid=invalid,
            reasons=reasons,
            first=first,
            accepted=progress.accepted,
            rejected=progress.rejected + invalid,
            rejected_path=path,
        )
