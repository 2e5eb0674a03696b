"""Marks of legs."""

from pipeline.calls.view import view
from pipeline.streams.marks import worker_marks
from schemas.records import Reservation
from tests.pipeline.streams.calls import call, facts


def test_a_workers_address_is_known_in_all_its_spellings() -> None:
    """As Flex encodes it, and decoded; with `client:` and without."""
    known = facts(contact_uri="client:ann_40example_2Ecom", worker_name="Ann.Smith")
    version = call(Reservation("WR1", known, {"created": 1}))
    marks = worker_marks(version, view(version))

    expected = {"client:ann_40example_2ecom", "client:ann@example.com", "ann@example.com"}
    assert expected | {"wr1", "ann.smith"} <= set(marks)
