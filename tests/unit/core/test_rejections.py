"""The file of rejected events."""

import json
from pathlib import Path

import pytest

from airflow_provider_brevo.core import rejections
from airflow_provider_brevo.core.batches import Rejection
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import BrevoCheckpointError


def rejection(index):
    """Return a rejection with an event that names its place."""
    return Rejection(
        index=index, where="Brevo", reasons=("no such thing",), rules=("refused",), event=b'{"at":%d}' % index
    )


def indices(path):
    """Read the places of the events in a file."""
    return [json.loads(line)["index"] for line in path.read_text(encoding="utf-8").splitlines()]


def names(folder):
    """List what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_a_line_holds_place_reasons_and_event(tmp_path):
    """A line can be mended and sent again."""
    rejected, progress = RejectedEvents(tmp_path / "file"), Progress(session=1)
    rejected.add(rejection(7))
    rejected.flush(progress)
    assert rejected.merge(progress) == str(tmp_path / "file")
    assert json.loads((tmp_path / "file").read_text(encoding="utf-8")) == {
        "index": 7,
        "where": "Brevo",
        "reasons": ["no such thing"],
        "event": {"at": 7},
    }


def test_the_file_is_for_the_owners_eyes_and_the_parts_go(tmp_path):
    """Rejected events are personal data: the file has mode 0600, and the parts don't stay."""
    rejected, progress = RejectedEvents(tmp_path / "new" / "file"), Progress(session=1)
    for index in range(3):
        rejected.add(rejection(index))
        rejected.flush(progress)
    assert names(tmp_path / "new") == ["file.part-1-0", "file.part-1-1", "file.part-1-2"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o600}
    rejected.merge(progress)
    rejected.clean_up(progress)
    assert names(tmp_path / "new") == ["file"]
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o600
    assert indices(tmp_path / "new" / "file") == [0, 1, 2]


def test_only_counted_parts_are_put_together(tmp_path):
    """A part whose checkpoint was never written holds events that are sent, and maybe rejected, again."""
    progress = Progress(session=1)
    dead = RejectedEvents(tmp_path / "file")
    dead.add(rejection(1))
    dead.flush(progress)
    counted = dict(progress.parts)
    dead.add(rejection(2))
    dead.flush(progress)

    progress = Progress(session=2, parts=counted)
    rejected = RejectedEvents(tmp_path / "file")
    rejected.add(rejection(2))
    rejected.flush(progress)
    rejected.merge(progress)
    assert indices(tmp_path / "file") == [1, 2]

    progress.finished = True
    rejected.clean_up(progress)
    assert names(tmp_path) == ["file"]


def test_parts_of_earlier_sessions_stay_until_all_is_finished(tmp_path):
    """What ends one session's own parts leaves those that a later try still needs."""
    earlier, scratch = Progress(session=1), Progress(session=2)
    rejected = RejectedEvents(tmp_path / "file")
    for progress in (earlier, scratch):
        rejected.add(rejection(progress.session))
        rejected.flush(progress)
    rejected.clean_up(scratch)
    assert names(tmp_path) == ["file.part-1-0"]


def test_parts_that_somebody_has_removed_are_counted_as_lost(tmp_path):
    """The others are put together; nothing brings the lost ones back, so waiting for them would not end."""
    rejected, progress = RejectedEvents(tmp_path / "file"), Progress(session=1)
    for index in range(3):
        rejected.add(rejection(index))
        rejected.flush(progress)
    (tmp_path / "file.part-1-1").unlink()
    rejected.merge(progress)
    rejected.merge(progress)
    assert rejected.lost == 1
    assert indices(tmp_path / "file") == [0, 2]


@pytest.mark.parametrize(("name", "beside"), [("a.b.jsonl", "a.b.check.jsonl"), ("file", "file.check")])
def test_a_check_has_a_file_of_its_own(tmp_path, name, beside):
    """Beside the one that says what became of a sending."""
    assert RejectedEvents(tmp_path / name).of_a_check().path == tmp_path / beside
    assert RejectedEvents(None).of_a_check().path is None


def test_without_rejections_there_is_no_file(tmp_path):
    """An empty file would say nothing; one that an earlier run left would say something wrong."""
    (tmp_path / "file").write_text("old", encoding="utf-8")
    rejected, progress = RejectedEvents(tmp_path / "file"), Progress(session=1)
    rejected.flush(progress)
    assert rejected.merge(progress) is None
    assert names(tmp_path) == []


def test_without_a_path_nothing_is_kept():
    """Rejections are then counted and told only."""
    rejected, progress = RejectedEvents(None), Progress(session=1, parts={1: 3})
    rejected.add(rejection(1))
    rejected.flush(progress)
    rejected.clean_up(progress)
    assert rejected.merge(progress) is None
    assert not rejected.is_full


def test_much_is_to_be_written_early(tmp_path, monkeypatch):
    """Memory stays flat: beyond some size it is time to flush, and then there is room again."""
    monkeypatch.setattr(rejections, "_PART_BYTES", 100)
    rejected = RejectedEvents(tmp_path / "file")
    rejected.add(rejection(1))
    assert not rejected.is_full
    rejected.add(rejection(2))
    assert rejected.is_full
    rejected.flush(Progress(session=1))
    assert not rejected.is_full


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    """The error names the file, neither its content nor the system's words."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    rejected, progress = RejectedEvents(tmp_path / "taken" / "file"), Progress(session=1)
    rejected.add(rejection(1))
    with pytest.raises(BrevoCheckpointError, match="file of rejected events .*file can't be written") as caught:
        rejected.flush(progress)
    assert caught.value.retry_later
    assert progress.parts == {}
    with pytest.raises(BrevoCheckpointError, match="can't be written"):
        rejected.merge(Progress(session=1, parts={1: 1}))


class ObjectPath:
    """A path of an object store: no modes, and bytes that appear once the file is closed."""

    def __init__(self, path):
        self.path = path
        self.name = path.name

    @property
    def parent(self):
        return Folder(self.path.parent)

    def open(self, mode):
        return self.path.open(mode)

    def write_bytes(self, content):
        self.path.write_bytes(content)

    def read_bytes(self):
        return self.path.read_bytes()

    def unlink(self):
        self.path.unlink()

    def __str__(self):
        return f"s3://{self.name}"


class Folder:
    """The folder of such a path."""

    def __init__(self, path: Path):
        self.path = path

    def mkdir(self, *, parents, exist_ok):
        assert parents
        assert exist_ok

    def __truediv__(self, name):
        return ObjectPath(self.path / name)


class WithoutModes(ObjectPath):
    """One that has chmod and says it can't."""

    def chmod(self, mode):
        raise NotImplementedError


@pytest.mark.parametrize("kind", [ObjectPath, WithoutModes])
def test_an_object_store_gets_the_same_file(tmp_path, kind):
    """Where there are no modes, there is the file all the same."""
    rejected, progress = RejectedEvents(kind(tmp_path / "file")), Progress(session=1)
    rejected.add(rejection(4))
    rejected.flush(progress)
    assert rejected.merge(progress) == "s3://file"
    rejected.clean_up(progress)
    assert names(tmp_path) == ["file"]
    assert indices(tmp_path / "file") == [4]
