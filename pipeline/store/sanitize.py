"""Make records storable in any database: no NUL characters, no text longer than its column. Pure.

The topic `contacts` keeps the unchanged texts.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

LONGEST = 255
"""The most characters of a text that is searched for, or shown in a line."""

T = TypeVar("T")


def storable(record: T) -> T:
    """Return the record with all its texts made storable; the same object if they all are."""
    return _storable(record)  # type: ignore[no-any-return]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")[:LONGEST]
    if isinstance(value, tuple):
        items = tuple(_storable(item) for item in value)
        return value if items == value else items
    if isinstance(value, Mapping):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {name: new for name, old in plain.items() if (new := _storable(old)) != old}
        return replace(value, **changed) if changed else value
    return value
