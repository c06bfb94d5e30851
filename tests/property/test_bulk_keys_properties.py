"""Rows of a query in the order of a key, wherever the process dies, and whatever happens to the table meanwhile."""

import json
import sqlite3
import threading
from collections import Counter

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_brevo.core import outcomes, recording, retry, sending
from airflow_provider_brevo.core.batch_answers import BatchAnswer, Refusal
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import Attempt, BulkOptions
from airflow_provider_brevo.core.checkpoint import MAX_BYTES, Progress
from airflow_provider_brevo.core.keys import KeyedRows
from airflow_provider_brevo.core.sql_rows import query_of_span, read_query
from airflow_provider_brevo.exceptions import BrevoConnectionLostError, BrevoIncompleteError

SQL = "SELECT k AS key, 'paid' AS event_name, json_object('ext_id', CAST(n AS TEXT)) AS identifiers FROM t"


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "_FIRST_PAUSE", 0.0005)
        patch.setattr(outcomes, "_LONGEST_PAUSE", 0.0005)
        patch.setattr(recording, "SECONDS_BETWEEN_WRITES", 0.0005)
        patch.setattr(sending, "_TICK", 0.002)
        yield


class Death(BaseException):
    """The process dies: nothing that it does from now on has an effect."""


class World:
    """What outlives the process: a table, Brevo, the checkpoint.

    :param numbers: of the rows of the table.
    :param key: makes a row's key of its number.
    :param deaths: the operations at which the process dies, before or after what they do.
    :param fates: what becomes of the requests in turn: a place that passes at a later time only, ``lost``, or nothing.
    """

    durable = True
    kept_in = "the test"

    def __init__(self, numbers, key, deaths, fates):
        self.table = sqlite3.connect(":memory:", check_same_thread=False)
        self.table.execute("CREATE TABLE t (n INTEGER, k UNIQUE COLLATE NOCASE)")
        self.key, self.deaths, self.fates = key, set(deaths), list(fates)
        self.taken, self.twice = Counter(), 0
        self.saved, self.operations, self.dead = None, 0, False
        self._lock = threading.RLock()
        self.add(numbers)

    def start(self):
        """Begin a try: what is in flight by the record may be sent a second time."""
        self.dead = False
        self.twice += self.load().in_flight.count() if self.saved else 0

    def add(self, numbers):
        self.table.executemany("INSERT OR IGNORE INTO t VALUES (?, ?)", [(n, self.key(n)) for n in numbers])

    def remove(self, numbers):
        self.table.executemany("DELETE FROM t WHERE n = ?", [(n,) for n in numbers])

    def rows(self):
        def read(span):
            sql, parameters = query_of_span(SQL, None, span, column="key", placeholder="?")
            return read_query(self.table, sql, parameters)

        return KeyedRows("key", read)

    def operate(self, do):
        with self._lock:
            self.operations += 1
            if self.dead or 2 * self.operations in self.deaths:
                self.dead = True
                raise Death
            do()
            if 2 * self.operations + 1 in self.deaths:
                self.dead = True
                raise Death

    def load(self):
        return None if self.saved is None else Progress.from_json(json.loads(self.saved), kept_in=self.kept_in)

    def save(self, progress):
        self.operate(lambda: setattr(self, "saved", json.dumps(progress.to_json(), separators=(",", ":"))))
        assert len(self.saved) <= MAX_BYTES

    def wait_for_batch(self, *, at_most):  # noqa: ARG002 # the sender's
        return 0.0

    def batch_rate(self):
        return None

    def send_batch(self, body, *, count):
        numbers = [int(sent["identifiers"]["ext_id"]) for sent in json.loads(body)["events"]]
        fate = self.fates.pop() if self.fates else None
        later = fate if isinstance(fate, int) and fate < count else None
        self.operate(lambda: self.taken.update(n for at, n in enumerate(numbers) if at != later))
        if fate == "lost":
            self.twice += count
            raise BrevoConnectionLostError("The connection broke", advice="look")
        refused = {} if later is None else {later: Refusal(reason="later", transient=True)}
        return BatchAnswer(accepted=count - len(refused), refused=refused)


