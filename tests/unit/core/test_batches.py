"""Rows become batches: converted, checked, packed, and compared with what an earlier try has planned."""

import errno
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from engine import event, events

from airflow_provider_brevo.core import batches, validation
from airflow_provider_brevo.core.batches import MAX_BYTES, Batch, Planner, Preparation, Rejection, Spool
from airflow_provider_brevo.core.bulk_states import MAX_EVENTS
from airflow_provider_brevo.core.checkpoint import Progress
from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.core.sources import BrokenRow
from airflow_provider_brevo.core.validation import load_schema
from airflow_provider_brevo.exceptions import BrevoBulkError, BrevoSourceChangedError, Violation

ROOT = Path(__file__).parents[3]
BROKEN = BrokenRow(place="line 3", violation=Violation(pointer="", rule="json", problem="is broken", advice="mend it"))


def plan(rows, **options):
    """Plan a source to its end."""
    planner = Planner(rows, Preparation(), **options)
    return list(planner.batches()), planner


def planned(rows, **more):
    """Return the progress of a try that has planned these rows and settled them."""
    made, _ = plan(rows)
    return Progress(planned=len(rows), digest=made[-1].digest, **more)


# ---------------------------------------------------------------------------------------------------------- one row


def test_a_plain_event_is_encoded_as_it_is():
    """What is JSON already isn't converted."""
    assert Preparation()(0, event(1)) == b'{"event_name":"order","identifiers":{"ext_id":"1"}}'


def test_pythons_values_are_converted_in_the_time_zone_asked_for():
    """A datetime without an offset is read in the preparation's zone."""
    made = Preparation(timezone=timezone(timedelta(hours=2)))(0, event(1, event_date=datetime(2026, 3, 1, 12)))  # noqa: DTZ001 # the subject
    assert json.loads(made)["event_date"] == "2026-03-01T12:00:00+02:00"


def test_a_flat_row_is_mapped():
    """With a mapping, rows are columns."""
    prepare = Preparation(mapping=EventMapping(event_name="order", identifiers={"ext_id": Column("id")}), timezone=UTC)
    assert json.loads(prepare(0, {"id": 7})) == event(7)


def test_a_row_without_identifier_is_rejected_by_its_column():
    """What the mapping finds is told with what the rules find."""
    prepare = Preparation(mapping=EventMapping(event_name="order", identifiers={"ext_id": Column("id")}))
    made = prepare(5, {"other": 7})
    assert (made.index, made.where) == (5, "here")
    assert "column" in made.rules


def test_an_invalid_event_is_rejected_with_every_reason():
    """Reasons name places and rules; the event goes to the file as it would have been sent."""
    made = Preparation()(3, {"event_name": "order", "event_date": "yesterday"})
    assert made.rules == ("date", "required")
    assert len(made.reasons) == 2
    assert "yesterday" not in str(made)
    assert str(made).startswith("event 3: /identifiers is missing")
    assert json.loads(made.to_line()) == {
        "index": 3,
        "where": "here",
        "reasons": list(made.reasons),
        "event": {"event_name": "order", "event_date": "yesterday"},
    }


def test_unknown_fields_pass_without_validation():
    """Whatever has a JSON form is sent where the rules aren't asked."""
    assert Preparation(validate=False)(0, {"new_field": 1}) == b'{"new_field":1}'


def test_a_row_that_cannot_be_read_is_rejected_by_its_place():
    """The line of a broken row is told, its content isn't."""
    made = Preparation()(2, BROKEN)
    assert (made.reasons, made.event) == (("line 3: the event is broken: mend it",), b"null")


def test_an_event_too_large_for_any_batch_is_invalid():
    """Beyond the limit of a request there is nothing that can be done."""
    fits = {"a": "x" * (MAX_BYTES - len('{"events":[{"a":""}]}'))}
    assert len(Batch(indices=[0], events=[Preparation(validate=False)(0, fits)]).body) == MAX_BYTES
    made = Preparation(validate=False)(0, {"a": fits["a"] + "x"})
    assert made.rules == ("size",)
    assert "too large for a batch of 512,000 bytes" in str(made)


