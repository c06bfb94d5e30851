"""When progress is recorded, how much of it, and what happens if it can't be, or if a signal breaks in."""

import itertools
import json

import pytest
from engine import LOST, Job, RecordingStore, ScriptedSender, event, events, refusing, throttled

from airflow_provider_brevo.core import recording, sending
from airflow_provider_brevo.core.batches import Rejection
from airflow_provider_brevo.core.bulk_states import BulkPaused
from airflow_provider_brevo.core.checkpoint import MAX_BYTES, Progress
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.core.validation import encode_plain
from airflow_provider_brevo.exceptions import BrevoCheckpointError, BrevoIncompleteError

FAILURE = BrevoCheckpointError("The checkpoint can't be written", advice="look", retry_later=True)

QUICK = pytest.mark.usefixtures("quick")


class Terminated(BaseException):
    """What a signal raises in the main thread."""


def size(content):
    """Return the bytes of a checkpoint."""
    return len(json.dumps(content, separators=(",", ":")))


@QUICK
def open_events(progress, count):
    """List the events of a source that are not settled."""
    known = progress.in_flight, progress.waiting
    return [number for number in range(count) if number >= progress.planned or any(number in at for at in known)]


def test_no_event_is_sent_before_it_is_recorded():
    """Whatever is sent is in flight in the checkpoint that was written last."""
    store = RecordingStore()

    def recorded(numbers, count):
        last = store.last
        assert all(number in last.in_flight for number in numbers)
        return refusing(of=count)

    job = Job(ScriptedSender(*[recorded] * 99), store)
    assert job.run(events(99), batch_size=1).accepted == 99


def test_at_most_four_writes_a_second():
    """A window of batches shares one write, however fast they are answered."""
    store = RecordingStore()
    job = Job(ScriptedSender(latency=0.01), store)
    job.run(events(400), batch_size=1)
    assert store.at[-1] - store.at[0] > 1.0
    assert len(store.saved) < 12
    assert all(later - earlier >= 0.245 for earlier, later in itertools.pairwise(store.at))
    assert store.last.finished


def test_without_a_durable_store_nothing_waits_for_writes():
    """There is nothing to be recorded, so batches go as they come."""
    job = Job()
    assert job.run(events(2000), batch_size=2).seconds < 2.0


@QUICK
def test_a_window_holds_no_more_bytes_than_memory_allows(monkeypatch):
    """Large batches are recorded in small windows."""
    monkeypatch.setattr(sending, "_WINDOW_BYTES", 5_000)
    store = RecordingStore()
    rows = [event(number, event_properties={"text": "x" * 900}) for number in range(90)]
    Job(ScriptedSender(latency=0.002), store).run(rows, batch_size=2)
    planned = [content["planned"] for content in store.saved]
    assert max(later - earlier for earlier, later in itertools.pairwise(planned)) <= 8 * 2


@QUICK
@pytest.mark.parametrize("failures", [[FAILURE], [None, None, FAILURE]], ids=["first", "third"])
def test_nothing_is_sent_once_the_checkpoint_cannot_be_written(failures):
    """What was recorded before is all that Brevo sees, and the store is left alone."""
    store = RecordingStore(failures=failures)
    job = Job(ScriptedSender(latency=0.002), store)
    with pytest.raises(BrevoCheckpointError) as caught:
        job.run(events(5000), batch_size=1)
    assert caught.value is FAILURE
    assert len(store.saved) == len(failures) - 1
    recorded = store.saved[-1]["planned"] if store.saved else 0
    assert all(number < recorded for number in job.sender.numbers)


@QUICK
def test_a_failing_write_at_the_end_fails_the_try_and_not_the_next():
    """Everything was sent, and the next try settles the rest by what was recorded."""
    job = Job(store=RecordingStore(failures=[None, None, FAILURE]))
    with pytest.raises(BrevoCheckpointError):
        job.run(events(2))
    assert job.store.last.in_flight == Ranges([(0, 2)])
    assert job.run(events(2)).accepted == 2


