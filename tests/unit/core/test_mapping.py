"""A flat row becomes an event, column by column."""

import copy
import dataclasses
import math
import pickle
from collections import UserDict, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

import numpy as np  # noqa: TID253 # a test of numpy's values
import pandas as pd  # noqa: TID253 # a test of pandas' values
import pytest

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.core.payload import MAX_DEPTH
from airflow_provider_brevo.core.validation import prepare_event
from airflow_provider_brevo.exceptions import BrevoUsageError

NAIVE = datetime(2026, 1, 31, 10)  # noqa: DTZ001 # naive on purpose
PARIS = ZoneInfo("Europe/Paris")
BAD = {"number", "boolean", "date", "json"}


class Key(Enum):
    """A key of an object."""

    TOTAL = "total"


def mapping_of(properties, **more):
    """Make a mapping whose identifiers need no column."""
    return EventMapping(event_name="e", identifiers={"email_id": "a@example.com"}, event_properties=properties, **more)


def read(value, type_="text", **more):
    """Convert a row with one column; return the value and the violations as (pointer, rule)."""
    converted = mapping_of({"p": Column("c", type=type_)}, **more).convert({"c": value})
    return converted.value["event_properties"].get("p"), [(v.pointer, v.rule) for v in converted.violations]


def test_a_row_becomes_an_event():
    """Columns are replaced at any depth, and constants stay what they are."""
    mapping = EventMapping(
        event_name=Column("name"),
        identifiers={"email_id": Column("email"), "ext_id": "x"},
        event_properties={
            "total": Column("total", type="number"),
            "source": "email",
            "shop": {"tags": [Column("tag"), "fixed", 1], "nothing": None},
        },
        contact_properties={"VIP": Column("vip", type="boolean")},
        event_date=Column("at", type="date"),
        object={"type": "order", "identifiers": {"ext_id": Column("order")}},
    )
    row = {"name": "n", "email": "a@example.com", "total": "42.5", "tag": "t", "vip": "no", "order": "1", "more": 1}
    row["at"] = "2026-01-31T10:00:00Z"

    converted = mapping.convert(row)

    assert converted.violations == []
    assert converted.value == {
        "event_name": "n",
        "identifiers": {"email_id": "a@example.com", "ext_id": "x"},
        "event_properties": {
            "total": 42.5,
            "source": "email",
            "shop": {"tags": ["t", "fixed", 1], "nothing": None},
        },
        "contact_properties": {"VIP": False},
        "event_date": NAIVE.replace(tzinfo=UTC),
        "object": {"type": "order", "identifiers": {"ext_id": "1"}},
    }
    assert prepare_event(converted.value)["event_date"] == "2026-01-31T10:00:00+00:00"


def test_a_column_may_hold_a_whole_object():
    """Properties that are JSON in one column need no list of their own."""
    mapping = EventMapping(event_name="e", identifiers=Column("ids"), event_properties=Column("props", type="json"))

    converted = mapping.convert({"ids": {"ext_id": "1"}, "props": '{"a": [1, {"b": null}]}'})

    assert converted.value == {
        "event_name": "e",
        "identifiers": {"ext_id": "1"},
        "event_properties": {"a": [1, {"b": None}]},
    }


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("text", "00123", "00123"),
        ("text", " 42 ", " 42 "),
        ("text", "", ""),
        ("number", "42", 42),
        ("number", " -7 ", -7),
        ("number", "+5", 5),
        ("number", "0", 0),
        ("number", "42.0", 42.0),
        ("number", "5.", 5.0),
        ("number", "-.5", -0.5),
        ("number", "1e3", 1000.0),
        ("number", ".5E-2", 0.005),
        ("number", "1e400", math.inf),
        ("number", str(2**70), 2**70),
        ("boolean", "true", True),
        ("boolean", " YES ", True),
        ("boolean", "1", True),
        ("boolean", "False", False),
        ("boolean", "no", False),
        ("boolean", "0", False),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("date", "2026-01-31 10:00:00", NAIVE),
        ("date", " 2026-01-31T10:00 ", NAIVE),
        ("date", "2026-01-31t10:00:00z", NAIVE.replace(tzinfo=UTC)),
        ("date", "2026-01-31 10:00:00.5+01", NAIVE.replace(microsecond=500000, tzinfo=timezone(timedelta(hours=1)))),
        ("json", "null", None),
        ("json", ' "x" ', "x"),
        ("json", "[1.5, true]", [1.5, True]),
    ],
)
def test_text_is_read_by_the_type_of_its_column(type_, text, expected):
    """Each type makes of a cell what it says, and nothing else."""
    value, violations = read(text, type_)

    assert (type(value), value) == (type(expected), expected)
    assert violations == []


