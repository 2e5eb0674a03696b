"""A job waits until the events of a call that came late have arrived."""

from dataclasses import replace

import pytest

from pipeline.recovery.jobs import after_contact
from pipeline.recovery.wanted import Recovery
from schemas.records import Contact
from tests.pipeline.recovery.contacts_made import AT, contact_with
from tests.pipeline.recovery.test_jobs import MISSED, TIMING, begun


def test_a_late_contact_waits_as_long_again_as_it_was_late() -> None:
    """More late events may follow, and show that less time is required: audio that was kept already
    cannot be taken back. The job waits at most ten times the delay."""
    assert AT + 60_000 + 2 * 300_000 == begun(now=AT + 60_000 + 300_000).due_at
    assert AT + 10**9 + 10 * TIMING.delay_ms == begun(now=AT + 10**9).due_at
    at_once = replace(TIMING, delay_ms=0)
    job = after_contact(None, MISSED, Recovery.PARTIAL, at_once, AT + 10**9)
    assert job is not None
    assert AT + 10**9 == job.due_at


@pytest.mark.parametrize(
    ("later", "is_moved"),
    [
        (contact_with(gaps=((0, 30_000),), revision=5), True),
        (contact_with(((0, 90_000),), gaps=((0, 60_000),), revision=5), True),
        (contact_with(gaps=((0, 60_000),), revision=5), False),
    ],
    ids=["other gaps", "other required time", "nothing new"],
)
def test_a_change_of_the_required_time_begins_the_wait_again(
    later: Contact, is_moved: bool
) -> None:
    """Its events arrive one after the other: only the last version shows the required part."""
    now = AT + 60_000 + 300_000
    job = begun(now=now)
    changed = after_contact(job, later, Recovery.PARTIAL, TIMING, now + 200_000)
    assert changed is not None
    assert (now + 200_000 + 500_000 if is_moved else job.due_at) == changed.due_at
    assert job.since == changed.since
