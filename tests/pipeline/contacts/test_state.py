"""The state that a contact is made from: a function of the set of its records."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contacts.state import (
    AWAITED_MS,
    KEPT_MS,
    Input,
    awaited,
    call_of,
    empty,
    fold,
    is_forgettable,
    revision,
)
from schemas.codec import decode, encode
from schemas.records import ContactState
from tests.examples import examples
from tests.pipeline.contacts.records import (
    NOON,
    TASK,
    call,
    changed,
    completed,
    histories,
    opened,
    reservation,
    started,
)


def folded(records: list[Input], at: int = NOON) -> ContactState:
    state = empty(TASK)
    for number, record in enumerate(records):
        state = fold(state, record, at + number)
    return state


def content(state: ContactState) -> tuple[object, object]:
    """All but when it came, and the call as what it says, not as bytes."""
    return replace(state, latest_at=0, changes=0, call=None), call_of(state)


@settings(max_examples=examples(60), deadline=None)
@given(histories(), st.randoms())
def test_any_order_and_repetition_give_the_same(records: list[Input], random: object) -> None:
    """Shuffled, and each record as often as it likes, the content is the same."""
    again = [*records, *records[::2]]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert content(folded(records)) == content(folded(again))


@settings(max_examples=examples(40), deadline=None)
@given(histories())
def test_a_record_again_is_no_change(records: list[Input]) -> None:
    """Applying a record again gives the very same object, at whatever time."""
    state = folded(records)
    for record in records:
        assert fold(state, record, NOON + 10**9) is state


@settings(max_examples=examples(40), deadline=None)
@given(histories(), st.lists(st.integers(0, 10**9)))
def test_the_revision_grows_with_every_change(records: list[Input], times: list[int]) -> None:
    """Whatever the clocks of the log say, a changed state is a greater revision."""
    state = empty(TASK)
    for number, record in enumerate(records):
        at = times[number] if number < len(times) else 0
        after = fold(state, record, at)
        assert after is state or revision(after) > revision(state)
        state = after


@settings(max_examples=examples(40), deadline=None)
@given(histories())
def test_the_state_is_a_record_of_its_own(records: list[Input]) -> None:
    """It comes back from the table as it went in."""
    state = folded(records)
    assert state == decode(encode(state))


def test_a_rebuilt_tracker_loses_nothing() -> None:
    """A version of a lower number, from a table made anew, adds what it says."""
    ann, bob = reservation(1, "ann", created=0), reservation(2, "bob", created=5)
    state = folded([call(ann, revision=9), call(ann, bob, revision=2)])
    latest = call_of(state)
    assert latest is not None
    assert (ann, bob) == latest.reservations
    assert 9 == latest.revision


def test_what_was_opened_is_awaited_until_it_is_complete() -> None:
    """A recording that started is still to come."""
    state = folded([opened(1), opened(2), started(1, 0), completed(1, 0, 9)])
    assert {"MZ2"} == awaited(state)


def test_a_contact_is_kept_until_its_recordings_are_there() -> None:
    """4 hours after the last record it goes, if it is over and complete; in 4 days anyhow."""
    whole, part = folded([changed(1, "stopped")]), folded([opened(1)])
    assert not is_forgettable(whole, over=True, now=NOON + KEPT_MS - 1)
    assert is_forgettable(whole, over=True, now=NOON + KEPT_MS)
    assert not is_forgettable(whole, over=False, now=NOON + KEPT_MS)
    assert not is_forgettable(part, over=True, now=NOON + KEPT_MS)
    assert is_forgettable(part, over=False, now=NOON + AWAITED_MS)
