"""The team's own rules for ``event_properties``: a tracking plan, written as JSON Schema.

The schemas are anybody's, so one library both decides and explains: two would differ in regular expressions and
formats. jsonschema-rs says which keyword is broken, where, and by which limit. A reason names these, never a value of
the payload.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_brevo.core.dates import is_rfc3339
from airflow_provider_brevo.core.payload import pointer
from airflow_provider_brevo.core.strict_json import load_json
from airflow_provider_brevo.core.validation import load_schema, place_of, type_name, value_at
from airflow_provider_brevo.exceptions import BrevoUsageError, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import jsonschema_rs

__all__ = ["TrackingPlan"]

_PROPERTIES = "/event_properties"
_SHOWN_NAMES = 10
_SHOWN_LIMIT = 100
_SAYS_SOMETHING_OF_OBJECTS = frozenset(
    {
        *("type", "enum", "const", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if"),
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"),
        *("required", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"),
    }
)


class TrackingPlan:
    """What a team has agreed to send, as JSON Schemas for ``event_properties``. It can't be changed.

    Made by :meth:`of_schema` or :meth:`of_file`. Schemas are of draft 2020-12, or of the draft from 4 on that their
    ``$schema`` names. ``format`` is checked: ``date-time`` as for ``event_date``, the other formats of JSON Schema by
    jsonschema-rs; a format that it doesn't know is ignored. Nothing is ever fetched: a ``$ref`` may lead to places in
    the same schema only.
    """

    def __init__(self, schemas: Mapping[str, _Schema], every: _Schema | None = None) -> None:
        self._schemas = dict(schemas)
        self._every = every

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any]) -> TrackingPlan:
        """Return a plan of one schema, for the ``event_properties`` of every event, whatever its name.

        :param schema: a JSON Schema.
        :raises BrevoUsageError: it is none that can be used.
        """
        try:
            text = json.dumps(dict(schema), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BrevoUsageError(
                "properties_schema holds what has no JSON form", advice="build it of dicts, lists, text and numbers"
            ) from error
        return _plan_of_schema(text)

    @classmethod
    def of_file(cls, content: bytes, path: str) -> TrackingPlan:
        """Return a plan of schemas by event name. An event whose name isn't among them breaks it.

        :param content: a JSON object of event names and JSON Schemas, in UTF-8.
        :param path: where it comes from, for errors.
        :raises BrevoUsageError: it holds something else, or a schema that can't be used.
        """
        return _plan_of_file(content, path)

    def allows(self, event: Mapping[str, Any]) -> bool:
        """Tell in microseconds whether an event keeps to the plan.

        :param event: the event as JSON values.
        """
        schema = self._of(event.get("event_name"))
        try:
            return schema is not None and schema.validator.is_valid(event.get("event_properties", {}))
        except ValueError:  # it has to be converted first
            return False

    def violations(self, event: Mapping[str, Any]) -> list[Violation]:
        """List where an event leaves the plan; an empty list means that it keeps to it.

        Absent ``event_properties`` are checked as ``{}``. The rules are ``unplanned`` for a name that isn't in the
        plan, ``required``, ``type`` and ``unknown-field``, and ``plan`` for every other keyword of the schema.

        :param event: the event as JSON values.
        """
        schema = self._of(event.get("event_name"))
        if schema is None:
            return [self._unplanned(event.get("event_name"))]
        properties = event.get("event_properties", {})
        errors = schema.validator.iter_errors(properties)
        found = {violation for error in errors for violation in _explain(error, properties, schema.names)}
        return sorted(found, key=lambda violation: (violation.pointer, violation.problem))

    def _of(self, name: Any) -> _Schema | None:
        return self._every or (self._schemas.get(name) if isinstance(name, str) else None)

    def _unplanned(self, name: Any) -> Violation:
        planned = list(self._schemas)
        more = f", and {len(planned) - _SHOWN_NAMES} more" if len(planned) > _SHOWN_NAMES else ""
        near = _near(str(name), planned)
        return Violation(
            pointer="/event_name",
            rule="unplanned",
            problem="is not in the tracking plan",
            advice=near or f"add it to the plan; planned are {', '.join(planned[:_SHOWN_NAMES])}{more}",
        )


class _Schema:
    """One compiled schema.

    :param schema: the JSON Schema.
    :param place: what it is, for errors.
    """

    def __init__(self, schema: Any, place: str) -> None:
        self.validator = _compile(schema, place)
        self.names = sorted(set(_names(schema)))


@functools.lru_cache(maxsize=16)
def _plan_of_schema(text: str) -> TrackingPlan:
    schema = load_json(text)
    if schema and not _SAYS_SOMETHING_OF_OBJECTS.intersection(schema):
        raise BrevoUsageError(
            "properties_schema is a dict that says nothing of an object, so it would allow everything",
            advice="give one JSON Schema for event_properties, with 'properties'; schemas by event name go into a file,"
            " and properties_schema names the file",
        )
    return TrackingPlan({}, _Schema(schema, "properties_schema"))


@functools.lru_cache(maxsize=16)
def _plan_of_file(content: bytes, path: str) -> TrackingPlan:
    try:
        schemas = load_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BrevoUsageError(f"The tracking plan {path} is not in UTF-8", advice="save it in UTF-8") from error
    except ValueError as error:
        raise BrevoUsageError(f"The tracking plan {path} {error}", advice="write it with a JSON library") from error
    if not isinstance(schemas, dict) or not schemas:
        raise BrevoUsageError(f"The tracking plan {path} is no object of schemas", advice=_BY_NAME)
    is_name = re.compile(load_schema("event")["properties"]["event_name"]["pattern"]).search
    for name, schema in schemas.items():
        if not is_name(name):
            raise BrevoUsageError(f"The tracking plan {path} names {name!r}, which no event can have", advice=_BY_NAME)
        if not isinstance(schema, dict | bool):
            raise BrevoUsageError(f"The tracking plan {path} holds no schema behind {name!r}", advice=_BY_NAME)
    return TrackingPlan({name: _Schema(schema, f"{path}: {name}") for name, schema in schemas.items()})


_BY_NAME = 'write one schema for each event name: {"order_completed": {"type": "object", …}}'


# -------------------------------------------------------------------------------------------------------- jsonschema-rs


def _compile(schema: Any, place: str) -> jsonschema_rs.Validator:
    import jsonschema_rs  # whoever only parses a DAG should not pay for it

    try:
        validator: jsonschema_rs.Validator = jsonschema_rs.validator_for(
            schema, validate_formats=True, formats={"date-time": is_rfc3339}, retriever=_fetch_nothing
        )
    except ValueError as error:  # their errors are of this kind
        keyword = getattr(getattr(error, "kind", None), "name", "")
        if keyword == "$ref":
            raise BrevoUsageError(
                f"{place} has a $ref that leads out of it, or a $schema that is not known; nothing is fetched",
                advice="put what is referred to under $defs, and name a draft of JSON Schema from 4 to 2020-12",
            ) from error
        inside = "".join(f"/{key}" for key in getattr(error, "instance_path", ()))
        raise BrevoUsageError(
            f"{place} is no JSON Schema: {inside or 'it'} breaks the rule '{keyword}' of its draft",
            advice="correct the schema",
        ) from error
    return validator


def _fetch_nothing(_: str) -> NoReturn:
    raise ValueError


def _explain(error: jsonschema_rs.ValidationError, properties: Any, names: list[str]) -> Iterator[Violation]:
    kind: Any = error.kind
    place = _PROPERTIES + place_of(properties, error.instance_path)
    if kind.name == "required":
        advice = "add it, as the tracking plan asks for it"
        yield Violation(pointer=f"{place}/{kind.value}", rule="required", problem="is missing", advice=advice)
    elif kind.name == "type":
        wanted = " or ".join(kind.value)
        problem = f"must be of the type {wanted} by the tracking plan, not {type_name(error.instance)}"
        yield Violation(pointer=place, rule="type", problem=problem, advice="correct the value, or the plan")
    elif hasattr(kind, "unexpected") and isinstance(error.instance, dict):
        inside = list(value_at(properties, error.instance_path))  # in the order of the event
        for key in kind.unexpected:
            yield Violation(
                pointer=pointer(place, key, inside.index(key)),
                rule="unknown-field",
                problem="is not in the tracking plan",
                advice=_near(key, names) or "remove it, or add it to the plan",
            )
    elif kind.name == "falseSchema":
        advice = "remove it, or change the plan"
        yield Violation(pointer=place, rule="unknown-field", problem="is ruled out by the tracking plan", advice=advice)
    else:
        limit = "" if hasattr(kind, "unexpected") else _limit(kind.value)  # else it would hold the items
        problem = f"breaks the rule '{kind.name}{limit}' of the tracking plan"
        yield Violation(pointer=place, rule="plan", problem=problem, advice="correct the value, or the plan")


def _limit(value: Any) -> str:
    """Return a limit as the plan has it; where it is a schema, nothing."""
    if value is None or not all(isinstance(one, str | int | float) for one in _as_list(value)):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f": {text}" if len(text) <= _SHOWN_LIMIT else ""


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(schema: Any) -> Iterator[str]:
    """Yield the names of all properties that a schema describes, at any depth."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for inner in schema.values():
            yield from _names(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _names(inner)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else ""
