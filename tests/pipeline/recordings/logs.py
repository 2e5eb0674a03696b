"""Generated logs of a partition of `media`, and the results that the contract requires."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pipeline.media.runs import runs_of
from pipeline.recordings.recording import Recording
from schemas.records import (
    DroppedTrack,
    GatewayStarted,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    TrackBatch,
)

T0 = 1_763_879_862_345
GATEWAY = "gateway-0"
EPOCH = 1_000


@dataclass(frozen=True)
class Frame:
    """A frame as it came in."""

    track: str
    timestamp: int
    payload: bytes


@dataclass(frozen=True)
class Message:
    """A record of the log."""

    record: Any
    offset: int
    at: int


def payload(number: int, size: int) -> bytes:
    """Return bytes that identify the frame."""
    return (number.to_bytes(4, "big") * (size // 4 + 1))[:size]


steps = st.sampled_from([20] * 12 + [0, 9, 10, 11, 19, 21, 30, 31, 40, 50, 70, 110, -20, -9, -40])
sizes = st.sampled_from([160] * 8 + [80, 40, 240, 1])


bursts = st.sampled_from([0] * 10 + [3, 8, 20, 40])


@st.composite
def frame_lists(draw: st.DrawFn, max_size: int = 40) -> list[Frame]:
    """Frames of both tracks: mostly regular, for a while or one by one, and all that goes wrong."""
    clocks = {track: draw(st.integers(0, 300)) for track in ("inbound", "outbound")}
    frames = []
    for number in range(draw(st.integers(0, max_size))):
        for more in range(draw(bursts)):
            for side, track in enumerate(clocks):
                data = payload(1_000 * number + 2 * more + side, 160)
                frames.append(Frame(track, clocks[track], data))
                clocks[track] += 20
        track = draw(st.sampled_from(("inbound", "outbound")))
        frames.append(Frame(track, clocks[track], payload(number, draw(sizes))))
        clocks[track] = max(0, clocks[track] + draw(steps))
    return frames


@st.composite
def batch_lists(draw: st.DrawFn, sid: str, frames: Sequence[Frame]) -> list[MediaBatch]:
    """The frames, cut anyhow into batches; some numbers are skipped."""
    batches, number, rest = [], 0, list(frames)
    while rest:
        size = draw(st.integers(1, 12))
        number += draw(st.sampled_from([1, 1, 1, 1, 2]))
        invalid = draw(st.sampled_from([0, 0, 0, 2]))
        batches.append(batch_of(sid, number, rest[:size], invalid))
        rest = rest[size:]
    return batches


def batch_of(sid: str, number: int, frames: Sequence[Frame], invalid: int = 0) -> MediaBatch:
    """A batch that holds these frames."""
    tracks = []
    for track in ("inbound", "outbound"):
        own = [f for f in frames if f.track == track]
        bad = invalid if track == "inbound" else 0
        if own or bad:
            runs = runs_of((f.timestamp, len(f.payload)) for f in own)
            tracks.append(TrackBatch(track, runs, bad, b"".join(f.payload for f in own)))
    at = T0 + 500 * number
    return MediaBatch(sid, f"CA{sid}", "WT1", GATEWAY, EPOCH, number, at, None, None, tuple(tracks))


def dropped(batches: Sequence[MediaBatch], reason: str = "spill-full") -> MediaDropped:
    """Return a gateway's record of batches that it could not keep."""
    first, last = batches[0], batches[-1]
    tracks = tuple(
        DroppedTrack(
            track, tuple(r for b in batches for t in b.tracks if t.track == track for r in t.runs)
        )
        for track in ("inbound", "outbound")
    )
    ids = (first.stream_sid, first.call_sid, "WT1", GATEWAY, EPOCH, last.at, reason)
    return MediaDropped(*ids, first.number, last.number, tuple(t for t in tracks if t.runs))


def opened(sid: str, at: int = T0) -> MediaStreamOpened:
    """A gateway took the media stream in."""
    return MediaStreamOpened(sid, f"CA{sid}", "WT1", f"name-{sid}", 1, GATEWAY, EPOCH, at)


def opened_recording(sid: str, at: int = T0) -> Recording:
    """The recording of a media stream that `opened` began, as the first record of a log."""
    return Recording(
        *(sid, f"CA{sid}", "WT1", f"name-{sid}", 1, GATEWAY, EPOCH, at), first_offset=0
    )


def closed(sid: str) -> MediaStreamClosed:
    """It ended."""
    return MediaStreamClosed(
        sid, f"CA{sid}", "WT1", f"name-{sid}", 1, GATEWAY, EPOCH, T0 + 9_000, "stop", "", 0, 0, 0
    )


