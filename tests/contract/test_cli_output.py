"""Where commands write: terminals, pipes whose reader goes, full disks, closed files, encodings."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_brevo import __version__
from airflow_provider_brevo._compat import airflow_version
from airflow_provider_brevo.sandbox import Sandbox

MODULE = [sys.executable, "-m", "airflow_provider_brevo"]
EVENT = {"event_name": "order_completed", "identifiers": {"email_id": "jane.doe@example.com"}}
NOT_JSON = "{\n"
DISK_FULL = "Standard output can't be written (No space left on device); check where it leads."
slow = pytest.mark.skipif(
    not airflow_version().startswith(("2.", "3.3.")), reason="it starts Airflow anew: the oldest and the newest will do"
)
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into the working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda name, content: (tmp_path / name).write_text(content, encoding="utf-8")


@pytest.fixture
def brevo(monkeypatch):
    """Let the connection brevo_default lead to a sandbox that takes its time, as Brevo does."""
    with Sandbox(latency=0.3) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BREVO_DEFAULT", sandbox.connection.partition("=")[2].strip("'\""))
        yield sandbox


def events(count, **fields):
    """Return events as JSON Lines."""
    return "".join(f"{json.dumps({**EVENT, **fields, 'event_properties': {'n': n}})}\n" for n in range(count))


def shell(redirection, *arguments, **environment):
    """Run a command with a redirection, as a shell does it."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *MODULE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@contextlib.contextmanager
def terminal(*arguments):
    """Run a command at a terminal of 60 columns, and give the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    with subprocess.Popen(
        [*MODULE, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            os.close(ours)


def read(screen, *, until=None):
    """Read what was written to a terminal, to its end or until something is there."""
    written = b""
    with contextlib.suppress(OSError):  # the terminal's way to say that nobody writes any more
        while not (until and until in written) and (piece := os.read(screen, 65536)):
            written += piece
    return written.decode()


def shown(written):
    """Return the lines that stand on an endlessly wide terminal in the end."""
    lines, row, column = [""], 0, 0
    for text, parameters, code in re.findall(r"([^\x1b])|\x1b\[([?0-9;]*)([A-Za-z])", written):
        if code == "A":
            row -= int(parameters or 1)
        elif code == "K":
            lines[row] = "" if parameters == "2" else lines[row][:column]
        elif text == "\r":
            column = 0
        elif text == "\n":
            row += 1
            lines += [""] * (row >= len(lines))
        elif text:
            lines[row] = f"{lines[row][:column]:<{column}}{text}{lines[row][column + 1 :]}"
            column += 1
    return lines


def test_a_terminal_shows_findings_as_they_are(write):
    """A line number between colons is no emoji, and no line is broken in two."""
    write("file.jsonl", NOT_JSON * 120)
    with terminal("validate", "file.jsonl") as (process, screen):
        lines = shown(read(screen))
    assert process.returncode == 1
    said = "the event is broken JSON at column 2: write it with a JSON library"
    assert lines[:120] == [f"file.jsonl:{number}: {said}" for number in range(1, 121)]
    assert lines[120] == "file.jsonl: 120 of 120 events are invalid."


@slow
def test_a_terminal_shows_requests_and_answers_beside_the_bar(brevo, write):
    """Request and answer stand there whole and plain, as in a pipe, though a bar moves meanwhile."""
    properties = {"note": ":smile: [bold]x[/bold] " + "long " * 30, "n": 1}
    write("file.jsonl", f"{json.dumps({**EVENT, 'event_properties': properties})}\n" * 400)
    with terminal("send", "file.jsonl") as (process, screen):
        written = read(screen)
    assert process.returncode == 0
    assert "Sending" in written
    assert "━" in written
    piped = subprocess.run([*MODULE, "send", "file.jsonl"], capture_output=True, text=True, check=True).stdout
    changing = r"^(Date: |x-sib-ratelimit-|    \d|Brevo took 400 of 400 events, in 2 requests and ).*"
    lines = [re.sub(changing, r"\1", line) for line in shown(written)]
    expected = [re.sub(changing, r"\1", line) for line in piped.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("Connection "))
    assert lines[first : first + len(expected)] == expected
    assert [line for line in lines[first + len(expected) :] if line.strip()] == []
    assert len(brevo.events) == 800


@slow
@pytest.mark.parametrize("also_errors", [False, True], ids=["output", "errors-too"])
def test_a_reader_that_goes_does_not_end_the_sending(brevo, write, also_errors):
    """`send … | head` sends every event, and ends as the shell expects of it."""
    write("file.jsonl", events(2000, contact_properties={"AGE": 32}))
    errors = subprocess.STDOUT if also_errors else subprocess.PIPE
    with subprocess.Popen([*MODULE, "send", "file.jsonl"], stdout=subprocess.PIPE, stderr=errors) as process:
        while not process.stdout.readline().startswith(b"POST "):
            pass
        process.stdout.close()
        said = b"" if also_errors else process.stderr.read()
    assert len(brevo.events) == 2000
    assert process.returncode == 141
    assert b"Traceback" not in said
    assert b"Brevo took" not in said


@slow
def test_a_terminal_that_goes_away_does_not_end_the_sending(brevo, write):
    """A window that is closed, of a process that isn't ended with it, keeps no event from being sent."""
    write("file.jsonl", events(2000, contact_properties={"AGE": 32}))
    with terminal("send", "file.jsonl") as (process, screen):
        read(screen, until=b"POST ")
    assert len(brevo.events) == 2000
    assert process.returncode == 2


