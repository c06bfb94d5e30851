"""How much of a limited account is used, and what a durable checkpoint costs there. Sandboxes stand for Brevo."""

from __future__ import annotations

from benchmarks.limited import BATCH_SIZE, LATENCY_MS, Case, Sent, send_at_once
from benchmarks.table import Block, Goal, Row

SECONDS = 20.0
FULL_SECONDS = 60.0
MOST_BYTES = 32_000
MOST_WRITES = 4.0
GOAL_WITH_CHECKPOINT = 0.9

_ALONE = (0.97, 0.01)
_FOUR = (0.9, 0.05)
"""Goals: the share of what is allowed, at least; the share of 429s, at most."""

_FIRST = [Case(rate=10, window=window, senders=senders) for senders in (1, 4) for window in ("fixed", "sliding")]
_SECOND = [Case(rate=60, window=window) for window in ("fixed", "sliding")]
_STORES: dict[str, tuple[float, ...]] = {
    "in memory": (),
    "in a state store: 11 ms a write, each tenth 40 ms": (*[0.011] * 9, 0.040),
    "in an object store: 50 ms a write": (0.050,),
}


def measure(*, full: bool) -> list[Block]:
    """Let senders work at what the limit allows; some cases at the same time, each with a sandbox of its own.

    :param full: for a minute each, rather than some seconds.
    """
    seconds = FULL_SECONDS if full else SECONDS
    allowed: list[Row] = []
    for cases in (_FIRST, _SECOND):
        results = send_at_once(cases, seconds=seconds)
        allowed += [_row(case, sent, seconds) for case, sent in zip(cases, results, strict=True)]
    stored = send_at_once(
        [Case(rate=60, window="fixed", writes=writes) for writes in _STORES.values()], seconds=seconds
    )
    batches = f"batches of {BATCH_SIZE}, {LATENCY_MS} ms to an answer, {seconds:.0f} s"
    return [
        Block(title=f"Using what the limit allows, {batches}", columns=("of limit", "429s", "in flight"), rows=allowed),
        Block(
            title=f"Keeping a checkpoint at 60 requests/s, {batches}",
            columns=("requests", "writes/s", "bytes"),
            rows=_stored_rows([sent for (sent,) in stored], seconds),
        ),
    ]


def _row(case: Case, sent: list[Sent], seconds: float) -> Row:
    accepted = sum(one.accepted for one in sent)
    refused = sum(one.refused for one in sent)
    used, missed = accepted / (case.rate * seconds), refused / max(1, accepted + refused)
    least, most = _ALONE if case.senders == 1 else _FOUR
    return Row(
        name=f"{case.rate}/s, {case.window} window, {case.senders} process{'es' if case.senders > 1 else ''}",
        figures=(f"{used:.3f}", f"{missed:.1%}", f"{max(one.in_flight for one in sent)}"),
        goals=(Goal(text=f"at least {least:g}, and at most {most:.0%}", reached=used >= least and missed <= most),),
    )


def _stored_rows(results: list[Sent], seconds: float) -> list[Row]:
    rows = []
    without = results[0].accepted
    for name, sent in zip(_STORES, results, strict=True):
        goals: tuple[Goal, ...] = ()
        if sent.bytes_per_write:
            ratio = sent.accepted / without
            text = f"at least {GOAL_WITH_CHECKPOINT:g} of the requests without; is {ratio:.2f}"
            few = sent.writes_per_second <= MOST_WRITES and sent.bytes_per_write <= MOST_BYTES
            goals = (
                Goal(text=text, reached=ratio >= GOAL_WITH_CHECKPOINT),
                Goal(text=f"at most {MOST_WRITES:g} writes/s, and {MOST_BYTES:,} bytes each", reached=few),
            )
        written = f"{sent.writes_per_second:.2f}", f"{sent.bytes_per_write:,}"
        figures = (f"{sent.accepted / seconds:.1f}/s", *(written if goals else ("", "")))
        rows.append(Row(name=name, figures=figures, goals=goals))
    return rows
