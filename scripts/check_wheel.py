"""Install the built wheel as a user does, and send an event with it.

A new environment in a temporary folder gets the wheel by plain pip: no editable install, no extra, none of our tools.
The Python that runs this script plays Brevo, since the sandbox needs an extra that the new environment lacks.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from demo import EXPECTED

from airflow_provider_brevo import __version__
from airflow_provider_brevo.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "airflow-provider-brevo"
PACKAGE = "airflow_provider_brevo"
DAG = "order_etl"
KEY = "xkeysib-wheel"
OURS = ("AIRFLOW", "COVERAGE", "PYTEST", "PYTHON", "UV_", "VIRTUAL_ENV")  # what a user's shell doesn't have
TAIL = 40  # lines of a failed command that are shown


class CheckError(Exception):
    """What failed, in one sentence."""


class NewEnvironment:
    """A virtual environment with nothing of ours but the wheel, and an Airflow home beside it.

    :param folder: an empty folder outside the repository, in which all commands run.
    :param connection: the connection ``brevo_default``.
    """

    def __init__(self, folder: Path, connection: dict[str, str]) -> None:
        self.folder = folder
        self.commands = folder / "venv" / "bin"
        self.dags = folder / "dags"
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "PIP_CACHE_DIR": str(ROOT / ".cache" / "pip"),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_BREVO_DEFAULT": json.dumps(connection),
        }

    def run(self, command: str, *arguments: str | Path) -> str:
        """Run a command of the environment.

        :param command: its name, or the whole path of another.
        :return: what it printed to its standard output.
        :raise CheckError: if it failed; the end of its output has been shown by then.
        """
        done = subprocess.run(
            [self.commands / command, *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(*(done.stdout + done.stderr).splitlines()[-TAIL:], sep="\n", file=sys.stderr)
            called = shlex.join(str(word) for word in (Path(command).name, *arguments))
            raise CheckError(f"`{called}` failed with status {done.returncode}; the end of its output is above.")
        return done.stdout


def install(environment: NewEnvironment, wheel: Path, constraints: Path | None) -> str:
    """Make the environment with the standard library's venv and pip.

    :param constraints: pins for what the wheel requires; None for the newest releases that fit.
    :return: what was seen, as a sentence.
    """
    environment.run(sys.executable, "-m", "venv", environment.commands.parent)  # inherits nothing of this one
    pins = ["--constraint", constraints] if constraints else []
    environment.run("pip", "install", "--quiet", wheel, *pins)
    environment.run("pip", "check")
    packages = json.loads(environment.run("pip", "list", "--format", "json"))
    return f"pip installed {wheel.name} and all it requires, {len(packages)} packages; pip check finds nothing broken"


def check_import(environment: NewEnvironment) -> str:
    """Import the package, which must come from the wheel and have its version."""
    code = f"import {PACKAGE} as package; print(package.__file__, package.__version__)"
    place, version = environment.run("python", "-c", code).split()
    if not Path(place).resolve().is_relative_to(environment.commands.parent) or "site-packages" not in place:
        raise CheckError(f"The package is imported from {place}, not from the new environment's site-packages.")
    if version != __version__:
        raise CheckError(f"The wheel holds version {version}, but the source is at {__version__}.")
    return f"{PACKAGE} {version} is imported from site-packages"


def check_provider(environment: NewEnvironment) -> str:
    """Ask Airflow for the provider and its connection type."""
    rows = json.loads(environment.run("airflow", "providers", "get", DISTRIBUTION, "--output", "json"))
    if rows != [{"Provider": DISTRIBUTION, "Version": __version__}]:
        raise CheckError(f"`airflow providers get {DISTRIBUTION}` shows {rows}, not version {__version__}.")
    hooks = json.loads(environment.run("airflow", "providers", "hooks", "--output", "json"))
    if not [hook for hook in hooks if hook["connection_type"] == "brevo" and hook["package_name"] == DISTRIBUTION]:
        raise CheckError("`airflow providers hooks` doesn't show the connection type brevo.")
    return f"Airflow shows {DISTRIBUTION} {__version__} and its connection type brevo"


def check_event(environment: NewEnvironment, sandbox: Sandbox) -> str:
    """Run the demonstration's DAG, and compare what arrives with what it computed."""
    environment.dags.mkdir()
    shutil.copy(ROOT / "example_dags" / f"{DAG}.py", environment.dags)
    environment.run("airflow", "db", "migrate")
    environment.run("airflow", "dags", "test", DAG)
    bodies = [event.body for event in sandbox.events]
    if len(bodies) != 1:
        raise CheckError(f"{len(bodies)} events arrived from the DAG {DAG} instead of 1.")
    (body,) = bodies
    wrong = sorted(
        field for field in EXPECTED.keys() | body.keys() if _json(EXPECTED.get(field)) != _json(body.get(field))
    )
    if wrong:
        raise CheckError(f"The event arrived with another content or other types in {', '.join(wrong)}: {_json(body)}")
    return f"{DAG} sent its event, and every value arrived with its type: {_json(body['event_properties'])}"


def main(wheel: Path, constraints: Path | None) -> int:
    """Check a wheel in all these ways; 0 only if everything is as it should be."""
    start = time.monotonic()

    def report(sentence: str) -> None:
        print(f"{time.monotonic() - start:4.0f} s  {sentence}", flush=True)

    try:
        with tempfile.TemporaryDirectory(prefix="brevo-wheel-") as folder, Sandbox(api_key=KEY) as sandbox:
            connection = {"conn_type": "brevo", "host": sandbox.url, "password": KEY}
            environment = NewEnvironment(Path(folder).resolve(), connection)
            report(install(environment, wheel.resolve(), constraints and constraints.resolve()))
            report(check_import(environment))
            report(check_provider(environment))
            report(check_event(environment, sandbox))
    except CheckError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _json(value: Any) -> str:
    """Write a value so that 42.5 and "42.5", 1 and true, 3 and 3.0 differ."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=_existing, help="the built wheel")
    parser.add_argument("--constraint", type=_existing, metavar="FILE", help="pins, as pip takes them; default: none")
    options = parser.parse_args()
    sys.exit(main(options.wheel, options.constraint))
