"""The file that outlives the sandbox."""

import json
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_brevo.sandbox.hiding import TOKEN_PATH
from airflow_provider_brevo.sandbox.journal import DatabaseError, Journal
from airflow_provider_brevo.sandbox.records import ReceivedRequest
from airflow_provider_brevo.sandbox.store import Store

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
SECRET = "xkeysib-secret"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name a file that does not exist."""
    return tmp_path / "sandbox.db"


def opened(file: Path, **options: Any) -> Store:
    """Open a store on a file."""
    store = Store(known_objects=options.get("known_objects"), clock=lambda: NOW, journal=Journal(file))
    store.open()
    return store


def request(path: str = "/v3/events", **fields: Any) -> ReceivedRequest:
    """Make a request with a key."""
    settled = {"headers": {"api-key": SECRET, "content-type": "application/x-www-form-urlencoded"}, **fields}
    return ReceivedRequest(method="POST", path=path, query="", **settled)


def test_everything_is_there_again(file: Path) -> None:
    """Requests, events with their types, contacts and what was ignored are as before."""
    first = opened(file, known_objects=["subscription"])
    sent = request(headers={"accept": "a"})
    first.add_request(sent)
    first.complete_request(sent, body=b"\xff{}", status=204)
    body = {
        "event_name": "e",
        "identifiers": {"email_id": "a", "ext_id": "b"},
        "event_properties": {"float": 42.0, "whole": 2**60, "yes": True, "text": "ü€\u2028"},
        "object": {"type": "vehicle", "identifiers": {"id": "1"}},
    }
    first.add_event(body, sent)
    refused = request(headers={})
    first.add_request(refused)
    first.complete_request(refused, status=400, reason="wrong \udcff")
    before = (first.events(), first.requests()[0], first.newest()[0])
    first.close()

    again = opened(file)
    assert (again.events(), again.requests()[0], again.newest()[0]) == before
    assert repr(again.events()[0].body) == repr(body)
    assert again.requests()[1].reason == "wrong \\udcff"
    assert again.events()[0].request is again.newest()[1][1].request
    assert again.add_event({"event_name": "e", "identifiers": {"ext_id": "b"}}).contact_id == 1
    assert again.add_event({"event_name": "e", "identifiers": {"ext_id": "c"}}).contact_id == 2
    third = request()
    again.add_request(third)
    assert third.number == 3
    again.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    identifiers=st.lists(
        st.dictionaries(st.sampled_from(["email_id", "ext_id", "phone_id"]), st.sampled_from("abc"), min_size=1)
        | st.fixed_dictionaries({"contact_id": st.integers(0, 3)}, optional={"email_id": st.sampled_from("abc")}),
        max_size=12,
    ),
    cut=st.integers(0, 12),
)
def test_a_restart_changes_no_contact(tmp_path: Path, identifiers: list[dict[str, Any]], cut: int) -> None:
    """Events are attributed as if the sandbox had never stopped."""
    events = [{"event_name": "e", "identifiers": each} for each in identifiers]
    steady = Store(known_objects=None, clock=lambda: NOW)
    expected = [steady.add_event(event).contact_id for event in events]
    file = tmp_path / "restart.db"
    file.unlink(missing_ok=True)
    found = []
    for part in (events[:cut], events[cut:]):
        store = opened(file)
        found += [store.add_event(event).contact_id for event in part]
        store.close()
    assert found == expected


def test_no_secret_reaches_the_disk(file: Path) -> None:
    """Keys and client secrets are in none of the files, not even in the log of changes."""
    store = opened(file)
    for sent in (request(query_secret := "/v3/account"), request(TOKEN_PATH)):
        store.add_request(sent)
        store.complete_request(sent, body=b"client_id=a&client_secret=" + SECRET.encode(), status=200)
    written = b"".join(each.read_bytes() for each in file.parent.iterdir())
    assert b"(hidden)" in written
    assert query_secret.encode() in written
    store.close()


def test_only_the_owner_may_read_it(file: Path) -> None:
    """The mode is 0600 for all files of the database, also of one that was open to others."""
    file.touch(mode=0o644)
    store = opened(file)
    store.add_request(request())
    assert {stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()} == {0o600}
    assert len(list(file.parent.iterdir())) > 1
    store.close()


def test_a_reset_leaves_no_trace(file: Path) -> None:
    """What was deleted can't be found in the files, whether the store is open or closed."""
    store = opened(file)
    store.add_event({"event_name": "e", "identifiers": {"email_id": "jane@example.com"}})
    store.reset()
    assert b"jane@example.com" not in b"".join(each.read_bytes() for each in file.parent.iterdir())
    store.add_event({"event_name": "e", "identifiers": {"email_id": "jane@example.com"}})
    store.close()
    store.reset()
    assert b"jane@example.com" not in file.read_bytes()
    assert opened(file).events() == []