def prepare(index, row):
    """Make an event's JSON of a row; some have none."""
    from airflow_provider_brevo.core.batches import Rejection  # noqa: PLC0415 # beside its only use

    number = int(json.loads(row["identifiers"])["ext_id"])
    if number % 10 == 9:  # every tenth is invalid
        return Rejection(index=index, where="here", reasons=("no",), rules=("no",))
    return json.dumps({"identifiers": {"ext_id": str(number)}}).encode()


KEYS = {"numbers": lambda n: 7 * n - 50, "text": lambda n: f"{'aB'[n % 2]}{n:03}"}
FATES = st.one_of(st.none(), st.just("lost"), st.integers(0, 4))


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(sorted(KEYS)),
    delivery=st.sampled_from(["at_least_once", "at_most_once"]),
    on_invalid=st.sampled_from(["skip", "skip", "fail"]),
    numbers=st.sets(st.integers(0, 120), min_size=1, max_size=60),
    late=st.lists(st.sets(st.integers(0, 120), max_size=8), max_size=4),
    gone=st.sets(st.integers(0, 120), max_size=4),
    deaths=st.sets(st.integers(2, 80), max_size=6),
    fates=st.lists(FATES, max_size=12),
    batch_size=st.integers(1, 7),
)
def test_rows_are_sent_whatever_comes_between_them(
    key, delivery, on_invalid, numbers, late, gone, deaths, fates, batch_size
):
    """No row that stays is lost, only what was in flight is sent twice, and the numbers are right."""
    if on_invalid == "fail":
        numbers, late = {n for n in numbers if n % 10 != 9} or {1}, [{n for n in some if n % 10 != 9} for some in late]
    world = World(numbers, KEYS[key], deaths, fates)
    options = BulkOptions(
        delivery=delivery, on_invalid=on_invalid, max_rejected=10**6, batch_size=batch_size, max_retries=3
    )
    tries, came = 0, set(numbers)
    while True:
        tries += 1
        world.start()
        try:
            result = send_events(
                world,
                world.rows,
                options=options,
                prepare=prepare,
                store=world,
                attempt=Attempt(try_number=1, max_tries=99),
            )
        except Death:
            if late:
                came |= late[-1]
                world.add(late.pop())
            world.remove(gone)
        except BrevoConnectionLostError:
            pass
        except BrevoIncompleteError as error:
            result = error.result
            break
        else:
            result = {name: getattr(result, name) for name in ("total", "accepted", "rejected", "uncertain")}
            break
    event(f"{min(tries, 4)} tries")
    valid = {n for n in numbers if n % 10 != 9} - gone
    assert world.taken.total() - len(world.taken) <= world.twice
    assert set(world.taken) <= came
    assert result["total"] == result["accepted"] + result["rejected"] + result["uncertain"]
    if delivery == "at_most_once":
        assert set(world.taken.values()) <= {1}
    else:
        assert valid <= set(world.taken)
        refused = any(isinstance(fate, int) for fate in fates)  # what a lost request brought may be refused later
        assert result["accepted"] == len(world.taken) or gone or refused
    assert len(valid - set(world.taken)) <= result["uncertain"] + result["rejected"]
    assert result["accepted"] <= len(world.taken)
    finished = world.load()
    assert finished.finished
    assert not finished.in_flight
    assert not finished.waiting


def test_rows_beyond_the_last_key_are_sent_by_a_later_try():
    """What comes in behind is read by the next try; what comes in before what was settled is not, and nothing fails."""
    world = World(range(10, 50), KEYS["numbers"], {12}, [])
    options = BulkOptions(on_invalid="skip", max_rejected=100, batch_size=5, max_in_flight=1)

    def run():
        world.start()
        return send_events(world, world.rows, options=options, prepare=prepare, store=world)

    with pytest.raises(Death):
        run()
    assert 0 < len(world.taken) < 36
    world.add([0, 1, 60, 61])
    result = run()
    assert set(world.taken) == {n for n in range(10, 50) if n % 10 != 9} | {60, 61}
    assert world.taken.total() > len(world.taken)  # those in flight at the death
    assert (result.total, result.accepted, result.rejected) == (42, 38, 4)