@pytest.mark.parametrize(
    ("type_", "text", "rule"),
    [
        *(
            ("number", text, "type")
            for text in ("", " ", "1,5", "nan", "inf", "-Infinity", "0x10", "1_000", "00123", "٣", "1 000", "1e", ".")
        ),
        ("number", "9" * 5000, "type"),
        *(("boolean", text, "type") for text in ("", "oui", "2", "t", "on")),
        *(
            ("date", text, "date")
            for text in ("", "31/01/2026", "2026-02-30", "2026-13-01", "2026-01-31 25:00", "1769853600", "yesterday")
        ),
        *(("json", text, "json") for text in ("", "{", "NaN", "[Infinity]", '{"a": 1, "a": 2}', "[" * 100_000)),
    ],
)
def test_text_of_another_type_is_refused(type_, text, rule):
    """A cell that isn't of its column's type is left out and told by its place and rule."""
    assert read(text, type_) == (None, [("/event_properties/p", rule)])


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("text", 1.5, 1.5),
        ("text", Decimal("1.10"), Decimal("1.10")),
        ("number", 3, 3),
        ("number", 1.5, 1.5),
        ("number", Decimal("1.10"), Decimal("1.10")),
        ("number", np.int64(3), 3),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", np.bool_(1), True),
        ("date", NAIVE, NAIVE),
        ("date", date(2026, 1, 31), date(2026, 1, 31)),
        ("date", np.datetime64("2026-01-31T10"), NAIVE),
        ("json", {"a": (1,)}, {"a": [1]}),
        ("json", 1, 1),
        *((type_, None, None) for type_ in ("text", *sorted(BAD))),
    ],
)
def test_a_value_that_fits_passes(type_, value, expected):
    """Rows of SQL and Parquet have real types, which the type of the column leaves alone."""
    found, violations = read(value, type_)

    assert (type(found), found) == (type(expected), expected)
    assert violations == []


@pytest.mark.parametrize(
    ("type_", "value", "rule"),
    [
        ("number", True, "type"),
        ("number", [1], "type"),
        ("boolean", 2, "type"),
        ("boolean", 1.0, "type"),
        ("date", 1769853600, "date"),
    ],
)
def test_a_value_of_another_type_is_refused(type_, value, rule):
    """Nothing is guessed from a value that isn't of its column's type."""
    assert read(value, type_) == (None, [("/event_properties/p", rule)])


def test_violations_name_column_and_place_but_no_value():
    """Each column that can't be read is told once, with what to do, and never with what it holds."""
    mapping = mapping_of({"a": {"total": Column("total", type="number")}, "b": [Column("absent"), Column("email")]})

    converted = mapping.convert({"total": "SECRET", "email": "jane@example.com"})

    assert [(v.pointer, v.rule) for v in converted.violations] == [
        ("/event_properties/a/total", "type"),
        ("/event_properties/b/0", "column"),
    ]
    assert converted.value["event_properties"] == {"a": {}, "b": ["jane@example.com"]}
    told = [str(violation) for violation in converted.violations]
    assert "the column 'total', which does not hold a number" in told[0]
    assert 'use type="text"' in told[0]
    assert "the column 'absent', which the row lacks" in told[1]
    assert "SECRET" not in str(converted.violations)