# ---------------------------------------------------------------------------------------------------------- packing


def test_batches_close_at_their_number_of_events():
    """Events stay in order, and the last batch holds the rest."""
    made, planner = plan(events(7), batch_size=3)
    assert [batch.indices for batch in made] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [batch.stop for batch in made] == [3, 6, 7]
    assert planner.total == 7


def test_batches_close_at_their_bytes():
    """No request is larger than Brevo takes, counted in UTF-8."""
    made, _ = plan([event(number, event_properties={"text": "é" * 20_000}) for number in range(30)])
    assert [len(batch.events) for batch in made] == [12, 12, 6]
    assert all(len(batch.body) <= MAX_BYTES for batch in made)


def test_rejections_travel_with_the_batch_after_them():
    """Once a batch is recorded, so are the rejections before its end; a last batch may hold nothing else."""
    made, planner = plan([event(0), {}, event(2), event(3), {}], batch_size=2)
    assert [(batch.indices, [rejection.index for rejection in batch.rejections]) for batch in made] == [
        ([0, 2], [1]),
        ([3], [4]),
    ]
    assert planner.total == 5
    assert [batch.indices for batch in plan([{}])[0]] == [[]]


def test_nothing_but_rejections_stays_flat_in_memory():
    """A source of invalid rows is not collected to its end."""
    made = Planner(({} for _ in iter(int, 1)), Preparation(validate=True)).batches()
    assert len(next(made).rejections) == batches.MAX_EVENTS


def test_an_empty_source_makes_no_batch():
    """Nothing is sent for nothing."""
    made, planner = plan([])
    assert (made, planner.total) == ([], 0)


def test_a_batch_knows_its_runs_and_parts():
    """Neighbours are one run; a part keeps places, events and the number of attempts."""
    batch = Batch(indices=[4, 5, 6], events=[b"4", b"5", b"6"], attempts=2)
    assert list(batch.runs()) == [(4, 7)]
    part = batch.part([0, 2])
    assert (part.indices, part.events, part.attempts) == ([4, 6], [b"4", b"6"], 2)
    assert list(part.runs()) == [(4, 5), (6, 7)]
    assert list(Batch().runs()) == []


@pytest.mark.parametrize("indices", [range(200), range(0, 400, 2), [*range(100), *range(200, 1200, 10)]])
def test_a_record_of_a_batch_is_bounded(indices):
    """Whatever part of a batch is settled, its record takes no more than was reckoned with."""
    batch = Batch(indices=list(indices), events=[b"1"] * 200)
    for part in (batch, batch.part(range(0, 200, 2)), batch.part(range(1, 200, 3))):
        assert len(json.dumps(Ranges(part.runs()).to_json(), separators=(",", ":"))) <= batch.record_bytes


# ------------------------------------------------------------------------------------------------------- going on


def test_what_is_settled_is_left_out():
    """A later try goes on behind what was planned, with the same digest as an uninterrupted one."""
    whole, _ = plan(events(9))
    made, planner = plan(events(9), resumed=planned(events(5)))
    assert [batch.indices for batch in made] == [[5, 6, 7, 8]]
    assert (made[-1].digest, planner.total) == (whole[-1].digest, 9)


def test_what_waits_comes_first_and_apart():
    """Events that were planned and not taken are sent before new ones, in batches of their own."""
    resumed = planned(events(7), waiting=Ranges([(0, 2), (4, 6)]))
    made, _ = plan(events(9), resumed=resumed, batch_size=3)
    assert [(batch.indices, batch.stop) for batch in made] == [([0, 1, 4], 7), ([5], 7), ([7, 8], 9)]


def test_what_waits_is_sent_without_anything_new():
    """A source that ends where it ended is compared before anything goes out."""
    resumed = planned(events(7), waiting=Ranges([(3, 4)]))
    assert [batch.indices for batch in plan(events(7), resumed=resumed)[0]] == [[3]]


