"""One try: what is sent, sent again, given up, and told."""

import time

import pytest
from engine import LOST, Job, RecordingStore, ScriptedSender, broken, event, events, refusing, throttled

from airflow_provider_brevo.core import dispatch, sending
from airflow_provider_brevo.core.batch_answers import BatchAnswer
from airflow_provider_brevo.core.bulk_states import BulkPaused
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import (
    BrevoConnectionLostError,
    BrevoIncompleteError,
    BrevoInvalidEventsError,
    BrevoPayloadTooLargeError,
    BrevoServerError,
    BrevoSourceError,
    BrevoUnknownKeyError,
)

UNKNOWN_KEY = BrevoUnknownKeyError(status=401, advice="copy the key again")

pytestmark = pytest.mark.usefixtures("quick")


def test_every_event_is_sent_once():
    """All batches are full but the last, and the numbers add up."""
    job = Job()
    result = job.run(events(450))
    assert job.sender.numbers == list(range(450))
    assert sorted(map(len, job.sender.sent)) == [50, 200, 200]
    assert (result.total, result.accepted, result.requests, result.rejected_path) == (450, 450, 3, None)


def test_an_empty_source_is_a_success_that_is_warned_of():
    """Zero events are no error, and rarely what somebody wanted."""
    job = Job()
    assert job.run([]).total == 0
    assert job.warnings == ["The source has no events: nothing was sent."]


def test_nothing_is_sent_unless_all_are_valid():
    """The first twenty are told with place and reason, all are counted by rule, and the file has them all."""
    job = Job()
    rows = events(250) + [{"event_name": "order"}] * 25
    with pytest.raises(BrevoInvalidEventsError) as caught:
        job.run(rows)
    assert (caught.value.total, caught.value.invalid, caught.value.reasons) == (275, 25, {"required": 25})
    assert len(str(caught.value).splitlines()) == 22
    assert "event 250: /identifiers is missing" in str(caught.value)
    assert job.sender.sent == []


def test_invalid_events_are_skipped_where_that_is_asked_for(tmp_path):
    """The valid ones are sent; the others are warned of, counted and kept."""
    job = Job()
    rows = [event(0), {"event_name": "order"}, event(2)]
    result = job.run(rows, on_invalid="skip", max_rejected=1, rejected=RejectedEvents(tmp_path / "file"))
    assert job.sender.sent == [[0, 2]]
    assert (result.accepted, result.rejected, result.rejected_path) == (2, 1, str(tmp_path / "file"))
    assert job.warnings[0].startswith("Rejected: event 1: /identifiers is missing")


def test_a_source_of_invalid_events_alone_sends_nothing():
    """There is no request without events."""
    job = Job(store=RecordingStore())
    assert job.run([{}] * 300, on_invalid="skip", max_rejected=300).rejected == 300
    assert (job.sender.sent, job.store.last.planned) == ([], 300)


def test_no_more_than_twenty_rejections_are_told():
    """A log isn't flooded; the last one says that there are more."""
    job = Job()
    job.run([{}] * 30 + events(1), on_invalid="skip", max_rejected=30)
    assert len(job.warnings) == 20
    assert job.warnings[-1].endswith("Further rejections are counted, and not shown.")


@pytest.mark.parametrize("on_invalid", ["skip", "fail"])
def test_only_checking_sends_nothing(on_invalid, tmp_path):
    """Events are counted as skipped, and rejections kept, whatever is to happen with invalid ones later."""
    store, job = RecordingStore(), Job()
    job.store = store
    rejected = RejectedEvents(tmp_path / "file")
    result = job.run([*events(3), {}], on_invalid=on_invalid, validate_only=True, max_rejected=1, rejected=rejected)
    assert (result.total, result.skipped, result.rejected, result.accepted) == (4, 3, 1, 0)
    assert (job.sender.sent, store.saved) == ([], [])
    assert (tmp_path / "file.check").exists()


def test_many_rejections_are_written_early(tmp_path, monkeypatch):
    """Memory stays flat while a source is only checked, and while it is spooled."""
    monkeypatch.setattr("airflow_provider_brevo.core.rejections._PART_BYTES", 10)
    rejected = RejectedEvents(tmp_path / "file")
    Job().run([{}] * 500, validate_only=True, max_rejected=500, rejected=rejected)
    assert len((tmp_path / "file.check").read_bytes().splitlines()) == 500
    with pytest.raises(BrevoInvalidEventsError):
        Job().run([{}] * 700, rejected=rejected)
    assert len((tmp_path / "file").read_bytes().splitlines()) == 700
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", tmp_path / "file.check"]


