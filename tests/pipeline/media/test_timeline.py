"""The placement rule, against the contract's sentences written down naively."""

from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.media import timeline
from pipeline.media.runs import runs_of
from pipeline.media.timeline import (
    LeftOut,
    Placed,
    Stretch,
    Timeline,
    TimelineState,
)
from schemas.records import Run

timestamps = st.one_of(
    st.integers(0, 400),
    st.integers(0, 60).map(lambda number: 99 + 20 * number),
    st.integers(0, 3_600_000),
)
sizes = st.sampled_from([160, 160, 160, 160, 80, 8, 1, 320])
frame_lists = st.lists(st.tuples(timestamps, sizes), max_size=60)


@st.composite
def nearly_regular(draw):
    """Frames 20 ms apart with jitter, holes, repetitions and frames that come late."""
    frames = []
    timestamp = draw(st.integers(0, 200))
    for _ in range(draw(st.integers(1, 80))):
        frames.append((max(0, timestamp + draw(st.sampled_from([0, 0, 0, 0, -2, 3, 9, -11]))), 160))
        timestamp += draw(st.sampled_from([20, 20, 20, 20, 20, 0, 40, 50, -20, 1_000, -500]))
        timestamp = max(0, timestamp)
    return frames


@dataclass
class Oracle:
    """The contract, sentence by sentence, a frame at a time, on real bytes."""

    audio: bytearray = field(default_factory=bytearray)
    seen: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(
        default_factory=lambda: {"received": 0, "lost": 0, "duplicate": 0, "overlap": 0}
    )
    began: bool = False

    def frame(self, timestamp: int, payload: bytes) -> None:
        d = timestamp * 8 - len(self.audio)
        if not self.began:
            self.audio += b"\xff" * (timestamp * 8)
        elif d >= 80:
            self.audio += b"\xff" * d
            self.counts["lost"] += max(1, round(d / 160))
        elif d <= -80:
            self.counts["duplicate" if timestamp in self.seen else "overlap"] += 1
            self.seen.add(timestamp)
            return
        self.began = True
        self.audio += payload
        self.counts["received"] += 1
        self.seen.add(timestamp)


def payload(number: int, size: int) -> bytes:
    return bytes([number % 255]) * size


def by_oracle(frames):
    oracle = Oracle()
    for number, (timestamp, size) in enumerate(frames):
        oracle.frame(timestamp, payload(number, size))
    return oracle


def carried_out(timeline: Timeline, audio: bytearray, frames, first_number: int = 0) -> None:
    data = b"".join(payload(first_number + n, size) for n, (_, size) in enumerate(frames))
    start = 0
    for run in runs_of(frames):
        for piece in timeline.place(run):
            if isinstance(piece, Placed):
                audio += b"\xff" * piece.silence
                assert piece.at == len(audio)
                begin = start + piece.offset
                audio += data[begin : begin + piece.run.frames * piece.run.size]
        start += run.frames * run.size


def counts(timeline: Timeline) -> dict[str, int]:
    state = timeline.state()
    return {name: getattr(state, name) for name in ("received", "lost", "duplicate", "overlap")}


@given(st.one_of(frame_lists, nearly_regular()))
@example([(100, 160), (120, 160), (145, 160), (170, 160), (195, 160)])
@example([(0, 1), (0, 1), (0, 1)])
def test_any_frames_give_what_the_contract_says(frames):
    """Runs placed at once give the audio and the counts of the rule applied frame by frame."""
    timeline, audio = Timeline(), bytearray()
    carried_out(timeline, audio, frames)
    oracle = by_oracle(frames)
    assert oracle.counts == counts(timeline)
    assert bytes(oracle.audio) == bytes(audio)
    assert (len(oracle.audio) if frames else None) == timeline.end


@given(st.one_of(frame_lists, nearly_regular()), st.data())
def test_any_cut_gives_the_same(frames, data):
    """If the frames are cut anywhere, and the fold is stopped and restored from plain values, the
    result is the same."""
    uninterrupted, uninterrupted_audio = Timeline(), bytearray()
    carried_out(uninterrupted, uninterrupted_audio, frames)
    cut = data.draw(st.integers(0, len(frames)))
    first, audio = Timeline(), bytearray()
    carried_out(first, audio, frames[:cut])
    second = Timeline(first.state())
    assert first.state() == second.state()
    carried_out(second, audio, frames[cut:], cut)
    assert uninterrupted_audio == audio
    assert counts(uninterrupted) == counts(second)


