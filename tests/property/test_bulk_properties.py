"""Many events, whatever their sizes and fates, and wherever the process dies."""

import contextlib
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_brevo.core import recording, sending
from airflow_provider_brevo.core.batch_answers import BatchAnswer, Refusal
from airflow_provider_brevo.core.batches import Rejection
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions, BulkPaused
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.dispatch import Dispatcher
from airflow_provider_brevo.core.rejections import RejectedEvents
from airflow_provider_brevo.exceptions import (
    BrevoBulkError,
    BrevoConnectError,
    BrevoConnectionLostError,
    BrevoIncompleteError,
    BrevoPayloadTooLargeError,
    BrevoRateLimitError,
    BrevoRequestError,
    BrevoServerError,
    BrevoSourceChangedError,
    BrevoSourceError,
    BrevoUnexpectedAnswerError,
)

# ---------------------------------------------------------------------------------------- a Brevo, and a death in it

SPEED = 2000.0


class FastTime:
    """Time that runs faster, for the waits of the engine."""

    monotonic = staticmethod(lambda: time.monotonic() * SPEED)
    sleep = staticmethod(lambda seconds: time.sleep(seconds / SPEED))


class FastDispatcher(Dispatcher):
    """Waits for outcomes in fast time."""

    def get(self, seconds):
        return super().get(seconds / SPEED)


@pytest.fixture(scope="module", autouse=True)
def _fast():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "time", FastTime)
        patch.setattr(recording, "time", FastTime)
        patch.setattr(sending, "Dispatcher", FastDispatcher)
        yield


class Death(BaseException):
    """The process dies: nothing that it does from now on has an effect."""


class World:
    """What outlives the process: Brevo, the checkpoint, files. It ends the process before or in one operation."""

    durable = True
    kept_in = "the test"

    def __init__(self, fates, faults, deaths, folder, breaks=(), stops=()):
        self.fates, self.faults, self.deaths, self.breaks = fates, list(faults), set(deaths), list(breaks)
        self.stops, self.stopped = list(stops), False
        self.path = Path(folder) / "rejected.jsonl"
        self.taken, self.sent, self.unknown = Counter(), Counter(), set()
        self.saved, self.operations, self.dead = None, 0, False
        self.seconds = 0.0
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def operation(self):
        """Let the process die before an operation, or after it and before anybody knows of it."""
        with self._lock:
            if self.dead:
                raise Death
            self.operations += 1
            if 2 * self.operations in self.deaths:
                self.dead = True
                raise Death
            yield
            if 2 * self.operations + 1 in self.deaths:
                self.dead = True
                raise Death

    def stop(self):
        """Tell whether somebody has stopped the task, which is after some operations and holds for the try."""
        if self.stops and self.operations >= self.stops[-1]:
            self.stops.pop()
            self.stopped = True
        return self.stopped

    def rows(self):
        """Yield the source, which can't be read beyond a certain place in the first tries."""
        end = self.breaks.pop() if self.breaks else len(self.fates)
        yield from self.fates[:end]
        if end < len(self.fates):
            raise BrevoSourceError("no")

    def load(self):
        return None if self.saved is None else Progress.from_json(json.loads(self.saved), kept_in=self.kept_in)

    def save(self, progress):
        with self.operation():
            self.saved = json.dumps(progress.to_json())

    def wait_for_batch(self, *, at_most):  # noqa: ARG002 # the sender's
        return 0.0

    def batch_rate(self):
        return None

    def send_batch(self, body, *, count):
        time.sleep(self.seconds)
        with self.operation():
            numbers = [sent["n"] for sent in json.loads(body)["events"]]
            assert len(numbers) == count
            self.sent.update(numbers)
            fault = self.faults.pop(0) if self.faults else None
            if fault in {"lost", "odd", "broken"}:
                self.unknown.update(numbers)
            if fault in FAULTS:
                error = FAULTS[fault]()
                raise error
            if fault == "large" and count > 1:
                raise BrevoPayloadTooLargeError(status=413, advice="")
            if fault == "none taken":
                return BatchAnswer(accepted=0, not_taken=tuple(range(count)))
            answer = self._answer(numbers, short=fault == "short")
            if fault == "broken":
                raise BrevoServerError(status=503, advice="")
            return answer

    def _answer(self, numbers, *, short):
        refused = {}
        taken = []
        for at, number in enumerate(numbers):
            if self.fates[number] == "refused" or self.sent[number] <= (self.fates[number] == "refused once"):
                refused[at] = Refusal(reason="no", transient=self.fates[number] == "refused once")
            else:
                taken.append(number)
        dropped = taken[-1:] if short else []
        self.taken.update(taken[: len(taken) - len(dropped)])
        return BatchAnswer(accepted=len(taken) - len(dropped), refused=refused, unidentified=len(dropped))