def test_brevos_rejections_are_kept_and_the_others_taken(tmp_path):
    """A batch that is taken in part is never sent as a whole again."""
    job = Job(ScriptedSender(refusing(1, of=3)))
    result = job.run(events(3), max_rejected=1, rejected=RejectedEvents(tmp_path / "file"))
    assert job.sender.sent == [[0, 1, 2]]
    assert (result.accepted, result.rejected) == (2, 1)
    assert job.warnings == ["Rejected: event 1: no such thing."]


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_what_may_pass_is_sent_again_alone(delivery):
    """Brevo names those events as not taken, so both deliveries may."""
    job = Job(ScriptedSender(refusing(0, 2, of=3, transient=True)), RecordingStore())
    result = job.run(events(3), delivery=delivery)
    assert job.sender.sent == [[0, 1, 2], [0, 2]]
    assert (result.accepted, result.requests) == (3, 2)


def test_what_does_not_pass_is_rejected_in_the_end():
    """Events are tried as often as max_retries says."""
    job = Job(ScriptedSender(*[refusing(0, of=1, transient=True)] * 9))
    result = job.run(events(1), max_rejected=1, max_retries=2)
    assert (len(job.sender.sent), result.rejected) == (3, 1)


def test_an_unexplained_shortfall_ends_in_an_error_and_is_not_sent_again():
    """Nobody knows which events are missing."""
    job = Job(ScriptedSender(BatchAnswer(accepted=3, unidentified=2)))
    with pytest.raises(BrevoIncompleteError, match="2 were not taken by Brevo, which doesn't say which") as caught:
        job.run(events(5))
    assert (caught.value.result["accepted"], caught.value.result["unidentified"]) == (3, 2)
    assert len(job.sender.sent) == 1


def test_at_least_once_sends_again_what_may_have_been_taken():
    """Duplicates are the price for losing nothing."""
    job = Job(ScriptedSender(LOST))
    result = job.run(events(3))
    assert job.sender.sent == [[0, 1, 2], [0, 1, 2]]
    assert (result.accepted, result.requests) == (3, 2)


def test_at_most_once_names_what_may_have_been_taken():
    """It isn't sent again; the others are."""
    job = Job(ScriptedSender(LOST), RecordingStore())
    with pytest.raises(BrevoIncompleteError, match="of 2 nobody knows .*: events 0-1") as caught:
        job.run(events(6), delivery="at_most_once", batch_size=2, max_in_flight=1)
    assert job.sender.sent == [[0, 1], [2, 3], [4, 5]]
    assert (caught.value.result["uncertain"], caught.value.result["accepted"]) == (2, 4)
    assert "Nobody knows whether Brevo took events 0 to 1 of the source: The connection broke" in job.warnings[0]


def test_at_most_once_ends_when_nothing_comes_back():
    """If one batch after the other is lost, the rest isn't thrown after them."""
    job = Job(ScriptedSender(*[LOST] * 99, latency=0.02), RecordingStore())
    with pytest.raises(BrevoConnectionLostError):
        job.run(events(40), delivery="at_most_once", batch_size=1, max_in_flight=1, max_retries=2)
    sent = len(job.sender.sent)
    assert 3 <= sent < 20  # a thread may be ahead of what is known of its former batches
    last = job.store.last
    assert last.uncertain == Ranges([(0, sent)])
    assert (last.in_flight.count(), last.waiting.count()) == (0, last.planned - sent)


def test_a_refused_key_ends_at_once_and_what_was_taken_is_recorded():
    """Nothing is sent after it, and nothing that was certainly not taken is uncertain."""
    job = Job(ScriptedSender(None, *[UNKNOWN_KEY] * 99, latency=0.02), RecordingStore())
    with pytest.raises(BrevoUnknownKeyError, match="events 2 to 3 of the source"):
        job.run(events(200), delivery="at_most_once", batch_size=2, max_in_flight=1)
    last = job.store.last
    assert len(job.sender.sent) < 20
    assert (last.accepted, str(last.in_flight), last.finished) == (2, "", False)
    assert last.waiting == Ranges([(2, last.planned)])


def test_a_fault_that_stays_ends_the_try():
    """After max_retries the events stay in flight, as Brevo may have taken them."""
    job = Job(ScriptedSender(*[broken() for _ in range(9)]), RecordingStore())
    with pytest.raises(BrevoServerError):
        job.run(events(2), max_retries=1)
    assert (len(job.sender.sent), str(job.store.last.in_flight)) == (2, "0-1")


def test_a_bug_in_a_thread_is_raised_and_its_batch_stays_in_flight():
    """Whatever it was, nobody knows whether the request went out."""
    job = Job(ScriptedSender(ZeroDivisionError("bug")), RecordingStore())
    with pytest.raises(ZeroDivisionError):
        job.run(events(2))
    assert str(job.store.last.in_flight) == "0-1"


def test_a_batch_that_is_too_large_is_split_until_it_passes(tmp_path):
    """Only the event that is too large by itself is rejected."""

    def limited(numbers, count):
        too_large = BrevoPayloadTooLargeError(status=413, advice="send less")
        return too_large if 3 in numbers and count > 0 else BatchAnswer(accepted=count)

    job = Job(ScriptedSender(*[limited] * 99))
    result = job.run(events(8), max_rejected=1, rejected=RejectedEvents(tmp_path / "file"))
    assert (result.accepted, result.rejected) == (7, 1)
    assert job.warnings == ["Rejected: event 3: Brevo finds the event too large (HTTP 413)."]


