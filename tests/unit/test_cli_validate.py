"""The command `validate`: what is found, where, and how it is told."""

import gzip
import io
import json
import os
import pty
import subprocess
import sys

import pytest

from airflow_provider_brevo.cli import main

GOOD = {"event_name": "video_played", "identifiers": {"email_id": "jane.doe@example.com"}}
BAD = {"event_name": "video played", "identifiers": {"email_id": "jane.doe@example.com"}}


def as_lines(*events):
    """Return events as JSON Lines."""
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into the working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda name, content: (tmp_path / name).write_bytes(content)


@pytest.fixture
def pipe(monkeypatch):
    """Put bytes into standard input."""

    def pipe(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return pipe


def test_valid_files_end_with_0(write, capsys):
    """Nothing is found, and the counts are told on stderr."""
    write("one.json", json.dumps(GOOD, indent=2).encode())
    write("many.jsonl", as_lines(GOOD, GOOD))
    assert main(["validate", "one.json", "many.jsonl"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "one.json: 1 event checked, all valid.\nmany.jsonl: 2 events checked, all valid.\n"


def test_places_are_lines_also_behind_blank_and_long_ones(write, capsys):
    """Blank lines count, and so does one that is too long to be an event."""
    long = b'{"event_name": "' + b"x" * 1_000_100 + b'"}\n'
    write("e.jsonl", b"\n  \n" + as_lines(BAD) + b"\r\n" + long + as_lines(GOOD, BAD).rstrip())
    assert main(["validate", "e.jsonl"]) == 1
    places = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert places == ["e.jsonl:3", "e.jsonl:5", "e.jsonl:7"]


def test_a_packed_file_has_the_same_lines(write, capsys):
    """Gzip changes nothing but the name."""
    content = b"\n" + as_lines(GOOD, BAD)
    write("e.jsonl", content)
    write("e.jsonl.gz", gzip.compress(content))
    main(["validate", "e.jsonl", "e.jsonl.gz"])
    plain, packed = capsys.readouterr().out.splitlines()
    assert plain.startswith("e.jsonl:3: /event_name ")
    assert packed == plain.replace("e.jsonl", "e.jsonl.gz")


def test_places_in_an_array_are_indices(write, capsys):
    """In an array, an event is found by its index, whatever line it is in."""
    write("e.json", json.dumps([GOOD, BAD, 7], indent=2).encode())
    assert main(["validate", "e.json"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("e.json: event 1: /event_name must be ")
    assert second.startswith("e.json: event 2: the event is no JSON object")


def test_a_thousand_broken_lines_are_all_told_and_none_is_quoted(write, capsys):
    """Each has its line, and nothing of the content shows."""
    write("e.jsonl", b"".join(b'{"event_name": secret%d\n' % number for number in range(1000)))
    assert main(["validate", "e.jsonl"]) == 1
    said = capsys.readouterr()
    found = said.out.splitlines()
    assert [line.split(": ")[0] for line in found] == [f"e.jsonl:{line}" for line in range(1, 1001)]
    assert all("is broken JSON at column 16" in line for line in found)
    assert "secret" not in said.out + said.err
    assert said.err == "e.jsonl: 1000 of 1000 events are invalid.\n"


def test_json_output_is_an_object_for_each_reason(write, capsys):
    """Everything that the text says can be read by a program."""
    write("e.jsonl", as_lines(GOOD, {"event_name": "a b", "identifiers": {}}))
    write("a.json", json.dumps([BAD]).encode())
    assert main(["validate", "-o", "json", "e.jsonl", "a.json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["file"], one["line"], one["index"], one["pointer"], one["rule"]) for one in found] == [
        ("e.jsonl", 2, 1, "/event_name", "name"),
        ("e.jsonl", 2, 1, "/identifiers", "identifier"),
        ("a.json", None, 0, "/event_name", "name"),
    ]
    assert all(one["problem"] and one["advice"] for one in found)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(BAD).encode(),
        json.dumps(BAD, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(BAD, indent=2).encode(),
        b"\n " + json.dumps([BAD], indent=1).encode(),
        as_lines(BAD, GOOD),
    ],
    ids=["one-line", "pretty", "bom", "array", "lines"],
)
def test_standard_input_is_told_by_its_beginning(pipe, capsys, content):
    """One event, an array, and lines need no name."""
    pipe(content)
    assert main(["validate", "-"]) == 1
    (found,) = capsys.readouterr().out.splitlines()
    assert found.startswith("<stdin>")
    assert "/event_name must be" in found


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.jsonl", None, "e.jsonl can't be opened (No such file or directory); check the name"),
        ("e.jsonl", b"", "e.jsonl holds no events; "),
        ("e.jsonl", b"\n \n", "e.jsonl holds no events; "),
        ("e.json", b"[]", "e.json holds no events; "),
        ("e.json", b"", "e.json: The source is no JSON array; "),
        ("e.json", b"secret", "e.json: The source is no JSON array; "),
        ("e.json", b'{\n"a": secret}', "e.json: Line 2 is broken JSON at column 6; "),
        ("e.json", b'{"a": 1}\n{"a": 2}', "e.json: Line 2 is broken JSON at column 1; "),
        ("e.jsonl.gz", b"secret", "e.jsonl.gz: The source is no gzip file, or is damaged; "),
        ("e.json.gz", b"secret", "e.json.gz: The source is no gzip file, or is damaged; "),
        ("e.jsonl.gz", gzip.compress(as_lines(GOOD))[:-9], "e.jsonl.gz: The source is a gzip file that ends too early"),
        ("e.csv", b"a,b\n", "e.csv is CSV, which is events only by an EventMapping; "),
        ("e.txt", b"secret", "The name of e.txt does not end in a format that can be read; use .json, "),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("e.") else None,
)
def test_a_file_that_cannot_be_used_ends_with_2(write, capsys, name, content, said):
    """One sentence says which file, why, and what to do, without its content."""
    if content is not None:
        write(name, content)
    main(["validate", name])
    told = capsys.readouterr()
    assert said in told.err
    assert "secret" not in told.out + told.err
    assert "Traceback" not in told.err
    assert main(["validate", name]) == 2


def test_one_json_file_holds_one_event_or_an_array(write, capsys):
    """Two events without brackets around them are neither."""
    write("e.json", json.dumps(GOOD).encode() + b",\n" + json.dumps(GOOD).encode())
    assert main(["validate", "e.json"]) == 2
    assert "e.json: The source holds more than one event; " in capsys.readouterr().err


def test_a_folder_is_no_file(tmp_path, capsys):
    """A folder whose name looks like a file's is refused."""
    (tmp_path / "e.jsonl").mkdir()
    assert main(["validate", str(tmp_path / "e.jsonl")]) == 2
    assert "(Is a directory)" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"", b"\n\n"], ids=["csv", "empty", "blank"])
def test_standard_input_without_events_ends_with_2(pipe, capsys, content):
    """What is no JSON at all is told once, not line by line."""
    pipe(content)
    assert main(["validate", "-"]) == 2
    assert capsys.readouterr().err.startswith("<stdin> holds no events; ")


def test_the_other_files_are_checked_all_the_same(write, capsys):
    """A file that can't be used doesn't keep the next from being checked."""
    write("e.jsonl", as_lines(BAD))
    assert main(["validate", "missing.jsonl", "e.jsonl"]) == 2
    assert capsys.readouterr().out.startswith("e.jsonl:1: /event_name")


def test_a_tracking_plan_is_checked_too(write, capsys):
    """An event that isn't in the plan, and a property that isn't as planned, are invalid."""
    write("plan.json", json.dumps({"sold": {"type": "object", "required": ["total"]}}).encode())
    write("e.jsonl", as_lines({**GOOD, "event_name": "sold"}, GOOD))
    assert main(["validate", "--properties-schema", "plan.json", "-o", "json", "e.jsonl"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["line"], one["pointer"], one["rule"]) for one in found] == [
        (1, "/event_properties/total", "required"),
        (2, "/event_name", "unplanned"),
    ]


@pytest.mark.parametrize(("name", "content"), [("no.json", None), ("bad.json", b"[1]")])
def test_a_tracking_plan_that_cannot_be_used_ends_with_2(write, capsys, name, content):
    """Without the plan, nothing is checked."""
    write("e.jsonl", as_lines(BAD))
    if content:
        write(name, content)
    assert main(["validate", "--properties-schema", name, "e.jsonl"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert name in said.err


def test_parquet_rows_are_events(tmp_path, capsys):
    """A row with the fields of an event is one; naive times are in Airflow's default time zone."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # only where it is installed

    path = tmp_path / "e.parquet"
    parquet.write_table(pa.Table.from_pylist([GOOD, BAD]), path)
    assert main(["validate", str(path)]) == 1
    (found,) = capsys.readouterr().out.splitlines()
    assert found.startswith(f"{path}: event 1: /event_name")


def test_a_terminal_gets_a_bar_and_the_findings(tmp_path):
    """On a terminal the findings stand in whole lines beside the bar, which is gone in the end."""
    path = tmp_path / "e.jsonl"
    path.write_bytes(as_lines(*[GOOD] * 2000, BAD))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "airflow_provider_brevo", "validate", path]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # the terminal's way to say that nobody writes any more
            pass
    os.close(ours)
    assert process.returncode == 1
    assert "━".encode() in output
    finding = f"{path}:2001: /event_name must be 1 to 255 characters of A-Z a-z 0-9 - _: rename the event, for example"
    assert finding.encode() in output
    assert b"Checking" in output
    assert output.rstrip().endswith(b"1 of 2001 events is invalid.")


def test_standard_input_may_begin_with_a_long_line(pipe, capsys):
    """One event a line is told by the whole of the first line."""
    short = {"event_name": "order", "identifiers": {"ext_id": "1"}}
    long = short | {"event_properties": {"text": "я" * 12_000}}
    pipe(b"\n".join(json.dumps(event).encode() for event in (long, short)))
    assert main(["validate", "-"]) == 0, capsys.readouterr().err
