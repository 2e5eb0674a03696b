"""Workers as Flex names them: extension, list of ends, and labels."""

import json

import pytest

from pipeline.calls.claims import has_contradictions
from pipeline.calls.workers import (
    contact_ends,
    contact_user,
    extension,
    marks,
    own_ends,
    value,
    worker_facts,
)
from schemas.records import Fact, Reservation

ATTRIBUTES = {
    "email": "Ann@Example.com",
    "contact_uri": "client:ann_40example_2Ecom",
    "full_name": "Ann Lee",
    "team_name": "blue",
    "other": 1,
}


def reservation(**values: str) -> Reservation:
    facts = {name: Fact(text, 0, 0, "e") for name, text in values.items()}
    assert not has_contradictions(facts)
    return Reservation("WR1", facts, {})


@pytest.mark.parametrize("stated", [ATTRIBUTES, json.dumps(ATTRIBUTES)])
def test_a_workers_attributes(stated: object) -> None:
    """As an object or as text; the address in lower case."""
    assert {
        "extension": "ann@example.com",
        "contact_uri": "client:ann_40example_2Ecom",
        "full_name": "Ann Lee",
        "team": "blue",
    } == worker_facts(stated)


def test_attributes_that_say_nothing() -> None:
    """Each fact is absent."""
    for stated in ({}, "no JSON", None, {"email": 1, "team_name": " "}):
        assert {None} == set(worker_facts(stated).values())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"extension": "ann@x.y", "contact_uri": "client:bob", "worker_name": "C"}, "ann@x.y"),
        ({"contact_uri": "client:Bob_40x_2Ey", "worker_name": "C"}, "bob@x.y"),
        ({"contact_uri": "sip:bob@x.y"}, "bob@x.y"),
        ({"worker_name": "Carol"}, "carol"),
        ({"full_name": "Ann Lee"}, None),
        ({}, None),
    ],
)
def test_the_extension(facts: dict[str, str], expected: str | None) -> None:
    """The e-mail address, else the user of the contact URI, else the name."""
    assert expected == extension(reservation(**facts).facts)


def test_the_user_of_a_contact_uri() -> None:
    """As Flex encodes it; only the first colon parts scheme and user."""
    assert "ann@example.com" == contact_user("client:ann_40example_2Ecom")
    assert "ann" == contact_user("ann")
    assert "a:b" == contact_user("sip:a:b")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("ann@example.com", {"client:ann@example.com", "sip:ann@example.com"}),
        ("+15550100", {"client:+15550100", "tel:15550100"}),
    ],
)
def test_the_ends_of_a_user(user: str, expected: set[str]) -> None:
    """A client's name, and a SIP address or a number."""
    assert expected == contact_ends(user)


def test_the_ends_at_which_a_worker_is_called() -> None:
    """The contact URI, and the clients named after address and name; without a scheme the URI may
    be several ends."""
    known = reservation(contact_uri="sip:ann@pbx.example", extension="ann@x.y", worker_name="ann")
    assert {"sip:ann@pbx.example", "client:ann@x.y", "client:ann"} == own_ends(known)
    bare = own_ends(reservation(contact_uri="+15550100"))
    assert {"client:+15550100", "tel:15550100"} == bare
    assert {"client:ann"} == own_ends(reservation(worker_name="ann"))
    assert frozenset() == own_ends(reservation(team="blue"))


def test_the_words_that_mean_a_worker_as_a_label() -> None:
    """All lower case: SIDs, names, the contact URI in each of its spellings."""
    known = reservation(
        worker_sid="WK1", worker_name="Ann", full_name="Ann Lee", extension="ann@x.y",
        contact_uri="client:Ann_40X_2EY",
    )  # fmt: skip
    assert {
        "wr1", "wk1", "ann", "ann lee", "ann@x.y", "client:ann_40x_2ey", "ann_40x_2ey",
        "client:ann@x.y",
    } == marks(known)  # fmt: skip
    assert {"wr1"} == marks(reservation())


def test_the_value_of_a_fact() -> None:
    """None if it is absent."""
    facts = reservation(queue="sales").facts
    assert ("sales", None) == (value(facts, "queue"), value(facts, "team"))
