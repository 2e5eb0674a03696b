"""The facts of a leg that identify it."""

import pytest

from pipeline.calls.leg_facts import ends_of, is_at_another_end, is_client, is_shown_late, label_of
from schemas.records import Fact, Leg

NUMBER, CUSTOMER = "+15550100", "tel:15550100"
OURS = "+15559999"


def leg(**values: str) -> Leg:
    facts = {name: Fact(text, 0, 0, "e") for name, text in values.items()}
    return Leg("CA1", facts, {})


def between(calling: str, called: str, direction: str) -> Leg:
    return leg(**{"from": calling, "to": called, "call_direction": direction})


CALLED_US = between(NUMBER, OURS, "inbound")
WE_CALLED = between(OURS, NUMBER, "outbound-api")
AT_A_CLIENT = between(OURS, "client:ann", "outbound-api")
NOTHING = leg(label="Customer")


def test_the_person_is_at_the_far_end() -> None:
    """The one that called, or was called; none if the ends are not known."""
    assert (CUSTOMER,) == ends_of(CALLED_US).persons
    assert (CUSTOMER,) == ends_of(WE_CALLED).persons
    assert ("client:ann",) == ends_of(AT_A_CLIENT).persons
    assert () == ends_of(NOTHING).persons


def test_labels_are_compared_in_lower_case() -> None:
    """Empty if there is none."""
    assert ("customer", "") == (label_of(NOTHING), label_of(CALLED_US))


def test_a_flex_client() -> None:
    """Only for a leg with known ends."""
    legs = (AT_A_CLIENT, CALLED_US, NOTHING)
    assert [True, False, False] == [is_client(ends_of(each)) for each in legs]


@pytest.mark.parametrize(
    ("of", "customer", "another", "shown"),
    [
        (CALLED_US, CUSTOMER, False, True),
        (WE_CALLED, CUSTOMER, False, True),
        (CALLED_US, "tel:15557777777", True, False),
        (AT_A_CLIENT, CUSTOMER, True, False),
        (AT_A_CLIENT, None, False, True),
        (CALLED_US, None, False, True),
        (NOTHING, CUSTOMER, False, False),
        (NOTHING, None, False, False),
    ],
)
def test_whether_a_leg_may_be_the_customers(
    of: Leg, customer: str | None, another: bool, shown: bool
) -> None:
    """Without known ends there is no evidence for or against it; so if the customer is hidden, any
    known end is enough."""
    assert another == is_at_another_end(of, customer)
    assert shown == is_shown_late(of, customer)
