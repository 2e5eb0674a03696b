"""Search for contacts: filters, pages, cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.repository import Repository
from pipeline.store.search import BadCursorError, Filters, cursor_after, read_cursor
from tests.pipeline.store.contacts import CONTACT, NOON, numbered

ANY = Filters()


def ids(repository: Repository, filters: Filters) -> list[str]:
    return [contact.contact_id for contact in repository.search(filters, 50).contacts]


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
