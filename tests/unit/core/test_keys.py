"""Keys of rows: what is left to read, how a checkpoint holds it, and which keys can't be used."""

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from engine import Job, RecordingStore, event

from airflow_provider_brevo.core.bulk_states import Attempt
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.keys import ALL, KeyedRows, Keys, Span, json_bytes
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.exceptions import BrevoCheckpointError, BrevoSourceChangedError, BrevoSourceError

KEYS = [
    7,
    "00123",
    Decimal("1.50"),
    date(2026, 3, 1),
    datetime(2026, 3, 1, 14, 30, 0, 17, tzinfo=UTC),
    uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
]


def keyed(keys, *, column="id", drop=True):
    """Return a function that gives rows with these keys, as a database would order them."""

    def read(span):
        inside = [key for key in keys if span.low is None or key > span.low or (key == span.low and not span.above)]
        return [{column: key, **event(key)} for key in inside if span.high is None or key <= span.high]

    return lambda: KeyedRows(column, read, drop=drop)


def places(rows, keys, *, start=0):
    """List what is read: places and keys."""
    return [(place, row["id"]) for place, row in rows.numbered(keys, start=start)]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_a_checkpoint_keeps_keys_with_their_type(key):
    """What a later try asks the database for is what an earlier one got from it."""
    unread = [Span(key, key, above=False), Span(key, key), Span(key)]
    progress = Progress(planned=9, keys=Keys(column="id", unread=unread, of={3: key, 4: key, 7: key, 8: key}))
    progress.in_flight.add(3, 5)
    progress.waiting.add(8, 9)
    content = json.loads(json.dumps(progress.to_json()))
    found = Progress.from_json(content, kept_in="there")
    assert content["version"] == 2
    assert found.keys == Keys(column="id", unread=unread, of={3: key, 4: key, 8: key})
    assert {type(known) for known in found.keys.of.values()} == {type(key)}


def test_a_checkpoint_may_hold_no_key_yet():
    """A try may die before it has read a row."""
    content = Progress(keys=Keys(column="id")).to_json()
    assert Progress.from_json(content, kept_in="there").keys == Keys(column="id", unread=[*ALL])


def test_a_checkpoint_without_keys_is_as_it_was():
    """An older version of the package goes on with it, and this one with an older one's."""
    content = Progress(planned=3).to_json()
    assert content["version"] == 1
    assert "keys" not in content
    assert Progress.from_json(content, kept_in="there").keys is None


@pytest.mark.parametrize(
    "wrong", [None, {}, {"type": "text"}, {"column": "id", "type": "decimal", "unread": [["x"]], "ends": []}]
)
def test_broken_keys_are_no_checkpoint(wrong):
    """They are neither used nor overwritten."""
    content = Progress(keys=Keys(column="id")).to_json() | {"keys": wrong}
    with pytest.raises(BrevoCheckpointError, match="What there holds is no checkpoint"):
        Progress.from_json(content, kept_in="there")


def test_what_is_not_settled_is_read_again_before_the_rest():
    """Runs of places become spans of keys, in their order."""
    keys = Keys(column="id", unread=[Span(90, 95), Span(99)], of={3: 30, 5: 50, 8: 80})
    keys.read_again(Ranges([(3, 6), (8, 9)]))
    assert keys.unread == [Span(30, 50, above=False), Span(80, 80, above=False), Span(90, 95), Span(99)]
    assert keys.of == {}


def test_the_key_may_be_no_field_of_the_event():
    """Where rows are events, it is left out of them."""
    rows = keyed([7])()
    assert [row for _, row in rows.numbered(Keys(column="id"), start=0)] == [event(7)]
    assert rows.key == 7


def test_keys_of_settled_events_are_forgotten():
    """However many events there are, only the keys of those that are under way are kept."""
    keys = Keys(column="id")
    for number in range(0, 100_000, 200):
        keys.note(range(number, number + 200), range(number, number + 200), [Ranges([(number, number + 200)])])
        assert len(keys.of) <= 1600
    assert all(at in keys.of for at in range(99_800, 100_000))