@QUICK
def test_a_rejected_file_that_cannot_be_written_stops_the_sending(tmp_path):
    """A rejection is durable before its batch is recorded as answered."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    store = RecordingStore()
    job = Job(ScriptedSender(refusing(0, of=1)), store)
    with pytest.raises(BrevoCheckpointError, match="file of rejected events"):
        job.run(events(1), rejected=RejectedEvents(tmp_path / "taken" / "file"))
    assert (store.last.in_flight.count(), store.last.rejected) == (1, 0)


@QUICK
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_a_file_of_rejected_events_that_cannot_be_put_together_loses_no_answers(tmp_path, delivery):
    """What Brevo took is recorded before, so the next try sends nothing, and comes to the end."""
    path = tmp_path / "rejected.jsonl"
    path.mkdir()
    job = Job(ScriptedSender(refusing(3, of=20), latency=0.002), RecordingStore())
    with pytest.raises(BrevoCheckpointError, match="file of rejected events"):
        job.run(events(200), batch_size=20, max_rejected=1, delivery=delivery, rejected=RejectedEvents(path))
    assert (job.store.last.accepted, job.store.last.in_flight.count(), job.store.last.finished) == (199, 0, False)
    path.rmdir()
    job.sender = ScriptedSender()
    result = job.run(events(200), batch_size=20, max_rejected=1, delivery=delivery, rejected=RejectedEvents(path))
    assert (job.sender.sent, result.accepted, result.rejected, result.uncertain) == ([], 199, 1, 0)
    assert len(path.read_bytes().splitlines()) == 1


@QUICK
@pytest.mark.parametrize("rejects", [True, False])
def test_a_signal_at_the_end_loses_no_answers(tmp_path, monkeypatch, rejects):
    """Not while the file of rejected events is put together, nor where there is none."""

    def broken_into(*_):
        raise Terminated

    monkeypatch.setattr(RejectedEvents, "merge", broken_into)
    job = Job(ScriptedSender(*[refusing(3, of=20)] * rejects, latency=0.002), RecordingStore())
    with pytest.raises(Terminated):
        job.run(events(200), batch_size=20, rejected=RejectedEvents(tmp_path / "rejected.jsonl"))
    last = job.store.last
    assert (last.accepted, last.rejected, last.in_flight.count()) == (200 - rejects, int(rejects), 0)


# ------------------------------------------------------------------------------------------------------------ size


def scattered(_, count):
    """Refuse every other event of a batch for now."""
    return refusing(*range(0, count, 2), of=count, transient=count > 100)


@QUICK
def test_scattered_events_stay_within_the_size_of_a_checkpoint(monkeypatch):
    """Every other event is refused for now: as many are in flight as a checkpoint can name (the store looks)."""
    monkeypatch.setattr(sending, "_FIRST_WINDOW", 128)
    monkeypatch.setattr("airflow_provider_brevo.core.outcomes._LONGEST_PAUSE", 0.3)
    store = RecordingStore()
    result = Job(ScriptedSender(*[scattered] * 999), store).run(events(20_000), max_rejected=20_000)
    assert (result.total, result.accepted + result.rejected) == (20_000, 20_000)
    assert max(map(size, store.saved)) > MAX_BYTES // 2


@QUICK
def test_scattered_invalid_events_stay_within_it_too(monkeypatch):
    """Gaps in the source make runs as short as refusals do."""
    monkeypatch.setattr(sending, "_FIRST_WINDOW", 128)
    store = RecordingStore()

    def prepare(index, row):
        odd = Rejection(index=index, where="here", reasons=("is odd",), rules=("range",))
        return odd if index % 2 else encode_plain(row)

    job = Job(ScriptedSender(latency=0.001), store)
    result = job.run(events(20_000), on_invalid="skip", max_rejected=0.5, prepare=prepare)
    assert (result.accepted, result.rejected) == (10_000, 10_000)
    assert max(map(size, store.saved)) > MAX_BYTES // 4


@QUICK
def test_a_full_checkpoint_of_waiting_events_is_worked_off():
    """An earlier try may have left as much as a checkpoint can name."""
    everything = RecordingStore()
    Job(store=everything).run(events(14_000))
    waiting = Ranges((number, number + 1) for number in range(0, 14_000, 2))
    left = Progress(planned=14_000, digest=everything.last.digest, waiting=waiting, accepted=7_000, session=1)
    assert MAX_BYTES - 4_000 < size(left.to_json()) < MAX_BYTES
    job = Job(store=RecordingStore(left))
    assert job.run(events(14_500)).accepted == 14_500
    assert job.sender.numbers == [*range(0, 14_000, 2), *range(14_000, 14_500)]


@QUICK
def test_too_many_uncertain_events_end_the_try(monkeypatch):
    """What can't be recorded can't be promised."""
    monkeypatch.setattr(sending, "MAX_BYTES", 60)

    def lost(numbers, count):
        return LOST if numbers[0] % 2 else refusing(of=count)

    job = Job(ScriptedSender(*[lost] * 999), RecordingStore())
    with pytest.raises(BrevoCheckpointError, match="Too many single events are uncertain"):
        job.run(events(400), batch_size=1, delivery="at_most_once", max_retries=99, max_in_flight=1)
    assert job.store.last.in_flight.count() == 0


# --------------------------------------------------------------------------------------------------------- signals


@QUICK
def test_a_signal_leaves_nothing_uncertain_that_was_not_sent():
    """What Brevo has answered is recorded, what was never sent waits, and the signal goes on its way."""
    store, job = RecordingStore(), Job(ScriptedSender(latency=0.05))
    job.store = store
    rows = iter(events(60))

    def interrupted():
        yield from itertools.islice(rows, 40)
        while not job.sender.sent:
            yield next(rows)
        raise Terminated

    with pytest.raises(Terminated):
        job.run(interrupted(), on_invalid="skip", batch_size=1, delivery="at_most_once")
    last = store.last
    assert (last.in_flight.count(), last.uncertain.count()) == (0, 0)
    assert last.accepted == len(job.sender.sent) > 0
    assert last.waiting.count() == last.planned - last.accepted


@QUICK
@pytest.mark.parametrize("where", ["_record", "_apply"])
def test_a_signal_in_the_middle_of_a_change_leaves_the_last_checkpoint(monkeypatch, where):
    """Half a change isn't recorded: the events are in flight, as the last checkpoint says."""
    original = getattr(sending.SendingJob, where)
    calls = itertools.count()

    def broken_into(self, *args):
        original(self, *args)
        if next(calls) == 3:
            raise Terminated

    monkeypatch.setattr(sending.SendingJob, where, broken_into)
    store = RecordingStore()
    with pytest.raises(Terminated):
        Job(ScriptedSender(latency=0.005), store).run(events(60), batch_size=1)
    last = store.last
    assert last.accepted + last.in_flight.count() + last.waiting.count() == last.planned
    monkeypatch.undo()
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_WRITES", 0.01)
    job = Job(store=store)
    assert job.run(events(60), batch_size=1).accepted == 60
    assert job.sender.numbers == open_events(last, 60)


