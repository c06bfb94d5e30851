"""The one check of timestamps, the same for both validators."""

from __future__ import annotations

import functools
import re
from datetime import date

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def is_rfc3339(text: object) -> bool:
    """Tell whether a text is a timestamp by RFC 3339, section 5.6, with an offset and on a day that exists.

    Stricter in two places that no clock produces and whose treatment by Brevo is unknown: leap seconds (``23:59:60``)
    and the year 0000 are refused.

    :param text: anything; what isn't text is not judged here, so that a type error is reported only once.
    """
    if not isinstance(text, str):
        return True
    return _RFC3339.fullmatch(text) is not None and _exists(text[:10])


@functools.lru_cache(maxsize=1_000)
def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