def test_a_row_that_is_no_mapping_is_refused():
    """A list of cells has no columns by name."""
    converted = mapping_of({"p": Column("c")}).convert(["x"])

    assert converted.value == {}
    assert [(v.pointer, v.rule) for v in converted.violations] == [("", "type")]


def test_a_row_is_not_changed():
    """Any mapping is a row, and one that fills itself on access stays as it is."""
    row = defaultdict(str, c="x")

    assert mapping_of({"p": Column("absent")}).convert(row).violations[0].rule == "column"
    assert row == {"c": "x"}
    assert mapping_of({"p": Column("c")}).convert(UserDict(row)).value["event_properties"] == {"p": "x"}


@pytest.mark.parametrize("value", [math.nan, Decimal("NaN"), Decimal("sNaN"), pd.NaT, pd.NA, np.float64("nan")])
def test_nulls_are_kept_or_dropped(value):
    """NaN and its kin reach the conversion, which refuses them, or count as None, which it leaves out."""
    row = {"c": value, "d": [{"x": value}]}
    properties = {"p": Column("c"), "q": Column("d")}

    kept = mapping_of(properties).convert(row).value
    with pytest.raises(Exception, match=r"for 2 reasons"):
        prepare_event(kept)

    dropped = mapping_of(properties, nulls="drop").convert(row).value
    assert dropped["event_properties"] == {"p": None, "q": [{"x": None}]}
    assert prepare_event(dropped)["event_properties"] == {"q": [{}]}


@pytest.mark.parametrize("type_", ["text", *sorted(BAD)])
def test_an_empty_cell_is_dropped_for_every_type(type_):
    """With nulls="drop" an empty text counts as None, whatever the column's type; text of blanks does not."""
    assert read("", type_, nulls="drop") == (None, [])
    assert read(" ", type_, nulls="drop")[0] == (" " if type_ == "text" else None)
    assert len(read(" ", type_, nulls="drop")[1]) == (type_ != "text")


def test_datetimes_without_offset_get_the_time_zone_of_the_mapping():
    """Text, Python's, pandas' and numpy's datetimes, nested ones and constants get it; others keep their offset."""
    aware = NAIVE.replace(tzinfo=UTC)
    properties = {name: Column(name) for name in ("python", "pandas", "numpy", "nested", "aware")}
    properties |= {"text": Column("text", type="date"), "constant": NAIVE}
    row = {
        "text": "2026-01-31 10:00:00",
        "python": NAIVE,
        "pandas": pd.Timestamp(NAIVE),
        "numpy": np.datetime64(NAIVE),
        "nested": [{"at": NAIVE}],
        "aware": aware,
    }

    value = mapping_of(properties, timezone="Europe/Paris").convert(row).value["event_properties"]

    local = NAIVE.replace(tzinfo=PARIS)
    assert value.pop("aware").tzinfo is UTC
    assert value.pop("nested") == [{"at": local}]
    assert {name: str(found) for name, found in value.items()} == dict.fromkeys(value, "2026-01-31 10:00:00+01:00")
    assert mapping_of(properties).convert(row).value["event_properties"]["text"] == NAIVE


def test_a_value_that_contains_itself_ends():
    """What nests without end is left to the conversion, which refuses it."""
    endless = []
    endless.append(endless)
    value = mapping_of({"p": Column("c")}).convert({"c": endless}).value

    with pytest.raises(Exception, match=f"deeper than {MAX_DEPTH} levels|contains itself"):
        prepare_event(value)


def test_columns_and_what_a_header_lacks():
    """The mapping knows its columns, and tells which of them a header lacks, sorted."""
    mapping = mapping_of({"a": Column("z"), "b": [Column("y"), {"c": Column("x")}], "d": Column("x", type="number")})

    assert mapping.columns == {"x", "y", "z"}
    assert mapping.missing(["more", "y"]) == ["x", "z"]
    assert mapping.missing(iter("xyz")) == []


