"""What arrived, on disk: an SQLite file that a later sandbox reads back.

Only the owner can read the file. Keys, tokens and client secrets are not written to it.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from airflow_provider_brevo.sandbox.hiding import shown_body, shown_headers, shown_query
from airflow_provider_brevo.sandbox.records import ReceivedEvent, ReceivedRequest

# "Brvo" in ASCII: says that a file is ours, so that no other program's database is ever written to.
_APPLICATION_ID = 0x4272766F
_VERSION = 2
_BUSY_SECONDS = 1.0
_OWNER_ONLY = 0o600
_TABLES = """
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    received_at TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    status INTEGER,
    reason TEXT
);
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    request INTEGER,
    received_at TEXT NOT NULL,
    contact_id INTEGER NOT NULL,
    object_ignored INTEGER NOT NULL,
    body TEXT NOT NULL,
    batch_index INTEGER
);
"""
# What leads from an earlier format to the next one.
_STEPS = {1: "ALTER TABLE events ADD COLUMN batch_index INTEGER"}


class DatabaseError(Exception):
    """The file for what arrives can't be used; the text says why."""


class Journal:
    """One SQLite file, used by one sandbox at a time.

    :param path: The file; it is made if it does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, and keep others from writing to it.

        :raises DatabaseError: if it can't be used.
        """
        if self._database is not None:
            return
        try:
            # Made before SQLite makes it, which would let others read it.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, _OWNER_ONLY))
            self._database = self._connect()
        except (OSError, sqlite3.Error) as error:
            busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            reason = "another program uses it" if busy else getattr(error, "strerror", None) or str(error)
            raise DatabaseError(f"cannot use {self._path}: {reason}") from error

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def clear(self) -> None:
        """Delete everything, beyond recovery from the file.

        :raises DatabaseError: if the file was closed and can't be opened again.
        """
        closed = self._database is None
        self.open()
        self._write("DELETE FROM events", ())
        self._write("DELETE FROM requests", ())
        self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if closed:
            self.close()

    def load(self) -> tuple[list[ReceivedRequest], list[ReceivedEvent]]:
        """Read everything back, in order of arrival."""
        requests = {
            number: ReceivedRequest(
                number=number,
                received_at=None if received_at is None else datetime.fromisoformat(received_at),
                method=method,
                path=path,
                query=query,
                headers=json.loads(headers),
                body=body,
                status=status,
                reason=reason,
            )
            for number, received_at, method, path, query, headers, body, status, reason in self._opened.execute(
                "SELECT number, received_at, method, path, query, headers, body, status, reason "
                "FROM requests ORDER BY number"
            )
        }
        events = [
            ReceivedEvent(
                body=json.loads(body),
                received_at=datetime.fromisoformat(received_at),
                contact_id=contact_id,
                object_ignored=bool(object_ignored),
                request=requests.get(request),
                index=index,
            )
            for request, received_at, contact_id, object_ignored, body, index in self._opened.execute(
                "SELECT request, received_at, contact_id, object_ignored, body, batch_index FROM events ORDER BY number"
            )
        ]
        return list(requests.values()), events

    def add_request(self, request: ReceivedRequest) -> None:
        """Keep a request.

        :param request: The request.
        """
        self._write(
            "INSERT INTO requests (number, received_at, method, path, query, headers, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                request.number,
                None if request.received_at is None else request.received_at.isoformat(),
                request.method,
                _storable(request.path),
                _storable(shown_query(request.query)),
                json.dumps(shown_headers(request.headers)),
                shown_body(request.path, request.headers, request.body),
            ),
        )

    def update_request(self, request: ReceivedRequest) -> None:
        """Keep what became known of a request.

        :param request: The request.
        """
        body = shown_body(request.path, request.headers, request.body)
        self._write(
            "UPDATE requests SET body = ?, status = ?, reason = ? WHERE number = ?",
            (body, request.status, request.reason and _storable(request.reason), request.number),
        )

    def add_events(self, events: Iterable[ReceivedEvent]) -> None:
        """Keep events: all of them or, if that fails, none.

        :param events: The events.
        """
        rows = [
            (
                None if event.request is None else event.request.number,
                event.received_at.isoformat(),
                event.contact_id,
                event.object_ignored,
                json.dumps(event.body, ensure_ascii=False),
                event.index,
            )
            for event in events
        ]
        database = self._opened
        database.execute("BEGIN")
        try:
            database.executemany(
                "INSERT INTO events (request, received_at, contact_id, object_ignored, body, batch_index) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise DatabaseError(f"{self._path} is closed")
        return self._database

    def _write(self, statement: str, values: Sequence[object]) -> None:
        self._opened.execute(statement, values)

    def _connect(self) -> sqlite3.Connection:
        # The store's lock orders the threads that use it; every statement is a transaction of its own.
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        with closing(database.execute("SELECT count(*) FROM sqlite_master")) as found:
            is_new = found.fetchone()[0] == 0
        owner = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if not is_new and owner != _APPLICATION_ID:
            raise DatabaseError(f"cannot use {self._path}: it is the database of another program")
        if not is_new and version != _VERSION and version not in _STEPS:
            raise DatabaseError(f"cannot use {self._path}: it has format {version}, and this is format {_VERSION}")
        # The file is ours. SQLite gives the WAL file the mode that this one has when it makes that.
        self._path.chmod(_OWNER_ONLY)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        # In WAL mode this outlives the end of the process at any moment, though not of the machine.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = ON")
        if is_new:
            database.executescript(
                f"BEGIN EXCLUSIVE; {_TABLES} PRAGMA application_id = {_APPLICATION_ID}; "
                f"PRAGMA user_version = {_VERSION}; COMMIT;"
            )
        else:
            steps = "; ".join(_STEPS[step] for step in range(version, _VERSION))
            database.executescript(f"BEGIN EXCLUSIVE; {steps}; PRAGMA user_version = {_VERSION}; COMMIT;")


def _storable(text: str) -> str:
    # What is no UTF-8 on the wire arrives as lone surrogates, which SQLite can't hold.
    return text.encode(errors="backslashreplace").decode()
