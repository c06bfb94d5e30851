"""The rules for one event, written from Brevo's documents: the reference and the guide of ``POST /events``.

Like Brevo, a refusal names the first thing found wrong and may quote the value: clients have to prove that
they clean such messages before they log them.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_brevo.sandbox.dates import parse_timestamp

MAX_PROPERTIES_BYTES = 50_000
"""
Most bytes of ``event_properties``, as compact JSON in UTF-8.

The reference says "Size is limited to 50Kb", which may be read as 50,000 or as 51,200 bytes. The stricter
reading is taken, since what passes it passes either.
"""

_FIELDS = ("event_name", "event_date", "identifiers", "event_properties", "contact_properties", "object")
_TEXT_IDENTIFIERS = ("email_id", "ext_id", "phone_id", "whatsapp_id", "landline_number_id")
_INT64 = range(-(2**63), 2**63)
# Reference: "Limited to 255 characters, alphanumerical characters and - _ only", for names and keys alike.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class InvalidEventError(ValueError):
    """What was sent breaks a rule; the text names the field."""


def parse_json(body: bytes) -> Any:
    """Read a request body strictly.

    Refused beyond plain syntax: NaN and infinities (also as 1e999), a name given twice in one object (which
    of them counts would be a guess), text that is not Unicode, and nesting too deep to be read.

    :param body: The bytes that arrived.
    :raises InvalidEventError: if they are not such JSON.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            # Only an escape can bring what is not Unicode: the bytes are UTF-8.
            object_pairs_hook=_unicode_object_of_unique_names if b"\\u" in body else _object_of_unique_names,
        )
    except InvalidEventError:
        raise
    except UnicodeDecodeError as error:
        raise InvalidEventError("The request body is not UTF-8") from error
    except ValueError as error:
        raise InvalidEventError("The request body is not valid JSON") from error
    except RecursionError as error:
        raise InvalidEventError("The request body is nested too deeply") from error


def check_event(event: object) -> dict[str, Any]:
    """Check one event against every documented rule.

    :param event: A value read from JSON.
    :return: The same event.
    :raises InvalidEventError: at the first rule it breaks.
    """
    fields = _object(event, "the event")
    _refuse_unknown(fields, _FIELDS, "")
    _check_name(fields)
    _check_identifiers(fields)
    if "event_date" in fields and parse_timestamp(_text(fields["event_date"], "event_date")) is None:
        raise _invalid(fields["event_date"], "event_date")
    if "event_properties" in fields:
        _check_event_properties(_object(fields["event_properties"], "event_properties"))
    if "contact_properties" in fields:
        _check_contact_properties(_object(fields["contact_properties"], "contact_properties"))
    if "object" in fields:
        _check_object(_object(fields["object"], "object"))
    return fields


def _check_name(fields: dict[str, Any]) -> None:
    if "event_name" not in fields:
        raise InvalidEventError("event_name is missing")
    if not _NAME.fullmatch(_text(fields["event_name"], "event_name")):
        raise _invalid(fields["event_name"], "event_name")


def _check_identifiers(fields: dict[str, Any]) -> None:
    if "identifiers" not in fields:
        raise InvalidEventError("identifiers is missing")
    identifiers = _object(fields["identifiers"], "identifiers")
    _refuse_unknown(identifiers, ("contact_id", *_TEXT_IDENTIFIERS), "identifiers.")
    if not identifiers:
        raise InvalidEventError("identifiers needs at least one identifier")
    if "contact_id" in identifiers:
        contact_id = identifiers["contact_id"]
        if not _is_integer(contact_id) or contact_id not in _INT64:
            raise _invalid(contact_id, "identifiers.contact_id")
    for name in _TEXT_IDENTIFIERS:
        if name in identifiers and not _text(identifiers[name], f"identifiers.{name}"):
            raise _invalid(identifiers[name], f"identifiers.{name}")


def _check_event_properties(properties: dict[str, Any]) -> None:
    for place, value in _walk(properties, ("event_properties",)):
        if isinstance(value, dict):
            for key in value:
                if not _NAME.fullmatch(key):
                    raise InvalidEventError(f"Invalid key {_quote(key)} in {''.join(place)}")
        elif value is None:
            raise InvalidEventError(f"{''.join(place)} must not be null")
    try:
        size = len(_COMPACT.encode(properties).encode())
    except RecursionError as error:
        raise InvalidEventError("event_properties is nested too deeply") from error
    if size > MAX_PROPERTIES_BYTES:
        raise InvalidEventError(f"event_properties has {size} bytes, more than {MAX_PROPERTIES_BYTES}")


def _check_contact_properties(properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        # Brevo's contact attributes are upper case; a name in lower case updates nothing.
        if not name or any(character.islower() for character in name):
            raise InvalidEventError(f"Invalid attribute {_quote(name)} in contact_properties")
        if value is None or isinstance(value, (dict, list)):
            raise InvalidEventError(f"contact_properties.{name} must be a string, a number or a boolean")


def _check_object(obj: dict[str, Any]) -> None:
    _refuse_unknown(obj, ("type", "identifiers"), "object.")
    if "type" in obj:
        _text(obj["type"], "object.type")
    if "identifiers" in obj:
        identifiers = _object(obj["identifiers"], "object.identifiers")
        _refuse_unknown(identifiers, ("id", "ext_id"), "object.identifiers.")
        for name, value in identifiers.items():
            _text(value, f"object.identifiers.{name}")


def _walk(value: object, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield what may be wrong, objects and nulls, with its place.

    A stack of our own, since JSON may nest deeper than Python calls.
    """
    waiting = [(place, value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            yield place, value
            waiting.extend(((*place, ".", key), item) for key, item in value.items() if _may_be_wrong(item))
        elif isinstance(value, list):
            waiting.extend(((*place, f"[{index}]"), item) for index, item in enumerate(value) if _may_be_wrong(item))
        else:
            yield place, value


def _may_be_wrong(value: object) -> bool:
    return value is None or isinstance(value, (dict, list))


def _object(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidEventError(f"{place} must be an object{_but_got(value)}")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise InvalidEventError(f"{place} must be a string{_but_got(value)}")
    return value


def _but_got(value: object) -> str:
    return f", not {_quote(value)}" if isinstance(value, str) else ""


def _refuse_unknown(fields: dict[str, Any], known: tuple[str, ...], prefix: str) -> None:
    for name in fields:
        if name not in known:
            raise InvalidEventError(f"Unknown field {prefix}{name}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(value: object, place: str) -> InvalidEventError:
    return InvalidEventError(f"Invalid value {_quote(value)} for {place}")


def _quote(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _refuse_constant(name: str) -> None:
    raise InvalidEventError(f"The request body holds {name}, which is not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidEventError(f"The number {text} is out of range")
    return number


def _object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    obj = dict(pairs)
    if len(obj) < len(pairs):
        raise InvalidEventError("The request body gives a name twice in one object")
    return obj


def _unicode_object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, value in pairs:
        _refuse_surrogates(name)
        _refuse_surrogates(value)
    return _object_of_unique_names(pairs)


def _refuse_surrogates(value: object) -> None:
    """Refuse lone surrogates: JSON can escape them, UTF-8 can't carry them. Inner objects are done."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str) and not current.isascii():
            try:
                current.encode()
            except UnicodeEncodeError as error:
                raise InvalidEventError("The request body holds text that is not Unicode") from error
        elif isinstance(current, list):
            waiting.extend(item for item in current if not isinstance(item, dict))
