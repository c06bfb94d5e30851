"""What the events of one source look like.

They look alike: the same keys, with the same types behind them. So what was found to be valid is learned, as types of
msgspec, and what looks the same needs no look at the rules. Only what depends on values is looked at each time.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import msgspec

from airflow_provider_brevo.core.dates import is_rfc3339
from airflow_provider_brevo.core.validation import SURELY_SMALL, decode_plain, encode_if_valid, encode_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST = 200
"""Events that are learned from, and places in them. Each lesson takes as long as some hundred events and has to pay:
where it takes more of them, events have no shape."""
_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[type, Any] = {bool: bool, int: _INTEGER, float: float | _INTEGER}
_NOT_EMPTY = Annotated[str, msgspec.Meta(min_length=1)]
_NO_ITEMS = Annotated[list[bool], msgspec.Meta(max_length=0)]


class Shape:
    """Encodes events that are valid as they are, and learns from them what such events look like.

    It lets pass what the schema lets pass, and finds that out several times as fast. For one thread only.
    """

    def __init__(self) -> None:
        self._seen = _Place()
        self._names: set[str] = set()
        self._decode: Callable[[bytes], Any] | None = None
        self._lessons = 0

    def encode(self, event: Any) -> bytes | None:
        """Return the JSON of an event that is valid as it is; ``None`` says nothing.

        :param event: an event with Python's values.
        """
        if encoded := self.encode_all([event]):
            return encoded[0]
        valid = encode_if_valid(event)
        if valid is not None and self._lessons <= _MOST:
            self._learn(decode_plain(valid))
        return valid

    def encode_all(self, events: list[Any]) -> list[bytes] | None:
        """Return the JSON of each event if all of them look as is known by now; ``None`` says nothing.

        :param events: any number of events. Many at once take less time than one by one.
        """
        if self._decode is None:
            return None
        try:
            encoded = [encode_plain(event) for event in events]
            # The types are those of the shape, and it is JSON if it is the same when it comes back.
            known = self._decode(b"[%b]" % b",".join(encoded)) == events and all(map(self._keeps_rules, events))
        except (ValueError, TypeError, OverflowError, RecursionError, LookupError, msgspec.MsgspecError):
            return None
        return encoded if known and max(map(len, encoded), default=0) <= SURELY_SMALL else None

    def _keeps_rules(self, event: Mapping[str, Any]) -> bool:
        """Look at what a shape can't tell of a valid event, by the order in the schema."""
        return (
            event["event_name"] in self._names
            and bool(event["identifiers"])
            and ("event_date" not in event or is_rfc3339(event["event_date"]))
            and ("object" not in event or bool(event["object"].get("identifiers", True)))
        )

    def _learn(self, event: dict[str, Any]) -> None:
        self._lessons += 1
        self._names.add(event["event_name"])
        self._seen.see(event)
        if self._lessons > _MOST or self._seen.size() > _MOST:
            self._lessons, self._decode = _MOST + 1, None
        else:
            self._decode = msgspec.json.Decoder(list[self._seen.type_of()]).decode  # type: ignore[misc] # made at run time


class _Place:
    """What was seen at one place of events: at their top, behind a key, or in a list."""

    def __init__(self) -> None:
        self._single: set[Any] = set()
        self._keys: dict[str, _Place] | None = None
        self._items: _Place | None = None

    def see(self, value: Any) -> None:
        """Take in a JSON value."""
        if type(value) is dict:
            self._keys = {} if self._keys is None else self._keys
            for key, part in value.items():
                self._keys.setdefault(key, _Place()).see(part)
        elif type(value) is list:
            self._items = self._items or _Place()
            for item in value:
                self._items.see(item)
        elif type(value) is str:
            self._single.add(_NOT_EMPTY if value else str)
        else:
            self._single.add(_TYPES[type(value)])

    def size(self) -> int:
        """Return how many places there are, here and below."""
        below = [*(self._keys or {}).values(), *([self._items] if self._items else [])]
        return 1 + sum(place.size() for place in below)

    def type_of(self) -> Any:
        """Return the type of all that was seen, or ``None`` if nothing was."""
        types = self._single - ({_NOT_EMPTY} if str in self._single else set())
        if self._keys is not None:
            keys = {key: place.type_of() for key, place in self._keys.items()}
            types.add(TypedDict("Object", keys, total=False))  # type: ignore[operator] # made at run time
        if self._items is not None:
            items = self._items.type_of()
            types.add(_NO_ITEMS if items is None else list[items])  # type: ignore[valid-type] # see above
        return functools.reduce(operator.or_, types) if types else None
