"""Gaps and captured time: required time against recordings."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.gaps import captured_ms, gaps
from pipeline.contacts.spans import Span, common, normalized, total, without
from schemas.records import ContactGap, ContactRecording

EDGE_MS = 1_000
SHORTEST_MS = 20


def recording(inum: str, start: int, end: int | None, **changes: object) -> ContactRecording:
    """A recording from `start` to `end`; None: it is open."""
    made = ContactRecording(
        inum=inum,
        call_sid="CA",
        stream_sid=f"MZ{inum}",
        extension=None,
        extensions=(),
        state="recording" if end is None else "complete",
        started_at=start,
        duration_ms=None if end is None else end - start,
        received=0,
        lost=0,
        duplicate=0,
        invalid=0,
        audio=None,
        manifest=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


REQUIRED: list[Span] = [(0, 600_000)]
NOW = 700_000


def found(*recordings: ContactRecording, required: list[Span] = REQUIRED) -> list[ContactGap]:
    return list(gaps(required, recordings, NOW))


def test_no_audio_at_all_is_one_gap() -> None:
    """Ten minutes that had to be recorded, and no recording."""
    assert [ContactGap(0, 600_000, "", "")] == found()
    assert [] == list(gaps([], [], NOW))


def test_a_late_start_and_an_early_end_are_gaps() -> None:
    """Before the first recording, after the last, and between two of them."""
    late = recording("1", 300_000, 600_000)
    assert [ContactGap(0, 300_000, "", "1")] == found(late)
    early = recording("1", 0, 60_000)
    assert [ContactGap(60_000, 600_000, "1", "")] == found(early)
    assert [ContactGap(60_000, 300_000, "1", "2")] == found(early, replace(late, inum="2"))


def test_a_gap_names_the_recordings_beside_it() -> None:
    """Of several before and after it the nearest."""
    before = [recording("1", 0, 30_000), recording("2", 30_000, 60_000)]
    behind = [recording("3", 300_000, 400_000), recording("4", 400_000, 600_000)]
    for known in ([*before, *behind], [*reversed(behind), *reversed(before)]):
        assert [ContactGap(60_000, 300_000, "2", "3")] == found(*known)


def test_less_than_a_second_at_an_edge_is_no_gap() -> None:
    """999 ms at the beginning and at the end are none, 1,000 ms are; so are edges in between."""
    assert [] == found(recording("1", 999, 599_001))
    assert 2 == len(found(recording("1", 1_000, 599_000)))
    spans = [(0, 100_000), (200_000, 300_000)]
    assert [] == found(recording("1", 0, 99_001), recording("2", 200_999, 300_000), required=spans)
    assert [ContactGap(200_000, 201_000, "1", "2")] == found(
        recording("1", 0, 99_001), recording("2", 201_000, 300_000), required=spans
    )


def test_less_than_a_frame_between_recordings_is_no_gap() -> None:
    """19 ms are none, 20 ms are one; a recording inside another closes nothing."""
    assert [] == found(recording("1", 0, 1_000), recording("2", 1_019, None))
    assert 1 == len(found(recording("1", 0, 1_000), recording("2", 1_020, None)))
    inside = [recording("1", 0, 9_000), recording("2", 1_000, 2_000), recording("3", 9_500, None)]
    assert [ContactGap(9_000, 9_500, "1", "3")] == found(*inside)


def test_an_open_recording_covers_up_to_now() -> None:
    """Whatever else was recorded meanwhile."""
    assert [] == found(recording("1", 0, None), recording("2", 500, 600))
    assert [] == list(gaps([(0, 5_000)], [recording("1", 0, None)], 5_000))


def test_recordings_without_audio_part_no_gap() -> None:
    """A media stream that died before its first frame recorded nothing of the gap it lies in."""
    taken = [recording("1", 0, 100), recording("2", 110, 110), recording("3", 125, None)]
    assert [ContactGap(100, 125, "1", "3")] == found(*taken)


def test_silence_after_the_audio_is_no_gap() -> None:
    """Twilio sent nothing until the end of the media stream: nothing is missing."""
    silent = recording("1", 0, 60_000, silent_ms=539_500)
    assert [] == found(silent)
    assert 599_500 == captured(silent)
    assert [ContactGap(590_000, 600_000, "1", "")] == found(replace(silent, silent_ms=530_000))


def test_a_supplement_closes_a_gap() -> None:
    """It is a recording like others."""
    main, rest = recording("1", 0, 60_000), recording("3", 120_000, None)
    supplement = recording("2", 60_000, 119_990, supplement_of="1")
    assert [] == found(main, supplement, rest)


def captured(*recordings: ContactRecording, required: list[Span] = REQUIRED) -> int:
    return captured_ms(required, recordings, NOW)


def test_captured_time_is_required_time_in_the_audio() -> None:
    """The union of the recordings, as far as it was required."""
    taken = [recording("1", -5_000, 60_000), recording("2", 50_000, 100_000)]
    assert 100_000 == captured(*taken)
    assert 0 == captured()
    assert 600_000 == captured(recording("1", 0, None))


def test_lost_frames_are_not_captured() -> None:
    """One frame of either track takes 10 ms. Frames that Twilio did not send, and those after the
    end of the audio, take none. A record of an earlier version says no reason."""
    for changes, expected in (
        ({"lost": 100}, 59_000),
        ({"lost": 100, "lost_for": {"not-sent": 60, "not-received": 40}}, 59_600),
        ({"lost": 100, "lost_for": {"gateway-died": 100}, "lost_at_end": 70}, 59_700),
        ({"lost": 99_999}, 0),
    ):
        assert expected == captured(recording("1", 0, 60_000, **changes))
    outside = recording("2", 700_000, 800_000, lost=5_000)
    assert 60_000 == captured(recording("1", 0, 60_000), outside)
    empty = recording("2", 70_000, 70_000, lost=5_000)
    assert 60_000 == captured(recording("1", 0, 60_000), empty)


def test_a_supplement_recovers_lost_frames() -> None:
    """The covered part of its recording does not count as lost; its own lost frames do."""
    main = recording("1", 0, 60_000, lost=3_000)
    supplement = recording("2", 10_000, 30_000, supplement_of="1")
    assert 30_000 == captured(main)
    assert 50_000 == captured(main, supplement)
    assert 49_000 == captured(main, replace(supplement, lost=100))
    assert 30_000 == captured(main, replace(supplement, supplement_of="9"))


def test_withheld_time_is_not_captured_if_it_was_required() -> None:
    """Withheld frames lie in time that was not required, as far as there is such time."""
    taken = recording("1", 0, 60_000, withheld_ms=10_000)
    assert 50_000 == captured(taken)
    assert 50_000 == captured(taken, required=[(0, 20_000), (30_000, 60_000)])
    assert 50_000 == captured(taken, required=[(0, 20_000), (25_000, 60_000)])


_times = st.integers(0, 300)
_spans = st.lists(st.tuples(_times, st.integers(0, 120)), max_size=5).map(
    lambda spans: normalized((start, start + length) for start, length in spans)
)
_recordings = st.lists(
    st.tuples(_times, st.none() | st.just(0) | st.integers(0, 120), st.integers(0, 5)), max_size=6
).map(
    lambda spans: [
        recording(str(n), at, None if length is None else at + length, lost=lost)
        for n, (at, length, lost) in enumerate(spans)
    ]
)  # fmt: skip
_STRETCH = 50
"""Times in the properties are in units of this many ms, so that edges matter."""


def _stretched(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple((start * _STRETCH, end * _STRETCH) for start, end in spans)


def _stretched_recordings(taken: list[ContactRecording]) -> list[ContactRecording]:
    return [
        replace(
            r,
            started_at=r.started_at * _STRETCH,
            duration_ms=None if r.duration_ms is None else r.duration_ms * _STRETCH,
        )
        for r in taken
    ]


@given(_spans, _recordings, st.integers(0, 600))
def test_gaps_are_the_required_time_that_no_recording_covers(
    spans: tuple[Span, ...], taken: list[ContactRecording], now: int
) -> None:
    """Against a naive count of each unit of time: every run of required units without audio is a
    gap, unless it is too short; its neighbours are the nearest recordings."""
    covered = {
        at
        for r in taken
        for at in range(
            r.started_at, now if r.duration_ms is None else r.started_at + r.duration_ms
        )
    }
    expected: list[tuple[int, int]] = []
    for start, end in spans:
        at = start
        while at < end:
            until = at
            while until < end and until not in covered:
                until += 1
            least = EDGE_MS if at == start or until == end else SHORTEST_MS
            if (until - at) * _STRETCH >= least:
                expected.append((at * _STRETCH, until * _STRETCH))
            at = max(at + 1, until)
    made = gaps(_stretched(spans), _stretched_recordings(taken), now * _STRETCH)
    assert expected == [(g.started_at, g.ended_at) for g in made]


@given(_spans, _recordings, st.integers(0, 600))
def test_required_time_is_captured_lost_or_a_gap(
    spans: tuple[Span, ...], taken: list[ContactRecording], now: int
) -> None:
    """Gaps are disjoint and lie in required time. Together with the captured time, losses and
    pieces too short for a gap, they make up the required time."""
    required, recordings = _stretched(spans), _stretched_recordings(taken)
    made = gaps(required, recordings, now * _STRETCH)
    holes = [(g.started_at, g.ended_at) for g in made]
    assert list(normalized(holes)) == holes
    assert total(common(required, holes)) == total(holes)
    uncovered = sum(
        total(without(span, normalized(_covers(r, now * _STRETCH) for r in recordings)))
        for span in required
    )
    short = uncovered - total(holes)
    assert 0 <= short < EDGE_MS * 2 * max(1, len(required)) + SHORTEST_MS * len(taken)
    captured = captured_ms(required, recordings, now * _STRETCH)
    lost = sum(r.lost for r in recordings) * 10
    assert total(required) - total(holes) - short - lost <= captured
    assert 0 <= captured <= total(required) - total(holes) - short


@given(_spans, _recordings, st.randoms())
def test_the_order_of_the_recordings_does_not_matter(
    spans: tuple[Span, ...], taken: list[ContactRecording], random: Random
) -> None:
    """Gaps and captured time are of the set of recordings."""
    expected = gaps(spans, taken, 400), captured_ms(spans, taken, 400)
    random.shuffle(taken)
    assert expected == (gaps(spans, taken, 400), captured_ms(spans, taken, 400))


def _covers(r: ContactRecording, now: int) -> Span:
    return r.started_at, now if r.duration_ms is None else r.started_at + r.duration_ms
