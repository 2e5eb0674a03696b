"""The state that a contact is made from: a function of the set of its records."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contacts import state as states
from pipeline.contacts.contact import contact
from pipeline.contacts.state import (
    Input,
    awaited,
    call_of,
    complete_recordings,
    empty,
    fold,
    is_forgettable,
    open_recordings,
    revision,
)
from schemas.codec import decode, encode
from schemas.records import ContactState, GapCause
from tests.examples import examples
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    call,
    changed,
    completed,
    decided,
    histories,
    opened,
    refused_handshake,
    reservation,
    started,
    supplement,
)

MAX_CAUSES = 500
AWAITED_MS = 4 * 24 * 60 * 60 * 1000
KEPT_MS = 4 * 60 * 60 * 1000


def folded(records: list[Input], at: int = NOON) -> ContactState:
    state = empty(TASK)
    for number, record in enumerate(records):
        state = fold(state, record, at + number)
    return state


def content(state: ContactState) -> tuple[object, object]:
    """All but the time of arrival; the call is compared by its fields, not its bytes."""
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
    """A version of a lower number, from a rebuilt table, adds its content."""
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


def test_a_supplement_is_a_recording_of_its_own() -> None:
    """A complete recording does not hide a supplement of the same media stream that started; the
    media stream is awaited until that is complete too."""
    main = [opened(1), started(1, 0), completed(1, 0, 9)]
    extra = supplement(1, of=1)
    state = folded([*main, started(1, 50, **extra)])
    assert [extra["inum"]] == [r.inum for r in open_recordings(state)]
    assert {"MZ1"} == awaited(state)
    complete = folded([*main, started(1, 50, **extra), completed(1, 50, 90, **extra)])
    assert () == open_recordings(complete)
    assert set() == awaited(complete)
    assert 2 == len(complete_recordings(complete))


@pytest.mark.parametrize("names", [("", ""), ("a", "a"), ("", "a"), ("a", "")])
def test_a_recording_is_known_by_its_id_or_its_start(names: tuple[str, str]) -> None:
    """Records of earlier versions have no id: media stream, start and INUM identify them."""
    state = folded(
        [started(1, 0, recording_id=names[0]), completed(1, 0, 9, recording_id=names[1])]
    )
    assert () == open_recordings(state)


def test_a_record_of_an_earlier_version_is_replaced_by_the_later_one() -> None:
    """The recordings were made again from the log: there is one recording, with its id."""
    for order in (1, -1):
        records: list[Input] = [completed(1, 0, 9), completed(1, 0, 9, recording_id="a")]
        (recording,) = complete_recordings(folded(records[::order]))
        assert "a" == recording.recording_id


def test_the_first_media_stream_that_was_opened_is_known() -> None:
    """In any order."""
    for records in ([opened(1, 500), opened(2, 300)], [opened(2, 300), opened(1, 500)]):
        assert NOON + 300 == folded(list(records)).first_opened_at
    assert empty(TASK).first_opened_at is None


@given(st.randoms())
def test_a_state_is_bounded(random: object) -> None:
    """The latest are kept of decisions, media streams and recordings, in any order; the first
    media stream's time stays."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MAX_DECISIONS", "MAX_RECORDINGS", "MAX_MEDIA_STREAMS"):
            patch.setattr(states, name, 3)
        records: list[Input] = []
        for n in range(1, 7):
            records += [decided(n, "record"), changed(n, "running"), opened(n, n)]
            records += [started(n, n), completed(n, n, n + 5), refused_handshake(n)]
        records += [started(9, 0)]  # earlier than all that are kept: whether it ended is not known
        shuffled = [*records, *records[::2]]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        state = folded(shuffled)
        assert content(folded(records)) == content(state)
        assert [4, 5, 6] == [d.at - NOON for d in state.decisions]
        assert [4, 5, 6] == [m.generation for m in state.media_streams]
        assert [4, 5, 6] == [r.generation for r in complete_recordings(state)]
        assert () == open_recordings(state)
        assert NOON + 1 == state.first_opened_at


def test_a_full_state_and_its_contact_fit_into_a_record() -> None:
    """With names of real length, and a quarter of a record left for the call."""
    sid, text = "MZ" + "d" * 32, "started: monitored agent ann.long-name@contact-center.example.com"
    extra = {"inum": "1" * 18, "recording_id": "1" * 18 + "-" + "2" * 16}
    files = {"audio": "2026/05/28/" + "a" * 80, "manifest": "2026/05/28/" + "b" * 80}
    state = folded([call(reservation(1, "ann", created=0, accepted=1))])
    count = states.MAX_RECORDINGS
    full = replace(
        state,
        decisions=(replace(decided(1, "record"), reason=text),) * states.MAX_DECISIONS,
        media_streams=(replace(changed(1, "failed", sid=sid), reason=text, name="n" * 80),)
        * states.MAX_MEDIA_STREAMS,
        opened=(sid,) * count,
        started=tuple(started(n, n, stream_sid=sid, **extra) for n in range(count)),
        completed=tuple(completed(n, n, n + 9, stream_sid=sid, **extra, **files)
                        for n in range(count)),
        causes=(GapCause(NOON, "never-reached-gateway"),) * MAX_CAUSES,
    )  # fmt: skip
    made = contact(full, HISTORY, NOON + 10**9)
    assert made is not None
    assert len(encode(full)) < 3 * 1024 * 1024
    assert len(encode(made)) < 3 * 1024 * 1024


def test_a_contact_is_kept_until_its_recordings_are_there() -> None:
    """4 hours after the last record it goes, if it is over and complete; in 4 days anyhow."""
    whole, part = folded([changed(1, "stopped")]), folded([opened(1)])
    assert not is_forgettable(whole, over=True, now=NOON + KEPT_MS - 1)
    assert is_forgettable(whole, over=True, now=NOON + KEPT_MS)
    assert not is_forgettable(whole, over=False, now=NOON + KEPT_MS)
    assert not is_forgettable(part, over=True, now=NOON + KEPT_MS)
    assert is_forgettable(part, over=False, now=NOON + AWAITED_MS)
