"""``validate``: files of events against the rules of the Events API."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_brevo.cli import DONE, FAILED, UNUSABLE
from airflow_provider_brevo.commands._bar import Bar
from airflow_provider_brevo.commands._events import Checked, Events, Finding, tracking_plan
from airflow_provider_brevo.exceptions import BrevoSourceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from airflow_provider_brevo.commands._output import Output
    from airflow_provider_brevo.core.tracking_plan import TrackingPlan


def run(options: argparse.Namespace, out: Output) -> int:
    """Report every invalid event of every file.

    :param options: ``file``, a list; ``output``; ``properties_schema``.
    :param out: takes the findings; counts and files that can't be read are told on stderr.
    :raises BrevoUsageError: the tracking plan can't be used.
    """
    shown = _as_json if options.output == "json" else str
    plan = tracking_plan(options.properties_schema)
    codes = []
    for name in options.file:
        try:
            codes.append(_check(name, plan, shown, out))
        except BrevoSourceError as error:
            sys.stderr.write(f"{error}\n")
            codes.append(UNUSABLE)
    return max(codes)


def _check(name: str, plan: TrackingPlan | None, shown: Callable[[Finding], str], out: Output) -> int:
    events = Events(name)
    checked = Checked()
    try:
        with Bar("Checking", events.size) as bar:
            for finding in events.check(events.preparation(plan), checked, bar.move_to):
                bar.write(shown(finding), out)
    finally:
        events.close()
    sys.stderr.write(f"{events.name}: {checked}.\n")
    return FAILED if checked.invalid else DONE


def _as_json(finding: Finding) -> str:
    place = {"file": finding.file, "line": finding.line, "index": finding.index}
    return json.dumps(place | asdict(finding.violation))  # ASCII, which any output can be
