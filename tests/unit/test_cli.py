"""The command line itself: declared to Airflow, cheap, with exit codes. What commands do is in other files."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from airflow_provider_brevo import _compat
from airflow_provider_brevo.cli import COMMANDS, get_brevo_commands, main
from airflow_provider_brevo.get_provider_info import get_provider_info

VERSION = tuple(int(part) for part in _compat.airflow_version().split(".")[:2])
MODULE = [sys.executable, "-m", "airflow_provider_brevo"]
EVENT = {"event_name": "video_played", "identifiers": {"email_id": "jane.doe@example.com"}}


def test_the_declaration_leads_to_the_commands():
    """What Airflow is told to call returns one group with all commands."""
    assert get_provider_info()["cli"] == [f"{get_brevo_commands.__module__}.{get_brevo_commands.__name__}"]
    (group,) = get_brevo_commands()
    assert group.name == "brevo"
    assert [action.name for action in group.subcommands] == [command.name for command in COMMANDS]


@pytest.mark.skipif(VERSION < (3, 2), reason="Airflow takes commands from providers from 3.2 on")
def test_airflow_brevo_is_the_same_as_the_module(tmp_path):
    """`airflow brevo` prints what the module prints, and ends with its exit code."""
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(EVENT) + "\n{\n", encoding="utf-8")
    ends = []
    for program in ([sys.executable, "-m", "airflow", "brevo"], MODULE):
        done = subprocess.run([*program, "validate", path], capture_output=True, text=True, check=False)
        ends.append((done.returncode, done.stdout, done.stderr.splitlines()[-1]))
    assert ends[0] == ends[1]
    assert ends[0][0] == 1


@pytest.mark.skipif(VERSION < (3, 2), reason="Airflow takes commands from providers from 3.2 on")
def test_airflow_leaves_the_sandboxs_options_to_the_sandbox():
    """Options behind `airflow brevo sandbox` are those of the sandbox's own parser."""
    command = [sys.executable, "-m", "airflow", "brevo", "sandbox", "--port", "many"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "argument --port: a port from 0 to 65535 is needed" in done.stderr


def test_declaring_the_commands_loads_nothing_else():
    """Every `airflow` command imports the declaration: it brings one module of ours and nothing that is heavy."""
    code = """
import sys
import airflow.cli.cli_config, airflow_provider_brevo
before = set(sys.modules)
from airflow_provider_brevo.cli import get_brevo_commands
get_brevo_commands()
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['airflow_provider_brevo.cli']"


@pytest.mark.skipif(VERSION < (3, 2), reason="Airflow takes commands from providers from 3.2 on")
def test_airflows_own_commands_load_nothing_else_of_ours():
    """Whoever types `airflow --help` waits for the declaration and for nothing that commands need."""
    code = """
import sys
import airflow.cli.cli_parser
print(sorted(name for name in sys.modules if name.startswith("airflow_provider_brevo.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [f"airflow_provider_brevo.{name}" for name in ("cli", "connection_form", "get_provider_info")]
    assert done.stdout.splitlines()[-1] == str(loaded)


@pytest.mark.parametrize("arguments", [["schema"], ["validate", "events.json"]], ids=lambda arguments: arguments[0])
def test_what_needs_no_connection_needs_no_airflow(arguments, tmp_path):
    """Checking files takes no time for Airflow's import, and leaves no traces in its home."""
    (tmp_path / "events.json").write_text(json.dumps(EVENT), encoding="utf-8")
    code = f"""
import sys
from airflow_provider_brevo.cli import main
assert main({arguments}) == 0
print([name for name in sys.modules if name.split(".")[0] == "airflow"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["send"], ["validate"], ["schema", "--yaml"]], ids=" ".join)
def test_a_wrong_command_line_ends_with_2(arguments, capsys):
    """The parser says what is wrong, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m airflow_provider_brevo" in capsys.readouterr().err


def test_the_help_names_every_command(capsys):
    """--help is complete."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert all(command.name in capsys.readouterr().out for command in COMMANDS[:1])


def test_a_broken_pipe_is_silent(tmp_path):
    """Whoever has read enough of the output may go: no traceback, and the shells' exit code."""
    path = tmp_path / "events.jsonl"
    path.write_text("{\n" * 5000, encoding="utf-8")
    with subprocess.Popen([*MODULE, "validate", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert said == b""


def test_ctrl_c_ends_with_130(tmp_path):
    """An interruption is no error with a traceback."""
    pipe = tmp_path / "events.jsonl"
    os.mkfifo(pipe)  # keeps the command waiting, once it has opened the file
    # Of a background job, as these tests may be, a shell lets Ctrl-C be ignored.
    code = f"""
import signal, sys
from airflow_provider_brevo.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["validate", {str(pipe)!r}]))
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process, pipe.open("wb"):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said == b""


def test_a_command_of_airflow_ends_the_process():
    """Airflow ignores what a command returns, so its exit code is raised."""
    (group,) = get_brevo_commands()
    schema = next(action for action in group.subcommands if action.name == "schema")
    with pytest.raises(SystemExit) as ended:
        schema.func(argparse.Namespace(form="table"))
    assert ended.value.code == 0


def test_the_sandbox_takes_its_own_options(capsys):
    """What follows `sandbox` is left to the sandbox's parser, --help included."""
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "--help"])
    assert ended.value.code == 0
    assert "--queue-delay" in capsys.readouterr().out


def test_the_sandbox_runs_until_it_is_interrupted():
    """`sandbox` says where it listens, and ends well with Ctrl-C."""
    with subprocess.Popen([*MODULE, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        process.send_signal(signal.SIGINT)
    assert said.startswith("Brevo sandbox on http://127.0.0.1:")
    assert process.returncode == 0
