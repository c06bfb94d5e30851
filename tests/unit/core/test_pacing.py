"""The pace of each endpoint, against simulated servers of every kind on a virtual clock."""

import heapq
import itertools
import math
import random
from collections import deque

import pytest

from airflow_provider_brevo.core.pacing import FIRST_INTERVAL, Pace, Told
from airflow_provider_brevo.core.rate_limit import RateLimiter

BATCHES = "POST /events/batch"
LATENCY, JITTER, LATENESS = 0.1, 0.005, 0.0005
"""Seconds from request to answer, how far each way may differ, and how late a thread wakes up on average."""


class FixedWindow:
    """One window follows the other, from a moment that nobody knows."""

    def __init__(self, limit, dice, *, seconds=1.0):
        self.limit, self.seconds = limit, seconds
        self.phase, self.window, self.used = dice.random() * seconds, None, 0

    def take(self, now):
        window, elapsed = divmod(now - self.phase, self.seconds)
        if window != self.window:
            self.window, self.used = window, 0
        taken = self.used < self.limit
        self.used += taken
        return taken, self.limit - self.used, math.ceil(self.seconds - elapsed)


class SlidingWindow:
    """The last seconds count; the reset tells when the oldest request leaves them."""

    def __init__(self, limit, _dice, *, seconds=1.0):
        self.limit, self.seconds, self.times = limit, seconds, deque()

    def take(self, now):
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        taken = len(self.times) < self.limit
        if taken:
            self.times.append(now)
        return taken, self.limit - len(self.times), math.ceil(self.times[0] + self.seconds - now)


class HiddenLimit(SlidingWindow):
    """Headers speak of an hour with plenty left, while a second is what limits."""

    def take(self, now):
        return super().take(now)[0], 30_000, 3000


class Sender:
    """A process with a limiter of its own and up to 16 requests on their way, which never runs out of batches."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.limiter = RateLimiter(clock=lambda: world.now, jitter=world.dice.random)
        self.on_their_way, self.sleeps = 0, False

    def work(self, *, awake=False):
        self.sleeps = self.sleeps and not awake
        while not self.sleeps and self.on_their_way < 16:
            wait = self.limiter.wait_needed(BATCHES, at_most=0.0)
            if wait:
                self.sleeps = True
                late = self.world.dice.expovariate(1 / LATENESS)
                self.world.after(wait + late, lambda: self.work(awake=True))
            else:
                self.on_their_way += 1
                sent = self.world.now
                self.world.after(self.trip(), lambda sent=sent: self.arrive(sent))

    def trip(self):
        return LATENCY / 2 + self.world.dice.uniform(-JITTER, JITTER)

    def arrive(self, sent):
        taken, remaining, reset = self.world.server.take(self.world.now)
        self.world.arrivals.append((self.world.now, taken, self.number))
        headers = {
            "x-sib-ratelimit-limit": str(self.world.limit),
            "x-sib-ratelimit-remaining": str(remaining),
            "x-sib-ratelimit-reset": str(reset),
        }
        self.world.after(self.trip(), lambda: self.answer(headers, taken=taken, sent=sent))

    def answer(self, headers, *, taken, sent):
        self.on_their_way -= 1
        self.limiter.learn(BATCHES, headers, status=202 if taken else 429, sent=sent)
        self.work()


class World:
    """One account, its server, a clock that jumps from event to event, and dice."""

    def __init__(self, kind, *, limit, seed, seconds=1.0):
        self.dice = random.Random(seed)
        self.now, self.begin, self.limit = 1000.0, 1000.0, limit
        self.server = kind(limit, self.dice, seconds=seconds)
        self.arrivals, self.queue, self.order = [], [], 0

    def after(self, seconds, action):
        self.order += 1
        heapq.heappush(self.queue, (self.now + seconds, self.order, action))

    def run(self, *, senders=1, within=0.3, seconds=60.0):
        """Start senders within some seconds; give the share of the allowed that was taken and that of the 429s."""
        for number in range(senders):
            self.after(self.dice.random() * within if number else 0.0, Sender(self, number).work)
        while self.queue[0][0] < self.begin + LATENCY / 2 + seconds:
            self.now, _, action = heapq.heappop(self.queue)
            action()
        taken = sum(taken for _, taken, _ in self.arrivals)
        return taken / (self.limit * seconds / self.server.seconds), 1 - taken / len(self.arrivals)


KINDS = pytest.mark.parametrize("kind", [FixedWindow, SlidingWindow])


@KINDS
@pytest.mark.parametrize("limit", [10, 60])
@pytest.mark.parametrize("seed", range(4))
def test_one_process_uses_what_is_allowed(kind, limit, seed):
    """A minute from the very start brings 0.97 of the allowed, and hardly any 429."""
    share, refused = World(kind, limit=limit, seed=seed).run()

    assert share >= 0.97
    assert refused <= 0.01


@KINDS
@pytest.mark.parametrize("within", [0.3, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_four_processes_share_an_account(kind, within, seed):
    """Four that don't know of each other use 0.9 of what is allowed in all, and few of their requests are refused."""
    share, refused = World(kind, limit=10, seed=seed).run(senders=4, within=within)

    assert share >= 0.9
    assert refused <= 0.05


