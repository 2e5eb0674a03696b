"""Contacts made of records, for tests."""

from pipeline.contacts.contact import contact
from pipeline.contacts.state import Input, empty, fold
from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import (
    Contact,
)
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    call,
    reservation,
)

ANN_LEFT = reservation(1, "ann", created=1_000, accepted=2_000, wrapup=30_000)
EVE = reservation(3, "eve", created=0, accepted=500, wrapup=40_000)
LATER = NOON + 100_000


def made(*records: Input, history: PolicyHistory = HISTORY, now: int = LATER) -> Contact | None:
    state = empty(TASK)
    for record in records:
        state = fold(state, record, NOON)
    return contact(state, history, now)


def of(*records: Input, history: PolicyHistory = HISTORY, now: int = LATER) -> Contact:
    found = made(*records, history=history, now=now)
    assert found is not None
    return found


WANTED = call(reservation(1, "ann", created=0, accepted=2_000, wrapup=62_000), completed=63_000)
