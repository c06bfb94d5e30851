"""``sandbox``: a local Brevo in the foreground."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo.exceptions import BrevoUsageError

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace, out: Any) -> int:
    """Run the sandbox until it is interrupted.

    :param options: ``arguments``, the sandbox's own command line.
    :param out: takes what it says.
    :raises BrevoUsageError: the sandbox is not installed.
    """
    try:
        from airflow_provider_brevo.sandbox.__main__ import main  # noqa: PLC0415 # needs an extra
    except ImportError:
        raise BrevoUsageError(
            "The sandbox needs aiohttp, which is not installed",
            advice="install aiohttp, or this package with its extra sandbox",
        ) from None
    with contextlib.redirect_stdout(out):
        return main(options.arguments)
