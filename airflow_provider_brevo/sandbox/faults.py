"""Faults on demand: what goes wrong, when and how often.

A fault is written ``KIND[,option=value…]``, for example ``503,times=2`` or ``hang,taken,path=/v3/events``.

========================  ==============================================================================
kind                      what happens
========================  ==============================================================================
``400`` … ``599``         an answer with this status and a JSON body that fits it
``hang``                  no answer for ``seconds=`` (default 3600), then the usual one
``reset``                 the connection is reset (TCP RST)
``close``                 the connection is closed without an answer
``truncated``             half of a JSON body (``status=``, default 200), then the connection is closed
``non-json``              an HTML page (``status=``, default 502)
``empty``                 no body (``status=``, default 500)
``redirect``              ``status=`` (default 302) to ``location=`` (default: the same path on another host)
``unknown-ip``            401, Brevo's text for an address that is not on the account's allow-list
``restricted``            403 (or ``status=``), Brevo's text for a key that may not use this resource
``echo``                  400 whose message quotes the request body and the key or token
``partial``               ``indices=`` (default 0) or ``share=`` of a batch's events are rejected though they are
                          valid, with ``message=``; ``status=`` (default 207, and 400 if none is left)
``short``                 ``by=`` (default 1) events of a batch are dropped without a word: ``count`` is less than
                          what was sent
========================  ==============================================================================

Options of every kind:

- ``times=N``: it happens N times (default: for ever);
- ``chance=P``: it happens with this probability (default 1);
- ``path=/v3/events``, ``method=POST``: it happens only there;
- ``taken``: the request is checked and carried out first, and the fault happens only if that succeeds: the
  client can't know that the event arrived;
- ``retry_after=S``: the answer has a Retry-After header, as given (seconds, or an HTTP date);
- ``reset=S``: the answer says that no requests remain until S seconds have passed;
- ``message=TEXT``: the text in the answer's body.

``partial`` and ``short`` befall ``POST /v3/events/batch`` only, and there a batch with a valid event that they hit.
``indices=0-4,7`` counts from 0, as Brevo's answers do; ``share=0.1`` is a tenth of the batch, at least one event, by
dice. ``short`` drops the last ones. With ``taken`` the events are taken nevertheless, and only the answer denies it.

Faults stand in the order in which they were given; the first that matches a request happens. They come
before routing, key and limits, and by default befall every path under ``/v3``; the token call is befallen by
those with ``path=/realms/partner/oauth/token`` only.
"""

import random
import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

