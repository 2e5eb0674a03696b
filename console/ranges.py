"""HTTP byte ranges and conditional requests (RFC 9110, sections 13 and 14). Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ONE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class UnsatisfiableError(ValueError):
    """The range lies outside of the object."""


def wanted_span(header: str | None, size: int) -> ByteRange | None:
    """Return the part of `size` bytes that a `Range` header asks for. Return None for all of them:
    there is no header, it is invalid, or it has several ranges, which a server may answer with the
    whole object. Raise `UnsatisfiableError`."""
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = int(match[2])
        if length == 0 or size == 0:
            raise UnsatisfiableError
        return ByteRange(max(0, size - length), size)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None  # an invalid range is ignored
    if start >= size:
        raise UnsatisfiableError
    return ByteRange(start, min(last, size - 1) + 1)


_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


_LIST = re.compile(rf"[ \t,]*{_TAG.pattern}[ \t]*(?:,[ \t,]*(?:{_TAG.pattern}[ \t]*)?)*")


def none_match_fails(fields: Iterable[str], etag: str) -> bool:
    """Return whether `If-None-Match` names the current version, so that the answer is 304.

    `fields`: the values of all such headers, `*` or lists of entity tags. Tags are compared weakly;
    any other value is ignored. `etag`: the strong entity tag of the current version, with quotes.
    """
    value = ", ".join(fields).strip(" \t")
    if value == "*":
        return True
    return _LIST.fullmatch(value) is not None and etag in _TAG.findall(value)
