"""What a checkpoint holds, and where it is kept."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_brevo.core.checkpoint import InFile, InMemory, InStateStore, Progress, write_durably
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.exceptions import BrevoCheckpointError

PROGRESS = Progress(
    planned=900,
    digest="ab12",
    in_flight=Ranges([(600, 900)]),
    waiting=Ranges([(7, 8)]),
    uncertain=Ranges([(9, 11)]),
    accepted=580,
    rejected=3,
    unidentified=2,
    skipped=1,
    requests=5,
    throttled=4,
    seconds=1.25,
    reasons=Counter({"date": 3}),
    parts={1: 2, 3: 1},
    session=3,
    max_tries=2,
    finished=True,
)


class Values(dict):
    """A store of values by key."""

    def set(self, key, value):
        self[key] = value


class Broken:
    """A store or path that never works."""

    parent = Path()

    def fail(self, *_):
        raise PermissionError("secret")

    get = set = read_bytes = write_bytes = fail

    def __str__(self):
        return "s3://bucket/key"


class ObjectPath:
    """A path of an object store: it writes all or nothing by itself."""

    def __init__(self):
        self.parent = Path()
        self.content = None

    def write_bytes(self, content):
        self.content = content

    def read_bytes(self):
        return self.content


def test_progress_reads_back_equal_from_its_json():
    """Everything that a later try needs survives."""
    content = json.loads(json.dumps(PROGRESS.to_json()))
    assert Progress.from_json(content, kept_in="there") == PROGRESS


def test_progress_of_ten_million_events_is_small():
    """What is settled takes no room, however much it is."""
    progress = Progress(planned=10_000_000, digest="0" * 32, in_flight=Ranges([(9_974_400, 10_000_000)]))
    assert len(json.dumps(progress.to_json())) < 500


@pytest.mark.parametrize(
    "content",
    [None, [], "x", 7, {}, {"version": 1}, PROGRESS.to_json() | {"waiting": [1]}, PROGRESS.to_json() | {"reasons": []}],
)
def test_what_is_no_checkpoint_is_refused(content):
    """Somebody else's value is neither used nor overwritten, and not quoted."""
    with pytest.raises(BrevoCheckpointError, match="^What there holds is no checkpoint; remove it to start") as caught:
        Progress.from_json(content, kept_in="there")
    assert not caught.value.retry_later


def test_a_checkpoint_of_another_version_is_refused():
    """A later version may mean something else by the same words."""
    with pytest.raises(BrevoCheckpointError, match="written by another version"):
        Progress.from_json(PROGRESS.to_json() | {"version": 3}, kept_in="there")


def test_memory_keeps_nothing():
    """Without a durable place a later try starts from the beginning."""
    store = InMemory()
    store.save(PROGRESS)
    assert store.load() is None
    assert not store.durable


def test_a_state_store_keeps_the_progress_under_one_key():
    """What was saved is loaded by the next try, and nothing before."""
    values = Values()
    assert InStateStore(values).load() is None
    InStateStore(values).save(PROGRESS)
    assert list(values) == ["brevo_bulk"]
    assert InStateStore(values).load() == PROGRESS
    assert InStateStore(values).durable


@pytest.mark.parametrize("store", [InStateStore(Broken()), InFile(Broken())], ids=["state store", "file"])
def test_a_store_that_fails_is_told_without_its_words(store):
    """The error names the place and the kind of failure, and that a later try may help."""
    with pytest.raises(BrevoCheckpointError, match=r"can't be read \(") as reading:
        store.load()
    with pytest.raises(BrevoCheckpointError, match=r"can't be written \(") as writing:
        store.save(PROGRESS)
    for caught in (reading.value, writing.value):
        assert store.kept_in in str(caught)
        assert "secret" not in str(caught)
        assert caught.retry_later
        assert caught.__cause__ is not None


def test_a_file_keeps_the_progress_for_the_owners_eyes(tmp_path):
    """The folder is made, the file is complete, nobody else can read it, and nothing else is left."""
    path = tmp_path / "run" / "task.json"
    assert InFile(path).load() is None
    for _ in range(2):
        InFile(path).save(PROGRESS)
    assert InFile(path).load() == PROGRESS
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'"x"'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    """A file that was cut off or isn't ours stops the task instead of starting it from the beginning."""
    path = tmp_path / "task.json"
    path.write_bytes(content)
    with pytest.raises(BrevoCheckpointError, match="is no checkpoint"):
        InFile(path).load()


def test_an_object_store_gets_the_file_in_one_write():
    """Such a store needs no temporary file."""
    path = ObjectPath()
    InFile(path).save(PROGRESS)
    assert InFile(path).load() == PROGRESS


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    """All of it or nothing: a full disk costs the new content only."""
    path = tmp_path / "file"
    write_durably(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
