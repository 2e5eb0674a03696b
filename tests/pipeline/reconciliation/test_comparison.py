"""The result of a comparison for a task, by Twilio's lists and the known calls."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.reconciliation.comparison import (
    NOTHING,
    KnownTask,
    ListedTask,
    TaskNeeds,
    known_contact,
    listed_tasks,
    needs_of,
)
from schemas.records import Session
from tests.pipeline.contacts.records import LEG, NOON, TASK
from tests.pipeline.reconciliation.records import ACCEPTED, CF, CONFERENCE, WR, evidence
from tests.pipeline.store.contacts import CONTACT

LISTED = ListedTask(TASK, {WR: ACCEPTED}, {CF: CONFERENCE})
CAPTURED = KnownTask(frozenset({WR}), is_over=True, capture="complete")
CANCELED = ListedTask(TASK, ended_at=NOON + 9_000)
UNANSWERED = replace(CAPTURED, capture="not-required", is_unanswered=True)
SESSION = Session(WR, "ann@example.com", True, NOON + 2_000, NOON + 32_000)
ADDED = evidence(added_events=("EV1",), is_examined=True)


@pytest.mark.parametrize(
    ("listed", "known", "needs"),
    [
        (LISTED, CAPTURED, TaskNeeds(events=False, details=False)),
        (LISTED, NOTHING, TaskNeeds(events=True, details=True)),
        # Nothing is done twice.
        (LISTED, KnownTask(evidence=ADDED), TaskNeeds(events=False, details=False)),
        # An acceptance that was found later.
        (
            replace(LISTED, reservations={**LISTED.reservations, "WR2": ACCEPTED}),
            replace(CAPTURED, evidence=ADDED),
            TaskNeeds(events=True, details=False),
        ),
        # The end of the call is not known.
        (LISTED, replace(CAPTURED, is_over=False), TaskNeeds(events=True, details=True)),
        # It is in progress at Twilio too.
        (
            replace(LISTED, conferences={}),
            replace(CAPTURED, is_over=False, capture="pending"),
            TaskNeeds(events=False, details=False),
        ),
        # No agent took it, and its end is not known; nothing is added twice, but an end that came
        # after events were added is added too.
        (CANCELED, NOTHING, TaskNeeds(events=True, details=False)),
        (CANCELED, KnownTask(evidence=ADDED), TaskNeeds(events=False, details=False)),
        (
            replace(CANCELED, ended_at=ADDED.checked_at),
            KnownTask(evidence=ADDED),
            TaskNeeds(events=True, details=False),
        ),
        # Audio is missing.
        (LISTED, replace(CAPTURED, capture="partial"), TaskNeeds(events=False, details=True)),
        (
            LISTED,
            replace(CAPTURED, capture="missing", evidence=evidence(is_examined=True)),
            TaskNeeds(events=False, details=False),
        ),
        (LISTED, replace(CAPTURED, capture="not-required"), TaskNeeds(events=False, details=False)),
        # An outbound call that seems unanswered, with a conference: once, and only then.
        (LISTED, UNANSWERED, TaskNeeds(events=False, details=True)),
        (
            LISTED,
            replace(UNANSWERED, evidence=evidence(is_examined=True)),
            TaskNeeds(events=False, details=False),
        ),
        (
            replace(LISTED, conferences={}),
            replace(UNANSWERED, call_sids=(LEG,)),
            TaskNeeds(events=False, details=False),
        ),
        # Without a conference, the legs of the contact are asked for.
        (
            replace(LISTED, conferences={}),
            replace(CAPTURED, capture="missing", call_sids=(LEG,)),
            TaskNeeds(events=False, details=True),
        ),
    ],
)
def test_needs(listed: ListedTask, known: KnownTask, needs: TaskNeeds) -> None:
    """Events are added if something is not known, and details asked for if audio is missing."""
    assert needs == needs_of(listed, known)


def test_both_lists_make_a_task() -> None:
    """A conference without an acceptance counts too."""
    tasks = listed_tasks([(TASK, ACCEPTED)], [(TASK, CONFERENCE), ("WT2", CONFERENCE)])
    assert {TASK: LISTED, "WT2": ListedTask("WT2", {}, {CF: CONFERENCE})} == tasks


def test_the_first_end_of_a_task_counts() -> None:
    """Whatever the order of the list."""
    ends = [(TASK, NOON + 2), (TASK, NOON + 1), (TASK, NOON + 3)]
    assert {TASK: ListedTask(TASK, ended_at=NOON + 1)} == listed_tasks([], [], ends)
    assert listed_tasks([], [], ends) == listed_tasks([], [], reversed(ends))


def test_a_contact_shows_what_is_known() -> None:
    """Only reservations that were accepted are known as such."""
    known = known_contact(CONTACT, KnownTask(evidence=ADDED))
    accepted = {s.reservation_sid for s in CONTACT.sessions if s.started_at is not None}
    assert accepted == known.accepted
    assert (CONTACT.capture, ADDED) == (known.capture, known.evidence)


@pytest.mark.parametrize(
    ("changes", "is_unanswered"),
    [
        ({}, True),
        ({"outcome": "answered"}, True),
        ({"capture": "complete"}, False),
        ({"direction": "inbound"}, False),
        ({"sessions": (replace(SESSION, monitored=False),)}, False),
        ({"sessions": (replace(SESSION, started_at=None),)}, False),
    ],
)
def test_an_outbound_call_may_seem_unanswered(changes: dict[str, Any], is_unanswered: bool) -> None:
    """Only on an outbound call may the called party's answer be unknown. The outcome is no
    evidence. A call without a monitored agent need not be recorded anyway."""
    outbound = replace(
        CONTACT, direction="outbound", outcome="unanswered", capture="not-required",
        sessions=(SESSION,),
    )  # fmt: skip
    contact = replace(outbound, **changes)
    assert is_unanswered == known_contact(contact).is_unanswered