def test_a_24_hour_call_stays_small():
    """A day of regular frames with a hole an hour is 25 stretches at the most."""
    timeline = Timeline()
    for hour in range(24):
        for second in range(3_599):
            timeline.place(Run(hour * 3_600_000 + second * 1_000, 50, 20, 160))
    assert 24 * 3_599 * 50 == timeline.received
    assert 23 * 50 == timeline.lost
    assert len(timeline.state().seen) <= 25


def test_the_first_frame_lies_at_its_timestamp():
    """The silence before it is no loss."""
    timeline = Timeline()
    assert [Placed(800, 800, 0, 0, Run(100, 1, 0, 160))] == timeline.place(Run(100, 1, 0, 160))
    assert TimelineState(960, 1, 0, 0, 0, (Stretch(100, 0, 1),)) == timeline.state()


def test_a_frame_2_ms_early_follows_without_a_seam():
    """As in a real capture: 1593 for 1595."""
    timeline = Timeline()
    timeline.place(Run(1_575, 1, 0, 160))
    assert [Placed(12_760, 0, 0, 0, Run(1_593, 1, 0, 160))] == timeline.place(Run(1_593, 1, 0, 160))


def test_a_hole_of_two_frames_is_silence_and_two_lost():
    """The frame after the hole lies at its own timestamp."""
    timeline = Timeline()
    timeline.place(Run(100, 1, 0, 160))
    assert [Placed(1_280, 320, 2, 0, Run(160, 1, 0, 160))] == timeline.place(Run(160, 1, 0, 160))


def test_a_frame_seen_before_is_a_duplicate_and_another_an_overlap():
    """Neither goes to the audio; an overlap that comes again is a duplicate."""
    timeline = Timeline()
    timeline.place(Run(100, 3, 20, 160))
    assert [LeftOut(120, 160, 0, duplicate=True)] == timeline.place(Run(120, 1, 0, 160))
    assert [LeftOut(125, 160, 0, duplicate=False)] == timeline.place(Run(125, 1, 0, 160))
    assert [LeftOut(125, 160, 0, duplicate=True)] == timeline.place(Run(125, 1, 0, 160))
    assert {"received": 3, "lost": 0, "duplicate": 2, "overlap": 1} == counts(timeline)


def test_a_frame_before_the_first_sample_is_an_overlap():
    """In a supplement, a frame may be older than the one that it began with."""
    timeline = Timeline()
    assert [LeftOut(-20, 160, 0, duplicate=False)] == timeline.place(Run(-20, 1, 0, 160))
    assert [LeftOut(-20, 160, 0, duplicate=True)] == timeline.place(Run(-20, 1, 0, 160))


def test_frames_without_a_seam_are_placed_at_once():
    """Up to the frame that is 10 ms later than its place: silence comes before that one."""
    timeline = Timeline()
    assert [Placed(800, 800, 0, 0, Run(100, 50, 20, 160))] == timeline.place(Run(100, 50, 20, 160))
    late = timeline.place(Run(1_100, 5, 25, 160))
    assert [(0, 2), (80, 2), (80, 1)] == [(each.silence, each.run.frames) for each in late]


def test_frames_before_many_holes_are_remembered():
    """Each of them is a duplicate if it comes again."""
    timeline, times = Timeline(), [100 * number + number % 7 for number in range(20)]
    for timestamp in [*times, *times]:
        timeline.place(Run(timestamp, 1, 0, 160))
    assert (20, 20, 0) == (timeline.received, timeline.duplicate, timeline.overlap)


def test_what_is_remembered_of_timestamps_is_bounded(monkeypatch):
    """Irregular timestamps for hours do not make a state that Kafka would refuse; a late frame that
    is forgotten counts as an overlap."""
    monkeypatch.setattr(timeline, "MAX_STRETCHES", 100)
    line = Timeline()
    for number in range(1_000):
        line.place(Run(40 * number + number % 7 + 40, 1, 0, 160))
        line.place(Run(number % 300, 1, 0, 160))
    assert len(line.state().seen) <= 201
    duplicates = line.duplicate
    line.place(Run(40, 1, 0, 160))
    assert duplicates == line.duplicate
