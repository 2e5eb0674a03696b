"""The contacts in the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.repository import Repository
from pipeline.store.search import BadCursorError, Filters, cursor_after, read_cursor
from schemas.records import Contact, ContactDecision
from tests.examples import examples
from tests.pipeline.store.contacts import CONTACT, LIVE, NOON, contacts, numbered

ANY = Filters()
few = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def ids(repository: Repository, filters: Filters) -> list[str]:
    return [contact.contact_id for contact in repository.search(filters, 50).contacts]


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
    """Whatever order versions are saved in, the one of the greatest revision is found."""
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


def test_every_filter_lets_the_right_contacts_through(repository: Repository) -> None:
    """Agent, customer, any leg, task, time and free text, alone and together."""
    repository.save(CONTACT)
    other = numbered(3, customer="+4930123", queue="Sales_1", sessions=CONTACT.sessions[1:2])
    repository.save(other)
    first, second = CONTACT.contact_id, other.contact_id
    assert [second, first] == ids(repository, ANY)
    assert [first] == ids(repository, Filters(agent="ANN@example.com"))
    assert [second, first] == ids(repository, Filters(agent="bob@example.com"))
    assert [] == ids(repository, Filters(agent="bob"))
    assert [first] == ids(repository, Filters(customer="+15550001111"))
    assert [] == ids(repository, Filters(customer="5550001111"))
    assert [first] == ids(repository, Filters(call_sid="CA" + "e" * 32))
    assert [second] == ids(repository, Filters(task_sid=second))
    assert [second] == ids(repository, Filters(since=other.started_at))
    assert [first] == ids(repository, Filters(until=other.started_at))
    assert [first] == ids(repository, Filters(text="BILL"))
    assert [first] == ids(repository, Filters(text="5550001"))
    assert [second] == ids(repository, Filters(text="s_1"))
    assert [] == ids(repository, Filters(text="%"))
    assert [] == ids(repository, Filters(agent="ann@example.com", customer="+4930123"))
    assert [first] == ids(repository, Filters(capture="partial"))
    assert [second] == ids(repository, Filters(capture="not-required"))
    assert [] == ids(repository, Filters(capture="missing"))


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_paging_gives_each_contact_once_newest_first(repository: Repository, limit: int) -> None:
    """Pages of any size, also through contacts of the same moment, give the whole list."""
    made = [numbered(number, started_at=NOON + number // 3) for number in range(7)]
    for contact in made:
        repository.save(contact)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = repository.search(ANY, limit, cursor)
        found += [contact.contact_id for contact in page.contacts]
        cursor = page.next
        if cursor is None:
            break
    assert [contact.contact_id for contact in reversed(made)] == found


@given(st.integers(-(2**62), 2**62), st.text(min_size=1))
def test_a_cursor_reads_back(started_at: int, contact_id: str) -> None:
    """A cursor holds its position."""
    try:
        contact_id.encode()
    except UnicodeEncodeError:
        return
    assert (started_at, contact_id) == read_cursor(cursor_after(started_at, contact_id))


@given(
    st.text(max_size=30)
    | st.sampled_from(["", "MTIz", "!!", "MS4", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS5h"])
)
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    """Text that no search gave is refused, with nothing but `BadCursorError`."""
    with pytest.raises(BadCursorError):
        read_cursor(cursor)


def test_whatever_a_contact_holds_is_stored(repository: Repository) -> None:
    """A NUL in a queue's name, which PostgreSQL refuses, and endless texts hold nothing up."""
    odd = replace(CONTACT, queue="a\x00b", customer="9" * 5_000, call_sids=("x" * 300, "x" * 301))
    assert repository.save(odd)
    found = repository.contact(CONTACT.contact_id)
    assert found is not None
    assert ("a\ufffdb", "9" * 255, ("x" * 255,)) == (found.queue, found.customer, found.call_sids)