def test_a_place_is_free_between_spans():
    """Places that are neighbours mean keys between which nothing was settled."""
    rows = keyed(range(100), drop=False)()
    keys = Keys(column="id", unread=[Span(3, 4, above=False), Span(50, 50), Span(97)])
    assert places(rows, keys, start=20) == [(20, 3), (21, 4), (24, 98), (25, 99)]
    assert rows.count == 4


def test_what_is_left_is_known_at_each_row():
    """Without the row that was read last, and with it; a span that is read to its end is left out."""
    rows = keyed(range(10), drop=False)()
    keys = Keys(column="id", unread=[Span(1, 3, above=False), Span(6)])
    assert rows.unread(0) == ()
    left = {row["id"]: (rows.unread(place), rows.unread(place + 1)) for place, row in rows.numbered(keys, start=0)}
    assert left[1] == ([Span(1, 3, above=False), Span(6)], [Span(1, 3), Span(6)])
    assert left[3] == ([Span(2, 3), Span(6)], [Span(6)])
    assert left[7] == ([Span(6)], [Span(7)])


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ([1, None], "row 2 is NULL; choose a column without NULLs"),
        ([1, 1], "row 2 is that of the row before; choose a column whose values are unique"),
        ([1, 3, 2], "row 3 comes before that of the row before; choose a column that the query can be ordered by"),
        ([date(2026, 3, 2), date(2026, 3, 1)], "row 2 comes before"),
        ([1, "secret"], "row 2 is a str, after one that is a int; choose a column of whole numbers"),
        ([1.5], "row 1 is a float; choose"),
        ([True], "row 1 is a bool; choose"),
        (["secret" * 17], "row 1 is longer than 100 bytes; choose"),
    ],
)
def test_keys_that_can_not_be_used_are_refused(keys, what):
    """The error names the row, and says nothing of its values."""
    rows = KeyedRows("id", lambda _: [{"id": key} for key in keys])
    with pytest.raises(BrevoSourceError, match=f"^The key 'id' of {what}") as caught:
        places(rows, Keys(column="id"))
    assert "secret" not in str(caught.value)


def test_a_key_of_another_type_than_the_checkpoints_is_refused():
    """A database that knows no types may give another one at each try."""
    rows = KeyedRows("id", lambda _: [{"id": "7"}])
    with pytest.raises(BrevoSourceError, match="is a str, after one that is a int"):
        places(rows, Keys(column="id", unread=[Span(3)]))


def test_bytes_of_keys_are_those_of_their_json():
    """They bound what a record may take."""
    assert json_bytes([1, 22]) == len("[1,22]")
    assert json_bytes([Decimal("1.5")]) == len('["1.5"]')


def test_a_source_that_is_read_in_another_way_is_refused_and_after_a_clear_sent_anew():
    """Places say nothing of keys, keys of one column nothing of those of another."""
    unkeyed, by_id = [event(n) for n in range(3)], keyed(range(3))
    for first, then, how in (
        (unkeyed, by_id, "by the key 'id', and an earlier try has read it by its places"),
        (by_id, unkeyed, "by its places, and an earlier try has read it by the key 'id'"),
        (by_id, keyed(range(3), column="no"), "by the key 'no', and an earlier try has read it by the key 'id'"),
    ):
        store = RecordingStore()
        job = Job(store=store)
        job.run(first, batch_size=1)
        store.saved[-1] |= {"finished": False}
        with pytest.raises(BrevoSourceChangedError, match=f"^The source is read {how}; change that back"):
            job.run(then)
        assert job.run(then, attempt=Attempt(max_tries=2)).accepted == 3
        assert len(job.sender.numbers) == 6


def test_a_checkpoint_that_knows_of_no_row_is_taken_for_any_source():
    """Nothing was read by it."""
    store = RecordingStore(Progress(keys=Keys(column="no")))
    job = Job(store=store)
    assert job.run(keyed(range(3))).accepted == 3
    assert store.last.keys.column == "id"


def test_the_total_is_that_of_all_tries():
    """Places go on from try to try, and no event is counted twice."""
    store = RecordingStore(
        Progress(planned=4, accepted=3, waiting=Ranges([(2, 3)]), keys=Keys(column="id", unread=[Span(3)], of={2: 2}))
    )
    job = Job(store=store)
    result = job.run(keyed(range(6)))
    assert (result.total, result.accepted, job.sender.numbers) == (6, 6, [2, 4, 5])
