"""An Airflow connection turned into a client of the Events API."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_brevo import _compat, connection_form
from airflow_provider_brevo.core.client import DEFAULT_MAX_WAIT, BrevoClient
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import (
    BrevoError,
    BrevoRestrictedKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_brevo.core.retry import Delivery


class BrevoHook(BaseHook):
    """Sends events to Brevo by an Airflow connection of type ``brevo``.

    :param brevo_conn_id: id of the connection.
    """

    conn_name_attr = "brevo_conn_id"
    default_conn_name = "brevo_default"
    conn_type = connection_form.CONNECTION_TYPE
    hook_name = connection_form.HOOK_NAME

    def __init__(self, brevo_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.brevo_conn_id = brevo_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields; Airflow 3.2 and later read the provider's declaration instead."""
        return connection_form.form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels; Airflow 3.2 and later read the provider's declaration instead."""
        return {
            "hidden_fields": connection_form.HIDDEN_FIELDS,
            "relabeling": connection_form.RELABELING,
            "placeholders": connection_form.PLACEHOLDERS,
        }

    def get_conn(self) -> BrevoClient:
        """Return the client. It is made at the first call and kept: its connections to Brevo stay open.

        :raises BrevoSettingsError: the connection's fields can't be used; the error lists all that is wrong.
        """
        return self._client

    def close(self) -> None:
        """Close the connections that the client keeps open. A later call opens new ones."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    @cached_property
    def _client(self) -> BrevoClient:
        settings, warnings = read_settings(self._connection_fields(), allowed_hosts=_compat.allowed_hosts())
        for warning in warnings:
            self.log.warning(warning)
        return BrevoClient(settings, user_agent=f"apache-airflow/{_compat.airflow_version()}")

    def _connection_fields(self) -> ConnectionFields:
        # A frame of its own: Airflow's connection shows its password in `repr`, and must not be a local variable where
        # an error may be raised.
        connection = self.get_connection(self.brevo_conn_id)
        return ConnectionFields(
            password=connection.password,
            login=connection.login,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            extra=connection.extra_dejson,
        )

    @property
    def sends(self) -> bool:
        """Whether the connection's extra ``sending`` lets events be sent at all.

        :raises BrevoSettingsError: the connection's fields can't be used.
        """
        return self.get_conn().settings.sending == "on"

    def prepare_event(self, event: Mapping[str, Any], *, validate: bool = True) -> dict[str, Any]:
        """Convert and check one event, and send nothing.

        :param event: its fields, as in :meth:`create_event`.
        :param validate: check the rules of the Events API.
        :return: the event as it would be sent.
        :raises BrevoInvalidEventError: the event breaks rules; the error lists all of them.
        """
        return prepare_event(event, timezone=_compat.default_timezone(), validate=validate)

    def create_event(
        self,
        event: Mapping[str, Any],
        *,
        validate: bool = True,
        validate_only: bool = False,
        delivery: Delivery = "at_least_once",
        max_wait: float = DEFAULT_MAX_WAIT,
    ) -> bool:
        """Convert, check and send one event.

        :param event: its fields: ``event_name``, ``identifiers``, and optionally ``event_date``, ``event_properties``,
            ``contact_properties``, ``object``. Datetimes without a time zone are taken to be in
            ``[core] default_timezone``.
        :param validate: check the rules of the Events API. ``False`` lets pass whatever has a JSON form.
        :param validate_only: don't send, whatever the connection's extra ``sending`` says.
        :param delivery: ``at_least_once`` repeats a request whose fate is uncertain, ``at_most_once`` never does.
        :param max_wait: seconds in all to wait for the rate limit.
        :return: ``True`` if Brevo took the event, ``False`` if it was only checked.
        :raises BrevoInvalidEventError: the event breaks rules; the error lists all of them, and nothing was sent.
        :raises BrevoSettingsError: the connection's fields can't be used.
        :raises BrevoRequestError: Brevo didn't take it, or not surely: its ``uncertain`` tells which.
        """
        prepared = self.prepare_event(event, validate=validate)
        if validate_only or not self.sends:
            return False
        self.get_conn().create_event(prepared, delivery=delivery, max_wait=max_wait)
        return True

    def test_connection(self) -> tuple[bool, str]:
        """Ask Brevo for the account, and say in one sentence whether the connection works.

        A key that is valid but may not read the account is a success: restricted keys can send events.

        :return: whether it works, and what is wrong and what to do about it. No data of the account but the company's
            name.
        """
        try:
            client = self.get_conn()
            account = client.get_account(max_retries=0, max_wait=0)
        except AirflowNotFoundException:
            return False, f"There is no connection with the id {self.brevo_conn_id}."
        except BrevoRestrictedKeyError:
            return True, (
                "The key is valid but restricted: it may not read the account, and whether it may send events shows"
                " with the first one."
            )
        except BrevoError as error:
            return False, str(error)
        company = account.get("companyName")
        return True, f"Connected to Brevo as {company}." if isinstance(
            company, str
        ) and company else "Connected to Brevo."
