"""The record of a coded media stream gives back every frame."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.frames import payload
from simulator.coded.sent import CodedStream, FrameFate
from simulator.expected import TRACKS
from simulator.script import Line
from simulator.world import MediaStream

NUMBERS = st.integers(0, 12)
RANGES = st.builds(range, NUMBERS, NUMBERS)


@st.composite
def streams(draw: st.DrawFn) -> CodedStream:
    """Media streams of some turns, with frames that were lost, silent or thrown away."""
    turns = draw(NUMBERS)
    away = draw(st.lists(st.integers(0, turns - 1), unique=True)) if turns else []
    stream = MediaStream("MZ1", "CA1", "name", "ws://x", "both_tracks", {}, 0)
    return CodedStream(3, stream, turns, away, Line(draw(RANGES), draw(RANGES)))


@given(streams())
def test_each_turn_has_a_fate(coded: CodedStream) -> None:
    """In order; a turn that is lost and silent is lost, because it was numbered."""
    fates = {number: fate for number, _, fate in coded.fates()}
    assert list(range(coded.turns)) == list(fates)
    line, away = coded.line, coded.thrown_away
    before = {n for n, fate in fates.items() if fate is FrameFate.LOST_BEFORE}
    never = {n for n, fate in fates.items() if fate is FrameFate.NEVER_MADE}
    assert before == {n for n in fates if n in line.lost or n in away}
    assert never == {n for n in fates if n in line.silent} - before


@given(streams())
def test_sent_frames_are_those_with_this_fate(coded: CodedStream) -> None:
    """On each track, with the payload of their number; `frames` counts both tracks."""
    sent = {n: at for n, at, fate in coded.fates() if fate is FrameFate.SENT}
    for track in TRACKS:
        frames = list(coded.sent(track))
        assert list(sent) == [number for number, _ in frames]
        for number, frame in frames:
            assert (track, sent[number]) == (frame.track, frame.timestamp)
            assert payload(3, track, number) == frame.payload
    assert coded.frames == 2 * len(sent)


def test_frames_are_counted_once() -> None:
    """Turns that were lost, silent or thrown away for two reasons are left out once."""
    stream = MediaStream("MZ1", "CA1", "name", "ws://x", "both_tracks", {}, 0)
    coded = CodedStream(3, stream, 8, [2, 5], Line(range(1, 3), range(2, 5)))
    assert [0, 6, 7] == [number for number, _ in coded.sent("inbound")]
    assert 6 == coded.frames


def test_a_turn_has_its_own_time() -> None:
    """The time of turn 0 and the time since then, by the monotonic clock."""
    stream = MediaStream("MZ1", "CA1", "name", "ws://x", "both_tracks", {}, 0)
    coded = CodedStream(1, stream, 3, began_at=5_000)
    coded.turned_at.extend((70.0, 70.25, 70.5))
    assert [5_000, 5_250, 5_500] == [coded.sent_at(number) for number in range(3)]