FAULTS = {
    "limited": lambda: BrevoRateLimitError(status=429, advice=""),
    "long wait": lambda: BrevoRateLimitError(status=429, advice="", retry_after=9.0),
    "not reached": lambda: BrevoConnectError("no"),
    "lost": lambda: BrevoConnectionLostError("no"),
    "odd": lambda: BrevoUnexpectedAnswerError(status=200, advice=""),
}


class Rejected(RejectedEvents):
    """Writes files as long as the process lives."""

    def __init__(self, world):
        super().__init__(world.path)
        self._world = world

    def flush(self, progress):
        if self._lines:
            with self._world.operation():
                super().flush(progress)

    def merge(self, progress):
        with self._world.operation():
            return super().merge(progress)

    def clean_up(self, progress):
        with self._world.operation():
            super().clean_up(progress)


def invalid(index):
    """Say that an event breaks a rule."""
    return Rejection(index=index, where="here", reasons=("no",), rules=("required",))


def prepare(index, fate):
    """Make an event of a fate."""
    return invalid(index) if fate == "invalid" else b'{"n":%d}' % index


ENDS = (Death, BrevoBulkError, BrevoRequestError, BrevoSourceError)


def run(world, options):
    """Make tries until one comes to an end; return its numbers, and what was in flight at each death."""
    in_flight, paused = set(), None
    for number in range(1, 60):
        world.dead = world.stopped = False
        try:
            result = send_events(
                world,
                world.rows,
                options=options,
                prepare=prepare,
                store=world,
                rejected=Rejected(world),
                attempt=Attempt(try_number=number if world.saved else 1),
                paused=paused,
                stop=world.stop,
            )
        except BulkPaused as pause:
            paused = Progress.from_json(json.loads(json.dumps(pause.progress.to_json())), kept_in="the trigger")
        except BrevoIncompleteError as error:
            return error.result, in_flight
        except ENDS as error:
            if isinstance(error, BrevoBulkError) and not (world.stopped or isinstance(error, BrevoSourceChangedError)):
                raise
            paused = None
            progress = world.load()
            assert not progress or world.dead or options.delivery == "at_least_once" or not progress.in_flight
            in_flight |= numbers_of(progress.in_flight) if progress else set()
        else:
            return vars(result), in_flight
    raise AssertionError("no end")


def numbers_of(ranges):
    """Return the numbers in some ranges."""
    return {number for start, stop in ranges for number in range(start, stop)}


fates = st.lists(
    st.sampled_from(["taken", "taken", "taken", "refused", "refused once", "invalid"]), min_size=1, max_size=40
)
faults = st.lists(st.sampled_from([None, None, *FAULTS, "large", "none taken", "broken", "short"]), max_size=8)
deaths = st.lists(st.integers(2, 60), max_size=5, unique=True)


@settings(max_examples=600)
@given(
    fates,
    faults,
    deaths,
    st.sampled_from(["at_least_once", "at_most_once"]),
    st.builds(dict, batch_size=st.integers(1, 9), max_in_flight=st.integers(1, 3), pause_after=st.none() | st.just(5)),
    st.lists(st.integers(0, 40), max_size=2),
    st.lists(st.integers(0, 60), max_size=2),
)
def test_interrupted_and_resumed_equals_uninterrupted(fates, faults, deaths, delivery, how, breaks, stops):
    """Whatever Brevo answers and wherever it dies or is stopped: each event has its fate once, or is uncertain."""
    options = BulkOptions(delivery=delivery, on_invalid="skip", max_rejected=len(fates), max_retries=20, **how)
    with tempfile.TemporaryDirectory() as folder:
        world = World(fates, faults, deaths, folder, breaks, stops)
        result, in_flight = run(world, options)
        lines = [json.loads(line) for line in world.path.read_bytes().splitlines()] if world.path.exists() else []
        left = list(Path(folder).iterdir())
    progress = world.load()
    uncertain = numbers_of(progress.uncertain)
    event(f"{delivery}, {'in flight at a death' if in_flight else 'nothing in flight'}")

    once = delivery == "at_most_once"
    assert uncertain == ((in_flight | world.unknown) if once else set())
    expected = {at: fate for at, fate in enumerate(fates) if fate in {"refused", "invalid"} and at not in uncertain}
    assert sorted(line["index"] for line in lines) == sorted(expected)
    settled = {at for at, fate in enumerate(fates) if fate.startswith(("taken", "refused once"))} - uncertain
    missing = settled - world.taken.keys()
    assert len(missing) <= result["unidentified"] <= faults.count("short")
    assert result["accepted"] == len(settled) - result["unidentified"]
    assert result["rejected"] == len(lines)
    assert result["uncertain"] == len(uncertain)
    assert result["total"] == len(fates)
    assert not progress.in_flight
    assert not progress.waiting
    assert {path.name for path in left if ".part-" in path.name} <= orphans(world, progress)
    if once:
        assert max(world.taken.values(), default=1) == 1
    else:
        assert {at for at, count in world.taken.items() if count > 1} <= in_flight | world.unknown