@KINDS
def test_hourly_limit_is_used_at_once_and_then_waited_for(kind):
    """A hundred requests an hour go in the first seconds; the next ones wait for the reset, and nothing is refused."""
    world = World(kind, limit=100, seed=1, seconds=3600.0)
    _, refused = world.run(seconds=2 * 3600.0)

    times = [now for now, _, _ in world.arrivals]
    assert times[99] - times[0] < 15
    assert times[100] - times[99] > 60
    assert refused == 0


def test_hourly_limit_brings_no_storm_after_its_reset():
    """Four processes that wait for one hour's end come back one by one, and few of their requests are refused."""
    world = World(FixedWindow, limit=100, seed=2, seconds=3600.0)
    _, refused = world.run(senders=4, seconds=2 * 3600.0)

    times = [now for now, _, _ in world.arrivals]
    restart = next(b for a, b in itertools.pairwise(times) if b - a > 60)
    assert sum(restart <= now < restart + 0.1 for now in times) <= 8
    assert refused <= 0.1


def test_limit_without_headers_is_found_by_its_refusals():
    """Where a second limits and the headers speak of an hour, most of the allowed is used and few are refused."""
    share, refused = World(HiddenLimit, limit=10, seed=1).run()

    assert share >= 0.9
    assert refused <= 0.05


def test_who_is_left_alone_takes_over():
    """When other users of the account stop, their part is in use a few seconds later."""
    world = World(FixedWindow, limit=10, seed=3)
    pace = RateLimiter(clock=lambda: world.now, jitter=lambda: 0.5)
    for step in range(300):
        world.now = 1000.0 + step / 10
        if step < 100:
            world.server.take(world.now)
        if pace.wait_needed(BATCHES, at_most=0.0) == 0:
            taken, remaining, reset = world.server.take(world.now)
            headers = {"limit": "10", "remaining": str(remaining), "reset": str(reset)}
            headers = {f"x-sib-ratelimit-{name}": value for name, value in headers.items()}
            pace.learn(BATCHES, headers, status=202 if taken else 429, sent=world.now)
        if step == 99:
            assert pace.rate(BATCHES) < 5
    assert pace.rate(BATCHES) > 9


def pace_of(*, dice=0.99):
    """Give a pace whose dice always fall the same."""
    return Pace(jitter=lambda: dice)


def send(pace, told, *, now, refused=False, after=0.0):
    """Take the next place, and learn from its answer; give the place."""
    place = pace.next_place(now)
    pace.take(place)
    pace.learn(told, now=place + after, sent=place, refused=refused)
    return place


def test_whoever_finds_others_at_work_begins_small():
    """The first answer shows that others used five: half of what they leave is a beginning."""
    pace = pace_of()
    send(pace, Told(limit=10, remaining=4, reset=1.0), now=0.0)

    assert pace.rate == pytest.approx(2 / 1.016)


def test_share_shrinks_before_anything_is_refused():
    """What remained and what was our own bound the share; the rest is somebody else's."""
    pace = pace_of()
    send(pace, Told(limit=10, remaining=9, reset=1.0), now=0.0)
    send(pace, Told(limit=10, remaining=1, reset=1.0), now=0.0)

    assert pace.rate == pytest.approx(3 / 1.016)


def test_share_that_is_used_up_is_waited_for():
    """Who sent three in a fraction of a second, and learns that no more than three are left to it, waits a cycle."""
    pace = pace_of()
    for place in (0.0, 0.1, 0.2):
        pace.take(place)
    for sent, remaining in ((0.0, 9), (0.2, 0)):
        pace.learn(Told(limit=10, remaining=remaining, reset=1.0), now=sent + 0.1, sent=sent, refused=False)

    assert pace.next_place(0.3) == pytest.approx(1.016, abs=0.01)


def test_attempts_become_rare_where_every_place_is_taken():
    """Refusal after refusal, the pause doubles up to 16 cycles; one success brings back the old pace."""
    pace, told, places = pace_of(), Told(limit=10, remaining=0, reset=1.0), [0.0]
    for _ in range(8):
        places.append(send(pace, told, now=places[-1], refused=True))
    pauses = [round(b - a, 6) for a, b in itertools.pairwise(places)]

    assert pauses == sorted(pauses)
    assert 16 < pauses[-1] < 17
    taken = send(pace, told, now=places[-1])
    assert pace.next_place(taken) - taken < 1.1


