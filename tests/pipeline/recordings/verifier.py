"""Checks a recording from outside: its WAV and its manifest against the log, frame by frame.

Knows contract.md and docs/recordings.md, and nothing of how recordings are made.
"""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.records import MediaBatch, MediaDropped, MediaStreamClosed, MediaStreamOpened

TRACKS = ("inbound", "outbound")
JITTER = 80
COUNTED = ("received", "lost", "duplicate", "overlap", "invalid")


@dataclass
class Side:
    """A track by the contract: its samples, and what became of each frame."""

    samples: bytearray = field(default_factory=bytearray)
    counts: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)
    dropped: list[tuple[int, int, str]] = field(default_factory=list)
    places: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Of each frame in the audio: sample, timestamp, size, offset of its record."""
    left_out: list[tuple[int, int, str, int]] = field(default_factory=list)
    """Of each frame that is not: timestamp, size, why, offset of its record."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """For each hole: the sample at which it ends, and how many entries of `dropped` were reported
    by then."""
    begun: bool = False

    def take(self, timestamp: int, payload: bytes, offset: int) -> None:
        """A frame that came."""
        start, end = timestamp * 8, len(self.samples)
        d = start - end if self.begun else 0
        if d <= -JITTER:
            word = "duplicate" if timestamp in self.seen else "overlap"
            self.counts[word] += 1
            self.left_out.append((timestamp, len(payload), word, offset))
        else:
            silence = start if not self.begun else d if d >= JITTER else 0
            due = min([start, *(first for first, _, _ in self.dropped)])
            hole = silence if self.begun else start - due
            self.counts["lost"] += frames_in(hole)
            self.samples += b"\xff" * silence
            if silence:
                self.holes.append((len(self.samples), len(self.dropped)))
            self.places.append((len(self.samples), timestamp, len(payload), offset))
            self.samples += payload
            self.counts["received"] += 1
            self.begun = True
        self.seen.add(timestamp)

    def lost_at_end(self) -> int:
        """Frames thrown away after the last that came."""
        begin = len(self.samples) if self.begun else min((d[0] for d in self.dropped), default=0)
        return frames_in(max((d[1] for d in self.dropped), default=0) - begin)

    def reported_before(self, end: int) -> list[tuple[int, int, str]]:
        """Return the drops that were reported before the audio continued after the hole that
        contains the sample before `end`. Later reports cannot be the reason for it."""
        known = (known_drops for hole_end, known_drops in self.holes if hole_end >= end)
        return self.dropped[: next(known, None)]


def frames_in(samples: int) -> int:
    """How many frames a hole lost."""
    return max(1, round(samples / 160)) if samples >= JITTER else 0


def sides_of(log: Sequence[tuple[int, Any]]) -> dict[str, Side]:
    """What the contract makes of the records (offset, record) of one media stream."""
    sides = {track: Side() for track in TRACKS}
    highest = 0
    taken: set[int] = set()
    for offset, record in log:
        if isinstance(record, MediaBatch):
            highest = max(highest, record.number)
            if record.number not in taken:  # a batch that comes again is in already
                _take(sides, record, offset)
            taken.add(record.number)
        elif isinstance(record, MediaDropped) and record.last_number > highest:
            highest = record.last_number
            for lost in record.tracks:
                for timestamp, size in _frames(lost.runs):
                    place = (timestamp * 8, timestamp * 8 + size, record.reason)
                    sides[lost.track].dropped.append(place)
    return sides


def _take(sides: Mapping[str, Side], record: MediaBatch, offset: int) -> None:
    for part in record.tracks:
        sides[part.track].counts["invalid"] += part.invalid
        start = 0
        for timestamp, size in _frames(part.runs):
            sides[part.track].take(timestamp, part.audio[start : start + size], offset)
            start += size


def verify(wav: bytes, manifest: Mapping[str, Any], log: Sequence[tuple[int, Any]]) -> None:
    """Raise `AssertionError` if WAV or manifest differ from the log."""
    sides = sides_of(log)
    _verify_audio(wav, manifest, sides)
    for track, side in sides.items():
        _verify_track(manifest, track, side)
    _verify_totals(manifest)
    _verify_coordinates(manifest, log)
    for segment in manifest["segments"]:
        _verify_segment(segment, wav, sides)


def _verify_audio(wav: bytes, manifest: Mapping[str, Any], sides: Mapping[str, Side]) -> None:
    length = max(len(side.samples) for side in sides.values())
    header = struct.unpack("<4sI4s 4sIHHIIHHH 4sII 4sI", wav[:58])
    expected = (b"RIFF", len(wav) - 8, b"WAVE", b"fmt ", 18, 7, 2, 8000, 16000, 2, 8, 0)
    assert (*expected, b"fact", 4, length, b"data", 2 * length) == header
    for number, side in enumerate(sides.values()):
        assert bytes(side.samples).ljust(length, b"\xff") == wav[58 + number :: 2]
    audio = manifest["audio"]
    assert (len(wav), hashlib.sha256(wav).hexdigest()) == (audio["bytes"], audio["sha256"])
    assert (length, length // 8) == (audio["samples"], audio["duration_ms"])
    digest = int(hashlib.sha256(manifest["stream_sid"].encode()).hexdigest(), 16)
    assert f"{digest % 10**8:08d}" == manifest["inum"][10:]


def _verify_track(manifest: Mapping[str, Any], track: str, side: Side) -> None:
    counted = manifest["tracks"][track]
    at_end = (manifest["lost_at_end"] or {"tracks": {track: []}})["tracks"][track]
    lost_at_end = sum(hole["frames"] for hole in at_end)
    counts = side.counts + Counter({"lost": lost_at_end})
    assert {word: counts[word] for word in COUNTED} == {word: counted[word] for word in COUNTED}
    if manifest["ended"]["reason"] == "stop" and not manifest["batches"]["missing"]:
        assert side.lost_at_end() == lost_at_end
    assert (len(side.samples), manifest["audio"]["samples"]) == (
        counted["samples"],
        counted["samples"] + counted["filled"],
    )
    at, received, left_out, lost = 0, [], [], Counter[str]()
    for segment in manifest["segments"]:
        part = segment["tracks"][track]
        assert at == part["start"]
        for piece in part["ranges"]:
            assert at == piece["at"]
            at += piece.get("samples") or piece["frames"] * piece["size"]
            if piece["kind"] == "received":
                received += list(_places(piece))
        left_out += [
            (timestamp, piece["size"], piece["kind"])
            for piece in part["left_out"]
            for timestamp in _timestamps(piece)
        ]
        lost += _lost(part["ranges"], side)
    lost += _lost(at_end, side)
    assert at == counted["samples"]
    assert [place[:3] for place in side.places] == received
    assert [each[:3] for each in side.left_out] == left_out
    assert {reason: n for reason, n in lost.items() if n} == counted["lost_for"]
    assert counted["lost"] == sum(lost.values())


def _lost(pieces: Sequence[Mapping[str, Any]], side: Side) -> Counter[str]:
    """The frames lost in these pieces, by reason."""
    lost: Counter[str] = Counter()
    for piece in pieces:
        if piece["kind"] == "lost":
            assert piece["samples"] >= JITTER
            begin, end = piece["at"], piece["at"] + piece["samples"]
            dropped = side.reported_before(end)
            for first, last, reason in dropped:  # the frames dropped there are reported as such
                inside = min(last, end) - max(first, begin)
                covered = any(
                    r == piece["reason"] and min(e, end) - max(b, begin) > 0 for b, e, r in dropped
                )
                assert inside < JITTER or reason == piece["reason"] or covered
            lost[piece["reason"]] += piece["frames"]
    return lost


def _verify_totals(manifest: Mapping[str, Any]) -> None:
    tracks = manifest["tracks"].values()
    sums = {word: sum(track[word] for track in tracks) for word in COUNTED}
    assert sums == {word: manifest["frames"][word] for word in COUNTED}
    reasons = sum((Counter(track["lost_for"]) for track in tracks), Counter[str]())
    assert dict(reasons) == manifest["lost_for"]


def _verify_coordinates(manifest: Mapping[str, Any], log: Sequence[tuple[int, Any]]) -> None:
    """Every record of the media stream lies in exactly one segment's offsets, or has no audio."""
    own = [offset for offset, record in log if isinstance(record, MediaBatch)]
    numbers = [record.number for _, record in log if isinstance(record, MediaBatch)]
    assert len(own) == manifest["batches"]["received"]
    opened = [offset for offset, record in log if isinstance(record, MediaStreamOpened)]
    if opened:
        assert min(opened[0], *own, *opened) == manifest["kafka"]["first_offset"]
    closed = [offset for offset, record in log if isinstance(record, MediaStreamClosed)]
    assert not closed or closed[-1] == manifest["kafka"]["last_offset"]
    folded = {o for o, record in log if isinstance(record, MediaBatch | MediaDropped)}
    last = -1
    for index, segment in enumerate(manifest["segments"]):
        first, end = segment["kafka"]["first_offset"], segment["kafka"]["last_offset"]
        assert index == segment["index"]
        assert last < first <= end or not segment["batches"]
        assert not segment["batches"] or {first, end} <= folded
        inside = [offset for offset in own if first <= offset <= end]
        assert segment["batches"] == len(inside)
        last = max(last, end)
    batches = manifest["batches"]
    assert len(numbers) == sum(segment["batches"] for segment in manifest["segments"])
    assert batches["highest"] >= max(numbers, default=0)
    distinct = len(set(numbers))
    assert batches["highest"] <= distinct + batches["missing"] + batches["dropped"]


def _verify_segment(segment: Mapping[str, Any], wav: bytes, sides: Mapping[str, Side]) -> None:
    digest = hashlib.sha256()
    first, last = segment["kafka"]["first_offset"], segment["kafka"]["last_offset"]
    for number, track in enumerate(TRACKS):
        own = [p for p in sides[track].places if first <= p[3] <= last]
        ranges = segment["tracks"][track]["ranges"]
        places = [
            place for piece in ranges if piece["kind"] == "received" for place in _places(piece)
        ]
        assert [place[:3] for place in own] == places  # its frames are those of its records
        samples = wav[58 + number :: 2]
        for at, _, size in places:
            digest.update(samples[at : at + size])
    assert digest.hexdigest() == segment["sha256"]


def _places(piece: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    for number, timestamp in enumerate(_timestamps(piece)):
        yield piece["at"] + number * piece["size"], timestamp, piece["size"]


def _timestamps(piece: Mapping[str, Any]) -> list[int]:
    return [piece["timestamp"] + number * piece["step"] for number in range(piece["frames"])]


def _frames(runs: Sequence[Any]) -> Iterator[tuple[int, int]]:
    for run in runs:
        for number in range(run.frames):
            yield run.timestamp + number * run.step, run.size
