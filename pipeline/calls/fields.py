"""Read values in events tolerantly: a missing value, or one of the wrong type, counts as absent."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pipeline.lenient_json import Unreadable, loads

T = TypeVar("T")

MAX_REPEATED_CHARACTERS = 16_384
"""A longer text is not cached, because a few of them would fill the memory."""

MAX_TEXT_CHARACTERS = 500
"""A longer value is cut. No line of the monitored list is longer."""

MAX_VERSION = 2**62
_MAX_DIGITS = 19


def parsed(attributes: Any) -> Mapping[str, Any]:
    """Return attributes, given as an object or as JSON in text; empty for anything else."""
    if isinstance(attributes, str):
        try:
            attributes = loads(attributes)
        except Unreadable:
            return {}
    return attributes if isinstance(attributes, dict) else {}


def repeated(read: Callable[[Any], T], most: int) -> Callable[[Any], T]:
    """Return `read` with a cache of `most` texts: each event of a call repeats all attributes of
    the task and of its workers. Other values and long texts are not cached."""
    known = lru_cache(maxsize=most)(read)

    def read_once(value: Any) -> T:
        is_short = isinstance(value, str) and len(value) <= MAX_REPEATED_CHARACTERS
        return known(value) if is_short else read(value)

    return read_once


def stated_version(value: Any) -> int | None:
    """Return a version, given as number or text; None if it is absent, negative, not a whole
    number, or `MAX_VERSION` or more."""
    if isinstance(value, str):
        digits = value.strip()
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS
        value = int(digits) if is_number else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < MAX_VERSION else None


def version(value: Any) -> int:
    """Return a sequence number or count, given as number or text; 0 if there is none."""
    return stated_version(value) or 0


def part(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object with that name, or an empty one."""
    value = attributes.get(name)
    return value if isinstance(value, dict) else {}


def flag(values: Mapping[str, Any], name: str) -> str | None:
    """Return the flag with that name, a boolean or a text in either case, as `true` or `false`;
    None for anything else."""
    value = values.get(name)
    said = str(value).lower() if isinstance(value, bool | str) else None
    return said if said in ("true", "false") else None


def text(values: Mapping[str, Any], name: str) -> str | None:
    """Return the text with that name, stripped and cut to the greatest length; None if nothing is
    left."""
    value = values.get(name)
    return value.strip()[:MAX_TEXT_CHARACTERS] or None if isinstance(value, str) else None