def orphans(world, progress):
    """Name the parts that no checkpoint counts: written right before a death."""
    counted = {f"{world.path.name}.part-{session}-{at}" for session, n in progress.parts.items() for at in range(n)}
    every = {f"{world.path.name}.part-{session}-{at}" for session in range(60) for at in range(60)}
    return every - counted


@given(fates, st.integers(4, 30), st.lists(st.just("taken"), max_size=20))
def test_rows_appended_between_tries_are_sent_as_well(fates, death, more):
    """A later try goes on with the longer source."""
    options = BulkOptions(on_invalid="skip", max_rejected=99, batch_size=3, max_in_flight=1)
    with tempfile.TemporaryDirectory() as folder:
        world = World(list(fates), [], [death], folder)
        with contextlib.suppress(Death):
            send_events(world, lambda: fates, options=options, prepare=prepare, store=world, rejected=Rejected(world))
        world.dead, world.deaths = False, set()
        progress = world.load()
        if not progress or progress.finished:
            return  # it died too early or too late
        world.fates += more
        result, _ = run(world, options)
    assert result["total"] == len(world.fates)
    assert result["accepted"] == sum(fate in {"taken", "refused once"} for fate in world.fates)


@given(st.integers(1, 30), st.integers(4, 20), st.floats(0, 0.99), st.sampled_from(["changed", "cut", "inserted"]))
def test_a_changed_source_is_refused_before_anything_is_sent(count, death, place, what):
    """Another event, one less, or one more amid the planned part is noticed."""
    options = BulkOptions(batch_size=3, max_in_flight=1)
    world = World(["taken"] * count, [], [death], "nowhere")
    with contextlib.suppress(Death):
        send_events(world, lambda: world.fates, options=options, prepare=prepare, store=world)
    world.dead, world.deaths = False, set()
    progress = world.load()
    if not progress or not progress.planned or progress.finished:
        return  # it died too early or too late
    event(what)
    at = int(place * progress.planned)
    rows = [b'{"n":%d}' % index for index in range(count)]
    added, rest = {"changed": ([b'{"n":-1}'], rows[at + 1 :]), "cut": ([], []), "inserted": ([b'{"n":-1}'], rows[at:])}[
        what
    ]
    changed = [*rows[:at], *added, *rest]
    before = world.sent.total()
    with pytest.raises(BrevoSourceChangedError, match="isn't the one"):
        send_events(
            world,
            lambda: changed,
            options=options,
            prepare=lambda _, row: row,
            store=world,
            attempt=Attempt(try_number=2),
        )
    assert world.sent.total() == before


@pytest.mark.parametrize("death", [0, 60, 101])
def test_thousands_of_single_events_to_be_sent_again_fit_into_a_checkpoint(death):
    """Where every other event is to be sent again, nothing new is planned until there is room, and it goes on."""
    fates = ["taken", "refused once"] * 8000
    with tempfile.TemporaryDirectory() as folder:
        world = World(fates, [], [death], folder)
        result, _ = run(world, BulkOptions(max_in_flight=2))
    assert result["accepted"] == len(fates)


def test_what_was_recorded_and_not_sent_is_not_uncertain_where_the_task_ends_by_itself():
    """The source breaks while a first request is slow: only a dead process leaves its other batches in flight."""
    options = BulkOptions(delivery="at_most_once", on_invalid="skip", batch_size=1, max_in_flight=1)
    with tempfile.TemporaryDirectory() as folder:
        world = World(["taken"] * 20, [], [], folder, breaks=[9])
        world.seconds = 0.05
        with pytest.raises(BrevoSourceError):
            send_events(world, world.rows, options=options, prepare=prepare, store=world)
        progress = world.load()
        assert (progress.in_flight.count(), progress.uncertain.count()) == (0, 0)
        assert progress.waiting.count() == progress.planned - progress.accepted > 0
        result, _ = run(world, options)
    assert (result["accepted"], result["uncertain"]) == (20, 0)


def test_the_file_of_a_try_that_died_before_it_was_recorded_does_not_stay():
    """Its rejections are uncertain, or looked at again: the file holds what the checkpoint counts, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        world = World([], [], [], folder)
        world.path.write_text("of a try that died")
        assert Rejected(world).merge(Progress()) is None
        assert not world.path.exists()
