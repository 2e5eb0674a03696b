"""The ends of a call leg: numbers, SIP addresses and Flex clients, in every notation. Pure.

`end_of` gives each end a normal form, so that two notations of one end are equal:

- `tel:15550100`: digits only. `+1 (555) 0100`, `001 555-0100`, `tel:+1-555-0100;ext=2` and
  `15550100` are the same number;
- `sip:user@host`: without password, port, parameters and headers, in lower case. `sips:` is the
  same end as `sip:`, and so is an address without scheme;
- `client:name`: decoded (`_40` is `@`, `_2E` is `.`), in lower case, without parameters;
- `text:...`: anything else.

A hidden caller has no normal form, so such an end equals no other.

A leg has two ends, and the person is at one of them: at `from` of an incoming leg, at `to` of an
outgoing leg. The other end is a number of the contact center, or a caller id: Flex calls an agent
with the customer's number as caller id.
"""

import re
import unicodedata
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from schemas.fast_dataclass import dataclass

_HIDDEN_NAMES = frozenset(
    {
        "anonymous", "unknown", "restricted", "private", "withheld", "blocked", "unavailable",
        "hidden", "no caller id", "number withheld",
    }
)  # fmt: skip
_HIDDEN_NUMBERS = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
"""How Twilio writes hidden callers as numbers: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and
UNAVAILABLE on a telephone's keys."""

_ENCODED = re.compile(r"_([0-9A-Fa-f]{2})")
_IN_BRACKETS = re.compile(r"<([^<>]*)>")
_SCHEME = re.compile(r"(tel|sips?|client|callto|phone):(?://)?", re.IGNORECASE)
_EXTENSION = re.compile(r"(;|,|#|\bext\b|\bx\b|(?<=\d)x(?=\d)).*", re.IGNORECASE | re.DOTALL)
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
_PORT = re.compile(r":\d*$")
_SEPARATORS = frozenset(" -./()[]\t\u00a0\u2010\u2011\u2012\u2013\u2014\u2212\u200b\u202d\u202c")
_ALIKE_DIGITS = 7
"""Two numbers with this many equal last digits may be the same number with and without its
prefix."""


class Alike(StrEnum):
    """The result of comparing an end with the one that is looked for."""

    SAME = "same"
    UNSURE = "unsure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LegEnds:
    """The ends of a leg in normal form, None if hidden or not known. `inbound`: whether the person
    called in; None: not known."""

    calling: str | None = None
    called: str | None = None
    inbound: bool | None = None

    @property
    def persons(self) -> tuple[str, ...]:
        """The ends at which the person may be, the more likely one first."""
        if self.inbound is not None:
            ends: tuple[str | None, ...] = (self.calling if self.inbound else self.called,)
        elif self.called is not None and not self.called.startswith("tel:"):
            ends = (self.called,)
        else:
            # Without a direction: the contact center is at the other end.
            ends = (self.called, self.calling)
        return tuple(end for end in ends if end is not None)

    def is_one_of(self, ends: AbstractSet[str]) -> bool:
        """Return whether the person is at one of these ends."""
        return any(end in ends for end in self.persons)


NO_ENDS = LegEnds()


def leg_ends(calling: str | None, called: str | None, direction: str | None) -> LegEnds:
    """Return the ends of a leg from Twilio's values: `From`, `To` and `Direction` (`inbound`,
    `outbound-api`, `outbound-dial`)."""
    way = (direction or "").strip().lower()
    inbound = True if way == "inbound" else False if way.startswith("outbound") else None
    return LegEnds(end_of(calling), end_of(called), inbound)


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two texts are the same end in any notation."""
    normal = end_of(one)
    return normal is not None and normal == end_of(other)


def alike(end: str, sought: str) -> Alike:
    """Compare two ends in normal form. UNSURE: a number with and without its prefix, one user at
    two hosts, or an end that is neither number nor address."""
    if end == sought:
        return Alike.SAME
    kinds = {end.partition(":")[0], sought.partition(":")[0]}
    if "text" in kinds:
        return Alike.UNSURE
    if kinds <= {"tel", "sip"}:
        user, other_user = _user(end), _user(sought)
        is_unsure = user == other_user or _tail(user) == _tail(other_user) != ""
        return Alike.UNSURE if is_unsure else Alike.OTHER
    return Alike.OTHER


@lru_cache(maxsize=16_384)  # called for each version of each call
def end_of(text: str | None) -> str | None:
    """Return the normal form of an end; None for no text and for a hidden caller."""
    plain = _bare(text or "")
    scheme = match[1].lower() if (match := _SCHEME.match(plain)) else ""
    rest = plain[match.end() :].strip() if match else plain
    if scheme == "client":
        return _client(rest)
    if scheme.startswith("sip") or (not scheme and "@" in rest):
        return _sip(rest)
    return _number_or_text(rest)


def client_end(name: str) -> str | None:
    """Return the end of the Flex client of this name."""
    return _client(name.strip())


def decoded(user: str) -> str:
    """Return a client's name with its special characters: `_40` is `@`. Only those are encoded, so
    an underscore before a letter's code stands for itself."""

    def character(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if " " < char < "\x7f" and not char.isalnum() else match[0]

    return _ENCODED.sub(character, user)


def _user(end: str) -> str:
    """Return the number, or the user of a SIP address."""
    return end.partition(":")[2].partition("@")[0]


def _tail(user: str) -> str:
    """Return the last digits of a number; empty for a shorter number and for other text."""
    digits = user.removeprefix("+")
    return digits[-_ALIKE_DIGITS:] if digits.isdecimal() and len(digits) >= _ALIKE_DIGITS else ""


def _bare(text: str) -> str:
    """Return the address without the display name: `"Ann" <sip:ann@example.com>;tag=1`."""
    text = unicodedata.normalize("NFKC", text).strip()
    bracketed = _IN_BRACKETS.search(text)
    return (bracketed[1] if bracketed else text).strip().strip('"').strip()


def _client(name: str) -> str | None:
    name = decoded(unquote(re.split(r"[?;]", name, maxsplit=1)[0])).strip().casefold()
    return None if not name or _is_hidden(name) else f"client:{name}"


def _sip(address: str) -> str | None:
    user, at, host = address.partition("@")
    if not at:
        user, host = "", address
    user = re.split(r"[;:]", unquote(user), maxsplit=1)[0].strip().casefold()
    host = re.split(r"[;?]", host, maxsplit=1)[0].strip()
    host = _PORT.sub("", host).rstrip(".").casefold()
    if _is_hidden(user) or not host or host == "anonymous.invalid":
        return None
    return f"sip:{user}@{host}" if user else f"sip:{host}"


def _number_or_text(text: str) -> str | None:
    if _is_hidden(text.casefold()) or not any(map(str.isalnum, text)):
        return None
    bare = _TRUNK_ZERO.sub("", _EXTENSION.sub("", text).strip())
    number = "".join(char for char in bare if char not in _SEPARATORS)
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        return f"text:{' '.join(text.casefold().split())}" if text else None
    digits = "".join(str(int(digit)) for digit in digits)
    if not number.startswith("+"):
        digits = digits.removeprefix("00")
    return None if not digits or digits in _HIDDEN_NUMBERS else f"tel:{digits}"


def _is_hidden(name: str) -> bool:
    words = " ".join(name.replace("_", " ").replace("-", " ").split())
    return words in _HIDDEN_NAMES or words.lstrip("+") in _HIDDEN_NUMBERS
