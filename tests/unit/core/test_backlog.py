"""Batches that are to be sent again."""

import math

from airflow_provider_brevo.core.backlog import Backlog
from airflow_provider_brevo.core.batches import Batch


def batch(number):
    """Return a batch of one event."""
    return Batch(indices=[number], events=[b"{}"])


def test_batches_are_handed_out_when_they_are_due_in_that_order():
    """Those of the same time in the order in which they came."""
    backlog = Backlog()
    assert (backlog.next_at, len(backlog), list(backlog.due(99.0))) == (math.inf, 0, [])
    made = [batch(number) for number in range(4)]
    for one, until in zip(made, (2.0, 1.0, 2.0, 5.0), strict=True):
        backlog.delay(one, until=until)
    assert (backlog.next_at, backlog.delayed, len(backlog)) == (1.0, 4, 4)
    assert list(backlog.due(2.0)) == [made[1], made[0], made[2]]
    assert (backlog.next_at, backlog.delayed) == (5.0, 1)


def test_all_can_be_held():
    """They are sent again in the order of the source."""
    backlog = Backlog()
    made = [batch(number) for number in range(3)]
    backlog.held.append(made[2])
    backlog.delay(made[0], until=2.0)
    backlog.delay(made[1], until=1.0)
    assert len(backlog) == 3
    assert backlog.hold_all() == backlog.held == made
    assert backlog.delayed == 0
