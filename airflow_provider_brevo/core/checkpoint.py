"""Where the progress of a bulk send is kept, so that a later try goes on where the last one ended.

A checkpoint is one small JSON object: how many events of the source are planned, a digest of them, and the few runs of
events that are not settled. It is written before the first request of a window of batches, so that after a crash at any
instant every event is either settled, recorded as about to be sent, or not planned yet.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_brevo.core.keys import KeyedRows, Keys
from airflow_provider_brevo.core.ranges import Ranges
from airflow_provider_brevo.exceptions import BrevoCheckpointError, BrevoSourceChangedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_brevo.core.batches import Batch
    from airflow_provider_brevo.core.delivery import StateStore

VERSION, VERSION_OF_KEYED = 1, 2
"""A version of this package that knows no keys must not go on with them, and can go on with all else."""

MAX_BYTES = 32_000
"""The size that a checkpoint may have: half of what Airflow's task state store takes without a warning."""

SECONDS_BETWEEN_WRITES = 0.25
"""At most four writes a second: an object store may charge for each, and a state store may be a database."""

_KEY = "brevo_bulk"
_RESET = "remove it to start from the beginning: events that were sent are then sent again"


@dataclass(kw_only=True)
class Progress:
    """What is known of the events of a source. All that is planned and in none of the ranges is settled.

    :param planned: how many events of the source were planned, from its beginning.
    :param digest: digest of the planned events, so that a changed source is noticed.
    :param in_flight: recorded as about to be sent, and not as answered: nobody knows whether Brevo took them.
    :param waiting: planned and certainly not taken: to be sent.
    :param uncertain: given up as nobody knows, since they must not be sent twice.
    :param accepted: events that Brevo took.
    :param rejected: events refused here or by Brevo.
    :param unidentified: events that Brevo didn't take and doesn't name.
    :param skipped: events that were checked and, as asked, not sent.
    :param requests: requests made.
    :param throttled: how often Brevo refused a request for the rate limit.
    :param seconds: seconds spent by all tries.
    :param reasons: how often each rule refused an event.
    :param parts: how many parts of the file of rejected events are valid, by session.
    :param session: counts the runs of this code that worked on the source.
    :param max_tries: the task's: clearing a task raises it, a retry doesn't.
    :param finished: whether all events are settled.
    :param faults: how often in a row a fault of Brevo's, which asked to wait, has paused the work.
    :param pause: seconds for which nothing is sent now, as Brevo asks to wait. It is not recorded.
    :param keys: where the source is read in the order of a key: what is left of it by keys. Places then go on from try
        to try, and events that a later try reads again get new ones.
    """

    planned: int = 0
    digest: str = ""
    in_flight: Ranges = field(default_factory=Ranges)
    waiting: Ranges = field(default_factory=Ranges)
    uncertain: Ranges = field(default_factory=Ranges)
    accepted: int = 0
    rejected: int = 0
    unidentified: int = 0
    skipped: int = 0
    requests: int = 0
    throttled: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    parts: dict[int, int] = field(default_factory=dict)
    session: int = 0
    max_tries: int = 0
    finished: bool = False
    faults: int = 0
    pause: float = 0.0
    keys: Keys | None = None

    _RANGES = ("in_flight", "waiting", "uncertain")
    _NUMBERS = (
        *("planned", "accepted", "rejected", "unidentified", "skipped", "requests", "throttled"),
        *("session", "max_tries"),
    )

    @property
    def total(self) -> int:
        """Events of the source that are planned; of one that is read by keys, those that are settled."""
        if self.keys is None:
            return self.planned
        return self.accepted + self.rejected + self.unidentified + self.skipped + self.uncertain.count()

    def begin(self, rows: Iterable[Any]) -> None:
        """Get ready for a try that reads the source.

        :param rows: the source.
        :raises BrevoSourceChangedError: an earlier try has read it in another way.
        """
        column = rows.column if isinstance(rows, KeyedRows) else None
        earlier = self.keys.column if self.keys else None
        if self.planned and column != earlier:
            raise BrevoSourceChangedError(
                f"The source is read by {_by(column)}, and an earlier try has read it by {_by(earlier)}",
                advice="change that back; to send all events from the beginning, clear the task",
            )
        if column is None:
            self.keys = None
        elif self.keys is None or column != earlier:
            self.keys = Keys(column=column)
        else:
            self.keys.read_again(self.waiting)
            self.waiting.clear()

    def record(self, batch: Batch) -> None:
        """Take a batch for planned and in flight."""
        for start, stop in batch.runs():
            self.waiting.remove(start, stop)
            self.in_flight.add(start, stop)
        if batch.stop > self.planned or not self.digest:
            self.planned, self.digest = batch.stop, batch.digest
            if self.keys is not None:
                self.keys.unread = batch.unread
        if self.keys is not None:
            self.keys.note(batch.indices, batch.keys, (self.in_flight, self.waiting))

    def to_json(self) -> dict[str, Any]:
        """Return the progress as a JSON object."""
        keyed = {} if self.keys is None else {"keys": self.keys.to_json((self.in_flight, self.waiting))}
        return {
            "version": VERSION_OF_KEYED if keyed else VERSION,
            **keyed,
            **({"faults": self.faults} if self.faults else {}),
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "finished": self.finished,
            "reasons": dict(self.reasons),
            "parts": [[session, count] for session, count in self.parts.items()],
            **{name: getattr(self, name) for name in self._NUMBERS},
            **{name: getattr(self, name).to_json() for name in self._RANGES},
        }

    @classmethod
    def from_json(cls, content: Any, *, kept_in: str) -> Progress:
        """Read what :meth:`to_json` wrote.

        :param content: the JSON object.
        :param kept_in: where it is kept, for the error.
        :raises BrevoCheckpointError: it isn't one of ours, or one of another version.
        """
        try:
            if content["version"] not in {VERSION, VERSION_OF_KEYED}:
                raise BrevoCheckpointError(
                    f"The checkpoint in {kept_in} was written by another version of airflow-provider-brevo",
                    advice=f"finish the task with that version, or {_RESET}",
                )
            numbers: dict[str, Any] = {name: int(content[name]) for name in cls._NUMBERS}
            ranges: dict[str, Any] = {name: Ranges.from_json(content[name]) for name in cls._RANGES}
            unsettled = (ranges["in_flight"], ranges["waiting"])
            return cls(
                keys=Keys.from_json(content["keys"], unsettled) if content["version"] == VERSION_OF_KEYED else None,
                digest=str(content["digest"]),
                seconds=float(content["seconds"]),
                finished=bool(content["finished"]),
                faults=int(content.get("faults", 0)),
                reasons=Counter({str(rule): int(count) for rule, count in content["reasons"].items()}),
                parts={int(session): int(count) for session, count in content["parts"]},
                **numbers,
                **ranges,
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            broken = BrevoCheckpointError(f"What {kept_in} holds is no checkpoint", advice=_RESET)
        raise broken


def size_of(content: object) -> int:
    """Return how many bytes a part of a checkpoint takes, as JSON.

    :param content: JSON values.
    """
    return len(json.dumps(content, separators=(",", ":")))


def _by(column: str | None) -> str:
    return "its places" if column is None else f"the key {column!r}"


class CheckpointStore(Protocol):
    """Where a checkpoint is kept."""

    durable: bool
    """Whether what is saved survives the process."""

    kept_in: str
    """Where, for messages."""

    def load(self) -> Progress | None:
        """Return the saved progress, or ``None``.

        :raises BrevoCheckpointError: it can't be read, or isn't one.
        """

    def save(self, progress: Progress) -> None:
        """Save the progress durably before returning.

        :raises BrevoCheckpointError: it can't be written.
        """


class InMemory:
    """Keeps nothing beyond the process: a later try starts from the beginning."""

    durable = False
    kept_in = "memory"

    def load(self) -> Progress | None:
        """Return ``None``."""
        return None

    def save(self, progress: Progress) -> None:
        """Do nothing."""


class InStateStore:
    """Keeps the checkpoint in a store of values by key, such as Airflow's task state store.

    :param store: the store.
    """

    durable = True
    kept_in = "Airflow's task state store"

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def load(self) -> Progress | None:
        """Return the saved progress, or ``None``.

        :raises BrevoCheckpointError: it can't be read, or isn't one.
        """
        try:
            content = self._store.get(_KEY)
        except Exception as error:
            raise _unreadable(self.kept_in, error) from error
        return None if content is None else Progress.from_json(content, kept_in=self.kept_in)

    def save(self, progress: Progress) -> None:
        """Save the progress.

        :raises BrevoCheckpointError: it can't be written.
        """
        try:
            self._store.set(_KEY, progress.to_json())
        except Exception as error:
            raise _unwritable(self.kept_in, error) from error


class InFile:
    """Keeps the checkpoint in a file, on this machine or in an object store.

    :param path: a ``pathlib.Path``, or anything with its ``parent``, ``mkdir``, ``read_bytes`` and ``write_bytes``.
    """

    durable = True

    def __init__(self, path: Any) -> None:
        self._path = path
        self.kept_in = f"{path}"

    def load(self) -> Progress | None:
        """Return the saved progress, or ``None``.

        :raises BrevoCheckpointError: it can't be read, or isn't one.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _unreadable(self.kept_in, error) from error
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        return Progress.from_json(content, kept_in=self.kept_in)

    def save(self, progress: Progress) -> None:
        """Save the progress: all of it or nothing, also if the machine fails meanwhile.

        :raises BrevoCheckpointError: it can't be written.
        """
        try:
            write_durably(self._path, json.dumps(progress.to_json(), separators=(",", ":")).encode())
        except Exception as error:
            raise _unwritable(self.kept_in, error) from error


def is_local(path: Any) -> bool:
    """Tell whether a path is one of this machine. Some paths of object stores are ``pathlib`` paths too, by their type.

    :param path: a ``pathlib.Path``, or a path of an object store.
    """
    return isinstance(path, Path) and not hasattr(path, "protocol")


def write_durably(path: Any, content: bytes) -> None:
    """Write a file so that it is there completely or not at all; on this machine for the owner's eyes only.

    :param path: a ``pathlib.Path``, or a path of an object store, whose writes are complete or nothing by themselves.
    :param content: all of it.
    :raises OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(path):
        path.write_bytes(content)
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unreadable(kept_in: str, error: Exception) -> BrevoCheckpointError:
    return BrevoCheckpointError(
        f"The checkpoint in {kept_in} can't be read ({type(error).__name__})",
        advice="nothing was sent; check access to it, and run the task again",
        retry_later=True,
    )


def _unwritable(kept_in: str, error: Exception) -> BrevoCheckpointError:
    return BrevoCheckpointError(
        f"The checkpoint in {kept_in} can't be written ({type(error).__name__})",
        advice="nothing more was sent; check access and free space, and run the task again: it goes on from the last"
        " checkpoint",
        retry_later=True,
    )
