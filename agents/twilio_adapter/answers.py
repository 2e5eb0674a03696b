"""The values of fields in Twilio's answers."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from pipeline.runtime.telemetry import count_invalid_sids
from pipeline.twilio.sids import SidKind, is_invalid, valid_sid


def text_of(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def sid_of(item: Mapping[str, Any], key: str, kind: SidKind) -> str | None:
    """Return the SID under the key; an invalid one counts as absent."""
    value = item.get(key)
    if is_invalid(kind, value):
        count_invalid_sids([kind])
    return valid_sid(kind, value)


def unix_seconds(date: str) -> float:
    """Return the Unix time of an RFC 2822 date; 0 if the text is not one."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
