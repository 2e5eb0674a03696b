"""Values in events, read with tolerance: what is missing or of another type is not there."""

from collections.abc import Mapping
from typing import Any

import orjson

MAX_TEXT_CHARACTERS = 500
"""A longer value is cut. No line of the monitored list is longer."""


def parsed(attributes: Any) -> Mapping[str, Any]:
    """Attributes: an object, or one as JSON in text; empty for anything else."""
    if isinstance(attributes, str):
        try:
            attributes = orjson.loads(attributes)
        except orjson.JSONDecodeError:
            return {}
    return attributes if isinstance(attributes, dict) else {}


def version(value: Any) -> int:
    """A version or sequence number, as number or text; 0 where there is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:18])
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
    return value if ok else 0


def part(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name; empty where there is none."""
    value = attributes.get(name)
    return value if isinstance(value, dict) else {}


def text(values: Mapping[str, Any], name: str) -> str | None:
    """The text of that name without the spaces around it, cut if it is long; None where nothing is
    left of it."""
    value = values.get(name)
    return value.strip()[:MAX_TEXT_CHARACTERS] or None if isinstance(value, str) else None
