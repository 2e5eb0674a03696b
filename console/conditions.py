"""Conditional requests of HTTP (RFC 9110, section 13). Pure."""

import re
from collections.abc import Iterable

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_LIST = re.compile(rf"[ \t,]*{_TAG.pattern}[ \t]*(?:,[ \t,]*(?:{_TAG.pattern}[ \t]*)?)*")


def none_match_fails(fields: Iterable[str], etag: str) -> bool:
    """Whether `If-None-Match` names the current version, so that 304 is the answer.

    `fields` are the values of all such headers: `*`, or lists of entity tags, which are compared
    weakly. `etag` is the current version's strong entity tag, with its quotes. A header that is
    neither is ignored.
    """
    value = ", ".join(fields).strip(" \t")
    if value == "*":
        return True
    return _LIST.fullmatch(value) is not None and etag in _TAG.findall(value)
