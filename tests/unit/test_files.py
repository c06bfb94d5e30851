"""Files that tasks name: which may be used, and how each task gets one of its own."""

import importlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_brevo import _compat, files
from airflow_provider_brevo.core.checkpoint import InFile, Progress, is_local
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import BrevoSourceError, BrevoUsageError


@pytest.fixture
def bucket():
    """Let Airflow know a store of objects in memory, as if a provider had brought it."""
    try:
        attach = importlib.import_module("airflow.sdk.io.store").attach
    except ImportError:
        attach = importlib.import_module("airflow.io.store").attach
    attach(protocol="memory", fs=MemoryFileSystem())
    MemoryFileSystem.store.clear()
    return "memory://bucket"


def context(**changes):
    """Return a task's context."""
    key = {"dag_id": "orders", "run_id": "manual__2026-01-01T00:00:00+00:00", "task_id": "send", "map_index": -1}
    return {"ti": SimpleNamespace(**{**key, **changes})}


@pytest.mark.parametrize(
    "value",
    ["/data/events.jsonl", Path("/data/events.jsonl"), "file:///data/events.jsonl", "FILE:///data/events.jsonl"],
)
def test_what_is_on_this_machine_is_a_path(value):
    """Paths and file URIs are the same."""
    assert files.locate(value, "path") == Path("/data/events.jsonl")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "path is no path"),
        (17, "path is no path"),
        (["/data"], "path is no path"),
        ("http://example.com/x.jsonl", "scheme http,"),
        ("HTTPS://example.com/x.jsonl", "scheme https,"),
        ("ftp://example.com/x.jsonl", "scheme ftp,"),
        ("zip://x.jsonl::s3://bucket/x.zip", "chained"),
        ("simplecache::https://example.com/x.jsonl", "chained"),
        ("file://host/x.jsonl", "three slashes"),
        ("s3://key:secret@bucket/x.jsonl", "holds credentials"),
        ("github://org:repo@main/x.jsonl", "holds credentials"),
        ("hf://datasets/x.jsonl", "no storage of the scheme hf"),
    ],
)
def test_what_may_not_be_used_is_refused(value, problem):
    """The error names the argument and never shows the value, which may hold a secret."""
    with pytest.raises(BrevoUsageError, match=problem) as caught:
        files.locate(value, "path")
    assert "secret" not in str(caught.value)


def test_roots_confine_local_files(tmp_path, monkeypatch):
    """Dots and symbolic links don't lead out, and a root may itself be a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "out").symlink_to(tmp_path)
    monkeypatch.setenv("AIRFLOW__BREVO__LOCAL_ROOTS", f"{tmp_path}/root,")
    assert files.locate(f"{tmp_path}/root/x.jsonl", "path") == tmp_path / "real" / "x.jsonl"
    for outside in ("x.jsonl", "root/../x.jsonl", "root/out/x.jsonl", "rooted/x.jsonl"):
        with pytest.raises(BrevoUsageError, match="local_roots"):
            files.locate(f"{tmp_path}/{outside}", "path")


def test_each_task_has_a_file_of_its_own():
    """Names that look alike once cleaned, cut or joined are told apart."""
    others = [
        *({"dag_id": name} for name in ("orders.x", "orders_x", "..", "a" * 80, "a" * 80 + "b", "é")),
        *({"run_id": name} for name in ("..", "../..", "a/b", "a_b", "manual__2026-01-01T00:00:00+01:00")),
        *({"map_index": index} for index in (0, 1, 10)),
        *({"task_id": name} for name in ("send-1", "group.send")),
        {"dag_id": "ordersmanual", "run_id": "x"},
        {"dag_id": "orders", "run_id": "manualx"},
    ]
    names = [files.task_file(Path("/kept"), context(**changes), ".jsonl") for changes in [{}, *others]]
    assert len({os.path.normcase(str(name)).lower() for name in names}) == len(names)
    assert all(name.resolve().is_relative_to("/kept") for name in names)
    assert all(len(part) < 120 for name in names for part in name.parts)


def test_the_same_task_finds_its_file_again():
    """The name tells people what it belongs to."""
    first, again = (files.task_file(Path("/kept"), context(map_index=3), ".checkpoint.json") for _ in range(2))
    assert first == again
    assert str(first).startswith("/kept/orders/manual__2026-01-01T00_00_00_00_00/send-3-")


def test_rows_are_read_from_the_beginning_each_time(tmp_path):
    """A source is opened anew for every read."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 1}\n{"n": 2}\n', encoding="utf-8")
    read = files.reader(path, ())
    assert list(read()) == list(read()) == [{"n": 1}, {"n": 2}]


def test_a_file_that_cant_be_read_is_named(tmp_path):
    """Where waiting may help, Airflow is to try again."""
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    for name, problem, later in [
        ("missing.jsonl", "does not exist", True),
        ("folder.jsonl", "is no file", False),
        ("pipe.jsonl", "is no file", False),
        ("broken.json", "array", False),
        (f"{'x' * 300}.jsonl", "can't be opened", True),
    ]:
        with pytest.raises(BrevoSourceError, match=problem) as caught:
            list(files.reader(tmp_path / name, ())())
        assert str(tmp_path / name) in str(caught.value)
        assert caught.value.retry_later is later


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """Access that is given later is found by a retry."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BrevoSourceError, match="may not be read") as caught:
        list(files.reader(tmp_path / "x.jsonl", ())())
    assert caught.value.retry_later


def test_an_object_store_works_like_a_folder(bucket):
    """Source, checkpoint and rejected events may all be in one."""
    source = files.locate(f"{bucket}/events.jsonl", "path")
    with source.open("wb") as file:
        file.write(json.dumps({"n": 1}).encode())
    assert list(files.reader(source, ())()) == [{"n": 1}]
    assert list(files.reader(files.locate(source, "path"), ())()) == [{"n": 1}]
    assert not is_local(source)
    with pytest.raises(BrevoSourceError, match="missing.jsonl does not exist"):
        list(files.reader(files.locate(f"{bucket}/missing.jsonl", "path"), ())())

    folder = files.locate(f"{bucket}/kept", "checkpoint_path")
    store = InFile(files.task_file(folder, context(), ".checkpoint.json"))
    assert store.load() is None
    progress = Progress(planned=3, accepted=3)
    store.save(progress)
    assert store.load() == progress
    assert RejectedEvents(files.task_file(folder, context(), ".jsonl")).merge(progress) is None


@pytest.mark.parametrize(
    ("executor", "local"),
    [
        ("LocalExecutor", True),
        ("SequentialExecutor", True),
        ("airflow.executors.local_executor.LocalExecutor", True),
        ("quick:LocalExecutor", True),
        ("LocalExecutor, CeleryExecutor", False),
        ("KubernetesExecutor", False),
    ],
)
def test_executors_that_run_on_one_machine(monkeypatch, executor, local):
    """Only there a local folder is good for every try."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert _compat.runs_on_one_machine() is local
