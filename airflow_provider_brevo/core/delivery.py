"""At most once, across the tries of a task."""

from __future__ import annotations

from typing import Any, Protocol

from airflow_provider_brevo.exceptions import BrevoDeliveryError

_KEY = "brevo_create_event"


class StateStore(Protocol):
    """What survives the tries of a task: Airflow's task state store, or anything with these two methods."""

    def get(self, key: str) -> Any:
        """Return the value of a key, or ``None``."""

    def set(self, key: str, value: Any) -> Any:
        """Store a JSON value durably before returning."""


class OnceRecord:
    """The durable record of one event that must not be sent twice.

    A try that dies between the request and its answer leaves the record at ``in_flight``: then nobody knows whether
    Brevo took the event, and no later try sends it again. Clearing the task is somebody's decision to send it again.

    :param store: where the record is kept.
    :param try_number: this try.
    :param max_tries: how many tries the task has; clearing a task raises it, a retry doesn't.
    """

    def __init__(self, store: StateStore, *, try_number: int, max_tries: int) -> None:
        self._store = store
        self._try_number = try_number
        self._max_tries = max_tries

    def begin(self) -> bool:
        """Record that the event is about to be sent.

        :return: ``False`` if an earlier try has recorded that Brevo took it; then nothing is to be sent.
        :raises BrevoDeliveryError: an earlier try may have sent it.
        """
        record = self._store.get(_KEY)
        if record and record["max_tries"] == self._max_tries:
            if record["state"] == "taken":
                return False
            if record["state"] == "in_flight":
                raise BrevoDeliveryError(
                    f"Try {record['try']} sent this event and ended before it knew whether Brevo took it, so"
                    " at_most_once does not send it again",
                    advice="look for the event in Brevo, and clear the task if it is not there",
                )
        self._record("in_flight")
        return True

    def taken(self) -> None:
        """Record that Brevo took the event."""
        self._record("taken")

    def not_taken(self) -> None:
        """Record that Brevo certainly did not take the event, so that a later try may send it."""
        self._record("not_taken")

    def _record(self, state: str) -> None:
        self._store.set(_KEY, {"state": state, "try": self._try_number, "max_tries": self._max_tries})
