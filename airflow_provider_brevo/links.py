"""Links from a task to Brevo's documentation, which Airflow shows among the task's details."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperatorLink

__all__ = ["BrevoBatchReferenceLink", "BrevoReferenceLink"]


class BrevoReferenceLink(BaseOperatorLink):
    """Leads from a task that sends one event to Brevo's reference of that call."""

    name = "Brevo reference"
    url: ClassVar[str] = "https://developers.brevo.com/reference/create-event"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 # the same for all
        """Return the address, which is the same for all tasks and runs.

        :param operator: the task.
        :param ti_key: which run of it.
        """
        return self.url


class BrevoBatchReferenceLink(BrevoReferenceLink):
    """Leads from a task that sends many events to Brevo's reference of that call."""

    url = "https://developers.brevo.com/reference/create-batch-events"
