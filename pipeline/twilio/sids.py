"""Twilio's identifiers: a prefix that names the kind, and 32 hexadecimal digits.

Task attributes, parameters of media streams and answers over the network are not under our control.
So `valid_sid` checks each SID that comes from outside. An invalid one counts as absent, so that no
other text can become a part of a request's path, or a key. White space around a SID makes it
invalid. Upper-case digits, which Twilio does not write, are valid and stay as they are: two SIDs
that differ only in case are different SIDs. Telephone numbers are checked here too.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class SidKind(StrEnum):
    """A kind of object at Twilio. A conference's participant has the SID of its call."""

    ACCOUNT = "account"
    CALL = "call"
    CONFERENCE = "conference"
    MEDIA_STREAM = "media-stream"
    TASK = "task"
    RESERVATION = "reservation"
    WORKER = "worker"
    WORKSPACE = "workspace"
    RECORDING = "recording"


PREFIXES: Mapping[SidKind, str] = {
    SidKind.ACCOUNT: "AC",
    SidKind.CALL: "CA",
    SidKind.CONFERENCE: "CF",
    SidKind.MEDIA_STREAM: "MZ",
    SidKind.TASK: "WT",
    SidKind.RESERVATION: "WR",
    SidKind.WORKER: "WK",
    SidKind.WORKSPACE: "WS",
    SidKind.RECORDING: "RE",
}
_PATTERNS = {
    kind: re.compile(f"{prefix}[0-9a-fA-F]{{32}}").fullmatch for kind, prefix in PREFIXES.items()
}


_VISIBLE = {
    kind: re.compile(rb"%b[0-9a-fA-F]{32}(?![0-9A-Za-z])" % prefix.encode()).findall
    for kind, prefix in PREFIXES.items()
}


def valid_sid(kind: SidKind, value: object) -> str | None:
    """Return the value if it is a SID of this kind, else None."""
    return value if isinstance(value, str) and _PATTERNS[kind](value) else None


def only_sid_in(kind: SidKind, raw: bytes) -> str | None:
    """Return the SID of this kind that is visible in bytes of any form; None if there is none, or
    more than one."""
    found = set(_VISIBLE[kind](raw))
    return found.pop().decode() if len(found) == 1 else None


def is_invalid(kind: SidKind, value: object) -> bool:
    """Return whether there is a value that is not a SID of this kind. None and empty text count as
    absent, not as invalid."""
    return value is not None and value != "" and valid_sid(kind, value) is None


def sid_in(values: Mapping[str, Any], name: str, kind: SidKind) -> str | None:
    """Return the SID of that name; None if there is none of this kind."""
    return valid_sid(kind, values.get(name))


def invalid_in(values: Mapping[str, Any], names: Mapping[str, SidKind]) -> tuple[SidKind, ...]:
    """Return the kind of each invalid SID among the values with these names."""
    return tuple(
        kind
        for name, kind in names.items()
        if values.get(name) not in (None, "") and sid_in(values, name, kind) is None
    )


_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


_PUNCTUATION = re.compile(r"[\s().-]")


def e164(text: str) -> str:
    """Return the number, as `+15550100200`, without spaces and punctuation. Raise `ValueError`."""
    plain = _PUNCTUATION.sub("", text)
    if not _E164.fullmatch(plain):
        raise ValueError(f"{text!r} is not a number such as +15550100200")
    return plain
