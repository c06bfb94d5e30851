"""The hook in a plain process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_brevo import _compat
from airflow_provider_brevo.core.hosts import shown_id
from airflow_provider_brevo.exceptions import BrevoUsageError
from airflow_provider_brevo.hooks.brevo import BrevoHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_brevo.core.config import BrevoSettings
    from airflow_provider_brevo.core.transport import Transport


class CommandHook(BrevoHook):
    """A hook that finds connections wherever Airflow keeps them, outside of tasks too.

    :param brevo_conn_id: id of the connection.
    :param transport: makes the client's network.
    """

    def __init__(
        self, brevo_conn_id: str, *, transport: Callable[[BrevoSettings], Transport | None] = lambda _: None
    ) -> None:
        super().__init__(brevo_conn_id)
        self._make_transport = transport

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """Return a connection, also one that was saved in the UI.

        :param conn_id: its id.
        :raises BrevoUsageError: there is none, or none that can be read.
        """
        try:
            return _compat.stored_connection(conn_id)
        except AirflowNotFoundException as error:
            variable = f"AIRFLOW_CONN_{conn_id.upper()}"
            if variable in os.environ:
                raise BrevoUsageError(
                    f"{variable} is set, but is no connection that Airflow can read",
                    advice="check that it is JSON or a URI, its port a number, its extra an object",
                ) from error
            raise BrevoUsageError(
                f"There is no connection {shown_id(conn_id)}, or none that can be read from here",
                advice="add one of the type Brevo with this id, or check Airflow's database and secrets backend",
            ) from error

    def _transport(self, settings: BrevoSettings) -> Transport | None:
        return self._make_transport(settings)