def test_a_429_is_waited_for_and_counted():
    """It is certain that nothing was taken, so at_most_once sends again."""
    job = Job(ScriptedSender(throttled(0.0)), RecordingStore())
    result = job.run(events(2), delivery="at_most_once")
    assert (len(job.sender.sent), result.accepted, job.store.last.throttled) == (2, 2, 1)


def test_a_long_wait_stops_everything_and_goes_on(monkeypatch):
    """A limit that is used up concerns all batches; afterwards the same try goes on."""
    monkeypatch.setattr(sending, "PATIENCE", 0.1)
    job = Job(ScriptedSender(throttled(1.0), throttled(1.0)), RecordingStore())
    result = job.run(events(4), batch_size=2, max_in_flight=1)
    assert set(job.sender.numbers) == {0, 1, 2, 3}
    assert len(job.sender.sent) == 4  # two batches, and two refusals of the one or the other
    assert job.sender.at[-1] - job.sender.at[0] >= 1.0
    assert result.accepted == 4


def test_a_long_wait_pauses_where_that_is_asked_for():
    """Nothing is in flight, and what was planned waits for later."""
    job = Job(ScriptedSender(None, *[throttled(90.0) for _ in range(9)]), RecordingStore())
    with pytest.raises(BulkPaused) as caught:
        job.run(events(6), batch_size=2, max_in_flight=1, pause_after=60.0)
    assert 89.0 < caught.value.seconds <= 91.0
    assert job.sender.sent[:2] == [[0, 1], [2, 3]]
    assert (str(caught.value.progress.waiting), str(caught.value.progress.in_flight)) == ("2-5", "")
    assert job.store.saved[-1] == caught.value.progress.to_json()


def test_a_long_wait_that_the_limiter_tells_pauses_too():
    """Whether Brevo's headers or its 429 say so makes no difference."""
    job = Job(ScriptedSender(waits=[90.0, 90.0]))
    with pytest.raises(BulkPaused):
        job.run(events(1), pause_after=60.0)
    assert job.sender.sent == []


def test_a_wait_for_one_batch_ends_with_the_pause_of_all():
    """What was to be sent again later is recorded as waiting, or as in flight if its fate is unknown."""
    job = Job(ScriptedSender(LOST, refusing(0, of=1, transient=True), throttled(90.0)), RecordingStore())
    with pytest.raises(BulkPaused) as caught:
        job.run(events(3), batch_size=1, max_in_flight=1, pause_after=1.0)
    progress = caught.value.progress
    assert progress.in_flight.count() + progress.waiting.count() + progress.accepted == 3


def test_contact_properties_in_several_requests_are_warned_of_once():
    """Updates of one contact may overtake each other."""
    rows = [event(number, contact_properties={"CITY": "Paris"}) for number in range(4)]
    job = Job()
    job.run(rows, batch_size=1)
    assert ["max_in_flight=1 keeps" in warning for warning in job.warnings] == [True]
    job = Job()
    job.run(rows, batch_size=1, max_in_flight=1)
    assert job.warnings == []
    assert job.sender.sent == [[0], [1], [2], [3]]


def test_a_source_that_breaks_off_leaves_what_was_taken_recorded():
    """The next try goes on behind it, and nothing is uncertain that was never sent."""

    def rows():
        yield from events(6)
        raise BrevoSourceError("The file is damaged", advice="mend it")

    job = Job(store=RecordingStore())
    with pytest.raises(BrevoSourceError):
        job.run(rows(), on_invalid="skip", batch_size=2)
    last = job.store.last
    assert (last.accepted + last.waiting.count(), last.in_flight.count()) == (last.planned, 0)
    assert job.sender.numbers == list(range(last.accepted))


def test_progress_is_reported_now_and_then():
    """Before anything is done, and while it goes on."""
    job = Job(ScriptedSender(latency=0.1))
    job.run(events(10), batch_size=1, max_in_flight=2)
    assert job.reports[0] == (0, 0)
    assert 2 <= len(job.reports) <= 9


def test_a_slow_source_does_not_keep_answers_waiting():
    """A window is closed after some time, however few batches it holds."""

    def rows():
        for made in events(6):
            time.sleep(0.1)
            yield made

    job = Job()
    started = time.monotonic()
    job.run(rows(), on_invalid="skip", batch_size=1)
    assert job.sender.at[0] - started < 0.5


def test_a_failure_next_door_stops_the_rest_of_the_window(monkeypatch):
    """What was recorded and not sent is waiting, and no request follows the one that failed."""
    monkeypatch.setattr(dispatch, "_NEXT_DOOR", 60.0)  # however busy the machine is
    job = Job(ScriptedSender(None, UNKNOWN_KEY), RecordingStore())
    with pytest.raises(BrevoUnknownKeyError):
        job.run(events(6), batch_size=1)
    assert job.sender.sent == [[0], [1]]
