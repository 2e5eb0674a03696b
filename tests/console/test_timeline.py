"""The time line of a contact."""

from dataclasses import replace

from hypothesis import given

from console.timeline import LABEL, WIDTH, time_line
from schemas.records import Contact, ContactGap
from tests.pipeline.store.contacts import CONTACT, NOON, contacts


@given(contacts)
def test_every_bar_lies_on_the_time_line(contact: Contact) -> None:
    """Bars begin within the box; ticks are few and within it too."""
    line = time_line(contact, contact.started_at + 1000)
    assert all(LABEL <= bar.x <= WIDTH for bar in line.bars)
    assert all(LABEL <= tick.x <= WIDTH for tick in line.ticks)


def test_the_time_line_of_a_transferred_call() -> None:
    """Two sessions and the recording have bars; an agent that never accepted has none."""
    line = time_line(CONTACT, 0)
    labels = ["ann@example.com", "bob@example.com", "Recording", "Missing"]
    assert labels == [b.label for b in line.bars]
    assert 7 >= len(line.ticks)


def test_gaps_share_a_row_of_the_time_line() -> None:
    """Before the first recording, after the last, or with none: all within the box."""
    gaps = tuple(ContactGap(NOON - 5_000 + at, NOON + at, "", "") for at in (0, 20_000, 60_000))
    line = time_line(replace(CONTACT, recordings=(), gaps=gaps), 0)
    drawn = [bar for bar in line.bars if bar.kind == "gap"]
    assert ["Missing", "", ""] == [bar.label for bar in drawn]
    assert 1 == len({bar.y for bar in drawn})
    assert LABEL == drawn[0].x
    assert all(bar.x + bar.width <= WIDTH + 3 for bar in drawn)