@QUICK
def test_a_store_that_fails_while_a_signal_is_handled_does_not_hide_it():
    """What has happened first is what is raised."""
    store = RecordingStore()

    def rows():
        yield from events(30)
        store.failures = [FAILURE] * 9
        raise Terminated

    with pytest.raises(Terminated):
        Job(ScriptedSender(latency=0.01), store).run(rows(), on_invalid="skip", batch_size=1)


# ---------------------------------------------------------------------------------------------------------- paused


@QUICK
def test_a_pause_goes_on_where_it_was():
    """What the pause carried is enough, without any store."""
    job = Job(ScriptedSender(None, *[throttled(90.0) for _ in range(60)]))
    with pytest.raises(BulkPaused) as caught:
        job.run(events(60), batch_size=2, pause_after=60.0)
    assert caught.value.progress.accepted == 2
    carried = Progress.from_json(json.loads(json.dumps(caught.value.progress.to_json())), kept_in="a trigger")
    left = open_events(carried, 60)
    job.sender = ScriptedSender()
    result = job.run(events(60), batch_size=2, paused=carried)
    assert (result.total, result.accepted) == (60, 60)
    assert len(job.sender.numbers) == 58
    assert job.sender.numbers == left


@QUICK
def test_sizes_of_batches_may_change_between_tries():
    """Progress counts events and not batches."""
    job = Job(ScriptedSender(None, LOST, LOST, LOST), RecordingStore())
    with pytest.raises(BrevoIncompleteError, match="uncertain|nobody knows"):
        job.run(events(10), batch_size=1, max_in_flight=1, delivery="at_most_once")
    left = Progress(**{**vars(job.store.last), "finished": False, "waiting": Ranges([(4, 9)]), "accepted": 2})
    job = Job(store=RecordingStore(left))
    with pytest.raises(BrevoIncompleteError):
        job.run(events(16), batch_size=3, delivery="at_most_once")
    assert sorted(job.sender.sent) == [[4, 5, 6], [7, 8], [10, 11, 12], [13, 14, 15]]
