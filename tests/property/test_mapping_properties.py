"""Whatever a row and a file hold, a mapping and a reader give values or reasons, and never content in a reason."""

import contextlib
import csv
import io
import itertools
import json
import pickle

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.core.payload import convert_event
from airflow_provider_brevo.core.sources import BrokenRow, read_rows
from airflow_provider_brevo.exceptions import BrevoSourceError

TYPES = ["text", "number", "boolean", "date", "json"]
NAMES = list("abcd")

columns = st.builds(Column, st.sampled_from(NAMES), type=st.sampled_from(TYPES))
constants = st.booleans() | st.integers(-9, 9) | st.text("xyz", max_size=3)
templates = st.recursive(
    columns | constants,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l", "m"]), inner, max_size=3),
    max_leaves=8,
)
mappings = st.builds(
    EventMapping,
    event_name=columns,
    identifiers=st.dictionaries(st.sampled_from(["email_id", "ext_id"]), columns, min_size=1),
    event_properties=st.none() | st.dictionaries(st.sampled_from(["p", "q"]), templates, max_size=3),
    contact_properties=st.none() | st.dictionaries(st.sampled_from(["A", "B"]), columns, max_size=2),
    event_date=st.none() | columns,
    timezone=st.none() | st.sampled_from(["UTC", "Europe/Paris"]),
    nulls=st.sampled_from(["keep", "drop"]),
)
cells = (
    st.text(max_size=6)
    | st.sampled_from(["", "42", "-1.5", "true", "2026-01-31", "2026-01-31 10:00:00Z", '{"k": [1]}', "NaN"])
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.datetimes()
    | st.dates()
    | st.decimals()
    | st.binary(max_size=2)
)
rows = st.dictionaries(st.sampled_from(NAMES), cells)


@given(mappings, rows)
def test_every_row_converts_or_says_why(mapping, row):
    """A row gives an event, and a reason for each column that is absent; the row itself stays as it was."""
    before = repr(row)
    converted = mapping.convert(row)

    assert repr(row) == before
    absent = [violation for violation in converted.violations if violation.rule == "column"]
    assert bool(absent) == bool(mapping.missing(row))
    for violation in converted.violations:
        assert violation.pointer.startswith("/")
        assert violation.rule in {"column", "type", "date", "json"}
    json.dumps(convert_event(converted.value).value, allow_nan=False)


@given(mappings, rows)
def test_a_pickled_mapping_is_the_same(mapping, row):
    """A mapping that crossed a process border is equal, hashes alike, looks alike and converts alike."""
    first = mapping.convert(row)
    other = pickle.loads(pickle.dumps(mapping))  # noqa: S301 # pickled right here

    assert other == mapping
    assert (hash(other), repr(other)) == (hash(mapping), repr(mapping))
    assert repr(other.convert(row)) == repr(first)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_their_text(number):
    """What Python writes for a number is read back as the same number, of the same type."""
    mapping = EventMapping(event_name="e", identifiers={"ext_id": Column("n", type="number")})
    value = mapping.convert({"n": str(number)}).value["identifiers"]["ext_id"]
    assert (type(value), value) == (type(number), number)


@given(st.datetimes(timezones=st.none() | st.timezones()) | st.dates())
def test_dates_survive_their_text(value):
    """What Python writes for a date or datetime is read back, whichever character stands between day and time."""
    mapping = EventMapping(event_name="e", identifiers={"ext_id": "x"}, event_date=Column("d", type="date"))
    for text in (value.isoformat(), str(value)):
        assert mapping.convert({"d": text}).value["event_date"].isoformat() == value.isoformat()


objects = st.dictionaries(st.text(max_size=4), st.text(max_size=5) | st.integers() | st.lists(st.none(), max_size=2))


@given(st.lists(objects, max_size=6), st.booleans())
def test_json_that_was_written_is_read_back(items, ascii_only):
    """Every list of objects survives as JSON Lines and as an array."""
    lines = "\n".join(json.dumps(item, ensure_ascii=ascii_only) for item in items)
    array = json.dumps(items, ensure_ascii=ascii_only, indent=1)

    assert list(read_rows(io.BytesIO(lines.encode()), format="jsonl")) == items
    assert list(read_rows(io.BytesIO(array.encode()), format="json")) == items


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)


@given(st.lists(st.tuples(texts, texts), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_csv_that_was_written_is_read_back(records, line_end):
    """Every table that Python's csv module writes is read back cell by cell."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerows([("first", "second"), *records])

    rows = read_rows(io.BytesIO(file.getvalue().encode()), format="csv", columns={"second"})
    assert [tuple(row.values()) for row in rows] == records


@given(st.binary(max_size=80) | st.text('ab,"\n\r{}[]: é\ufeff', max_size=80).map(str.encode))
def test_json_lines_are_rows_or_broken_whatever_they_hold(data):
    """Each line that isn't blank is one row or one broken row, at its own place."""
    found = list(read_rows(io.BytesIO(data), format="jsonl"))
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")

    assert len(found) == sum(1 for line in lines if line.strip())
    for row in found:
        assert not isinstance(row, BrokenRow) or lines[int(row.place.removeprefix("line ")) - 1].strip()


@given(st.lists(st.text('ab,"\n é', max_size=30), max_size=5))
def test_no_row_is_made_up(parts):
    """Of any text, the rows before the first fault are those that Python's csv module reads."""
    text = "a,b\n" + "\n".join(parts)
    wanted = [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells][1:]
    found = []
    with contextlib.suppress(BrevoSourceError):  # a quote that isn't closed
        found.extend(read_rows(io.BytesIO(text.encode()), format="csv"))

    sound = list(itertools.takewhile(lambda row: not isinstance(row, BrokenRow), found))
    assert [list(row.values()) for row in sound] == wanted[: len(sound)]