def test_rejections_of_an_earlier_try_are_not_told_again():
    """They are counted already, and in the file."""
    rows = [event(0), {}, event(2)]
    made, _ = plan([*rows, {}], resumed=planned(rows, rejected=1))
    assert [[rejection.index for rejection in batch.rejections] for batch in made] == [[3]]


@pytest.mark.parametrize(
    ("rows", "how"),
    [
        (events(4), "it has become shorter"),
        ([], "it has become shorter"),
        (events(5, first=1), "events at its beginning have changed"),
        (events(9, first=1), "events at its beginning have changed"),
        ([*events(4), {}, event(5)], "events at its beginning have changed"),
    ],
)
def test_a_changed_source_is_refused_before_anything_of_it_is_sent(rows, how):
    """Places in a source mean something only as long as it is the same."""
    made = Planner(rows, Preparation(), resumed=planned(events(5), waiting=Ranges([(0, 2)]))).batches()
    with pytest.raises(BrevoSourceChangedError, match=how) as caught:
        next(made)
    assert not caught.value.retry_later


# -------------------------------------------------------------------------------------------------------- spooling


def test_what_was_spooled_comes_back_in_order(monkeypatch):
    """Batches come out as they went in, from memory and from a file."""
    monkeypatch.setattr(batches, "_SPOOLED_IN_MEMORY", 400)
    made, _ = plan(events(60), batch_size=10)
    spool = Spool()
    for batch in made:
        spool.add(batch)
    assert list(spool.batches()) == made
    spool.close()


FULL = """
import resource, sys
from airflow_provider_brevo.core import batches, validation
resource.setrlimit(resource.RLIMIT_FSIZE, (8_500, 8_500))
batches._SPOOLED_IN_MEMORY = 100
spool = batches.Spool()
try:
    for number in range(int(sys.argv[1])):
        spool.add(batches.Batch(indices=[number], events=[b"x" * 900]))
    print("added")
    next(spool.batches())
except batches.BrevoBulkError as error:
    print(error)
    print(error.retry_later, type(error.__cause__).__name__)
spool.close()
"""


@pytest.mark.parametrize(("count", "added"), [(50, []), (9, ["added"])], ids=["while adding", "at the end"])
def test_a_full_disk_is_told_while_nothing_was_sent(count, added):
    """Whether the disk is full in the middle or only with the last buffered bytes: one error that says what to do."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(count)], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.splitlines() == [
        *added,
        (
            "The events can't be spooled to a temporary file (File too large); nothing was sent; make room in the"
            " folder for temporary files (TMPDIR), or use on_invalid='skip', which needs no file."
        ),
        "True OSError",
    ]
    assert done.stderr == ""


class FullDisk(io.BytesIO):
    """A file on a disk without room."""

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        super().close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_no_error_of_ours(monkeypatch):
    """A later try may find room, and closing the file hides nothing."""
    monkeypatch.setattr(batches.tempfile, "SpooledTemporaryFile", lambda **_: FullDisk())
    spool = Spool()
    with pytest.raises(BrevoBulkError, match=r"spooled to a temporary file \(No space left on device\)") as caught:
        spool.add(Batch(indices=[0], events=[b"1"]))
    assert caught.value.retry_later
    spool.close()


def test_a_rejection_does_not_show_its_event():
    """An object that ends up in a log shows no payload."""
    assert "secret" not in repr(Rejection(index=0, where="here", reasons=(), rules=(), event=b'"secret"'))
    assert "secret" not in repr(Batch(indices=[0], events=[b'"secret"']))


def test_limits_are_those_of_the_schemas():
    """They stand in the code too, as the schemas are read late; the documents are quoted there."""
    batch = load_schema("batch")
    assert (batch["properties"]["events"]["maxItems"], batch["x-max-bytes"]) == (MAX_EVENTS, MAX_BYTES)
    assert load_schema("event")["properties"]["event_properties"]["x-max-bytes"] == validation.SURELY_SMALL
