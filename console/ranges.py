"""Byte ranges of HTTP (RFC 9110, section 14). Pure."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` up to, not including, `end`."""

    start: int
    end: int


class UnsatisfiableError(ValueError):
    """The range lies outside of what there is."""


def wanted_span(header: str | None, size: int) -> Span | None:
    """The part of `size` bytes that a `Range` header asks for; None: all of it (no header, one that
    cannot be read, or several ranges, which a server may answer whole). Raises
    `UnsatisfiableError`."""
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = int(match[2])
        if length == 0 or size == 0:
            raise UnsatisfiableError
        return Span(max(0, size - length), size)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None  # not a range at all: to be ignored
    if start >= size:
        raise UnsatisfiableError
    return Span(start, min(last, size - 1) + 1)
