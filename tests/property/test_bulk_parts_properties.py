"""What sending many events is made of: packing, sets of places, and the fast way of events that are plainly valid."""

import collections
import itertools
import json
import math
import types
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from airflow_provider_brevo.core.batches import MAX_BYTES, Planner, Rejection
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.payload import convert_event
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.shapes import Shape
from airflow_provider_brevo.core.validation import encode_if_valid, encode_plain, violations_of

np = pytest.importorskip("numpy")

# -------------------------------------------------------------------------------------------------------- packing

sizes = st.integers(1, 60) | st.sampled_from([100_000, 255_993, 255_994, 300_000, MAX_BYTES - 13])
sources = st.lists(sizes | st.none(), max_size=60)  # None stands for an invalid event


def invalid(index):
    """Say that an event breaks a rule."""
    return Rejection(index=index, where="here", reasons=("no",), rules=("required",))


def plan(source, **options):
    """Pack events of these sizes; each has its place in its first bytes."""

    def prepare(index, size):
        return invalid(index) if size is None else b"%d" % index if size < 3 else b"%d".ljust(size) % index

    planner = Planner(source, prepare, **options)
    return list(planner.batches()), planner


@given(sources, st.integers(1, 200))
def test_packing_loses_doubles_and_reorders_nothing_and_keeps_both_limits(source, batch_size):
    """Batches hold the valid events in order, by their places, and no batch could have taken the next event."""
    batches, planner = plan(source, batch_size=batch_size)

    assert planner.total == len(source)
    assert [at for batch in batches for at in batch.indices] == [at for at, size in enumerate(source) if size]
    assert all(int(sent) == at for batch in batches for at, sent in zip(batch.indices, batch.events, strict=True))
    assert sum(len(batch.rejections) for batch in batches) == source.count(None)
    for batch in batches:
        assert len(batch.events) <= batch_size
        assert len(batch.body) <= MAX_BYTES
        assert all(at < batch.stop for at in batch.indices)
    for batch, following in itertools.pairwise(batches):
        assert batch.stop < following.stop
        full = len(batch.body) + len(following.events[0]) + 1 >= MAX_BYTES if following.events else False
        assert len(batch.events) == batch_size or full
    if batches:
        assert batches[-1].stop == len(source)


@given(sources, st.data())
def test_a_later_try_plans_what_waits_and_what_is_new(source, data):
    """Whatever was planned and whatever of it waits: these events come once, then all after them."""
    planned = data.draw(st.integers(0, len(source)))
    valid = [at for at, size in enumerate(source) if size]
    waiting = data.draw(st.sets(st.sampled_from(valid))) if valid else set()
    progress = Progress(planned=planned, digest=plan(source[:planned])[0][-1].digest if planned else "")
    for at in waiting:
        if at < planned:
            progress.waiting.add(at, at + 1)
    batches, _ = plan(source, batch_size=7, resumed=progress)

    assert [at for batch in batches for at in batch.indices] == [at for at in valid if at >= planned or at in waiting]
    assert sum(len(batch.rejections) for batch in batches) == source[planned:].count(None)
    assert all(batch.stop >= planned and len(batch.events) <= 7 for batch in batches)


def test_invalid_events_without_end_are_not_collected_in_memory():
    """A source without valid events comes in batches of 200 rejections."""
    batches, _ = plan([None] * 450)
    assert [(batch.stop, len(batch.rejections)) for batch in batches] == [(200, 200), (400, 200), (450, 50)]


# ---------------------------------------------------------------------------------------------------------- ranges

places = st.integers(0, 30) | st.integers(0, 10**12)
steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "remove", "clear"]), places, st.integers(-2, 12)), max_size=30
)


@given(steps)
def test_ranges_behave_as_sets_of_numbers(steps):
    """Adding and removing runs does to them what it does to a set, and they stay few, sorted and disjoint."""
    ranges, numbers = Ranges(), set()
    for step, start, length in steps:
        run = set(range(start, start + length))
        if step == "clear":
            ranges.clear()
            numbers.clear()
        elif step == "add":
            ranges.add(start, start + length)
            numbers |= run
        else:
            ranges.remove(start, start + length)
            numbers -= run
        runs = list(ranges)
        assert [number for begin, end in runs for number in range(begin, end)] == sorted(numbers)
        assert all(begin < end for begin, end in runs)
        assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(runs))
        assert ranges.count() == len(numbers)
        assert bool(ranges) == bool(numbers)
        assert all((number in ranges) == (number in numbers) for number in range(start - 2, start + length + 2))
    assert Ranges.from_json(json.loads(json.dumps(ranges.to_json()))) == ranges
    assert Ranges(ranges) == ranges


@given(st.lists(st.integers(0, 10**9) | st.integers() | st.floats() | st.booleans() | st.text(max_size=2), max_size=6))
def test_what_is_no_ranges_is_refused_or_read_as_a_set(deltas):
    """Numbers in pairs, none below zero; anything else is a ValueError."""
    right = len(deltas) % 2 == 0 and all(type(delta) is int and delta >= 0 for delta in deltas)
    try:
        ranges = Ranges.from_json(deltas)
    except ValueError:
        assert not right
    else:
        assert right
        assert ranges.count() == sum(deltas[1::2])


# -------------------------------------------------------------------------------------------------- the fast way


class Colour(Enum):
    RED = "red"
    NUMBER = 7


class Size(IntEnum):
    LARGE = 3


class Word(StrEnum):
    YES = "yes"


class Text(str):  # noqa: SLOT000 # as people write them
    pass


class Count(int):
    pass


class Ratio(float):
    pass


@dataclass
class Point:
    x: int = 1


class Pair(NamedTuple):
    a: int
    b: int


