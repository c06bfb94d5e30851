"""What checking one event costs, beside other validators on the same schema."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fastjsonschema
import jsonschema  # noqa: TID253 # no DAG imports this file

from airflow_provider_brevo.core.validation import find_violations, load_schema, prepare_event
from benchmarks.order import EVENT
from benchmarks.rounds import repeated, take_turns
from benchmarks.table import compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.table import Block

ROUNDS = 9
TURN_SECONDS = 0.05


def measure() -> Block:
    """Let each validator check the event again and again."""
    body = prepare_event(EVENT)
    broken = {**body, "event_name": "order completed"}
    checks = _checks(load_schema("event"))
    for name, check in checks.items():
        if not _refuses(check, broken):
            raise AssertionError(f"{name} does not refuse an event name with a blank")
    calls = {name: functools.partial(check, body) for name, check in checks.items()}
    calls["prepare_event: ours, with conversion"] = functools.partial(prepare_event, EVENT)
    turns = {name: repeated(call, seconds=TURN_SECONDS) for name, call in calls.items()}
    title = f"Checking one event (median of {ROUNDS} rounds)"
    return compared(title, take_turns(turns, rounds=ROUNDS), {})


def _checks(schema: dict[str, Any]) -> dict[str, Callable[[Any], object]]:
    """Return the validators by name.

    fastjsonschema knows no draft after 7 and reads the schema as that. jsonschema's validators don't check dates here,
    for which they need a further package.
    """
    kept = jsonschema.Draft202012Validator(schema)
    return {
        "find_violations: ours": _find,
        "fastjsonschema, compiled (as draft 7)": fastjsonschema.compile(schema),
        "jsonschema.Draft202012Validator, kept (no dates)": kept.validate,
        "jsonschema.validate() (no dates)": lambda event: jsonschema.validate(event, schema),
    }


def _find(event: Any) -> None:
    if violations := find_violations(event):
        raise ValueError(violations)


def _refuses(check: Callable[[Any], object], event: Any) -> bool:
    try:
        check(event)
    except ValueError:  # also the base of fastjsonschema's errors
        return True
    except jsonschema.ValidationError:
        return True
    return False
