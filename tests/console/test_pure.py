"""The console's pure parts: ranges, peaks, times, parameters, the time line."""

import contextlib
import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.account import (
    GAP_REASONS,
    GapEntry,
    RecordingEntry,
    entries,
    losses,
    lost,
    not_sent,
)
from console.parameters import BadParameterError, read_search, read_unmatched
from console.peaks import NotAWavError, Peaks, find_samples
from console.ranges import ByteRange, UnsatisfiableError, wanted_span
from console.timeline import LABEL, WIDTH, time_line
from console.times import lasting, parse_rfc3339, rfc3339
from pipeline.media.wav import header
from schemas.records import Contact, ContactGap
from tests.pipeline.store.contacts import CONTACT, NOON, RECORDING, contacts


@given(st.integers(0, 4_000_000_000_000))
def test_times_read_back(at: int) -> None:
    """A formatted time means the same moment, to the millisecond."""
    text = rfc3339(at)
    assert text is not None
    assert at == parse_rfc3339(text)
    assert datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") == text[:19]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_span_lies_within(first: int, last: int, size: int) -> None:
    """A range is answered by bytes that exist, all of it if it was none, or not at all."""
    for header_text in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            span = wanted_span(header_text, size)
        except UnsatisfiableError:
            assert first >= size or last == 0
            continue
        if span is not None:
            assert 0 <= span.start < span.end <= size


@pytest.mark.parametrize(
    "text", [None, "", "bytes=", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"]
)
def test_what_is_no_single_range_asks_for_all(text: str | None) -> None:
    """As RFC 9110 lets a server do."""
    assert wanted_span(text, 100) is None


def test_a_suffix_longer_than_all_is_all() -> None:
    """The last 200 of 100 bytes are the 100."""
    assert ByteRange(0, 100) == wanted_span("bytes=-200", 100)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=6), st.integers(1, 40))
def test_peaks_do_not_depend_on_the_cut(audio: bytes, cuts: list[int], buckets: int) -> None:
    """However the audio is cut into pieces, its peaks are the same, and no more than asked for."""
    audio = audio[: len(audio) // 2 * 2]
    frames = len(audio) // 2
    whole, pieces = Peaks(frames, buckets), Peaks(frames, buckets)
    whole.feed(audio)
    edges = [0, *sorted(min(cut, len(audio)) for cut in cuts), len(audio)]
    for start, end in itertools.pairwise(edges):
        pieces.feed(audio[start:end])
    assert (whole.left, whole.right) == (pieces.left, pieces.right)
    assert len(whole.left) == len(whole.right) <= buckets
    assert whole.left == [] or all(0 <= peak <= 1 for peak in whole.left + whole.right)


def test_peaks_know_left_from_right() -> None:
    """The first byte of each pair is the left side's; 0xFF is silence, 0x00 the loudest."""
    peaks = Peaks(2, 1)
    peaks.feed(b"\x00\xff\xff\xff")
    assert ([1.0], [0.0]) == (peaks.left, peaks.right)


def test_the_samples_of_our_wav_are_found() -> None:
    """Right behind the header, to the end."""
    head = header(100)
    samples = find_samples(head, len(head) + 200)
    assert (len(head), len(head) + 200) == (samples.start, samples.end)


@given(st.binary(max_size=100))
def test_what_is_no_wav_is_refused(data: bytes) -> None:
    """By an error of its own."""
    with pytest.raises(NotAWavError):
        find_samples(data, len(data))


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=30)), max_size=4))
def test_any_query_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    """No query string breaks the reading."""
    with contextlib.suppress(BadParameterError):
        read_search(query)


@given(st.sampled_from(["from", "to", "limit", "cursor", "customer", "q"]), st.text(max_size=40))
def test_any_value_is_read_or_refused(name: str, value: str) -> None:
    """Nor does any value of a known parameter."""
    with contextlib.suppress(BadParameterError):
        read_search([(name, value)])