@slow
@full
def test_a_full_disk_does_not_end_the_sending(brevo, write):
    """Where the request can't be shown, it is sent all the same, and the result is told on stderr."""
    write("file.jsonl", events(250))
    done = shell("> /dev/full", "send", "file.jsonl")
    assert done.returncode == 2
    assert len(brevo.events) == 250
    result, problem = done.stderr.splitlines()[-2:]
    assert result.startswith("Brevo took 250 of 250 events, in 2 requests and ")
    assert problem == DISK_FULL


@slow
def test_ctrl_c_says_how_many_events_were_sent(brevo, write):
    """An interruption tells what Brevo took at least, and to look there."""
    write("file.jsonl", events(6000))
    # Of a background job, as these tests may be, a shell lets Ctrl-C be ignored.
    code = """
import signal, sys
from airflow_provider_brevo.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["send", "file.jsonl"]))
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while len(brevo.events) <= 200 and process.poll() is None:  # so that the answer to the first batch was counted
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    last = said.splitlines()[-1]
    told = re.fullmatch(
        r"Interrupted: Brevo took at least (\d+) of 6000 events; look there before you send the file again\.", last
    )
    assert told, said
    assert 200 <= int(told[1]) <= len(brevo.events) < 6000
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("redirection", "arguments", "said"),
    [
        pytest.param("> /dev/full", ["validate", "bad.jsonl"], DISK_FULL, marks=full),
        pytest.param("> /dev/full", ["schema"], DISK_FULL, marks=full),
        (">&-", ["schema"], "Standard output can't be written (it is closed); check where it leads."),
        (">&-", ["send", "good.jsonl"], "Standard output can't be written (it is closed); check where it leads."),
        ("<&-", ["validate", "-"], "Standard input can't be read (it is closed); name a file, or pipe events into it."),
        ("<&-", ["send", "-"], "Standard input can't be read (it is closed); name a file, or pipe events into it."),
    ],
)
def test_input_or_output_that_cannot_be_used_ends_with_2(write, redirection, arguments, said):
    """One sentence says what is at fault, which is no event."""
    write("bad.jsonl", NOT_JSON)
    write("good.jsonl", events(1))
    done = shell(redirection, *arguments)
    assert done.returncode == 2
    assert done.stderr == f"{said}\n"
    assert done.stdout == ""


@pytest.mark.parametrize("redirection", ["2>&-", pytest.param("2> /dev/full", marks=full)])
@pytest.mark.parametrize(("name", "code"), [("good.jsonl", 0), ("bad.jsonl", 1)])
def test_errors_that_nobody_hears_change_no_result(write, redirection, name, code):
    """Findings and exit code are the same where stderr can't be written."""
    write("bad.jsonl", NOT_JSON)
    write("good.jsonl", events(1))
    done = shell(redirection, "validate", name)
    assert done.returncode == code
    assert bool(done.stdout) == bool(code)


def test_what_an_encoding_lacks_is_escaped():
    """A terminal that knows ASCII alone gets the example all the same."""
    done = shell("", "schema", "--example", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"# or ext_id, phone_id, \u2026: at least one" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_stays_json_in_any_encoding(write, encoding):
    """A program can read the findings of a file with any name, and that name is the file's."""
    name = os.fsdecode("é".encode() + b"\xff.jsonl")
    write(name, NOT_JSON)
    done = shell("", "validate", "-o", "json", name, PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert json.loads(done.stdout)["file"] == name


def test_a_name_that_is_no_text_can_be_told(write):
    """The bytes of a file's name that are no UTF-8 are escaped."""
    write(os.fsdecode(b"a\xff.jsonl"), NOT_JSON)
    done = shell("", "validate", os.fsdecode(b"a\xff.jsonl"), PYTHONIOENCODING="utf-8")
    assert done.returncode == 1
    assert done.stdout.startswith(r"a\udcff.jsonl:1: ")


def test_the_version_is_told():
    """--version names the package, as it is installed, and its version."""
    done = shell("", "--version")
    assert (done.returncode, done.stdout) == (0, f"airflow-provider-brevo {__version__}\n")
