"""Several requests at once, each as soon as the rate limit allows it."""

import threading
import time

import pytest
from engine import ScriptedSender, broken

from airflow_provider_brevo.core import dispatch
from airflow_provider_brevo.core.batch_answers import BatchAnswer
from airflow_provider_brevo.core.batches import Batch
from airflow_provider_brevo.core.dispatch import Dispatcher


def batch(number):
    """Return a batch of one event."""
    return Batch(indices=[number], events=[b'{"identifiers":{"ext_id":"%d"}}' % number])


@pytest.fixture
def start():
    """Make dispatchers, and stop them in the end."""
    made = []

    def make(sender, max_in_flight=16):
        made.append(Dispatcher(sender, max_in_flight=max_in_flight))
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.close()


def take(dispatcher, count):
    """Take out some outcomes."""
    outcomes = [dispatcher.get(5.0) for _ in range(count)]
    assert None not in outcomes
    return outcomes


def test_each_batch_has_one_outcome(start):
    """An answer, Brevo's error, and whatever else was raised come out beside their batch."""
    failure, bug = broken(), ZeroDivisionError()
    dispatcher = start(ScriptedSender(None, failure, bug), max_in_flight=1)
    for number in range(3):
        dispatcher.put(batch(number))
    first, second, third = take(dispatcher, 3)
    assert (first.batch.indices, first.answer, first.error) == ([0], BatchAnswer(accepted=1), None)
    assert (second.batch.indices, second.answer, second.error) == ([1], None, failure)
    assert (third.batch.indices, third.error) == ([2], bug)
    assert (dispatcher.outstanding, dispatcher.ahead) == (0, 0)


def test_without_an_outcome_there_is_none(start):
    """Asking doesn't block longer than allowed."""
    dispatcher = start(ScriptedSender())
    assert dispatcher.get(0.0) is None
    assert dispatcher.get(0.01) is None


def test_a_short_way_takes_few_threads(start):
    """Where the network takes no time, more threads only get into each other's way."""
    sender = ScriptedSender()
    dispatcher = start(sender)
    for number in range(60):
        dispatcher.put(batch(number))
    take(dispatcher, 60)
    assert sender.most_in_flight <= 4


@pytest.fixture
def _next_door(monkeypatch):
    """Take a way for short, however busy the machine is."""
    monkeypatch.setattr(dispatch, "_NEXT_DOOR", 0.5)


@pytest.mark.usefixtures("_next_door")
def test_next_door_requests_are_made_by_who_hands_them_over(start):
    """Threads would only wait for each other; the outcomes come out as ever."""
    sender = ScriptedSender()
    dispatcher = start(sender)
    for number in range(20):
        dispatcher.put(batch(number))
        assert len(sender.sent) == number + 1
    assert [outcome.batch.indices for outcome in take(dispatcher, 20)] == [[number] for number in range(20)]


def test_the_first_request_tells_that_the_way_is_long(start):
    """From then on threads make the requests, and who hands them over goes on."""
    dispatcher = start(ScriptedSender(latency=0.5))
    dispatcher.put(batch(0))
    started = time.monotonic()
    for number in range(1, 5):
        dispatcher.put(batch(number))
    assert time.monotonic() - started < 0.5
    assert dispatcher.outstanding == 5
    take(dispatcher, 5)


@pytest.mark.usefixtures("_next_door")
def test_one_slow_request_next_door_changes_nothing(start):
    """What counts is the shortest of the last requests."""
    sender = ScriptedSender(*[None] * 5, lambda *_: time.sleep(0.6))
    dispatcher = start(sender)
    for number in range(10):
        dispatcher.put(batch(number))
    assert len(sender.sent) == 10
    take(dispatcher, 10)


@pytest.mark.parametrize(("rate", "most"), [(None, 9), (30.0, 6), (1.0, 4)])
def test_a_long_way_takes_as_many_as_the_limit_can_use(start, monkeypatch, rate, most):
    """What leaves during one request's time is in flight at once, with a reserve, and no more than was allowed."""
    monkeypatch.setattr(dispatch, "_SMOOTHING", 0.0)
    sender = ScriptedSender(rate=rate, latency=0.1)
    dispatcher = start(sender, max_in_flight=9)
    dispatcher.put(batch(0))
    take(dispatcher, 1)
    dispatcher._latency = 0.1  # and it stays, however late a busy machine lets go on
    for number in range(1, 40):
        dispatcher.put(batch(number))
    take(dispatcher, 39)
    assert most - 1 <= sender.most_in_flight <= most


def test_no_more_than_allowed_are_in_flight(start):
    """One request at a time keeps the order."""
    sender = ScriptedSender(latency=0.001)
    dispatcher = start(sender, max_in_flight=1)
    for number in range(9):
        dispatcher.put(batch(number))
    assert [outcome.batch.indices for outcome in take(dispatcher, 9)] == [[number] for number in range(9)]
    assert sender.most_in_flight == 1


