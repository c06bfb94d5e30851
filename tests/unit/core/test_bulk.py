"""From one try to the next: what is gone on with, started afresh, refused, or done."""

import json

import pytest
from engine import Job, RecordingStore, ScriptedSender, event, events, refusing

from airflow_provider_brevo.core.bulk import checked, result_of, send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions, BulkResult
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import (
    BrevoCheckpointError,
    BrevoDeliveryError,
    BrevoIncompleteError,
    BrevoInvalidEventsError,
    BrevoSourceChangedError,
    BrevoSourceError,
)

FIRST = Attempt(try_number=1, max_tries=2)
RETRY = Attempt(try_number=2, max_tries=2)
CLEARED = Attempt(try_number=3, max_tries=4)

pytestmark = pytest.mark.usefixtures("quick")


def left_behind(count, **more):
    """Return a store with what a try has left that had planned so many events, and was killed."""
    job = Job(store=RecordingStore())
    job.run(events(count))
    fields = {"accepted": count, "max_tries": 2, "finished": False, **more}
    return RecordingStore(Progress(**{**vars(job.store.last), **fields}))


def finished(count=3, **more):
    """Return a store with what a try has left that came to its end."""
    return left_behind(count, finished=True, **more)


def test_nothing_but_a_sender_and_a_source_is_needed():
    """Everything else has a default."""
    sender = ScriptedSender()
    assert send_events(sender, lambda: events(2)).accepted == 2
    assert sender.sent == [[0, 1]]


# ----------------------------------------------------------------------------------------------------- going on


def test_at_least_once_sends_what_was_in_flight():
    """Nobody knows whether Brevo took it, so it goes out again."""
    job = Job(store=left_behind(6, in_flight=Ranges([(2, 4)]), accepted=4))
    result = job.run(events(8), attempt=RETRY)
    assert job.sender.numbers == [2, 3, 6, 7]
    assert (result.total, result.accepted, result.uncertain) == (8, 8, 0)
    assert job.warnings == [
        (
            "An earlier try ended while events 2-3 of the source were in flight. They are sent again; Brevo may have"
            " taken some of them already."
        )
    ]


def test_at_most_once_names_what_was_in_flight():
    """It is uncertain for good, and said so at once and in the end."""
    job = Job(store=left_behind(6, in_flight=Ranges([(2, 4)]), accepted=4))
    with pytest.raises(BrevoIncompleteError, match="of 2 nobody knows whether Brevo took them: events 2-3") as caught:
        job.run(events(8), attempt=RETRY, delivery="at_most_once")
    assert job.sender.numbers == [6, 7]
    assert caught.value.result["uncertain"] == 2
    assert "while events 2-3 of the source were in flight" in job.warnings[0]


def test_at_most_once_sends_what_waits():
    """What was certainly not taken isn't uncertain."""
    job = Job(store=left_behind(6, waiting=Ranges([(2, 4)]), accepted=4))
    assert job.run(events(6), attempt=RETRY, delivery="at_most_once").accepted == 6
    assert (job.sender.numbers, job.warnings) == ([2, 3], [])


@pytest.mark.parametrize("attempt", [RETRY, CLEARED])
def test_appended_rows_are_fine(attempt):
    """An unfinished send is gone on with, whether by a retry or by clearing the task."""
    job = Job(store=left_behind(3))
    assert job.run(events(9), attempt=attempt).accepted == 9
    assert job.sender.numbers == list(range(3, 9))
    assert (job.store.last.max_tries, job.store.last.session) == (attempt.max_tries, 2)


@pytest.mark.parametrize("rows", [events(2), events(3, first=5)], ids=["shorter", "changed"])
@pytest.mark.parametrize("on_invalid", ["fail", "skip"])
def test_a_changed_source_is_refused_on_a_retry(rows, on_invalid):
    """Places in another source mean nothing; what was recorded stays."""
    job = Job(store=left_behind(3))
    with pytest.raises(BrevoSourceChangedError, match="clear the task"):
        job.run(rows, attempt=RETRY, on_invalid=on_invalid)
    assert job.sender.sent == []
    assert (job.store.last.planned, job.store.last.accepted) == (3, 3)


@pytest.mark.parametrize("rows", [events(2), events(3, first=5)], ids=["shorter", "changed"])
def test_a_changed_source_starts_afresh_after_a_clear(rows):
    """Whoever clears the task wants this source, and is warned."""
    job = Job(store=left_behind(3))
    result = job.run(rows, attempt=CLEARED)
    assert (result.total, result.accepted, len(job.sender.numbers)) == (len(rows), len(rows), len(rows))
    assert job.warnings[0].endswith("The task was cleared, so all events are sent from the beginning.")
    assert job.reports[-1][1] <= len(rows)


def test_a_clear_counts_until_the_source_was_read():
    """A try after the clear that can't read the source leaves the decision to the next one."""
    job = Job(store=left_behind(3))

    def missing():
        raise BrevoSourceError("There is no file", advice="wait for it")

    with pytest.raises(BrevoSourceError):
        job.run(missing, attempt=CLEARED)
    result = job.run(events(2), attempt=Attempt(try_number=4, max_tries=CLEARED.max_tries))
    assert (result.total, result.accepted) == (2, 2)


