"""What ends a try, or holds it up, from outside: somebody stops the task, Brevo is down or asks to wait."""

import itertools
import time

import pytest
from engine import LOST, Job, RecordingStore, ScriptedSender, broken, event, events, throttled

from airflow_provider_brevo.core import dispatch, retry
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import BulkPaused
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.exceptions import (
    BrevoBulkError,
    BrevoConnectError,
    BrevoIncompleteError,
    BrevoServerError,
    BrevoUnknownKeyError,
)

pytestmark = pytest.mark.usefixtures("quick")


def after(seconds):
    """Return what says from some time on that the task is to stop."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


# ------------------------------------------------------------------------------------------------------------- stopped


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_a_task_that_is_stopped_records_what_was_under_way_and_is_gone_on_with(delivery):
    """What is under way is waited for, nothing more is sent, and the next try sends exactly the rest."""
    job = Job(ScriptedSender(latency=0.05), RecordingStore())
    with pytest.raises(BrevoBulkError, match="The task was stopped after Brevo took .* a retry goes on from") as caught:
        job.run(events(400), batch_size=2, max_in_flight=3, delivery=delivery, stop=lambda: len(job.sender.sent) > 20)
    assert caught.value.retry_later
    first, last = job.sender, job.store.last
    assert 42 <= last.accepted == len(first.numbers) < 400
    assert f"after Brevo took {last.accepted} events" in str(caught.value)
    assert (last.in_flight.count(), last.uncertain.count()) == (0, 0)
    job.sender = ScriptedSender()
    assert job.run(events(400), batch_size=2, delivery=delivery).accepted == 400
    assert sorted(first.numbers + job.sender.numbers) == list(range(400))


def test_only_what_is_under_way_is_uncertain_if_a_stopped_process_is_killed_before_it_is_answered():
    """Whatever else was recorded as about to be sent is recorded as waiting meanwhile."""
    job = Job(ScriptedSender(latency=0.02), RecordingStore())
    seen = []

    def slow(numbers, _):
        time.sleep(0.7)
        seen.append((numbers, job.store.last))

    job.sender.script = [None, slow]
    with pytest.raises(BrevoBulkError, match="was stopped"):
        job.run(events(60), batch_size=1, max_in_flight=1, stop=lambda: len(job.sender.sent) > 1)
    ((numbers, last),) = seen
    assert last.in_flight == Ranges([(numbers[0], numbers[0] + 1)])
    assert last.waiting.count() == last.planned - last.accepted - 1 > 0


def test_a_wait_for_the_limit_can_be_stopped():
    """Nobody waits for the end of it."""
    job = Job(ScriptedSender(None, *[throttled(60.0) for _ in range(9)]), RecordingStore())
    started = time.monotonic()
    with pytest.raises(BrevoBulkError, match="stopped after Brevo took 1 events"):
        job.run(events(9), batch_size=1, max_in_flight=1, stop=after(0.5))
    assert 0.5 <= time.monotonic() - started < 5.0
    assert job.store.last.in_flight.count() == 0


@pytest.mark.parametrize("options", [{"validate_only": True}, {"on_invalid": "fail"}], ids=["check", "spool"])
def test_a_check_can_be_stopped(options):
    """Nothing is read on, and nothing sent."""
    read = []

    def rows():
        for number in itertools.count():
            read.append(number)
            yield event(number)

    job = Job()
    with pytest.raises(BrevoBulkError, match="Brevo took 0 events; a retry starts from the beginning"):
        job.run(rows, stop=lambda: len(read) > 1000, **options)
    assert (job.sender.sent, len(read) < 2000) == ([], True)


def test_what_has_failed_is_not_taken_for_stopped():
    """That a key is refused is more than that somebody has stopped the task."""
    job = Job(ScriptedSender(BrevoUnknownKeyError(status=401, advice="copy the key again")), RecordingStore())
    with pytest.raises(BrevoUnknownKeyError):
        job.run(events(2), stop=lambda: bool(job.sender.sent))


# ------------------------------------------------------------------------------------------------------ Brevo is away


@pytest.mark.parametrize("store", [None, RecordingStore()], ids=["in memory", "durable"])
def test_a_brevo_that_is_down_gets_no_new_batches_without_end(monkeypatch, store):
    """Nor does memory: as long as enough batches wait to be sent again, no others are read."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 60.0)
    read = []

    def rows():
        for number in itertools.count():
            read.append(number)
            yield event(number)

    job = Job(ScriptedSender(*[broken() for _ in range(50_000)]), store)
    with pytest.raises(BrevoBulkError, match="was stopped"):
        job.run(rows, on_invalid="skip", batch_size=1, max_in_flight=2, stop=after(1.0))
    assert len(job.sender.sent) < 40
    assert len(read) < 40