def test_equal_definitions_are_equal_and_hash_alike():
    """A mapping is a value: what was compiled takes no part, nor do the kinds of containers."""
    one = mapping_of({"a": Column("c"), Key.TOTAL: (1, 2)})
    other = mapping_of({"total": [1, 2], "a": Column("c")})
    one.convert({"c": "x"})

    assert one == other
    assert hash(one) == hash(other)
    assert one != mapping_of({"a": Column("c", type="number"), "total": [1, 2]})


def test_a_mapping_survives_pickling_copying_and_replacing():
    """A mapping crosses process borders, also after it was used, and works there."""
    mapping = mapping_of({"p": Column("c", type="number")}, timezone="Europe/Paris", nulls="drop")
    mapping.convert({"c": "1"})

    for other in (pickle.loads(pickle.dumps(mapping)), copy.deepcopy(mapping), dataclasses.replace(mapping)):  # noqa: S301 # pickled here
        assert other == mapping
        assert other.convert({"c": "2"}).value["event_properties"] == {"p": 2}


def test_repr_is_the_definition():
    """The representation is complete and stable: it reads back as an equal mapping, also after use."""
    mapping = mapping_of({"p": Column("c", type="json"), "q": ["x", {"r": None}]}, timezone="UTC")
    before = repr(mapping)
    mapping.convert({"c": '"SECRET"'})

    assert repr(mapping) == before
    assert eval(before, {"EventMapping": EventMapping, "Column": Column}) == mapping  # noqa: S307 # made two lines above


def test_a_mapping_does_not_change():
    """Fields can't be set, and changing what the mapping was made of changes nothing."""
    properties = {"p": Column("c"), "tags": ["x"]}
    mapping = mapping_of(properties)
    properties["tags"].append("y")

    assert mapping.event_properties["tags"] == ["x"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        mapping.event_name = "other"


def test_every_problem_of_a_definition_is_told_at_once():
    """A wrong mapping is refused where it is written, with all that is wrong."""
    with pytest.raises(BrevoUsageError) as caught:
        EventMapping(
            event_name="",
            identifiers={},
            event_properties={"a": {1, 2}, "b": [None], 3: "x", "c": Column("", type="nmber"), "d": Column(4)},
            contact_properties=[1],
            timezone="Europe/Nowhere",
            nulls="ignore",
        )

    told = str(caught.value)
    assert told.startswith("The mapping can't be used: event_name must be text or a Column; ")
    for problem in (
        "contact_properties must be a dict or a Column",
        "identifiers are empty",
        "a Column has no name; the type of column '' must be one of text, number, boolean, date, json; a Column has no",
        "/event_properties/a is of type set, which has no JSON form",
        "/event_properties/b/0 is None",
        "/event_properties/<key 3> has a key of type int",
        "timezone must be an IANA name",
        "nulls must be one of keep, drop",
    ):
        assert problem in told


def test_a_definition_that_contains_itself_is_refused():
    """A template without end could not be compiled."""
    endless = {"c": Column("c")}
    endless["more"] = endless
    with pytest.raises(BrevoUsageError, match="deeper than|contains itself"):
        mapping_of(endless)


@pytest.mark.parametrize("identifiers", [None, {}])
def test_identifiers_are_required(identifiers):
    """Without identifiers no event is valid, so the mapping isn't either."""
    with pytest.raises(BrevoUsageError, match="identifiers are empty"):
        EventMapping(event_name=Column("c"), identifiers=identifiers)


@pytest.mark.parametrize("zone", ["", "Europe", "../etc/passwd", "/etc/localtime", 3, UTC])
def test_a_time_zone_is_an_iana_name(zone):
    """Anything but the name of a known zone is refused."""
    with pytest.raises(BrevoUsageError, match="timezone must be an IANA name"):
        mapping_of({"p": Column("c")}, timezone=zone)


def test_a_mapping_without_columns_is_refused():
    """Names of columns that were written as plain text are constants, which is noticed where all are."""
    with pytest.raises(BrevoUsageError, match=r'write Column\("total"\)'):
        EventMapping(event_name="e", identifiers={"email_id": "email"})
