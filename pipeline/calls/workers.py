"""Workers as Flex names them: a worker's attributes, the extension, and the labels and ends by
which a call leg is recognized as the worker's own."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pipeline.calls.claims import has_contradictions, values_of
from pipeline.calls.ends import client_end, decoded, end_of
from pipeline.calls.fields import parsed, repeated, text
from schemas.records import Fact, Reservation


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
    """Return the worker's extension by a reservation's facts: the e-mail address, else the user of
    the contact URI, else the name; lower case."""
    if (email := value(facts, "extension")) is not None:
        return email
    uri = value(facts, "contact_uri")
    name = contact_user(uri) if uri else value(facts, "worker_name")
    return name.lower() if name else None


def contact_user(contact_uri: str) -> str:
    """Return the user of a contact URI: `ann@example.com` for `client:ann_40example_2Ecom`."""
    return decoded(contact_uri.split(":", 1)[-1])


def contact_ends(user: str) -> frozenset[str]:
    """Return the ends, in normal form, that a contact URI may mean if only its user is known:
    `ann@example.com` is a client or a SIP address, `+15550100` a client or a number."""
    return frozenset(end for end in (client_end(user), end_of(user)) if end is not None)


def own_ends(reservation: Reservation) -> frozenset[str]:
    """Return the ends, in normal form, at which the worker is called: each contact URI that the
    reservation stated, and the Flex clients with one of the worker's names."""
    facts = reservation.facts
    uri, email, name = facts.get("contact_uri"), facts.get("extension"), facts.get("worker_name")
    if has_contradictions(facts):
        stated = [[f.value for f in values_of(facts, n)] for n in ("extension", "worker_name")]
        uris = tuple(fact.value for fact in values_of(facts, "contact_uri"))
        return _own_ends(uris, tuple(stated[0] + stated[1]))
    names = tuple(fact.value for fact in (email, name) if fact is not None)
    return _own_ends(() if uri is None else (uri.value,), names)


@lru_cache(maxsize=4_096)
def _own_ends(uris: tuple[str, ...], names: tuple[str, ...]) -> frozenset[str]:
    # A contact URI without a scheme is a client's name, a number or a SIP address.
    ends = {end for uri in uris for end in (contact_ends(uri) if ":" not in uri else {end_of(uri)})}
    ends |= {client_end(name) for name in names}
    return frozenset(end for end in ends if end is not None)


def marks(reservation: Reservation) -> frozenset[str]:
    """Return lower-case words that, as a leg's label, mean this worker."""
    facts = reservation.facts
    names = [value(facts, name) for name in ("worker_sid", "worker_name", "full_name")]
    return _marks(reservation.sid, extension(facts), value(facts, "contact_uri"), *names)


@lru_cache(maxsize=4_096)
def _marks(
    sid: str, worker_extension: str | None, uri: str | None, *names: str | None
) -> frozenset[str]:
    # Called for each version of a call, mostly with the same workers.
    known = [sid, worker_extension, *names]
    if uri is not None:
        user = uri.split(":", 1)[-1]
        known += [uri, user, decoded(user), f"client:{decoded(user)}"]
    return frozenset(word.lower() for word in known if word)


def value(facts: Mapping[str, Fact], name: str) -> str | None:
    """Return a fact's value, or None."""
    fact = facts.get(name)
    return None if fact is None else fact.value
