"""``test-connection``: whether a connection works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_brevo.cli import DONE, FAILED
from airflow_provider_brevo.commands._hook import CommandHook

if TYPE_CHECKING:
    import argparse

    from airflow_provider_brevo.commands._output import Output


def run(options: argparse.Namespace, out: Output) -> int:
    """Say whether the connection works, as the button *Test* of Airflow's UI does.

    :param options: ``conn_id``.
    :param out: takes the sentence.
    """
    hook = CommandHook(options.conn_id)
    works, said = hook.test_connection()
    hook.close()
    out.write(f"{said}\n")
    return DONE if works else FAILED