@given(contacts)
def test_every_bar_lies_on_the_time_line(contact: Contact) -> None:
    """Bars begin within the box; ticks are few and within it too."""
    line = time_line(contact, contact.started_at + 1000)
    assert all(LABEL <= bar.x <= WIDTH for bar in line.bars)
    assert all(LABEL <= tick.x <= WIDTH for tick in line.ticks)


def test_the_time_line_of_a_transferred_call() -> None:
    """Two sessions and the recording have bars; an agent that never accepted has none."""
    line = time_line(CONTACT, 0)
    labels = ["ann@example.com", "bob@example.com", "Recording", "Missing"]
    assert labels == [b.label for b in line.bars]
    assert 7 >= len(line.ticks)


def test_gaps_share_a_row_of_the_time_line() -> None:
    """Before the first recording, after the last, or with none: all within the box."""
    gaps = tuple(ContactGap(NOON - 5_000 + at, NOON + at, "", "") for at in (0, 20_000, 60_000))
    line = time_line(replace(CONTACT, recordings=(), gaps=gaps), 0)
    drawn = [bar for bar in line.bars if bar.kind == "gap"]
    assert ["Missing", "", ""] == [bar.label for bar in drawn]
    assert 1 == len({bar.y for bar in drawn})
    assert LABEL == drawn[0].x
    assert all(bar.x + bar.width <= WIDTH + 3 for bar in drawn)


_supplements = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.integers(0, 4), st.integers(0, 99)), max_size=6
)


@given(_supplements, st.lists(st.integers(0, 99), max_size=3))
def test_each_recording_and_gap_is_shown_once_in_order(
    made: list[tuple[int, int | None, int]], gaps: list[int]
) -> None:
    """Also supplements of recordings that are not there, and recordings that share an INUM."""
    recordings = tuple(
        replace(
            RECORDING, inum=str(inum), recording_id=str(number), started_at=NOON + at,
            supplement_of="" if of is None else str(of),
        )
        for number, (inum, of, at) in enumerate(made)
    )  # fmt: skip
    holes = tuple(ContactGap(NOON + at, NOON + at + 1, "", "") for at in gaps)
    found = entries(replace(CONTACT, recordings=recordings, gaps=holes))
    assert sorted(e.at for e in found) == [e.at for e in found]
    assert sorted(holes, key=str) == sorted(
        [e.gap for e in found if isinstance(e, GapEntry)], key=str
    )
    shown = [e for e in found if isinstance(e, RecordingEntry)]
    ids = [r.recording_id for e in shown for r in (e.recording, *e.supplements)]
    assert sorted(r.recording_id for r in recordings) == sorted(ids)
    assert all(s.supplement_of == e.recording.inum for e in shown for s in e.supplements)


@given(st.dictionaries(st.sampled_from(["not-sent", "not-received", "x"]), st.integers(0, 9)))
def test_losses_and_frames_not_sent_add_up(reasons: dict[str, int]) -> None:
    """What Twilio did not send is no loss, everything else is, with its reason."""
    recording = replace(RECORDING, lost=sum(reasons.values()), lost_for=reasons)
    assert recording.lost == lost(recording) + not_sent(recording)
    assert lost(recording) == sum(int(text.split()[0]) for text in losses(recording))


def test_every_gap_reason_has_words() -> None:
    """The closed list of the API."""
    reasons = (
        "twilio-refused twilio-unreachable no-leg never-reached-gateway handshake-refused "
        "gateway-died gateway-cut-off socket-dropped late-start late-events expired unknown"
    )
    assert set(reasons.split()) == set(GAP_REASONS)


@given(st.lists(st.tuples(st.sampled_from(["unmatched", "limit", "x"]), st.text(max_size=9))))
def test_any_query_of_recordings_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    """No query string breaks the reading of `/api/recordings`."""
    with contextlib.suppress(BadParameterError):
        assert 1 <= read_unmatched(query).limit <= 500


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0:00"), (61_999, "1:01"), (3_723_000, "1:02:03"), (None, "–")],  # noqa: RUF001
)
def test_durations_for_a_person(ms: int | None, text: str) -> None:
    """Minutes and seconds, and hours only if there are any."""
    assert text == lasting(ms)
