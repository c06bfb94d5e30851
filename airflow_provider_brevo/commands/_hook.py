"""The hook in a plain process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_brevo import _compat
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
        :raises AirflowNotFoundException: there is none.
        """
        return _compat.stored_connection(conn_id)

    def _transport(self, settings: BrevoSettings) -> Transport | None:
        return self._make_transport(settings)
