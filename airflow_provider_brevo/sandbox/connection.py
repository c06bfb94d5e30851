"""The connection that leads to a sandbox, ready to be pasted."""

import json


def connection_line(url: str, *, has_key: bool) -> str:
    """Give the line with which a shell sets the connection ``brevo_default``.

    :param url: The sandbox's base URL.
    :param has_key: Whether only one key is right. It is not repeated: output ends up in logs.
    """
    connection = {"conn_type": "brevo", "host": url, "password": "..." if has_key else "any-key"}
    return f"export AIRFLOW_CONN_BREVO_DEFAULT='{json.dumps(connection)}'"