def test_rejections_of_all_tries_are_in_the_file_once(tmp_path):
    """A row that was rejected before a crash isn't rejected again after it."""
    rows = [{}, event(1), {}, event(3), {}]
    store = RecordingStore(failures=[None, None, BrevoCheckpointError("full", advice="look")])
    with pytest.raises(BrevoCheckpointError):
        Job(ScriptedSender(latency=0.05), store).run(
            rows, batch_size=1, on_invalid="skip", rejected=RejectedEvents(tmp_path / "file")
        )
    result = Job(store=store).run(
        rows, batch_size=1, on_invalid="skip", max_rejected=3, rejected=RejectedEvents(tmp_path / "file")
    )
    lines = (tmp_path / "file").read_text(encoding="utf-8").splitlines()
    assert [line[:10] for line in lines] == ['{"index":0', '{"index":2', '{"index":4']
    assert (result.total, result.accepted, result.rejected) == (5, 2, 3)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


# ------------------------------------------------------------------------------------------------------ at the end


@pytest.mark.parametrize("on_rerun", ["send", "skip"])
def test_a_retry_of_a_finished_send_returns_its_result(on_rerun):
    """A worker may die between the last checkpoint and Airflow's note of it: nothing is sent again."""
    job = Job(store=finished(rejected=0, requests=1, seconds=2.0))
    result = job.run(events(3), attempt=RETRY, on_rerun=on_rerun)
    assert result == BulkResult(total=3, accepted=3, requests=1, seconds=2.0)
    assert job.sender.sent == []


def test_a_retry_of_a_finished_failure_fails_again():
    """What isn't enough doesn't become enough."""
    job = Job(store=finished(unidentified=1, accepted=2))
    with pytest.raises(BrevoIncompleteError):
        job.run(events(3), attempt=RETRY)
    assert job.sender.sent == []


def test_a_finished_send_is_sent_again_after_a_clear():
    """All of it, with numbers of its own; there is nothing to compare it with."""
    job = Job(store=finished(rejected=7))
    result = job.run(events(5, first=2), attempt=CLEARED)
    assert job.sender.numbers == [2, 3, 4, 5, 6]
    assert (result.total, result.accepted, result.rejected) == (5, 5, 0)


def test_a_finished_send_is_skipped_after_a_clear_where_that_is_asked_for():
    """The events count as skipped."""
    job = Job(store=finished())
    assert job.run(events(3), attempt=CLEARED, on_rerun="skip") == BulkResult(total=3, skipped=3)
    assert job.sender.sent == []


def test_the_file_of_a_finished_send_is_named_again(tmp_path):
    """The stored result is as good as the first."""
    store = RecordingStore()
    options = {"max_rejected": 1, "rejected": RejectedEvents(tmp_path / "file"), "attempt": FIRST}
    first = Job(ScriptedSender(refusing(0, of=2)), store).run(events(2), **options)
    again = Job(store=store).run(events(2), **options)
    assert again == first
    assert again.rejected_path == str(tmp_path / "file")


# ---------------------------------------------------------------------------------------------------- what is refused


def test_at_most_once_needs_a_durable_checkpoint():
    """Without one, a killed worker's events would be sent twice."""
    job = Job()
    with pytest.raises(BrevoDeliveryError, match="needs a checkpoint that survives the process"):
        job.run(events(1), delivery="at_most_once")
    assert job.sender.sent == []


def test_checking_needs_none():
    """Nothing is sent, so nothing can be sent twice, whichever try it is."""
    job = Job()
    assert job.run(events(1), delivery="at_most_once", validate_only=True, attempt=RETRY).skipped == 1
    assert job.warnings == []


def test_a_missing_checkpoint_stops_at_most_once():
    """Nobody knows what an earlier try has sent."""
    job = Job(store=RecordingStore())
    with pytest.raises(BrevoDeliveryError, match="This is try 2, and the test's store holds no checkpoint"):
        job.run(events(1), delivery="at_most_once", attempt=RETRY)
    assert job.sender.sent == []


@pytest.mark.parametrize("store", [None, RecordingStore()], ids=["memory", "durable"])
def test_a_missing_checkpoint_is_warned_of_at_least_once(store):
    """All is sent, and somebody can read that part of it may be there twice."""
    job = Job(store=store)
    assert job.run(events(1), attempt=RETRY).accepted == 1
    assert "also those that Brevo may have taken already" in job.warnings[0]


def test_a_first_try_without_a_checkpoint_is_the_usual_case():
    """Nothing is warned of."""
    job = Job(store=RecordingStore())
    assert job.run(events(1), delivery="at_most_once", attempt=FIRST).accepted == 1
    assert job.warnings == []


# --------------------------------------------------------------------------------------------------- what is enough


