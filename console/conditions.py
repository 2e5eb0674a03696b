"""HTTP conditional requests (RFC 9110, section 13). Pure."""

import re
from collections.abc import Iterable

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
