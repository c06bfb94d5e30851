"""``send``: events from a file to Brevo, with the request and Brevo's answer shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_brevo.cli import DONE, FAILED
from airflow_provider_brevo.commands._bar import Bar
from airflow_provider_brevo.commands._events import Checked, Events, tracking_plan
from airflow_provider_brevo.core.hosts import is_loopback
from airflow_provider_brevo.exceptions import BrevoUsageError

if TYPE_CHECKING:
    import argparse

    from airflow_provider_brevo.commands._hook import CommandHook
    from airflow_provider_brevo.commands._output import Output
    from airflow_provider_brevo.core.checkpoint import Progress
    from airflow_provider_brevo.core.config import BrevoSettings
    from airflow_provider_brevo.core.tracking_plan import TrackingPlan


def run(options: argparse.Namespace, out: Output) -> int:
    """Check the events of a file, and send them if all are valid: one by itself, several in batches.

    :param options: ``file``, ``conn_id``, ``dry_run``, ``show_values``, ``yes``, ``properties_schema``.
    :param out: takes the request, the answer and the result; what is wrong with events is told on stderr.
    :raises BrevoUsageError: the file, the connection or the command line can't be used.
    :raises BrevoRequestError: Brevo didn't take the event, or not surely.
    :raises BrevoIncompleteError: Brevo didn't take all of several events.
    """
    out.lasts = True  # what can't be shown doesn't end the sending
    plan = tracking_plan(options.properties_schema)
    events = Events(options.file)
    try:
        checked = _check(events, plan)
        if checked.invalid:
            sys.stderr.write(f"{events.name}: {checked}, so nothing was sent.\n")
            return FAILED
        return _Sending(options, out, events, plan, checked.total).run()
    finally:
        events.close()


def _check(events: Events, plan: TrackingPlan | None) -> Checked:
    checked = Checked()
    with Bar("Checking", events.size) as bar:
        for finding in events.check(events.preparation(plan), checked, bar.move_to):
            bar.write(str(finding), sys.stderr)
    return checked


class _Sending:
    """Events that are valid, on their way.

    :param options: the command's.
    :param out: takes what is shown.
    :param events: the events.
    :param plan: the team's own rules, if any.
    :param count: how many there are.
    """

    def __init__(
        self, options: argparse.Namespace, out: Output, events: Events, plan: TrackingPlan | None, count: int
    ) -> None:
        self._options = options
        self._out = out
        self._events = events
        self._plan = plan
        self._count = count
        self._bar = Bar("Sending", count)
        self._progress: Progress | None = None

    def run(self) -> int:
        from airflow_provider_brevo.commands._hook import (  # noqa: PLC0415 # a file with mistakes needs no Airflow
            CommandHook,
        )
        from airflow_provider_brevo.commands._showing import ShowingTransport  # noqa: PLC0415 # see above

        conn_id = self._options.conn_id

        def transport(settings: BrevoSettings) -> ShowingTransport:
            return ShowingTransport(
                settings,
                self._show,
                sends=not self._options.dry_run,
                show_values=self._options.show_values,
                first_only=self._count > 1,
            )

        hook = CommandHook(conn_id, transport=transport)
        try:
            settings = hook.get_conn().settings
            self._out.write(f"Connection {conn_id}, host {settings.host}\n\n")
            if self._options.dry_run:
                return self._only_show(hook)
            if not hook.sends:
                self._out.write(f"{self._are_valid()}: nothing was sent, as the connection says validate_only.\n")
                return DONE
            return self._send(hook) if self._count == 1 else self._send_batches(hook, settings)
        finally:
            hook.close()

    def _show(self, text: str) -> None:
        self._bar.write(text, self._out)
        self._out.flush()

    def _only_show(self, hook: CommandHook) -> int:
        from airflow_provider_brevo.core.batches import Planner  # noqa: PLC0415 # loaded by now

        client = hook.get_conn()
        if self._count == 1:
            client.create_event(hook.prepare_event(next(iter(self._events))))
        else:
            batch = next(Planner(self._events, self._events.preparation(self._plan)).batches())
            client.send_batch(batch.body, count=len(batch.events))
        self._out.write(f"{self._are_valid()}: nothing was sent.\n")
        return DONE

    def _send(self, hook: CommandHook) -> int:
        hook.create_event(next(iter(self._events)), properties_schema=self._plan)
        return self._done("Brevo took the event.\n")

    def _send_batches(self, hook: CommandHook, settings: BrevoSettings) -> int:
        if not self._options.yes and not is_loopback(urlsplit(settings.base_url).hostname or ""):
            if sys.stdin is None or not sys.stdin.isatty():
                raise BrevoUsageError(
                    f"{self._count} events would go to {settings.host}, and there is no terminal to ask on",
                    advice="add --yes if they are to be sent",
                )
            sys.stderr.write(f"Send {self._count} events to {settings.host}? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
                sys.stderr.write("Nothing was sent.\n")
                return FAILED
        try:
            with self._bar:
                result = hook.create_events(
                    lambda: iter(self._events), properties_schema=self._plan, report=self._report
                )
        except KeyboardInterrupt:
            taken = self._progress.accepted if self._progress else 0
            sys.stderr.write(
                f"Interrupted: Brevo took at least {taken} of {self._count} events; look there before you send the file"
                " again.\n"
            )
            raise
        return self._done(
            f"Brevo took {result.accepted} of {result.total} events, in {result.requests}"
            f" request{'s'[result.requests == 1 :]} and {result.seconds:.1f} s.\n"
        )

    def _report(self, progress: Progress) -> None:
        self._progress = progress
        self._bar.move_to(progress.accepted + progress.rejected)

    def _done(self, result: str) -> int:
        """Tell the result, elsewhere if the output fails, unless whoever read it has gone."""
        failed = self._out.error is not None and not isinstance(self._out.error, BrokenPipeError)
        (sys.stderr if failed else self._out).write(result)
        return DONE

    def _are_valid(self) -> str:
        return "The event is valid" if self._count == 1 else f"All {self._count} events are valid"
