"""The commands ``test-connection``, ``send``, ``validate``, ``schema`` and ``sandbox``.

They are ``python -m airflow_provider_brevo …``, and on Airflow 3.2 and later ``airflow brevo …`` too. Every command of
``airflow`` imports this module, so what ours do is imported when they run.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_brevo import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.cli.cli_config import CLICommand

DONE, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: as wished; an event or the connection is no good; input, output or the command line can't be used."""

_INTERRUPTED, _BROKEN_PIPE = 130, 141
"""Exit codes as shells have them: 128 and the number of the signal."""


class Argument:
    """An argument of a command. Airflow takes it for its own ``Arg``, of which it uses the same attributes.

    :param flags: the argument's name, or its options.
    :param options: as for ``argparse``.
    """

    def __init__(self, *flags: str, **options: Any) -> None:
        self.flags = flags
        self.options = options

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the argument to a command's parser."""
        parser.add_argument(*self.flags, **self.options)


class _TheRest(Argument):
    """Everything that follows, options and all, for a parser of its own."""

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        parser.prefix_chars = ""  # otherwise argparse looks for the options itself (python/cpython 61252)
        parser.add_argument(*self.flags, nargs=argparse.REMAINDER, **self.options)


@dataclass(frozen=True)
class Command:
    """A command.

    :param name: what is typed.
    :param module: the module below ``commands`` whose ``run(options, out)`` does it, and returns the exit code.
    :param help: what it does.
    :param arguments: what it takes.
    """

    name: str
    module: str
    help: str
    arguments: tuple[Argument, ...]

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and return the exit code. Errors that are expected become a sentence.

        :param options: what was typed.
        """
        from airflow_provider_brevo.commands._output import Output  # noqa: PLC0415 # see above
        from airflow_provider_brevo.exceptions import BrevoError, BrevoUsageError  # noqa: PLC0415 # see above

        out = Output(sys.stdout)
        err: Any = Output(sys.stderr, lasts=True)  # whoever can't be told of an error is no error
        logging.disable(logging.INFO)  # Airflow's own, of its setup
        # Logs belong to stderr, wherever Airflow would write them.
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(err):
            try:
                out.check()
                module = importlib.import_module(f"airflow_provider_brevo.commands.{self.module}")
                code: int = module.run(options, out)
                out.flush()
                out.check()
            except BrevoError as error:
                err.write(f"{error}\n")
                return UNUSABLE if isinstance(error, BrevoUsageError) else FAILED
            except KeyboardInterrupt:
                return _INTERRUPTED
            except BrokenPipeError:  # whoever read the output has gone
                return _BROKEN_PIPE
            finally:
                out.lasts = True
                out.flush()
                logging.disable(logging.NOTSET)
        return code

    def run_and_exit(self, options: argparse.Namespace) -> None:
        """Do it, and end the process, as Airflow has no use for an exit code."""
        sys.exit(self.run(options))


_PLAN = Argument(
    "--properties-schema",
    metavar="FILE",
    help="your tracking plan: a JSON file of event names and JSON Schemas of their event_properties",
)

COMMANDS = (
    Command(
        "test-connection",
        "connection",
        "Ask Brevo whether a connection works",
        (Argument("conn_id", nargs="?", default="brevo_default", metavar="CONN_ID", help="default brevo_default"),),
    ),
    Command(
        "send",
        "send",
        "Send events, and show the request and Brevo's answer",
        (
            Argument("file", metavar="FILE", help=".json, .jsonl or .parquet, text also as .gz; - for standard input"),
            Argument("--conn-id", default="brevo_default", metavar="ID", help="the connection; default brevo_default"),
            Argument(
                "--dry-run", "--validate-only", action="store_true", help="check, show the request, and send nothing"
            ),
            Argument("--show-values", action="store_true", help="show identifiers and contact properties as they are"),
            Argument("--yes", "-y", action="store_true", help="don't ask before several events leave this machine"),
            _PLAN,
        ),
    ),
    Command(
        "validate",
        "validate",
        "Check files of events, and report every invalid event",
        (
            Argument(
                "file",
                nargs="+",
                metavar="FILE",
                help=".json, .jsonl or .parquet, text also as .gz; - for standard input",
            ),
            Argument(
                "--output",
                "-o",
                choices=("text", "json"),
                default="text",
                help="text, or json: an object a line for each violation; default text",
            ),
            _PLAN,
        ),
    ),
    Command(
        "schema",
        "schema",
        "Print the JSON Schema of an event",
        (
            Argument(
                "--batch", dest="form", action="store_const", const="batch", default="event", help="of a batch instead"
            ),
            Argument("--table", dest="form", action="store_const", const="table", help="the fields as a table instead"),
            Argument(
                "--example",
                dest="form",
                action="store_const",
                const="example",
                help="an operator call instead, ready to paste into a DAG",
            ),
        ),
    ),
    Command(
        "sandbox",
        "sandbox",
        "Run a local Brevo on 127.0.0.1",
        (_TheRest("arguments", metavar="…", help="--help lists its options"),),
    ),
)
"""All commands."""

_HELP = "Send and check events of Brevo"


def get_brevo_commands() -> list[CLICommand]:
    """Return the commands as Airflow 3.2 and later want them declared."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand  # noqa: PLC0415 # loaded by whoever calls this

    actions: list[Any] = [
        ActionCommand(name=command.name, help=command.help, func=command.run_and_exit, args=command.arguments)  # type: ignore[arg-type] # see Argument
        for command in COMMANDS
    ]
    return [GroupCommand(name="brevo", help=_HELP, subcommands=actions)]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m airflow_provider_brevo``."""
    made = argparse.ArgumentParser(prog="python -m airflow_provider_brevo", description=_HELP)
    made.add_argument("--version", action="version", version=f"airflow-provider-brevo {__version__}")
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        added = commands.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments:
            argument.add_to_parser(added)
        added.set_defaults(command=command)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    :param arguments: the command line without the program's name; the process's own where ``None``.
    """
    options = parser().parse_args(arguments)
    command: Command = options.command
    return command.run(options)
