"""The address at an end of a leg, in one spelling for all notations."""

import re
from urllib.parse import unquote

from tests.system.model.words import plain_user

_NOBODY = {"anonymous", "unknown", "restricted", "unavailable", "266696687"}


def address(written: str | None) -> str | None:
    """The address in one spelling; None if there is none, or if it is anonymous.

    SIP: user and host, without port, parameters, headers and case. Numbers: digits, without `+`,
    leading `00`, blanks and punctuation. Clients: the name without Flex's encoding.
    """
    found = re.search("<([^<>]*)>", written or "")
    bare = (found[1] if found else written or "").strip().lower()
    scheme, _, rest = bare.partition(":")
    if scheme in ("sip", "sips"):
        return _sip(rest)
    if scheme == "client":
        return f"client:{plain_user(rest).lower()}" if rest else None
    number = _digits(rest if scheme == "tel" else bare)
    plain = number or bare or None
    return None if plain in _NOBODY else plain


def same(one: str | None, other: str | None) -> bool:
    """Whether both are the same party's address."""
    first = address(one)
    return first is not None and first == address(other)


def _sip(rest: str) -> str | None:
    user, at, host = re.split("[?]", rest)[0].rpartition("@")
    host = re.sub(r":\d+$", "", host.split(";")[0].rstrip(">"))
    user = unquote(user.split(";")[0].split(":")[0])
    if not host or user in _NOBODY:
        return None
    return f"sip:{user}{at}{host}"


def _digits(text: str) -> str | None:
    number = re.sub(r"[\s().\-/]", "", text.partition(";")[0])
    number = re.sub(r"^(\+|00)", "", number)
    return number if number.isdigit() and number.isascii() else None
