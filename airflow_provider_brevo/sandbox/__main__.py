"""The sandbox in the foreground: ``python -m airflow_provider_brevo.sandbox``."""

import argparse
import errno
import math
import random
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from airflow_provider_brevo.sandbox import DatabaseError, Fault, InvalidFaultError, Sandbox
from airflow_provider_brevo.sandbox.batch import FORMS, STATUSES
from airflow_provider_brevo.sandbox.limits import WINDOWS
from airflow_provider_brevo.sandbox.store import KEEP

_DEFAULT_PORT = 8025
_MAX_PORT = 65535
_SHORTEST_WINDOW = 0.001


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (--help shows all options)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM.

    :param arguments: The command line without the program's name; None for the process's own.
    :return: The exit status.
    """
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    sandbox = Sandbox(
        port=options.port,
        api_key=options.api_key,
        rate=options.rate,
        window=options.window,
        window_seconds=options.window_seconds,
        latency=options.latency / 1000,
        faults=options.fault,
        known_objects=options.known_object,
        batch_form=options.batch_form,
        batch_status=options.batch_status,
        queue_delay=options.queue_delay,
        keep=options.keep,
        db=options.db,
        oauth_clients=None if options.oauth_client is None else dict(options.oauth_client),
        oauth_scopes=options.oauth_scope,
        token_seconds=options.token_seconds,
        rng=random.Random(options.seed),  # noqa: S311  # dice, no secrets
    )
    try:
        sandbox.start()
    except OSError as error:
        sys.stderr.write(f"error: {_reason(error, options.port)}\n")
        return 1
    except DatabaseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    try:
        sys.stdout.write(_greeting(sandbox, has_key=options.api_key is not None))
        sys.stdout.flush()
        stopped.wait()
    finally:
        sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m airflow_provider_brevo.sandbox",
        description="A local stand-in for Brevo's Events API, on 127.0.0.1 only.",
    )
    parser.add_argument(
        "--port", type=_port, default=_DEFAULT_PORT, help=f"default {_DEFAULT_PORT}; 0 for any that is free"
    )
    parser.add_argument("--api-key", type=_key, metavar="KEY", help="the only key that is right; default: any key is")
    parser.add_argument("--rate", type=_count, metavar="N", help="requests a window and endpoint; default: unlimited")
    parser.add_argument(
        "--window",
        choices=WINDOWS,
        default=WINDOWS[0],
        help="fixed (the default): one follows the other, from a random moment; sliding: the last seconds count",
    )
    parser.add_argument(
        "--window-seconds", type=_window, default=1.0, metavar="N", help="how long a window is; default 1"
    )
    parser.add_argument("--latency", type=_latency, default=0.0, metavar="MS", help="milliseconds before every answer")
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="SPEC",
        help="KIND[,option=value…], such as 503,times=2 or hang,taken; may be repeated",
    )
    parser.add_argument(
        "--known-object",
        action="append",
        metavar="TYPE",
        help="a type of object the account has; may be repeated; default: it has all",
    )
    parser.add_argument(
        "--batch-form",
        choices=FORMS,
        default=FORMS[0],
        help="what the body of a batch is: an object with events (the default), or an array as it once was",
    )
    parser.add_argument(
        "--batch-status",
        type=int,
        choices=STATUSES,
        default=STATUSES[0],
        help=f"the answer to a batch of valid events; default {STATUSES[0]}",
    )
    parser.add_argument(
        "--queue-delay",
        type=_seconds,
        default=0.0,
        metavar="N",
        help="seconds until the events of a batch are shown; default 0",
    )
    parser.add_argument(
        "--keep",
        type=_count,
        default=KEEP,
        metavar="N",
        help=f"how many events and requests stay in memory, the newest; default {KEEP}",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="throws the dice of faults and windows as it did before")
    parser.add_argument("--db", metavar="FILE", help="keep what arrives in this SQLite file; default: in memory")
    parser.add_argument(
        "--oauth-client",
        type=_client,
        action="append",
        metavar="ID:SECRET",
        help="a client that may get tokens; may be repeated; default: any may",
    )
    parser.add_argument(
        "--oauth-scope",
        action="append",
        metavar="SCOPE",
        help="a scope that exists; may be repeated; default: all do",
    )
    parser.add_argument(
        "--token-seconds",
        type=_seconds,
        default=3600.0,
        metavar="N",
        help="how long a token is good for; default 3600",
    )
    return parser


def _greeting(sandbox: Sandbox, *, has_key: bool) -> str:
    lines = [
        f"Brevo sandbox on {sandbox.url}, stop it with Ctrl+C",
        sandbox.connection,
        f"See what arrives: {sandbox.origin}/",
    ]
    if has_key:
        lines.append("Put the key of --api-key in place of the dots.")
    return "\n".join(lines) + "\n"


def _reason(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on 127.0.0.1 is in use; choose another with --port, or 0 for any that is free"
    return f"cannot listen on 127.0.0.1:{port}: {error.strerror or error}"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port from 0 to {_MAX_PORT} is needed, not {text!r}")
    return int(text)


def _key(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the key is empty")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, not {text!r}")
    return int(text)


def _latency(text: str) -> float:
    return _number(text, "a number of milliseconds")


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds")


def _window(text: str) -> float:
    seconds = _seconds(text)
    if seconds < _SHORTEST_WINDOW:
        raise argparse.ArgumentTypeError(f"a window lasts at least a millisecond, not {text!r}")
    return seconds


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{what} from 0 is needed, not {text!r}")
    return number


def _client(text: str) -> tuple[str, str]:
    client, colon, secret = text.partition(":")
    if not (client and colon and secret):
        # The text is not repeated: it may hold the secret.
        raise argparse.ArgumentTypeError("ID:SECRET is needed, both not empty")
    return client, secret


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except InvalidFaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
