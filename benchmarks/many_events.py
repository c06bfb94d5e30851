"""What sending many events costs, beside what else could send batches. All send the same JSON to the same server."""

from __future__ import annotations

import csv
import functools
import itertools
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import brevo
import requests
from brevo.event import CreateBatchEventsRequestEventsItem

from airflow_provider_brevo.core.auth import ApiKey
from airflow_provider_brevo.core.batches import Preparation
from airflow_provider_brevo.core.bulk import send_events
from airflow_provider_brevo.core.bulk_states import MAX_EVENTS, BulkOptions
from airflow_provider_brevo.core.client import BrevoClient
from airflow_provider_brevo.core.config import BrevoSettings
from airflow_provider_brevo.core.mapping import Column, EventMapping
from airflow_provider_brevo.core.sources import format_of, read_rows
from benchmarks.order import order, write_jsonl
from benchmarks.rounds import take_turns
from benchmarks.sink import Sink
from benchmarks.table import Goal, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from benchmarks.table import Block

ROUNDS = 5
EVENTS = 20_000
EVENTS_OF_THE_SLOW = 2_000
GOAL_PER_SECOND = 12_000
GOAL_TO_BARE = 1.0
GOAL_TO_SDK = 5.0

_KEY = "any-key"
_OURS = "ours, from a list, on_invalid=fail (the default)"
_SKIPPING = "ours, from a list, on_invalid=skip"
_BARE = "bare requests.Session.post(json=…), unchecked"
_SDK = "brevo-python's create_batch_events, given dicts"

_MAPPING = EventMapping(
    event_name="order_completed",
    identifiers={"email_id": Column("email"), "ext_id": Column("customer")},
    event_date=Column("date", type="date"),
    event_properties={
        "order_id": Column("order_id"),
        "total_cents": Column("total_cents", type="number"),
        "item_count": Column("item_count", type="number"),
        "coupon": Column("coupon"),
        "shipping": Column("shipping", type="json"),
        "items": Column("items", type="json"),
    },
)


def measure(work: Path) -> Block:
    """Let each contender send orders, in batches of 200.

    :param work: a folder for the files that are read.
    """
    orders = [order(number) for number in range(EVENTS)]
    work.mkdir(parents=True, exist_ok=True)
    with Sink() as sink:
        contenders = _contenders(f"http://127.0.0.1:{sink.port}/v3", orders, work)
        for name, (send, _) in contenders.items():
            send(MAX_EVENTS)
            if sink.last_body() != {"events": orders[:MAX_EVENTS]}:
                raise AssertionError(f"{name} does not send what the others send")
        seconds = take_turns({name: _turn(*contender) for name, contender in contenders.items()}, rounds=ROUNDS)
    title = f"One of many events of 500 bytes, in batches of {MAX_EVENTS}, on loopback (median of {ROUNDS} rounds)"
    return compared(title, seconds, {name: tuple(_goals(name, seconds)) for name in (_OURS, _SKIPPING)})


def _goals(name: str, seconds: dict[str, float]) -> Iterator[Goal]:
    per_second = 1 / seconds[name]
    text = f"at least {GOAL_PER_SECOND:,} events/s; is {per_second:,.0f}"
    yield Goal(text=text, reached=per_second >= GOAL_PER_SECOND)
    for other, least in ((_BARE, GOAL_TO_BARE), (_SDK, GOAL_TO_SDK)):
        ratio = seconds[other] / seconds[name]
        text = f"at least {least:g} x as fast as {other.split(maxsplit=1)[0]}; is {ratio:.2f} x"
        yield Goal(text=text, reached=ratio >= least)


def _turn(send: Callable[[int], object], events: int) -> Callable[[], float]:
    def turn() -> float:
        start = time.perf_counter()
        send(events)
        return (time.perf_counter() - start) / events

    return turn


def _contenders(url: str, orders: list[dict[str, Any]], work: Path) -> dict[str, tuple[Callable[[int], object], int]]:
    """Return by name what sends the first so many orders, and how many it sends in a turn."""
    client = BrevoClient(BrevoSettings(auth=ApiKey(_KEY), base_url=url))
    session = requests.Session()
    sdk = brevo.Brevo(base_url=url, api_key=_KEY, max_retries=0, timeout=30)
    dated = [{**event, "event_date": datetime.fromisoformat(event["event_date"])} for event in orders]
    jsonl, table = work / "orders.jsonl", work / "orders.csv"
    write_jsonl(jsonl, EVENTS)
    _write_csv(table, orders)

    def ours(
        events: int,
        *,
        rows: Callable[[], Iterable[Any]] = lambda: orders,
        mapping: EventMapping | None = None,
        on_invalid: Literal["fail", "skip"] = "skip",
    ) -> None:
        result = send_events(
            client,
            lambda: itertools.islice(rows(), events),
            options=BulkOptions(on_invalid=on_invalid),
            prepare=Preparation(mapping=mapping),
        )
        if result.accepted != events:
            raise AssertionError(f"only {result.accepted} of {events} events were taken")

    def post(events: int) -> None:
        for start in range(0, events, MAX_EVENTS):
            body = {"events": orders[start : start + MAX_EVENTS]}
            session.post(f"{url}/events/batch", json=body, headers={"api-key": _KEY}, timeout=30).raise_for_status()

    def by_sdk(events: int) -> None:
        for start in range(0, events, MAX_EVENTS):
            sdk.event.create_batch_events(events=orders[start : start + MAX_EVENTS])

    def by_typed_sdk(events: int) -> None:
        for start in range(0, events, MAX_EVENTS):
            items = [CreateBatchEventsRequestEventsItem(**event) for event in orders[start : start + MAX_EVENTS]]
            sdk.event.create_batch_events(events=items)

    return {
        _OURS: (functools.partial(ours, on_invalid="fail"), EVENTS),
        _SKIPPING: (ours, EVENTS),
        _BARE: (post, EVENTS),
        _SDK: (by_sdk, EVENTS_OF_THE_SLOW),
        "the same, given its typed items": (by_typed_sdk, EVENTS_OF_THE_SLOW),
        "ours, skip, with a datetime in each": (functools.partial(ours, rows=lambda: dated), EVENTS_OF_THE_SLOW),
        "ours, skip, read from .jsonl": (functools.partial(ours, rows=lambda: _read(jsonl)), EVENTS),
        "ours, skip, read from .csv, EventMapping": (
            functools.partial(ours, rows=lambda: _read(table), mapping=_MAPPING),
            EVENTS_OF_THE_SLOW,
        ),
    }


def _write_csv(path: Path, orders: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "customer", "date", *orders[0]["event_properties"]])
        for event in orders:
            properties = [
                value if isinstance(value, str) else json.dumps(value) for value in event["event_properties"].values()
            ]
            writer.writerow([*event["identifiers"].values(), event["event_date"], *properties])


def _read(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        yield from read_rows(file, format=format_of(path.name)[0])
