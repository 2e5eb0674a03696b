"""The output of `flexcapture tail` for one record. Pure."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from cli.tail.decoding import Shown
from cli.tail.main_fields import MAIN_FIELDS
from pipeline.times import rfc3339

_VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class TailLine:
    """A record's line in columns. No column has a control character."""

    time: str
    place: str
    key: str
    type: str
    detail: str
    is_error: bool

    def __str__(self) -> str:
        return f"{self.time}  {self.place}  {self.key}  {self.type}  {self.detail}".rstrip()


def as_json(record: Shown) -> bytes:
    """Return the record as a JSON object in one line. Times are as in the records, bytes in base64.
    `value` of a record that cannot be decoded is its bytes, and `error` says why."""
    document: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key,
        "type": record.type,
        "value": record.value,
    }
    if record.error is not None:
        document |= {"value": record.raw, "error": record.error}
    return orjson.dumps(document, default=_encodable, option=orjson.OPT_APPEND_NEWLINE)


def as_line(record: Shown) -> TailLine:
    """Return the record as a line: time, topic with partition and offset, key, type, main fields"""
    size = len(record.raw or b"")
    kind, detail = record.type or "-", " ".join(_main_fields(record))
    if record.error is not None:
        kind, detail = "undecodable", f"{_printable(record.error)}; {size} bytes"
    elif record.value is None:
        detail = "deleted"
    return TailLine(
        time=_time(record.timestamp),
        place=f"{record.topic} {record.partition}-{record.offset}",
        key="-" if record.key is None else _printable(record.key),
        type=kind,
        detail=detail,
        is_error=record.error is not None,
    )


def _encodable(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _main_fields(record: Shown) -> Iterator[str]:
    if record.value is None:
        return
    names = MAIN_FIELDS.get(record.type or "")
    for name in names or [field.name for field in fields(record.value)]:
        value = getattr(record.value, name)
        if value not in (None, "", record.key):
            yield f"{name}={_short(name, value)}"


def _short(name: str, value: Any) -> str:
    """Return a value in few characters: for bytes their number, for a collection its size."""
    match value:
        case bool():
            return str(value).lower()
        case int() if name == "at" or name.endswith("_at"):
            return _time(value)
        case bytes():
            return f"{len(value)}B"
        case Mapping() | Sequence() if not isinstance(value, str):
            return f"[{len(value)}]"
        case _:
            text = str(value)
            long = len(text) > _VALUE_CHARACTERS
            shown = _printable(text[:_VALUE_CHARACTERS] + "..." if long else text)
            return json.dumps(shown, ensure_ascii=False) if " " in shown else shown


def _time(at: int) -> str:
    """Return a time in RFC 3339, or as it is if it is before the year 1 or after 9999."""
    try:
        return rfc3339(at)
    except OverflowError:
        return str(at)


def _printable(text: str) -> str:
    """Return the text with escapes for characters that a terminal would interpret or not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
