"""Events against the rules of the Events API.

The rules are the JSON Schemas in ``schemas/``. jsonschema-rs decides, in microseconds; only for an event that it
refuses does jsonschema explain, with all reasons at once. A reason names the place and the rule, never a value: the
values are personal data, and reasons end up in logs.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from datetime import UTC, tzinfo
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from airflow_provider_brevo.core.dates import is_rfc3339
from airflow_provider_brevo.core.payload import MAX_DEPTH, Converted, convert_event, pointer
from airflow_provider_brevo.exceptions import BrevoInvalidEventError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import jsonschema
    import jsonschema_rs

    from airflow_provider_brevo.core.tracking_plan import TrackingPlan

__all__ = ["find_violations", "load_schema", "prepare_event"]

SchemaName = Literal["event", "batch"]

_FORMATS: dict[str, Callable[[object], bool]] = {"date-time": is_rfc3339}

_ALIASES = {
    "email": "email_id",
    "mail": "email_id",
    "phone": "phone_id",
    "sms": "phone_id",
    "whatsapp": "whatsapp_id",
    "landline": "landline_number_id",
    "external_id": "ext_id",
    "id": "contact_id",
    "name": "event_name",
    "event": "event_name",
    "date": "event_date",
    "timestamp": "event_date",
    "properties": "event_properties",
    "props": "event_properties",
    "attributes": "contact_properties",
}
_TYPE_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "an object",
}
_RULES = {
    "required": "required",
    "type": "type",
    "pattern": "name",
    "format": "date",
    "minLength": "empty",
    "minProperties": "identifier",
    "minimum": "range",
    "maximum": "range",
    "minItems": "count",
    "maxItems": "count",
}
"""JSON Schema's keywords, and the words that our reports count by."""
encode_plain = msgspec.json.Encoder().encode
"""Encodes finite JSON values fast. It makes null of NaN, which the schema or conversion has refused by then."""
decode_plain = msgspec.json.Decoder().decode
SURELY_SMALL = 50_000
"""Bytes of a whole event in which no part can be too large."""
_DIGITS = bytes(ord("0") if chr(byte).isdecimal() else byte for byte in range(128)) + bytes(range(128, 256))
_LONG_NUMBER = b"0" * 19
"""Digits of the shortest number that may be beyond 64 bits."""
_END = r"(?![\s\S])"
_NO_DATE = "2000-01-01T00:00:00Z"
_UNEXPLAINED = Violation(
    pointer="",
    rule="unexplained",
    problem="breaks a rule of the schema",
    advice="compare it with the fields in the documentation, and report this as a bug of airflow-provider-brevo",
)


