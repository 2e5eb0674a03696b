"""The gaps of a contact's recordings."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contacts.contact import contact
from pipeline.contacts.gaps import SHORTEST_MS, gaps
from pipeline.contacts.state import empty, fold
from schemas.records import ContactDecision, ContactGap, ContactRecording
from tests.pipeline.contacts.records import (
    HISTORY,
    NOON,
    TASK,
    call,
    completed,
    decided,
    reservation,
    started,
)


def recording(inum: str, start: int, end: int | None) -> ContactRecording:
    """A recording from `start` to `end`; None: it goes on."""
    return ContactRecording(
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


def decision(at: int, what: str = "record") -> ContactDecision:
    return ContactDecision(at, what, "why", 1)


BEGUN = [decision(0)]


def test_a_stream_that_was_started_again_leaves_a_gap() -> None:
    """From the end of the one recording to the start of the other, with both INUMs."""
    found = gaps([recording("2", 12_500, None), recording("1", 100, 10_000)], BEGUN)
    assert (ContactGap(10_000, 12_500, "1", "2"),) == found


def test_a_stop_and_a_later_start_are_no_gap() -> None:
    """The decision to stop comes before the recording's end, or, by other clocks, just after."""
    taken = [recording("1", 100, 10_000), recording("2", 20_000, 30_000)]
    for stopped in (9_700, 10_000, 10_050):
        assert () == gaps(taken, [*BEGUN, decision(stopped, "stop"), decision(19_700)])
    assert () == gaps(taken, [])


def test_a_start_decided_before_the_end_makes_it_a_gap() -> None:
    """Stopped and wanted again before the media stream ended: from its end on audio is missing."""
    taken = [recording("1", 100, 10_000), recording("2", 11_000, None)]
    decisions = [*BEGUN, decision(9_500, "stop"), decision(9_900)]
    assert (ContactGap(10_000, 11_000, "1", "2"),) == gaps(taken, decisions)


def test_less_than_a_frame_and_overlap_are_no_gap() -> None:
    """19 ms are nothing, 20 ms are one; a recording inside another closes nothing."""
    assert () == gaps([recording("1", 0, 100), recording("2", 119, 200)], BEGUN)
    assert 1 == len(gaps([recording("1", 0, 100), recording("2", 120, 200)], BEGUN))
    within = [recording("1", 0, 900), recording("2", 100, 200), recording("3", 950, 999)]
    assert (ContactGap(900, 950, "1", "3"),) == gaps(within, BEGUN)
    assert () == gaps([recording("1", 0, None), recording("2", 500, 600)], BEGUN)


def test_recordings_without_audio_part_no_gap() -> None:
    """A media stream that died before its first frame recorded nothing of the gap it lies in."""
    taken = [recording("1", 0, 100), recording("2", 110, 110), recording("3", 125, None)]
    assert (ContactGap(100, 125, "1", "3"),) == gaps(taken, BEGUN)
    ended = [recording("1", 0, 100), recording("2", 110, 110), recording("3", 125, 125)]
    assert (ContactGap(100, 125, "1", "3"),) == gaps(ended, BEGUN)


def test_a_contact_tells_its_gaps() -> None:
    """Two recordings of one call, a second apart, while it had to be recorded."""
    state = empty(TASK)
    for record in (
        call(reservation(1, "ann", created=0, accepted=100)),
        decided(100, "record"),
        completed(1, 300, 5_300),
        started(2, 6_300),
    ):
        state = fold(state, record, NOON)
    made = contact(state, HISTORY, NOON)
    assert made is not None
    assert (ContactGap(NOON + 5_300, NOON + 6_300, f"{NOON}1", f"{NOON}2"),) == made.gaps


_times = st.integers(0, 300)
_lengths = st.none() | st.just(0) | st.integers(0, 120)
_recordings = st.lists(
    st.tuples(_times, _lengths), max_size=6
).map(
    lambda spans: [
        recording(str(n), start, None if length is None else start + length)
        for n, (start, length) in enumerate(spans)
    ]
)  # fmt: skip
_decisions = st.lists(st.builds(decision, _times, st.sampled_from(["record", "stop"])), max_size=4)


@given(_recordings, _decisions)
def test_gaps_are_what_no_recording_covers(
    taken: list[ContactRecording], decisions: list[ContactDecision]
) -> None:
    """Against a naive count: each millisecond of a gap is in no recording, lies between two of
    them, and had to be recorded; no such stretch of a frame's length is left out."""
    covered = {
        at
        for r in taken
        for at in range(
            r.started_at, r.started_at + (500 if r.duration_ms is None else r.duration_ms)
        )
    }

    def wanted(at: int) -> bool:
        so_far = [d for d in sorted(decisions, key=lambda d: (d.at, d.decision)) if d.at <= at]
        return bool(so_far) and so_far[-1].decision == "record"

    first = min((r.started_at for r in taken), default=0)
    last = max((r.started_at for r in taken), default=0)
    holes: list[tuple[int, int]] = []
    at = first
    while at < last:
        end = at
        while end < last and end not in covered:
            end += 1
        if end - at >= SHORTEST_MS and all(wanted(t) for t in range(at, end + 1)):
            holes.append((at, end))
        at = max(at + 1, end)
    assert holes == [(g.started_at, g.ended_at) for g in gaps(taken, decisions)]


@given(_recordings, _decisions, st.randoms())
def test_the_order_of_what_is_given_does_not_matter(
    taken: list[ContactRecording], decisions: list[ContactDecision], random: object
) -> None:
    """Gaps are of the sets of recordings and decisions."""
    expected = gaps(taken, decisions)
    random.shuffle(taken)  # type: ignore[attr-defined]
    random.shuffle(decisions)  # type: ignore[attr-defined]
    assert expected == gaps(taken, decisions)