@pytest.mark.parametrize(
    ("rejected", "total", "most"),
    [(0, 10, 0), (3, 10, 3), (1, 1, 1.0), (29, 100, 0.29), (1, 10, 0.1), (0, 0, 0.5), (7, 100, 0.07)],
)
def test_as_many_as_allowed_are_a_success(rejected, total, most):
    """A count or a share; the limit itself is within."""
    result = BulkResult(total=total, accepted=total - rejected, rejected=rejected)
    assert checked(result, Progress(), BulkOptions(max_rejected=most)) is result


@pytest.mark.parametrize(
    ("rejected", "total", "most", "said"),
    [
        (1, 10, 0, "1 were rejected (by rule: date 1, refused 2), more than the 0 allowed"),
        (4, 10, 3, "more than the 3 allowed"),
        (30, 100, 0.29, "more than the share of 0.29 that is allowed"),
        (2, 2, 1, "more than the 1 allowed"),
        (2_000_001, 3_000_000, 2_000_000, "more than the 2000000 allowed"),
    ],
)
def test_more_than_allowed_is_an_error(rejected, total, most, said):
    """It counts by rule, and carries the numbers."""
    progress = Progress()
    progress.reasons.update({"refused": 2, "date": 1})
    result = BulkResult(total=total, accepted=total - rejected, rejected=rejected)
    with pytest.raises(BrevoIncompleteError) as caught:
        checked(result, progress, BulkOptions(max_rejected=most))
    assert said in str(caught.value)
    assert "see the log for reasons" in str(caught.value)
    assert caught.value.result["rejected"] == rejected


def test_everything_that_is_not_enough_is_told_at_once():
    """Rejected, unidentified and uncertain, and where the file is."""
    progress = Progress(
        planned=9, accepted=3, rejected=1, unidentified=2, uncertain=Ranges([(3, 5), (8, 9)]), seconds=1.23456
    )
    result = result_of(progress, "s3://bucket/rejected")
    assert (result.seconds, result.uncertain) == (1.235, 3)
    with pytest.raises(BrevoIncompleteError) as caught:
        checked(result, progress, BulkOptions())
    assert str(caught.value) == (
        "Of 9 events 3 were accepted; 1 were rejected (by rule: ), more than the 0 allowed; 2 were not taken by Brevo,"
        " which doesn't say which; of 3 nobody knows whether Brevo took them: events 3-4, 8; the rejected events are in"
        " s3://bucket/rejected; clearing the task sends all events again."
    )


# ------------------------------------------------------------------------------------------ rejections of several tries


def interrupted(rejected):
    """Send six events of which Brevo refuses two, and die before the file of rejected events is put together."""
    job = Job(ScriptedSender(refusing(1, 4, of=6)), RecordingStore())
    job.run(events(6), attempt=FIRST, on_invalid="skip", max_rejected=9, rejected=rejected, batch_size=6)
    progress = job.store.last
    rejected.path.rename(rejected.path.parent / f"{rejected.path.name}.part-1-0")
    return RecordingStore(Progress(**{**vars(progress), "finished": False, "parts": {1: 1}}))


def places(path):
    """Read the places of the events in a file."""
    return [json.loads(line)["index"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_check_between_two_tries_leaves_what_they_rejected(tmp_path):
    """It has a record and a file of its own, which may be empty or not."""
    rejected = RejectedEvents(tmp_path / "file")
    job = Job(store=interrupted(rejected))
    for checked_rows in ([*events(6), {}], events(6)):
        job.run(checked_rows, attempt=RETRY, on_invalid="skip", max_rejected=9, rejected=rejected, validate_only=True)
    result = job.run(events(7), attempt=RETRY, on_invalid="skip", max_rejected=9, rejected=rejected)
    assert (result.accepted, result.rejected, result.rejected_path) == (5, 2, str(tmp_path / "file"))
    assert places(tmp_path / "file") == [1, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_part_that_is_gone_is_told_and_does_not_keep_a_task_from_its_end(tmp_path):
    """Its events are counted as before."""
    rejected = RejectedEvents(tmp_path / "file")
    job = Job(store=interrupted(rejected))
    (tmp_path / "file.part-1-0").unlink()
    assert job.run(events(6), attempt=RETRY, on_invalid="skip", max_rejected=9, rejected=rejected).rejected == 2
    assert f"1 of the parts of {tmp_path / 'file'} are gone" in job.warnings[-1]


def test_an_invalid_event_that_comes_later_does_not_hide_what_was_sent(tmp_path):
    """The error says how many were, and the file has Brevo's rejections too."""
    rejected = RejectedEvents(tmp_path / "file")
    store = interrupted(rejected)
    with pytest.raises(BrevoInvalidEventsError, match="no more were sent after the 4 of earlier tries") as caught:
        Job(store=store).run([*events(6), {}], attempt=RETRY, max_rejected=9, rejected=rejected)
    error = caught.value
    assert (error.total, error.invalid, error.accepted, error.rejected) == (7, 1, 4, 3)
    assert error.rejected_path == str(tmp_path / "file")
    assert places(tmp_path / "file") == [1, 4, 6]
    assert Job(store=store).run(events(6), attempt=RETRY, max_rejected=9, rejected=rejected).accepted == 4
    assert places(tmp_path / "file") == [1, 4]