@functools.cache
def load_schema(name: SchemaName) -> dict[str, Any]:
    """Return one of the JSON Schemas (2020-12) that ship with the package.

    Each rule says in ``x-source`` which document it comes from. ``x-max-bytes`` is a limit that JSON Schema has no word
    for: it counts the UTF-8 bytes of the compact JSON.

    :param name: ``event`` for the body of ``POST /events``, ``batch`` for that of ``POST /events/batch``.
    """
    text = resources.files(__package__).joinpath(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def prepare_event(
    event: Mapping[str, Any], *, timezone: tzinfo = UTC, validate: bool = True, plan: TrackingPlan | None = None
) -> dict[str, Any]:
    """Convert an event to what is sent, and check it.

    :param event: the fields of the event, with Python's values.
    :param timezone: for datetimes without an offset.
    :param validate: check the rules of the Events API; ``False`` lets pass whatever has a JSON form, unknown fields
        included, since Brevo may add fields before we do.
    :param plan: the team's own rules for ``event_properties``, which are checked whatever ``validate`` says.
    :raises BrevoInvalidEventError: every reason why the event can't be sent, each with its place.
    """
    converted = convert_event(event, timezone=timezone)
    if violations := violations_of(converted, validate=validate, plan=plan):
        raise BrevoInvalidEventError(violations)
    value: dict[str, Any] = converted.value
    return value


def violations_of(converted: Converted, *, validate: bool = True, plan: TrackingPlan | None = None) -> list[Violation]:
    """List why a converted event can't be sent: what has no JSON form, and what breaks rules.

    :param converted: the event.
    :param validate: check the rules of the Events API.
    :param plan: check the team's own rules for ``event_properties``.
    """
    violations = list(converted.violations)
    if validate:
        failed = [violation.pointer for violation in violations]
        violations += [found for found in find_violations(converted.value) if not _follows_from(found, failed)]
    if plan is not None:
        # What is wrong at a place, or inside of it, is told once.
        told = [violation.pointer for violation in violations]
        violations += [
            found
            for found in plan.violations(converted.value)
            if not any(f"{place}/".startswith(f"{found.pointer}/") or not place for place in told)
        ]
    return violations


def encode_if_valid(event: Any) -> bytes | None:
    """Return the JSON of an event that is valid as it is, in microseconds; ``None`` says nothing.

    Most rows of a large source consist of JSON's own types, and conversion would not change them. That is seen here
    without walking through them in Python: what comes back equal from its JSON is JSON. Whatever isn't seen to be valid
    at once has to be converted and looked at again.

    :param event: an event with Python's values.
    """
    try:
        encoded = encode_plain(event)
        if (
            len(encoded) > SURELY_SMALL
            or encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH
            or _LONG_NUMBER in encoded.translate(_DIGITS)
            or decode_plain(encoded) != event
            or not _decider("event", formats=False).is_valid(event)
        ):
            return None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    # The rest that conversion would change, or that takes a format.
    plain = type(event["identifiers"].get("contact_id")) is not float and is_rfc3339(event.get("event_date", _NO_DATE))
    return encoded if plain else None


def _follows_from(violation: Violation, failed: list[str]) -> bool:
    """Tell whether something is missing only because a value there could not be converted, which is told already."""
    return violation.rule in {"required", "identifier"} and any(
        f"{place}/".startswith(f"{violation.pointer}/") or not place for place in failed
    )


def find_violations(instance: Any, *, schema: SchemaName = "event") -> list[Violation]:
    """List every rule that a JSON value breaks; an empty list means that it is valid.

    Missing and unknown fields come first, then the fields in the schema's order, sizes last; a batch's events follow
    one another.

    :param instance: an event, or a batch ``{"events": […]}``, as JSON values.
    :param schema: which of the two.
    """
    try:
        too_large = list(_oversized(instance, schema))
        if _decider(schema).is_valid(instance):
            return too_large
        errors = list(_explainer(schema).iter_errors(instance))
    except RecursionError:  # only for what didn't come through convert_event, which bounds the depth
        return [Violation(pointer="", rule="depth", problem="is nested too deeply", advice="flatten the value")]
    # jsonschema has an error for each missing field, and each of them leads to all: hence the dict.
    explained = dict.fromkeys(violation for error in errors for violation in _explain(error, instance))
    # The decision stands even if the two should ever disagree.
    return sorted([*explained, *too_large], key=_event_index) or [_UNEXPLAINED]


# ------------------------------------------------------------------------------------------------- the two validators


@functools.cache
def _decider(name: SchemaName, *, formats: bool = True) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs  # whoever only parses a DAG should not pay for it

    registry = jsonschema_rs.Registry([(schema["$id"], _for_rust(schema)) for schema in _schemas()])
    return jsonschema_rs.Draft202012Validator(
        _for_rust(load_schema(name)),
        validate_formats=formats,
        formats=dict(_FORMATS),
        registry=registry,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def _for_rust(schema: Any) -> Any:
    """Return a schema whose patterns need no lookahead, for Rust's faster engine: its ``$`` is the very end."""
    if isinstance(schema, dict):
        return {
            key: value.replace(_END, "$") if key == "pattern" and isinstance(value, str) else _for_rust(value)
            for key, value in schema.items()
        }
    return [_for_rust(item) for item in schema] if isinstance(schema, list) else schema


@functools.cache
def _explainer(name: SchemaName) -> jsonschema.Draft202012Validator:
    import jsonschema.validators  # needed only once an event is refused
    import referencing  # see above; a dependency of jsonschema

    checker = jsonschema.FormatChecker(formats=())
    for name_of_format, check in _FORMATS.items():
        checker.checks(name_of_format)(check)
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(
        (schema["$id"], referencing.Resource.from_contents(schema)) for schema in _schemas()
    )
    # jsonschema-rs has no NaN, jsonschema takes it for a number.
    draft = jsonschema.Draft202012Validator
    validator: type[jsonschema.Draft202012Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # untyped in its stubs
        draft,
        type_checker=draft.TYPE_CHECKER.redefine(
            "number", lambda _, value: draft.TYPE_CHECKER.is_type(value, "number") and not _is_nan_or_infinite(value)
        ),
    )
    return validator(load_schema(name), format_checker=checker, registry=registry)


def _schemas() -> tuple[dict[str, Any], ...]:
    return load_schema("event"), load_schema("batch")


def _oversized(instance: Any, schema: SchemaName) -> Iterator[Violation]:
    """Check ``x-max-bytes``, the limits that JSON Schema has no word for."""
    if not isinstance(instance, dict):
        return
    limited: list[tuple[str, dict[str, Any], Any]]
    if schema == "batch":
        limited = [("", load_schema("batch"), instance)]
        events = instance.get("events")
        for index, event in enumerate(events if isinstance(events, list) else []):
            if isinstance(event, dict):
                limited.append(
                    (f"/events/{index}/event_properties", _properties_schema(), event.get("event_properties"))
                )
    else:
        limited = [("/event_properties", _properties_schema(), instance.get("event_properties"))]
    for place, rules, part in limited:
        if part is not None and (size := _size(part)) > rules["x-max-bytes"]:
            yield Violation(
                pointer=place,
                rule="size",
                problem=f"takes {size:,} bytes, which is more than {rules['x-max-bytes']:,}",
                advice=rules["x-size-advice"],
            )


def _size(part: Any) -> int:
    # As payload.encode() sends it, but without its errors: what else is wrong with the value is told elsewhere.
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _event_index(violation: Violation) -> int:
    """Return which event of a batch a violation is in: -1 outside of them, and for a single event."""
    match = re.match(r"/events/(\d+)", violation.pointer)
    return int(match[1]) if match else -1


def _properties_schema() -> dict[str, Any]:
    schema: dict[str, Any] = load_schema("event")["properties"]["event_properties"]
    return schema


# ------------------------------------------------------------------------------------------------------- explanations


def _explain(error: Any, instance: Any) -> Iterator[Violation]:
    place = place_of(instance, error.absolute_path)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield Violation(pointer=f"{place}/{name}", rule="required", problem="is missing", advice="add it")
    elif error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for position, key in enumerate(error.instance):
            if key not in known:
                yield Violation(
                    pointer=pointer(place, key, position),
                    rule="unknown-field",
                    problem="is no field that Brevo knows",
                    advice=_advice_for_unknown(key, error.schema["properties"]),
                )
    elif "propertyNames" in list(error.absolute_schema_path)[-3:]:
        # The path leads to the object; the name that breaks the rule is what the error calls the instance.
        position = list(value_at(instance, error.absolute_path)).index(error.instance)
        yield _by_rule(error, pointer(place, str(error.instance), position), rule="key")
    else:
        yield _by_rule(error, place, rule=_RULES[str(error.validator)])


def _by_rule(error: Any, place: str, *, rule: str) -> Violation:
    found = f", not {type_name(error.instance)}" if rule == "type" else ""
    return Violation(
        pointer=place, rule=rule, problem=f"must be {error.schema['x-rule']}{found}", advice=error.schema["x-advice"]
    )


def type_name(value: object) -> str:
    """Name the type of a JSON value for people."""
    if _is_nan_or_infinite(value):
        return "NaN or infinity"
    return _TYPE_NAMES[type(value)]


def _is_nan_or_infinite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def value_at(instance: Any, path: Iterable[str | int]) -> Any:
    """Return what stands at a place."""
    return functools.reduce(lambda value, key: value[key], path, instance)


def place_of(instance: Any, path: Iterable[str | int]) -> str:
    """Return the JSON pointer to a place, with keys that break the key rules by their position."""
    place = ""
    for key in path:
        place = pointer(place, key, list(instance).index(key) if isinstance(key, str) else 0)
        instance = instance[key]
    return place


def _advice_for_unknown(key: str, known: Mapping[str, Any]) -> str:
    """Name the field that was probably meant: ``eventName`` means ``event_name``."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+", "_", key).lower()
    identifiers = known.get("identifiers", {}).get("properties", {})
    places = {name: f"identifiers.{name}" for name in identifiers} | {name: name for name in known}
    exact = _ALIASES.get(plain, plain)
    near = [exact] if exact in places else []
    for candidates in (known, identifiers):
        near = near or difflib.get_close_matches(plain, candidates, n=1)
    if near:
        return f"did you mean '{places[near[0]]}'?"
    return f"remove it; known are {', '.join(known)}"
