"""Marks of legs."""

from dataclasses import replace

import pytest

from pipeline.calls import legs
from pipeline.calls.identities import Workers
from pipeline.calls.view import view
from pipeline.streams.marks import customer_ends, customer_marks, worker_ends, worker_marks
from schemas.records import Leg, Reservation, Worker, WorkerIdentity
from tests.pipeline.streams.calls import call, facts


def test_a_workers_address_is_known_in_all_its_spellings() -> None:
    """As Flex encodes it, and decoded; with `client:` and without."""
    known = facts(contact_uri="client:ann_40example_2Ecom", worker_name="Ann.Smith")
    version = call(Reservation("WR1", known, {"created": 1}))
    marks = worker_marks(version, view(version))

    expected = {"client:ann_40example_2ecom", "client:ann@example.com", "ann@example.com"}
    assert expected | {"wr1", "ann.smith"} <= set(marks)


def test_a_workers_ends_are_those_of_the_reservation_and_those_that_count_by_now() -> None:
    """An end that was seen in another call counts from its time on."""
    stated = facts(worker_sid="WK1", contact_uri="client:ann_40example_2Ecom")
    version = call(Reservation("WR1", stated, {"created": 1}))
    known = Workers()
    known.put(Worker("WK1", (WorkerIdentity("name", "Ann.Smith", 0, 5_000),), 0))
    known.put(Worker("WK2", (WorkerIdentity("name", "bob", 0, 0),), 0))

    assert ("client:ann@example.com",) == worker_ends(version, known, 4_999)
    both = tuple(sorted(["client:ann@example.com", "client:ann.smith"]))
    assert both == worker_ends(version, known, 5_000)


LATER, LEFT, JOINED, LABELLED = "CAlater", "CAleft", "CAjoined", "CAlabelled"
END = facts(to="+15550100")


@pytest.mark.parametrize(
    ("leg", "marked"),
    [
        (Leg(JOINED, {}, {"joined": 1}), True),
        (Leg(LEFT, {}, {"completed": 1}), False),
        (Leg(LABELLED, facts(label="customer"), {"joined": 1}), False),
        (Leg(LABELLED, facts(label="customer") | END, {}), True),
        (Leg(LATER, {}, {"joined": 1}), False),
        (Leg(LATER, END, {"joined": 1}), True),
        (Leg(LATER, END, {}), False),
    ],
)
def test_a_leg_marks_the_customers_if_it_joined_or_is_labelled_and_has_evidence(
    leg: Leg, marked: bool
) -> None:
    """A leg that attributes named late, or that only its label shows, must have the customer's
    end."""
    seen = view(call(customer_call_sid=None, customer="+15550100"))
    names = legs._Names(original=None, later=LATER, customer="tel:15550100")
    seen = replace(seen, legs=replace(seen.legs, customers=(leg,), names=names))

    expected = ["customer", leg.call_sid.lower()] if marked else ["customer"]
    assert sorted(expected) == list(customer_marks(seen))
    assert sorted([*expected, "caearlier"]) == list(customer_marks(seen, ["CAearlier"]))


def test_the_customers_end_is_known_unless_it_is_hidden() -> None:
    """A number in normal form."""
    assert ("tel:15550100",) == customer_ends(view(call(customer="+1 555 0100")))
    assert () == customer_ends(view(call(customer="anonymous"))) == customer_ends(view(call()))