def test_a_brevo_that_comes_back_gets_all():
    """What waited is sent again, and then the rest."""
    job = Job(ScriptedSender(*[broken() for _ in range(20)]))
    assert job.run(events(300), on_invalid="skip", batch_size=1, max_in_flight=2, max_retries=20).accepted == 300
    assert set(job.sender.numbers) == set(range(300))


def test_a_fault_that_asks_to_wait_pauses_as_a_limit_does():
    """The batch that met it stays in flight, as Brevo may have taken it; what was never sent waits."""
    job = Job(ScriptedSender(None, *[broken(90.0) for _ in range(9)], latency=0.01), RecordingStore())
    with pytest.raises(BulkPaused) as caught:
        job.run(events(40), batch_size=2, max_in_flight=1, pause_after=60.0)
    assert 89.0 < caught.value.seconds <= 91.0
    progress = caught.value.progress
    tried = len(job.sender.numbers)
    assert (progress.in_flight.count(), progress.accepted) == (tried - 2, 2)
    assert progress.waiting.count() == progress.planned - tried


def test_how_long_it_waits_is_told_while_it_does():
    """Whoever looks at the progress sees it become shorter, and end."""
    pauses = []
    sender = ScriptedSender(throttled(2.5))
    send_events(sender, lambda: events(2), report=lambda progress: pauses.append(progress.pause))
    waited = [pause for pause in pauses if pause]
    assert waited == sorted(waited, reverse=True)
    assert 2.0 < waited[0] <= 3.0


def test_the_first_batch_that_is_sent_again_is_told_and_all_are_counted():
    """A batch whose fate is unknown counts once, however often it is sent; faults that took nothing don't."""
    refused = BrevoConnectError("There is no connection", advice="look")
    job = Job(ScriptedSender(refused, LOST, LOST, broken(), refused, LOST))
    assert job.run(events(3), max_retries=9).accepted == 3
    again = "Sending events 0 to 2 of the source again"
    assert job.warnings == [
        f"{again}: There is no connection. Further such faults are not shown.",
        f"{again}, though Brevo may have taken that already: {LOST.problem}. Further such faults are not shown.",
        "3 events were sent again without knowing whether Brevo had taken them: it may have some of them twice.",
    ]


def test_faults_that_ask_to_wait_pause_a_task_a_few_times_only():
    """As often as requests are made again; then the task fails, and its next try begins to count anew."""
    store, paused = RecordingStore(), None
    job = Job(ScriptedSender(*(broken(90) for _ in range(6))), store)
    for _ in range(2):
        with pytest.raises(BulkPaused) as caught:
            job.run(events(3), paused=paused, pause_after=60, max_retries=2)
        paused = Progress.from_json(caught.value.progress.to_json(), kept_in="the event")
    with pytest.raises(BrevoServerError, match="for events 0 to 2 of the source"):
        job.run(events(3), paused=paused, pause_after=60, max_retries=2)
    assert (len(job.sender.sent), store.last.faults) == (3, 0)
    assert job.warnings[-2].startswith(
        "As the wait began, events 0-2 of the source were in flight. They are sent again"
    )


def test_an_answer_ends_the_count_of_faults():
    """They were not in a row."""
    store = RecordingStore(Progress(faults=2))
    assert Job(ScriptedSender(), store).run(events(3), pause_after=60, max_retries=2).accepted == 3
    assert store.last.faults == 0


def test_at_most_once_waits_as_a_fault_asks_before_it_goes_on():
    """What is uncertain by then stays so; the others need not become it."""
    job = Job(ScriptedSender(broken(2.1)), RecordingStore())
    started = time.monotonic()
    with pytest.raises(BrevoIncompleteError) as caught:
        job.run(events(40), delivery="at_most_once", batch_size=10, max_in_flight=1)
    assert time.monotonic() - started > 2
    assert (caught.value.result["uncertain"], caught.value.result["accepted"]) == (10, 30)


def test_a_stop_is_seen_between_two_requests_of_a_window(monkeypatch):
    """Where requests are quick, the thread that plans makes them itself, one after the other."""
    monkeypatch.setattr(dispatch, "_NEXT_DOOR", 60.0)  # however busy the machine is
    sender, store = ScriptedSender(), RecordingStore()
    with pytest.raises(BrevoBulkError, match="The task was stopped after Brevo took"):
        Job(sender, store).run(events(400), batch_size=1, max_in_flight=1, stop=lambda: len(sender.sent) >= 20)
    assert 20 <= len(sender.sent) <= 22
    assert not store.last.in_flight
