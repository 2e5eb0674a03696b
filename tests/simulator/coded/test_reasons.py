"""The reasons of missing frames are checked against what became of them."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.manifest import Hole
from simulator.coded.reasons import NOT_RECEIVED, NOT_SENT, SpeechTurn, untrue
from simulator.coded.sent import FrameFate

FATES = st.lists(
    st.sampled_from([None, None, FrameFate.SENT, FrameFate.LOST_BEFORE, FrameFate.NEVER_MADE]),
    max_size=40,
)
"""Of each turn: None if its frame is recorded."""


def turns(fates: list[FrameFate | None]) -> list[SpeechTurn]:
    """Turns with these fates, between two frames that are recorded."""
    return [
        SpeechTurn(100 + 20 * number, fate or FrameFate.SENT, recorded=fate is None)
        for number, fate in enumerate([None, *fates, None])
    ]


def holes(track: list[SpeechTurn]) -> list[Hole]:
    """The holes of a recorder that makes no mistake."""
    found: list[Hole] = []
    gap: list[SpeechTurn] = []
    for turn in track:
        if not turn.recorded:
            gap.append(turn)
            continue
        if gap:
            silent = all(missing.fate is FrameFate.NEVER_MADE for missing in gap)
            reason = NOT_SENT if silent else NOT_RECEIVED
            found.append(Hole(8 * gap[0].timestamp, 8 * turn.timestamp, len(gap), reason))
        gap = []
    return found


@given(FATES)
def test_true_reasons_are_accepted(fates: list[FrameFate | None]) -> None:
    """Correct reasons are accepted for any combination of missing frames."""
    track = turns(fates)
    assert untrue(track, holes(track)) == []


@given(FATES, st.data())
def test_a_false_reason_is_found(fates: list[FrameFate | None], data: st.DataObject) -> None:
    """Silence that counts as loss, and a loss that counts as silence."""
    track = turns([*fates, None, FrameFate.NEVER_MADE])
    known = holes(track)
    number = data.draw(st.integers(0, len(known) - 1))
    hole = known[number]
    other = NOT_SENT if hole.reason == NOT_RECEIVED else NOT_RECEIVED
    known[number] = Hole(hole.at, hole.end, hole.frames, other)
    assert untrue(track, known)


def test_a_frame_that_was_sent_may_have_another_reason() -> None:
    """A batch that is missing is neither silence nor a loss on the way."""
    track = turns([FrameFate.SENT])
    [hole] = holes(track)
    missing = Hole(hole.at, hole.end, 1, "batch-missing")
    assert untrue(track, [missing]) == []
    assert untrue(track, [Hole(hole.at, hole.end, 1, NOT_SENT)])


def test_after_the_last_frame_nothing_may_count_as_silence_that_was_sent() -> None:
    """The gateway died: its unpublished frames are lost, and do not count as silence."""
    track = [*turns([]), SpeechTurn(200, FrameFate.SENT, recorded=False)]
    assert untrue(track, []) == []
    assert untrue(track, [Hole(1600, 1760, 1, NOT_SENT)])