def test_requests_are_given_up_and_taken_by_chance():
    """By the dice a share takes one of the requests that nobody seems to use, or gives one up."""
    rates = {}
    for dice in (0.001, 0.1, 0.3):
        pace, now = pace_of(dice=dice), 0.0
        for remaining in (6, 2, 6):
            now = send(pace, Told(limit=10, remaining=remaining, reset=1.0), now=now + 1.3)
        rates[dice] = round(pace.rate * 1.016)

    assert rates == {0.001: 3, 0.1: 4, 0.3: 3}


def test_one_odd_reset_proves_no_longer_window():
    """A single longer reset is taken for a slip, a second one in a row is believed."""
    pace = pace_of()
    send(pace, Told(limit=10, remaining=9, reset=1.0), now=0.0)
    send(pace, Told(limit=10, remaining=8, reset=2.0), now=0.0)
    assert pace.rate == pytest.approx(10 / 1.016)
    send(pace, Told(limit=10, remaining=7, reset=2.0), now=0.0)
    assert pace.rate == pytest.approx(5 / 1.016)


def test_window_that_turns_out_long_is_not_paced():
    """The end of an hour looks like a short window; the next hour shows what it is."""
    pace = pace_of()
    send(pace, Told(limit=500, remaining=400, reset=1.0), now=0.0)
    assert pace.rate is not None
    for _ in range(2):
        send(pace, Told(limit=500, remaining=490, reset=3600.0), now=10.0)
    assert pace.rate is None
    assert pace.next_place(20.0) == 20.0


def test_requests_on_their_way_are_counted():
    """When all that remained is on its way, one more goes each second, should the answers never come."""
    pace = pace_of()
    send(pace, Told(limit=100, remaining=2, reset=3600.0), now=0.0)
    for now in (1.0, 2.0):
        assert pace.next_place(now) == now
        pace.take(now)
    assert pace.next_place(2.0) == 3.0


def test_an_overtaken_answer_tells_nothing_new():
    """The answer to an earlier request doesn't bring back what a later one has used."""
    pace = pace_of()
    for place in (0.0, 1.0):
        pace.take(place)
    pace.learn(Told(limit=100, remaining=1, reset=3600.0), now=1.1, sent=1.0, refused=False)
    pace.learn(Told(limit=100, remaining=50, reset=3600.0), now=1.2, sent=0.0, refused=False)
    pace.take(2.0)
    assert pace.next_place(2.5) == 3.0


def test_nothing_remaining_without_a_reset_lets_one_through_a_second():
    """Where nobody says when the limit is renewed, asking is the only way to know."""
    pace = pace_of()
    pace.learn(Told(limit=None, remaining=0, reset=None), now=0.0, sent=0.0, refused=False)
    assert pace.next_place(0.0) == 0.0
    pace.take(0.0)
    assert pace.next_place(0.0) == 1.0


def test_refusals_without_headers_set_a_pace_that_grows_again():
    """Without any header the share is what was taken in the second before, and more is asked for by chance."""
    nothing, pace = Told(limit=None, remaining=None, reset=None), pace_of(dice=0.05)
    pace.learn(nothing, now=0.0, sent=-1.0, refused=False)
    for now in range(5):
        pace.take(now / 10)
    pace.learn(nothing, now=0.5, sent=0.4, refused=True)
    assert pace.rate == pytest.approx(4 / 1.016)
    for now in range(1, 7):
        send(pace, nothing, now=float(now))
    assert pace.rate == pytest.approx(5 / 1.016)


def test_late_answer_says_nothing_about_the_share():
    """What was our own more than ten seconds ago is forgotten, and can't be told from what others used."""
    pace, told = pace_of(), Told(limit=10, remaining=9, reset=1.0)
    send(pace, told, now=0.0)
    pace.learn(Told(limit=10, remaining=0, reset=1.0), now=20.0, sent=0.0, refused=False)
    assert pace.rate == pytest.approx(10 / 1.016)


def test_places_are_forgotten():
    """Memory stays flat however long it goes on."""
    pace = pace_of()
    for step in range(3000):
        send(pace, Told(limit=60, remaining=30, reset=1.0), now=step / 50)
    assert len(pace._places) < 1300


def test_first_interval_is_that_of_the_lowest_limit():
    """Nothing is known before the first answer, but ten a second are always allowed."""
    assert FIRST_INTERVAL == 0.1
