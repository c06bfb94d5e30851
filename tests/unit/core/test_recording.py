"""When the progress is recorded. What is recorded, and what follows from it, is in test_sending_checkpoints.py."""

import time

import pytest
from engine import RecordingStore

from airflow_provider_brevo.core.batches import Rejection
from airflow_provider_brevo.core.checkpoint import InMemory, Progress
from airflow_provider_brevo.core.recording import Recorder
from airflow_provider_brevo.core.rejections import RejectedEvents

REJECTION = Rejection(index=0, where="here", reasons=("no",), rules=("range",))


def test_two_writes_are_a_quarter_of_a_second_apart():
    """A state store may be a database, and an object store may charge for each write."""
    store = RecordingStore()
    recorder = Recorder(store, RejectedEvents(None), Progress(seconds=7.0))
    recorder.save()
    assert 0.0 <= recorder.next_write_in <= 0.25
    recorder.dirty = True
    recorder.wait_and_save()
    assert store.at[1] - store.at[0] >= 0.25
    assert (recorder.dirty, store.last.seconds >= 7.25) == (False, True)


def test_without_a_durable_store_nothing_is_waited_for(tmp_path, monkeypatch):
    """Rejected events are written all the same."""
    monkeypatch.setattr("airflow_provider_brevo.core.recording.SECONDS_BETWEEN_WRITES", 60.0)
    progress, rejected = Progress(session=1), RejectedEvents(tmp_path / "file")
    recorder = Recorder(InMemory(), rejected, progress)
    started = time.monotonic()
    rejected.add(REJECTION)
    recorder.wait_and_save()
    recorder.wait_and_save()
    assert (recorder.durable, progress.parts, time.monotonic() - started < 30) == (False, {1: 1}, True)


def test_a_change_that_is_broken_off_is_known():
    """What is half changed is not to be recorded."""
    recorder = Recorder(RecordingStore(), RejectedEvents(None), Progress())
    with recorder.changing():
        assert not recorder.whole
    assert recorder.whole
    with pytest.raises(KeyboardInterrupt), recorder.changing():
        raise KeyboardInterrupt
    assert not recorder.whole
