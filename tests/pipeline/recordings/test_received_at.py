"""When frames were received."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings.received_at import ReceiveClock, frames_received_at, samples_between
from schemas.records import ClockPoint, RecorderTrack, RecordingCompleted, TimestampStretch
from tests.pipeline.recordings.logs import T0, closed, opened
from tests.pipeline.recordings.test_withholding import batch, batches, decided, world_of

TOLERANCE_MS = 60
SAMPLES = 8


def track(*seen: TimestampStretch, end: int | None) -> RecorderTrack:
    """A track with frames of these timestamps."""
    return RecorderTrack("inbound", end, 1, 0, 0, 0, 0, False, seen)


def done(*records: object) -> RecordingCompleted:
    """The recording that these records make."""
    published = world_of(records).published
    found = {e.recording_id: e for e in published if isinstance(e, RecordingCompleted)}
    (only,) = found.values()
    return only


def test_a_recording_has_the_times_of_its_first_and_last_frame() -> None:
    """By the gateway's clock; the media stream opened at T0."""
    recording = done(opened("MZ1"), *batches(1, 10), closed("MZ1"))
    assert (T0, T0 + 5_000) == (recording.first_frame_at, recording.last_frame_at)


def test_a_first_frame_that_came_late() -> None:
    """The first half second came a second late, the others at once after it."""
    late = [batch(number, 1_000) for number in range(1, 5)]
    recording = done(opened("MZ1"), *late, closed("MZ1"))
    assert (T0 + 1_000, T0 + 3_000) == (recording.first_frame_at, recording.last_frame_at)


def test_a_stream_that_begins_in_the_middle() -> None:
    """The first frame has a timestamp of two seconds."""
    recording = done(opened("MZ1"), *batches(5, 6), closed("MZ1"))
    assert (T0 + 2_000, T0 + 3_000) == (recording.first_frame_at, recording.last_frame_at)


def test_an_interruption_moves_only_the_last_frame() -> None:
    """After it, frames come three seconds later than they were spoken."""
    records = [*batches(1, 4), *[batch(number, 3_000) for number in range(5, 9)]]
    recording = done(opened("MZ1"), *records, closed("MZ1"))
    assert (T0, T0 + 7_000) == (recording.first_frame_at, recording.last_frame_at)


def test_withheld_frames_were_received() -> None:
    """A stop cuts the audio, not the time of the last frame."""
    records = [decided("record", -500), opened("MZ1"), *batches(1, 10)]
    recording = done(*records, decided("stop", 1_000), *batches(11, 20), closed("MZ1"))
    assert (T0, T0 + 10_000) == (recording.first_frame_at, recording.last_frame_at)
    assert recording.withheld


def test_without_a_frame_there_is_no_time() -> None:
    """Nothing came."""
    recording = done(opened("MZ1"), closed("MZ1"))
    assert (None, None) == (recording.first_frame_at, recording.last_frame_at)


def test_no_frame_was_received_before_the_stream_opened() -> None:
    """The half second before the first batch was shorter than its audio: it came in a burst."""
    burst = replace(batch(1), at=T0 + 100)
    recording = done(opened("MZ1"), burst, batch(2, -400), closed("MZ1"))
    assert (T0, T0 + 600) == (recording.first_frame_at, recording.last_frame_at)


lags = st.lists(st.integers(0, 5_000), min_size=1, max_size=30)


@given(lags)
def test_the_times_are_as_exact_as_the_points(lags: list[int]) -> None:
    """Batches of half a second, received so much later than they were spoken: both times are those
    of the first and the last batch, to the tolerance of the clock."""
    clock = ReceiveClock()
    for number, lag in enumerate(lags):
        clock.note(500 * SAMPLES * number, T0 + lag)
    end = 500 * SAMPLES * len(lags)
    one_run = track(TimestampStretch(0, 20, 25 * len(lags)), end=end)
    first, last = frames_received_at([one_run], clock.points, T0)
    assert first is not None
    assert last is not None
    assert abs(first - (T0 + lags[0])) <= TOLERANCE_MS
    assert last >= first
    if T0 + lags[-1] + 500 * len(lags) >= first:
        assert abs(last - (T0 + lags[-1] + 500 * len(lags))) <= TOLERANCE_MS
    received = list(samples_between(clock.points, first, None, end))
    assert received


def test_the_earlier_track_begins() -> None:
    """And the longer one ends."""
    points = (ClockPoint(0, T0),)
    tracks = [
        track(TimestampStretch(40, 20, 5), end=140 * SAMPLES),
        track(TimestampStretch(20, 20, 9), end=200 * SAMPLES),
        track(end=None),
    ]
    assert (T0 + 20, T0 + 200) == frames_received_at(tracks, points, 0)
    assert (None, None) == frames_received_at(tracks, (), 0)
    assert (None, None) == frames_received_at([track(end=None)], points, 0)


CLOCK = (ClockPoint(0, 1_000), ClockPoint(800, 1_200), ClockPoint(1_600, 2_000))
"""8 samples are a millisecond: 100 ms late from sample 800 on, and 800 ms from 1,600 on."""


@pytest.mark.parametrize(
    ("begin_at", "end_at", "spans"),
    [
        (0, None, [(0, 2_400)]),
        (1_050, None, [(400, 2_400)]),
        (1_050, 1_080, [(400, 640)]),
        (1_050, 1_250, [(400, 1_200)]),
        (1_150, 1_250, [(800, 1_200)]),
        (1_250, 2_050, [(1_200, 2_000)]),
        (1_400, 1_900, []),
        (9_000, None, []),
    ],
)
def test_the_samples_of_a_period(
    begin_at: int, end_at: int | None, spans: list[tuple[int, int]]
) -> None:
    """Each point holds up to the next one, and neighbouring spans are one."""
    assert spans == list(samples_between(CLOCK, begin_at, end_at, 2_400))


def test_a_point_is_added_once_the_pace_changes() -> None:
    """By more than 60 ms, in either direction."""
    clock = ReceiveClock()
    for sample, offset in ((0, 40), (4_000, -20), (8_000, 100)):
        clock.note(sample, offset)
    assert (ClockPoint(0, 40),) == clock.points
    clock.note(12_000, 101)
    clock.note(16_000, 40)
    assert (ClockPoint(12_000, 1_601), ClockPoint(16_000, 2_040)) == clock.points[1:]