_STATUS_KIND = re.compile(r"[45][0-9]{2}", re.ASCII)
_OPTION = re.compile(r"([A-Za-z_-]+)=(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# Which kinds take a status, with their default and the range they allow.
_STATUSES = {
    "truncated": (200, range(200, 600)),
    "non-json": (502, range(200, 600)),
    "empty": (500, range(200, 600)),
    "redirect": (302, range(300, 400)),
    "restricted": (403, range(400, 500)),
    "unknown-ip": (401, range(401, 402)),
    "echo": (400, range(400, 401)),
    "partial": (207, range(200, 600)),
}
_SILENT = ("hang", "reset", "close")
_OF_BATCHES = ("partial", "short")
_KINDS = (*_SILENT, *_STATUSES, "short")
_BATCH = ("POST", "/v3/events/batch")
_RANGE = re.compile(r" *([0-9]{1,9})(?:-([0-9]{1,9}))? *", re.ASCII)
# Only these may hold a comma: an HTTP date, a sentence, a URL, a list.
_FREE_TEXT = ("retry_after", "message", "location", "indices")
_OPTIONS = (
    *("times", "chance", "path", "method", "retry_after", "reset", "message"),
    *("seconds", "status", "location", "indices", "share", "by"),
)
_OWNERS = {
    "seconds": ("hang",),
    "location": ("redirect",),
    "status": tuple(_STATUSES),
    "indices": ("partial",),
    "share": ("partial",),
    "by": ("short",),
}
_DEFAULT_SECONDS = 3600.0


class InvalidFaultError(ValueError):
    """A fault is not written as it should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the module's docstring explains kinds and options.

    :param kind: What goes wrong.
    :param times: How often it happens, None for ever.
    :param chance: Its probability.
    :param path: The only path it befalls, None for all under ``/v3``.
    :param method: The only method it befalls, None for all.
    :param taken: Whether the request is carried out first.
    :param retry_after: Value of the Retry-After header; text is sent as it stands, sensible or not.
    :param reset: Value of the x-sib-ratelimit-reset header, with nothing remaining; sent likewise.
    :param message: The text in the body.
    :param seconds: How long ``hang`` hangs.
    :param status: The status of the answer; None for the kind's own.
    :param location: Where ``redirect`` points.
    :param indices: Which events of a batch ``partial`` rejects, such as ``0-4,7``.
    :param share: Of how large a share of a batch's events it does so, instead.
    :param by: How many events ``short`` drops.
    :raises InvalidFaultError: if a value is wrong or belongs to another kind.
    """

    kind: str
    times: int | None = None
    chance: float = 1.0
    path: str | None = None
    method: str | None = None
    taken: bool = False
    retry_after: str | float | None = None
    reset: str | float | None = None
    message: str | None = None
    seconds: float | None = None
    status: int | None = None
    location: str | None = None
    indices: str | None = None
    share: float | None = None
    by: int | None = None

    def __post_init__(self) -> None:
        """Check the values together."""
        self._check_kind()
        self._check_values()

    def _check_kind(self) -> None:
        if self.kind not in _KINDS and not _STATUS_KIND.fullmatch(self.kind):
            known = f"a status from 400 to 599, {', '.join(_KINDS)}"
            raise InvalidFaultError(f"unknown fault {self.kind!r}: use {known}")
        for option, owners in _OWNERS.items():
            if getattr(self, option) is not None and self.kind not in owners:
                raise InvalidFaultError(f"option {option!r} does not apply to {self.kind!r}")
        if self.status is None:
            return
        # Answers of these two statuses have no body, so only "empty" can mean them.
        bodiless = self.status in {204, 304} and self.kind != "empty"
        if bodiless or self.status not in _STATUSES[self.kind][1]:
            raise InvalidFaultError(f"status {self.status} does not fit {self.kind!r}")

    def _check_values(self) -> None:
        if self.times is not None and self.times < 1:
            raise InvalidFaultError("times must be at least 1")
        if not 0 < self.chance <= 1:
            raise InvalidFaultError("chance must be above 0 and at most 1")
        if self.seconds is not None and not 0 <= self.seconds < float("inf"):
            raise InvalidFaultError("seconds must be a number from 0")
        if self.path is not None and not self.path.startswith("/"):
            raise InvalidFaultError("path must start with /")
        self._check_batch()
        for option in ("retry_after", "reset", "location"):
            if _CONTROL.search(str(getattr(self, option))):
                raise InvalidFaultError(f"{option} must not hold control characters")

    def _check_batch(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise InvalidFaultError("share must be above 0 and at most 1")
        if self.by is not None and self.by < 1:
            raise InvalidFaultError("by must be at least 1")
        if self.indices is not None:
            if self.share is not None:
                raise InvalidFaultError("indices and share exclude each other")
            if not all(map(_RANGE.fullmatch, self.indices.split(","))):
                raise InvalidFaultError(f"indices must be like 0-4,7, not {self.indices!r}")
        if self.of_batches and not self._is_on(*_BATCH):
            raise InvalidFaultError(f"{self.kind!r} befalls {' '.join(_BATCH)} only")

    @classmethod
    def parse(cls, spec: str) -> "Fault":
        """Read a fault from text.

        :param spec: ``KIND[,option=value…]``.
        :raises InvalidFaultError: if it is not written like that; the text says why.
        """
        try:
            kind, *parts = spec.split(",")
            return cls(kind.strip(), **_read_options(parts))
        except InvalidFaultError as error:
            raise InvalidFaultError(f"fault {spec!r}: {error}") from None

    @property
    def answer_status(self) -> int | None:
        """The status it answers with, None if it does not answer, or not by itself."""
        if self.kind in _SILENT or self.of_batches:
            return None
        if self.status is not None:
            return self.status
        return _STATUSES[self.kind][0] if self.kind in _STATUSES else int(self.kind)

    @property
    def wait(self) -> float:
        """How many seconds ``hang`` hangs."""
        return _DEFAULT_SECONDS if self.seconds is None else self.seconds

    @property
    def of_batches(self) -> bool:
        """Whether it happens to single events of a batch."""
        return self.kind in _OF_BATCHES

    def hits(self, index: int) -> bool:
        """Tell whether ``indices`` names an event.

        :param index: Its place in its batch, from 0.
        """
        ranges = (_RANGE.fullmatch(part) for part in (self.indices or "0").split(","))
        return any(found and int(found[1]) <= index <= int(found[2] or found[1]) for found in ranges)

    def befalls(self, method: str, path: str) -> bool:
        """Tell whether it may happen to a request.

        :param method: The request's method.
        :param path: The request's path.
        """
        if self.of_batches:
            return (method, path) == _BATCH
        return self._is_on(method, path)

    def _is_on(self, method: str, path: str) -> bool:
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is not None:
            return self.path == path
        return path == "/v3" or path.startswith("/v3/")


class FaultList:
    """The faults that stand, in order, with the number of times each may still happen.

    :param rng: Rolls the dice for ``chance``.
    """

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._standing: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault | str) -> None:
        """Put a fault behind the others.

        :param fault: The fault, or its text.
        """
        fault = Fault.parse(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._standing.append((fault, fault.times))

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._standing.clear()

    def claim(self, method: str, path: str) -> Fault | None:
        """Find the fault that happens to a request, and count it.

        :param method: The request's method.
        :param path: The request's path.
        """
        with self._lock:
            for index, (fault, left) in enumerate(self._standing):
                if left == 0 or not fault.befalls(method, path):
                    continue
                if fault.chance < 1 and self._rng.random() >= fault.chance:
                    continue
                if left is not None:
                    self._standing[index] = (fault, left - 1)
                return fault
        return None

    def choose(self, fault: Fault, valid: Collection[int]) -> set[int]:
        """Choose the events of a batch to which a fault happens.

        :param fault: One that is :attr:`Fault.of_batches`.
        :param valid: The indices of the batch's valid events, in order.
        """
        if fault.kind == "short":
            return set(list(valid)[-(fault.by or 1) :])
        if fault.share is None:
            return {index for index in valid if fault.hits(index)}
        with self._lock:
            return set(self._rng.sample(list(valid), min(len(valid), max(1, round(fault.share * len(valid))))))

    def give_back(self, fault: Fault) -> None:
        """Undo a claim: the fault did not happen after all.

        :param fault: What :meth:`claim` gave.
        """
        with self._lock:
            for index, (standing, left) in enumerate(self._standing):
                if standing is fault and left is not None:
                    self._standing[index] = (standing, left + 1)
                    return


def _read_options(parts: list[str]) -> dict[str, Any]:
    options: dict[str, str] = {}
    taken = False
    last = ""
    for part in parts:
        match = _OPTION.fullmatch(part.strip())
        if part.strip() == "taken":
            taken, last = True, ""
        elif match is not None and match[1] in _OPTIONS:
            last = match[1]
            if last in options:
                raise InvalidFaultError(f"option {last!r} is given twice")
            options[last] = match[2]
        elif match is None and last in _FREE_TEXT:
            options[last] = f"{options[last]},{part}"
        else:
            raise InvalidFaultError(f"unknown option {part.strip()!r}: use taken, {', '.join(_OPTIONS)}")
    return {"taken": taken, **{name: _convert(name, text) for name, text in options.items()}}


def _convert(name: str, text: str) -> str | int | float:
    try:
        if name in {"times", "status", "by"}:
            return int(text)
        return float(text) if name in {"chance", "seconds", "share"} else text
    except ValueError:
        raise InvalidFaultError(f"{name} must be a number, not {text!r}") from None
