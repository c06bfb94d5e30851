"""What somebody is told of single events and batches while many are sent: by places and reasons, never by values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_brevo.core.outcomes import places
from airflow_provider_brevo.core.spooling import SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_brevo.core.batches import Batch, Rejection
    from airflow_provider_brevo.exceptions import BrevoRequestError


class Telling:
    """Warns of what happens to events. The first ones of a kind are spelled out, the others counted.

    :param warn: takes sentences that somebody should read.
    :param in_order: whether one request follows the other.
    """

    def __init__(self, warn: Callable[[str], None], *, in_order: bool) -> None:
        self._warn = warn
        self._shown = 0
        self._order_is_known = in_order
        self._kinds_shown: set[bool] = set()
        self._doubtful = 0

    def rejected(self, rejection: Rejection) -> None:
        """Tell of an event that was refused, here or by Brevo."""
        if self._shown < SHOWN:
            self._shown += 1
            more = " Further rejections are counted, and not shown." if self._shown == SHOWN else ""
            self._warn(f"Rejected: {rejection}.{more}")

    def about_to_send(self, batch: Batch) -> None:
        """Tell of an order that may be lost, if it matters to this batch."""
        if not self._order_is_known and b'"contact_properties":' in b"".join(batch.events):
            self._order_is_known = True
            self._warn(
                "Events with contact_properties are sent by several requests at once: two updates of one contact may"
                " overtake each other. max_in_flight=1 keeps their order, unless a request has to be made again."
            )

    def sent_again(self, batch: Batch, error: BrevoRequestError, *, doubtful: bool) -> None:
        """Tell of a batch that is sent again after a fault of Brevo or of the network.

        :param batch: the batch.
        :param error: the fault.
        :param doubtful: whether Brevo may have taken the batch, which nobody doubted before.
        """
        self._doubtful += len(batch.events) * doubtful
        if error.uncertain not in self._kinds_shown:
            self._kinds_shown.add(error.uncertain)
            risk = ", though Brevo may have taken that already" if error.uncertain else ""
            self._warn(f"Sending {places(batch)} again{risk}: {error.problem}. Further such faults are not shown.")

    def given_up(self, batch: Batch, error: BrevoRequestError) -> None:
        """Tell of a batch that is not sent again, as Brevo may have taken it."""
        self._warn(f"Nobody knows whether Brevo took {places(batch)}: {error}")

    def ended(self) -> None:
        """Tell at the end what was only counted."""
        if self._doubtful:
            self._warn(
                f"{self._doubtful} events were sent again without knowing whether Brevo had taken them: it may have"
                " some of them twice."
            )
