"""The contacts in the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.repository import Repository
from schemas.records import Contact, ContactDecision
from tests.examples import examples
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, contacts

few = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(contacts)
def test_a_saved_contact_is_found_as_it_was(repository: Repository, contact: Contact) -> None:
    """Saving and reading give the same record, saved twice or once."""
    unique = uuid4().hex  # the examples share one database
    contact = replace(
        contact,
        contact_id="WT" + unique,
        task_sid="WT" + unique,
        recordings=tuple(replace(r, recording_id=r.inum + uuid4().hex) for r in contact.recordings),
    )
    assert repository.save(contact)
    assert repository.save(contact)
    assert contact == repository.contact(contact.contact_id)


@few
@given(st.permutations(range(5)))
def test_versions_in_any_order_end_in_the_greatest(
    repository: Repository, order: list[int]
) -> None:
    """For versions saved in any order, the one with the greatest revision is found."""
    task = uuid4().hex
    versions = [
        replace(
            CONTACT, contact_id=task, task_sid=task, recordings=(), queue=f"q{number}",
            revision=number,
        )
        for number in range(5)
    ]  # fmt: skip
    for number in order:
        repository.save(versions[number])
    assert versions[4] == repository.contact(task)


def test_an_older_version_changes_nothing(repository: Repository) -> None:
    """`save` says False for it, and the later one stays."""
    assert repository.save(CONTACT)
    assert not repository.save(replace(CONTACT, revision=CONTACT.revision - 1, queue=None))
    assert CONTACT == repository.contact(CONTACT.contact_id)


def test_recordings_and_decisions_are_never_taken_away(repository: Repository) -> None:
    """A later version with no recording and another decision leaves the earlier ones in place."""
    repository.save(CONTACT)
    late = ContactDecision(NOON + 40_000, "record", "again", 4)
    repository.save(
        replace(CONTACT, recordings=(), decisions=(late,), revision=CONTACT.revision + 1)
    )
    found = repository.contact(CONTACT.contact_id)
    assert found is not None
    assert CONTACT.recordings == found.recordings
    assert (*CONTACT.decisions, late) == found.decisions


def test_what_a_contact_was_made_from_is_kept_with_its_version(repository: Repository) -> None:
    """That of the greatest version; an older one does not put its own in place of it, and one
    that brings none leaves it."""
    assert repository.state_of(CONTACT.contact_id) is None
    repository.save(CONTACT, b"first")
    repository.save(replace(CONTACT, revision=CONTACT.revision - 1), b"older")
    assert b"first" == repository.state_of(CONTACT.contact_id)
    later = replace(CONTACT, revision=CONTACT.revision + 1)
    repository.save(later, b"second\x00")
    repository.save(later)
    assert b"second\x00" == repository.state_of(CONTACT.contact_id)


def test_writers_at_once_leave_one_whole_version(repository: Repository) -> None:
    """Eight threads saving sixteen versions: the last stands, with its own sessions."""
    versions = [
        replace(
            CONTACT, revision=number, sessions=CONTACT.sessions[: number % 3], recordings=()
        )
        for number in range(16)
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(repository.save, versions))
    assert versions[15] == repository.contact(CONTACT.contact_id)


def test_an_unknown_contact_or_recording_is_none(repository: Repository) -> None:
    """A lookup of an unknown id returns None."""
    assert repository.contact("WT0") is None
    assert [] == repository.recordings_of_inum("1")


def test_calls_in_progress_are_those_alone(repository: Repository) -> None:
    """Only the contact in progress comes back, with its connections and media streams."""
    repository.save(CONTACT)
    repository.save(LIVE)
    assert (LIVE,) == repository.calls_in_progress()