numbers = (
    st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**18, 10**19, 10**30, -0.0, 1e22, 5e-324])
    | st.floats()
    | st.decimals()
    | st.fractions()
)
texts = st.text(max_size=6) | st.sampled_from(["\ud800", "a\udfff", "\u2028", "\x00", '"\\', "9" * 25, "{[" * 40, "é"])
odd = st.sampled_from(
    [
        *(None, True, False, ..., Colour.RED, Colour.NUMBER, Size.LARGE, Word.YES, Text("t"), Count(3)),
        *(Ratio(1.5), Point(), Pair(1, 2), uuid.UUID(int=7), date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        *(
            np.float64(1.5),
            np.float32(0.1),
            np.int64(3),
            np.bool_(True),
            np.str_("n"),
            np.float64("nan"),
            np.array([1]),
        ),
        *(b"bytes", bytearray(b"b"), {1}, frozenset({1}), range(3), (1, 2), Decimal("1.10"), math.inf, -math.inf),
        *(collections.OrderedDict(a=1), collections.Counter("a"), types.MappingProxyType({"a": 1}), object()),
    ]
)
keys = st.sampled_from(["a", "b-1", "A_Z", "a b", "", "x" * 256, "ä", Word.YES, Text("k"), 1, None, "\ud800"])
scalars = numbers | texts | odd
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)


def nested(depth, kind):
    """Nest a value that deep."""
    value = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


deep = st.builds(nested, st.sampled_from([1, 29, 30, 31, 32, 33, 34, 200]), st.sampled_from([list, dict]))
dates = st.sampled_from(["2026-03-01T14:30:00Z", "2026-03-01", "2026-02-30T00:00:00Z", "soon", ""]) | scalars
identifiers = st.dictionaries(
    st.sampled_from(["contact_id", "email_id", "ext_id", "phone_id", "unknown"]),
    st.sampled_from([42, 42.0, "42", "a@example.com", True, 2**63, Count(4), "007"]) | scalars,
    max_size=2,
)
plain = st.recursive(
    st.text(max_size=6)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b-1", "A_Z"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def nearly_valid(draw):
    """Draw a valid event, with at most one strange value in it."""
    strange = draw(scalars | deep)
    names = st.sampled_from(["a", "b-1", "A_Z"])
    made = {
        "event_name": "order_completed",
        "identifiers": {"email_id": "a@example.com", "contact_id": draw(st.integers(1, 9))},
        "event_date": "2026-03-01T14:30:00Z",
        "event_properties": draw(st.dictionaries(names, plain, max_size=3)),
        "contact_properties": {"NAME": draw(st.text(max_size=3)), "AGE": draw(st.integers(0, 99))},
        "object": {"type": "order", "identifiers": {"id": "7"}},
    }
    place = draw(st.sampled_from([None, *made, "in it", "in it"]))
    inside = draw(st.sampled_from(["identifiers", "event_properties", "contact_properties", "object"]))
    if place == "in it":
        made[inside][draw(st.sampled_from(["contact_id", "email_id", "a", "AGE", "type", "identifiers"]) | keys)] = (
            strange
        )
    elif place:
        made[place] = strange
    return made


events = st.fixed_dictionaries(
    {
        "event_name": st.just("order_completed") | texts | odd,
        "identifiers": st.just({"email_id": "a@example.com"}) | st.just({"contact_id": 7}) | identifiers | odd,
    },
    optional={
        "event_date": dates,
        "event_properties": st.dictionaries(keys, values, max_size=3) | deep | scalars,
        "contact_properties": st.dictionaries(keys, scalars | deep, max_size=3) | scalars,
        "object": st.fixed_dictionaries(
            {
                "type": st.just("order") | scalars,
                "identifiers": st.dictionaries(st.sampled_from(["id", "ext_id"]), scalars),
            }
        ),
        "more": scalars,
    },
)


@settings(max_examples=1200)
@given(nearly_valid() | nearly_valid() | events | values | st.builds(collections.OrderedDict, events))
@example({"event_name": "e", "identifiers": {"contact_id": 7.0}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "event_properties": {"a": None}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "event_properties": {"a": (1, 2)}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "event_properties": {"a": 2**63}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "event_properties": {"x": "y" * 51_300}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "contact_properties": {"AT": None}})
@example({"event_name": "e", "identifiers": {"email_id": "a"}, "object": {"type": "t", "identifiers": {"id": 7}}})
def test_what_is_valid_at_once_would_be_sent_the_same_after_conversion(value):
    """The fast way sends, byte by byte, what conversion and the complete checks would let pass."""
    encoded = encode_if_valid(value)
    event("valid at once" if encoded else "looked at again")
    if encoded is not None:
        converted = convert_event(value)
        assert violations_of(converted) == []
        assert encode_plain(converted.value) == encoded


@settings(max_examples=600)
@given(st.lists(nearly_valid() | nearly_valid() | events, max_size=4), st.lists(nearly_valid() | events, max_size=3))
def test_what_looks_like_valid_events_would_be_sent_the_same_after_conversion(seen, then):
    """Whatever a shape has learned, it lets nothing pass that the complete checks would not."""
    shape = Shape()
    for value in seen:
        shape.encode(value)
    for values_ in ([value] for value in [*seen, *then]):
        encoded = shape.encode_all(values_)
        event("known" if encoded else "unknown")
        if encoded is not None:
            converted = convert_event(values_[0])
            assert violations_of(converted) == []
            assert encode_plain(converted.value) == encoded[0]


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5) | st.integers(-(10**9), 10**9) | st.booleans()))
def test_plain_events_take_the_fast_way(properties):
    """Most rows of a large source need no second look."""
    assert encode_if_valid({"event_name": "e", "identifiers": {"ext_id": "7"}, "event_properties": properties})
