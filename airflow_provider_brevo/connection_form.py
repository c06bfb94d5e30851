"""The form of the connection type ``brevo``: one source for every version of Airflow.

Airflow 3.2 and later read it from the provider's declaration, earlier versions from methods of the hook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

CONNECTION_TYPE = "brevo"
HOOK_NAME = "Brevo"

HIDDEN_FIELDS = ["port", "schema", "extra"]
RELABELING = {
    "host": "Base URL",
    "login": "OAuth client ID",
    "password": "API key / OAuth client secret",
}
PLACEHOLDERS = {
    "host": "https://api.brevo.com/v3",
    "login": "only for OAuth",
    "password": "xkeysib-…",
}


@dataclass(frozen=True, kw_only=True)
class ExtraField:
    """One field of the form beside Airflow's standard ones, stored in the connection's extra.

    :param name: name of the extra.
    :param label: what the form calls it.
    :param description: what it means, with unit and default.
    :param type: type of its value in JSON.
    :param choices: its only values, the default first; empty where any value will do.
    """

    name: str
    label: str
    description: str
    type: Literal["string", "integer", "number"] = "string"
    choices: tuple[str, ...] = ()


EXTRA_FIELDS = (
    ExtraField(
        name="auth_type",
        label="Authentication",
        description="api_key (default): the password is an API key. oauth: the password is an OAuth client secret.",
        choices=("api_key", "oauth"),
    ),
    ExtraField(
        name="oauth_scope",
        label="OAuth scope",
        description="Only for OAuth: the scope to ask for. Nothing is asked for when empty.",
    ),
    ExtraField(
        name="oauth_token_url",
        label="OAuth token URL",
        description="Only for OAuth: where tokens are fetched. Default: Brevo's path on the host of the base URL.",
    ),
    ExtraField(
        name="sending",
        label="Sending",
        description="on (default): events are sent. validate_only: they are checked and not sent, for staging.",
        choices=("on", "validate_only"),
    ),
    ExtraField(
        name="timeout",
        label="Timeout (s)",
        description="Seconds to wait for a connection and for an answer. Default: 30.",
        type="number",
    ),
    ExtraField(
        name="max_retries",
        label="Retries per request",
        description="How often one request is made again after a fault, inside one try of the task. Default: 5.",
        type="integer",
    ),
    ExtraField(
        name="requests_per_second",
        label="Requests per second",
        description="A ceiling for each task that runs. Default: none but Brevo's own limits.",
        type="number",
    ),
    ExtraField(
        name="proxy",
        label="Proxy",
        description="http://host:port of a proxy. Default: HTTPS_PROXY and NO_PROXY of the worker.",
    ),
    ExtraField(
        name="ca_bundle",
        label="CA bundle",
        description="File on the worker with the certificates to trust. Default: those of Python.",
    ),
)


def declared_fields() -> dict[str, Any]:
    """Return the extra fields as the provider's declaration wants them (``conn-fields``, Airflow 3.2 and later)."""
    return {field.name: _declared(field) for field in EXTRA_FIELDS}


def _declared(field: ExtraField) -> dict[str, Any]:
    # Without null in it, the form would demand the field.
    schema: dict[str, Any] = {"type": [field.type, "null"]}
    if field.choices:
        schema |= {"enum": list(field.choices), "default": field.choices[0]}
    return {"label": field.label, "description": field.description, "schema": schema}


def form_widgets() -> dict[str, Any]:
    """Return the extra fields as form fields, for Airflow before 3.2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # noqa: PLC0415 # only the web server has it
    from wtforms import IntegerField, StringField  # noqa: PLC0415 # see above
    from wtforms.validators import Optional, any_of  # noqa: PLC0415 # see above

    # Only a few kinds of fields are allowed, and none for decimals or choices: those are texts, checked ones. Airflow
    # 3.1 makes a drop-down of any_of, by this name of it. The page of Airflow 2 holds the fields of all connection
    # types at once, so each must be free to stay empty.
    return {
        field.name: (IntegerField if field.type == "integer" else StringField)(
            field.label,
            widget=BS3TextFieldWidget(),
            description=field.description,
            validators=[Optional(), any_of(list(field.choices))] if field.choices else [Optional()],
        )
        for field in EXTRA_FIELDS
    }
