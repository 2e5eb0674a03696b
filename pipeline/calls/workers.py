"""Workers as Flex names them: the attributes of a worker, the extension, the marks by which a call
leg is known to be his."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pipeline.calls.reading import parsed, repeated, text
from schemas.records import Fact, Reservation

_ENCODED = re.compile(r"_([0-9A-Fa-f]{2})")


def _worker_facts(stated: Any) -> Mapping[str, str | None]:
    attributes = parsed(stated)
    email = text(attributes, "email")
    return {
        "extension": email and email.lower(),
        "contact_uri": text(attributes, "contact_uri"),
        "full_name": text(attributes, "full_name"),
        "team": text(attributes, "team_name"),
    }


worker_facts = repeated(_worker_facts, 1_024)
"""Return the facts in a worker's attributes, an object or one as JSON in text; `extension` is the
e-mail address, lower case."""


def extension(facts: Mapping[str, Fact]) -> str | None:
    """The worker's extension by a reservation's facts: his e-mail address, else the user of his
    contact URI, else his name; lower case."""
    if (email := value(facts, "extension")) is not None:
        return email
    uri = value(facts, "contact_uri")
    name = contact_user(uri) if uri else value(facts, "worker_name")
    return name.lower() if name else None


def contact_user(contact_uri: str) -> str:
    """`ann@example.com` of `client:ann_40example_2Ecom`."""
    return decoded(contact_uri.split(":", 1)[-1])


def decoded(user: str) -> str:
    """A client's name with its special characters: `_40` is `@`. Only those are ever encoded, so
    an underscore before a letter's code stands for itself."""

    def character(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if " " < char < "\x7f" and not char.isalnum() else match[0]

    return _ENCODED.sub(character, user)


def marks(reservation: Reservation) -> frozenset[str]:
    """Lower-case words that, as a leg's label or address, mean this worker."""
    facts = reservation.facts
    names = [value(facts, name) for name in ("worker_sid", "worker_name", "full_name")]
    return _marks(reservation.sid, extension(facts), value(facts, "contact_uri"), *names)


@lru_cache(maxsize=4_096)
def _marks(sid: str, told: str | None, uri: str | None, *names: str | None) -> frozenset[str]:
    # Asked for each version of a call, whose workers are mostly the same.
    known = [sid, told, *names]
    if uri is not None:
        user = uri.split(":", 1)[-1]
        known += [uri, user, decoded(user), f"client:{decoded(user)}"]
    return frozenset(word.lower() for word in known if word)


def value(facts: Mapping[str, Fact], name: str) -> str | None:
    """A fact's value."""
    fact = facts.get(name)
    return None if fact is None else fact.value