def test_it_can_be_read_with_sqlite_afterwards(file: Path) -> None:
    """The tables are plain: JSON as text, times as ISO 8601."""
    store = opened(file)
    store.add_event({"event_name": "e", "identifiers": {"ext_id": "1"}})
    store.close()
    with sqlite3.connect(file) as database:
        ((body, received_at),) = database.execute("SELECT body, received_at FROM events")
    database.close()
    assert (json.loads(body)["event_name"], received_at) == ("e", "2026-08-31T12:00:00+00:00")


def test_one_sandbox_at_a_time(file: Path) -> None:
    """A second one is told so, and the file is free when the first ends."""
    store = opened(file)
    with pytest.raises(DatabaseError, match="another program uses it"):
        opened(file)
    store.close()
    opened(file).close()


def test_the_database_of_another_program_is_left_alone(file: Path) -> None:
    """Neither its content nor its mode is changed."""
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE other (x)")
    database.close()
    file.chmod(0o644)
    before = file.read_bytes()
    with pytest.raises(DatabaseError, match="another program"):
        opened(file)
    assert file.read_bytes() == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_another_format_is_refused(file: Path) -> None:
    """A file of a later version is not written to."""
    opened(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 3")
    database.close()
    with pytest.raises(DatabaseError, match="format 3"):
        opened(file)


def test_an_earlier_format_is_led_to_this_one(file: Path) -> None:
    """What a file of format 1 holds is there again, and batches can be added."""
    store = opened(file)
    store.add_event({"event_name": "e", "identifiers": {"ext_id": "1"}})
    store.close()
    with sqlite3.connect(file) as database:
        database.execute("ALTER TABLE events DROP COLUMN batch_index")
        database.execute("PRAGMA user_version = 1")
    database.close()
    for _ in range(2):
        again = opened(file)
        again.add_batch({4: {"event_name": "f", "identifiers": {"ext_id": "1"}}})
        indices = [event.index for event in again.events()]
        again.close()
    assert indices == [None, 4, 4]


def test_a_batch_is_kept_whole_or_not_at_all(file: Path) -> None:
    """Its places are kept and its values counted again; one event that can't be written takes the others along."""
    store = opened(file)
    good = {"event_name": "e", "identifiers": {"ext_id": "1"}, "event_properties": {"order_id": 1}}
    store.add_batch({0: good, 3: good})
    journal = store._journal
    assert journal is not None
    journal._opened.execute(
        "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.batch_index = 1 "
        "BEGIN SELECT RAISE(FAIL, 'disk full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        store.add_batch({0: good, 1: good})
    journal._opened.execute("DROP TRIGGER full")
    store.close()
    again = opened(file)
    assert [event.index for event in again.events()] == [0, 3]
    assert again.duplicates("order_id") == {"events": 2, "distinct": 1, "duplicates": 1}
    again.close()


@pytest.mark.parametrize("content", [b"not a database, but a text of some length" * 50, None])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A text stays as it is, and a folder is named as the reason."""
    file = tmp_path / "x"
    if content is not None:
        file.write_bytes(content)
    else:
        file.mkdir()
    with pytest.raises(DatabaseError, match="cannot use .*x: "):
        opened(file)
    assert content is None or file.read_bytes() == content


def test_a_failed_write_does_not_change_a_decided_answer(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; an event that can't be kept is not taken at all."""
    store = opened(file)
    sent = request()
    store.add_request(sent)
    journal = store._journal
    assert journal is not None
    journal._opened.execute("PRAGMA query_only = ON")
    store.complete_request(sent, status=204)
    assert store.requests()[0].status == 204
    assert "could not write to its database" in caplog.text
    with pytest.raises(sqlite3.OperationalError):
        store.add_event({"event_name": "e", "identifiers": {"ext_id": "1"}})
    assert store.events() == []
    store.close()


def test_a_closed_file_takes_nothing(file: Path) -> None:
    """A store must be opened before it is used."""
    with pytest.raises(DatabaseError, match="closed"):
        Journal(file).load()
