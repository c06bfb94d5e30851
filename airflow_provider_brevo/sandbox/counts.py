"""Counts of everything that arrived, in little memory, so that they go beyond what is kept."""

from array import array
from typing import Any, TypedDict

# Every documented call; whatever else is asked for is counted together, since clients choose its name.
_ENDPOINTS = frozenset({
    "POST /v3/events",
    "POST /v3/events/batch",
    "GET /v3/events",
    "GET /v3/account",
    "POST /realms/partner/oauth/token",
})  # fmt: skip


class Duplicates(TypedDict):
    """How often the values of a property repeat.

    - ``events``: taken events that have the property;
    - ``distinct``: different values among them;
    - ``duplicates``: the events beyond the first of each value.
    """

    events: int
    distinct: int
    duplicates: int


class Stats(TypedDict):
    """How much arrived.

    - ``requests``: answered requests, by endpoint such as ``POST /v3/events`` (``other`` for what is no documented
      call) and by status (``none`` for no answer);
    - ``events``: taken events.
    """

    requests: dict[str, dict[str, int]]
    events: int


class Counts:
    """Counts requests, events, and the values of their properties.

    Of each value only a hash of 64 bits is kept, 8 bytes: two different values out of a million count as one with
    a probability below 1 in a million.
    """

    def __init__(self) -> None:
        self._events = 0
        self._requests: dict[str, dict[str, int]] = {}
        self._hashes: dict[str, array[int]] = {}

    def add_event(self, body: dict[str, Any]) -> None:
        """Count an event.

        :param body: An event that was taken.
        """
        self._events += 1
        for name, value in body.get("event_properties", {}).items():
            if isinstance(value, (dict, list)):
                continue
            hashes = self._hashes.get(name)
            if hashes is None:
                hashes = self._hashes[name] = array("q")
            # Not the hash of the value: 1, 1.0 and true have the same, and so have -1 and -2.
            hashes.append(hash(repr(value)))

    def add_answer(self, method: str, path: str, status: int | None) -> None:
        """Count a request that came to its end.

        :param method: Its method.
        :param path: Its path.
        :param status: The status of its answer, None if it got none.
        """
        endpoint = f"{method} {path}"
        statuses = self._requests.setdefault(endpoint if endpoint in _ENDPOINTS else "other", {})
        key = "none" if status is None else str(status)
        statuses[key] = statuses.get(key, 0) + 1

    def hashes(self, name: str) -> "array[int]":
        """Give a hash for each value that a property had.

        :param name: The property, of the top level of ``event_properties``.
        :return: A copy.
        """
        return self._hashes.get(name, array("q"))[:]

    def stats(self) -> Stats:
        """Tell how much arrived."""
        return {
            "requests": {endpoint: dict(statuses) for endpoint, statuses in self._requests.items()},
            "events": self._events,
        }


def duplicates_among(hashes: "array[int]") -> Duplicates:
    """Count repetitions.

    :param hashes: What :meth:`Counts.hashes` gave.
    """
    distinct = len(set(hashes))
    return {"events": len(hashes), "distinct": distinct, "duplicates": len(hashes) - distinct}