@dataclass(frozen=True)
class Story:
    """A log, and the frames of each media stream in the order of the log (repeats included)."""

    messages: tuple[Message, ...]
    frames: dict[str, list[Frame]]
    invalid: dict[str, int]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """One to three media streams on one partition, ended by a close or by their gateway's death,
    with batches repeated, some opened by no more than their first batch."""
    queues: dict[str, list[Any]] = {}
    for sid in [f"MZ{n}" for n in range(draw(st.integers(1, 3)))]:
        batches: list[Any] = draw(batch_lists(sid, draw(frame_lists())))
        for at in draw(st.sampled_from([(), (), (0,), (1, 2), (-1,), (2, 5, -1)])):
            if -len(batches) <= at < len(batches) and isinstance(batches[at], MediaBatch):
                batches[at] = dropped([batches[at]], draw(st.sampled_from(["spill-full", "old"])))
        if batches and draw(st.booleans()):
            at = draw(st.integers(0, len(batches) - 1))
            batches += batches[at : at + 2]  # a gateway that repeats batches
        begin = [] if batches and draw(st.integers(0, 4)) == 0 else [opened(sid)]
        end = [closed(sid)] if draw(st.integers(0, 4)) else []
        queues[sid] = [*begin, *batches, *end]
    records: list[Any] = []
    while any(queues.values()):
        sid = draw(st.sampled_from([sid for sid, queue in queues.items() if queue]))
        records.append(queues[sid].pop(0))
    records.append(GatewayStarted(GATEWAY, EPOCH + 1, T0 + 20_000))
    offset, messages = draw(st.integers(0, 1000)), []
    for record in records:
        messages.append(Message(record, offset, T0 + 100 * len(messages)))
        offset += draw(st.sampled_from([1, 1, 1, 3]))
    return _story(tuple(messages))


def _story(messages: tuple[Message, ...]) -> Story:
    frames: dict[str, list[Frame]] = {}
    invalid: dict[str, int] = {}
    taken: set[tuple[str, int]] = set()
    for record in (message.record for message in messages):
        if isinstance(record, GatewayStarted):
            continue
        frames.setdefault(record.stream_sid, [])
        invalid.setdefault(record.stream_sid, 0)
        if isinstance(record, MediaBatch):
            if (record.stream_sid, record.number) in taken:
                continue  # a batch that comes again is in already
            taken.add((record.stream_sid, record.number))
            for track in record.tracks:
                invalid[record.stream_sid] += track.invalid
                frames[record.stream_sid] += _frames(track)
    return Story(messages, frames, invalid)


def _frames(track: TrackBatch) -> list[Frame]:
    found, start = [], 0
    for run in track.runs:
        for number in range(run.frames):
            audio = track.audio[start : start + run.size]
            found.append(Frame(track.track, run.timestamp + number * run.step, audio))
            start += run.size
    return found


def of_stream(messages: Sequence[Message], sid: str) -> list[tuple[int, Any]]:
    """The records of a media stream, each with its offset."""
    return [(m.offset, m.record) for m in messages if getattr(m.record, "stream_sid", "") == sid]


@dataclass(frozen=True)
class Expected:
    """What the contract says of some frames."""

    samples: bytes
    received: int
    lost: int
    duplicate: int
    overlap: int


def by_the_contract(frames: Sequence[Frame]) -> Expected:
    """contract.md, "Audio", sentence by sentence, a frame at a time."""
    counts = {"received": 0, "lost": 0, "duplicate": 0, "overlap": 0}
    sides = [_side([f for f in frames if f.track == t], counts) for t in ("inbound", "outbound")]
    # The shorter track is filled up with 0xFF to the longer.
    length = max(len(side) for side in sides)
    left, right = (bytes(side) + b"\xff" * (length - len(side)) for side in sides)
    woven = bytes(sample for pair in zip(left, right, strict=True) for sample in pair)
    return Expected(woven, **counts)


def _side(frames: Sequence[Frame], counts: dict[str, int]) -> bytearray:
    side = bytearray()
    seen: set[int] = set()
    for number, frame in enumerate(frames):
        start = frame.timestamp * 8
        # A track's first frame lies at timestamp x 8.
        d = 0 if number == 0 else start - len(side)
        if number == 0:
            side += b"\xff" * start + frame.payload
            counts["received"] += 1
        elif abs(d) < 80:  # jitter: it follows without a seam
            side += frame.payload
            counts["received"] += 1
        elif d >= 80:  # d samples of silence, then the frame
            side += b"\xff" * d + frame.payload
            counts["received"] += 1
            counts["lost"] += max(1, round(d / 160))
        else:  # it is left out
            counts["duplicate" if frame.timestamp in seen else "overlap"] += 1
        seen.add(frame.timestamp)
    return side