def test_short_waits_for_the_limit_are_waited(start):
    """The place that was told is the one that is used."""
    sender = ScriptedSender(waits=[0.05, 0.05, 0.0])  # told to who hands over, and to the thread
    started = time.monotonic()
    dispatcher = start(sender)
    dispatcher.put(batch(0))
    take(dispatcher, 1)
    assert sender.at[0] - started >= 0.05


def test_long_waits_for_the_limit_come_out(start):
    """Whoever gave the batch decides; nothing was sent."""
    sender = ScriptedSender(waits=[dispatch.PATIENCE + 1] * 2)
    dispatcher = start(sender)
    dispatcher.put(batch(0))
    (outcome,) = take(dispatcher, 1)
    assert (outcome.wait, outcome.answer, outcome.error) == (dispatch.PATIENCE + 1, None, None)
    assert sender.sent == []


def test_what_goes_wrong_at_the_limit_comes_out(start):
    """No batch is ever lost in a thread."""
    bug = ZeroDivisionError()
    dispatcher = start(ScriptedSender(waits=[0.01, bug]))
    dispatcher.put(batch(0))
    assert take(dispatcher, 1)[0].error is bug


def test_a_halt_sends_nothing_more_until_it_is_over(start):
    """What was handed over comes out unsent."""
    sender = ScriptedSender()
    dispatcher = start(sender)
    dispatcher.halt()
    dispatcher.put(batch(0))
    assert take(dispatcher, 1)[0].wait == 0.0
    dispatcher.proceed()
    dispatcher.put(batch(1))
    take(dispatcher, 1)
    assert sender.sent == [[1]]


def test_a_halt_ends_a_wait_for_the_limit(start):
    """Nobody goes on waiting for a place that won't be used."""
    sender = ScriptedSender(waits=[1.9, 1.9])
    dispatcher = start(sender)
    dispatcher.put(batch(0))
    started = time.monotonic()
    time.sleep(0.02)
    dispatcher.halt()
    assert take(dispatcher, 1)[0].wait == 0.0
    assert time.monotonic() - started < 1.0
    assert sender.sent == []


def test_a_halt_gives_back_what_waits_behind_a_request_that_hangs(start):
    """Whoever ends in a hurry need not wait for it to know what was not sent."""
    sender = ScriptedSender(latency=1.0)
    dispatcher = start(sender, max_in_flight=1)
    for number in range(4):
        dispatcher.put(batch(number))
    while len(sender.sent) < 2:
        time.sleep(0.01)
    started = time.monotonic()
    dispatcher.halt()
    outcomes = take(dispatcher, 3)
    assert time.monotonic() - started < 1.0
    assert [(outcome.batch.indices[0], outcome.wait) for outcome in outcomes] == [(0, None), (2, 0.0), (3, 0.0)]
    assert [outcome.batch.indices[0] for outcome in take(dispatcher, 1)] == [1]


def test_a_closed_dispatcher_can_be_closed_and_halted_again(start):
    """Whoever winds down need not know what was done before."""
    dispatcher = start(ScriptedSender(latency=0.01))
    for number in range(2):
        dispatcher.put(batch(number))
    dispatcher.close()
    dispatcher.close()
    dispatcher.halt()
    assert len(take(dispatcher, 2)) == 2


def test_closing_waits_for_requests_under_way():
    """What was answered by then comes out; nothing is cut off."""
    sender = ScriptedSender(latency=0.05)
    dispatcher = Dispatcher(sender, max_in_flight=1)
    for number in range(4):
        dispatcher.put(batch(number))
    time.sleep(0.02)
    dispatcher.close()
    outcomes = take(dispatcher, 4)
    assert {outcome.batch.indices[0]: outcome.wait for outcome in outcomes} == {0: None, 1: None, 2: 0.0, 3: 0.0}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("brevo-batches")]


@pytest.mark.usefixtures("_next_door")
def test_nothing_overtakes_what_threads_are_to_send(start):
    """Next door too: one request at a time keeps the order, whoever makes it."""
    sender = ScriptedSender(waits=[0.0] + [0.02, 0.0] * 20, latency=0.001)
    dispatcher = start(sender, max_in_flight=1)
    for number in range(20):
        dispatcher.put(batch(number))
        time.sleep(0.002)
    take(dispatcher, 20)
    assert sender.sent == [[number] for number in range(20)]
    assert sender.most_in_flight == 1


def test_who_fails_at_once_is_not_next_door(start):
    """It may hang at the next request, and whoever hands batches over must go on."""
    dispatcher = start(ScriptedSender(broken(), lambda *_: time.sleep(0.5)))
    dispatcher.put(batch(0))
    started = time.monotonic()
    dispatcher.put(batch(1))
    assert time.monotonic() - started < 0.5
    take(dispatcher, 2)
