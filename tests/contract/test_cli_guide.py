"""The page of the commands: complete, and with the output of real runs."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from airflow_provider_brevo.cli import COMMANDS, main

KEY = "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEfGhIjKlMnOp"
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "cli.md"
TEXT = PAGE.read_text(encoding="utf-8")
PROGRAM = "python -m airflow_provider_brevo "
BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
FILES = dict(re.findall(r"^<!-- file: (\S+) -->\n```\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL))


def section(name):
    """Return what the page says of a command."""
    return re.split(r"^## ", TEXT.split(f"\n## {name}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_and_option_is_told(command):
    """A command without a section, or an option that isn't in it, fails."""
    told = re.findall(r"`([^`\n]+)`", section(command.name))
    flags = [flag for argument in command.arguments for flag in argument.flags if flag.startswith("-")]
    missing = [flag for flag in flags if not any(flag in text.split() for text in told)]
    assert not missing


def settled(text, sandbox):
    """Take out of an output what differs from run to run."""
    text = re.sub(r"^.* empty cryptography key .*\n", "", text, flags=re.MULTILINE)  # Airflow's, in a new home
    text = text.replace(f"127.0.0.1:{sandbox.port}", "127.0.0.1:8025")
    text = re.sub(r"^(User-Agent: \S+ apache-airflow)/.*$", r"\1/3.3.2", text, flags=re.MULTILINE)
    text = re.sub(r"^Date: .*$", "Date: Sun, 22 Nov 2026 14:00:00 GMT", text, flags=re.MULTILINE)
    return re.sub(r"^Server: .*$", "Server: Python/3.11 aiohttp/3.14.5", text, flags=re.MULTILINE)


def run(block, sandbox):
    """Run the commands of a block, and return the block as it should be."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        for line in block.splitlines():
            if line.startswith("$ "):
                output.write(f"{line}\n")
                main(shlex.split(line.removeprefix(f"$ {PROGRAM}")))
    return settled(output.getvalue(), sandbox)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0].removeprefix(f"$ {PROGRAM}"))
def test_the_output_on_the_page_is_that_of_the_command(block, sandbox, tmp_path, monkeypatch):
    """Each printed command, run again, prints what the page says."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, key in {"local": KEY, "wrong_key": KEY.replace("0", "1")}.items():
        connection = {"conn_type": "brevo", "host": sandbox.url, "password": key}
        monkeypatch.setenv(f"AIRFLOW_CONN_BREVO_{name.upper()}", json.dumps(connection))
    main(["test-connection", "brevo_local"])  # Airflow has warnings of its own when it is first imported
    assert run(block, sandbox) == block


def test_the_page_has_examples():
    """The test above has something to compare."""
    assert len(BLOCKS) >= 7
