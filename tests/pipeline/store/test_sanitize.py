"""Texts that a database does not take."""

from dataclasses import replace

from pipeline.store.repository import Repository
from tests.pipeline.store.contacts import CONTACT


def test_whatever_a_contact_holds_is_stored(repository: Repository) -> None:
    """A NUL in a queue's name, which PostgreSQL refuses, and endless texts hold nothing up."""
    odd = replace(CONTACT, queue="a\x00b", customer="9" * 5_000, call_sids=("x" * 300, "x" * 301))
    assert repository.save(odd)
    found = repository.contact(CONTACT.contact_id)
    assert found is not None
    assert ("a\ufffdb", "9" * 255, ("x" * 255,)) == (found.queue, found.customer, found.call_sids)
