"""The output of a faultless recorder."""

import hashlib
import json
import struct
from typing import Any

from simulator.coded.frames import FRAME_BYTES
from simulator.coded.judgement import Judgement
from simulator.coded.judging import judge
from simulator.coded.sent import CodedStream
from simulator.expected import TRACKS, ExpectedTrack, expected_audio
from simulator.world import MediaStream

TURNS = 60


class Recorded:
    """The output of a faultless recorder for the turns that reached it. `turns`: all turns that
    were sent; `until_ms`: the end of the loss reported at the end, if any."""

    def __init__(self, arrived: set[int], away: list[int], until_ms: int | None = None) -> None:
        stream = MediaStream("MZ1", "CA1", "name", "ws://x", "both_tracks", {}, 0)
        self.coded = CodedStream(3, stream, TURNS, away)
        self.coded.turned_at.extend(0.02 * number for number in range(TURNS))
        kept = [
            sent for track in TRACKS for number, sent in self.coded.sent(track) if number in arrived
        ]
        self.expected = expected_audio(kept)
        self.tracks = {name: _ranges(kept, name) for name in TRACKS}
        self.until_ms = until_ms
        self.withheld = 0
        self.decisions: list[dict[str, str]] = []
        self.gaps: list[dict[str, str]] = []
        self.ended_at: str | None = None

    def wav(self, samples: bytes | None = None) -> bytes:
        """The audio, perhaps with other samples."""
        data = self.expected.samples if samples is None else samples
        head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 7, 2, 8000, 16000, 2, 8)
        body = head + b"data" + struct.pack("<I", len(data)) + data
        return b"RIFF" + struct.pack("<I", len(body)) + body

    def judged(self, wav: bytes | None = None, **changed: Any) -> Judgement:
        """The judgement of the audio and of a manifest of which some fields may be changed."""
        audio = self.wav() if wav is None else wav
        at_end = 0 if self.until_ms is None else 100
        frames = {
            "received": self.expected.received,
            "lost": self.expected.lost + at_end,
            "duplicate": 0,
            "invalid": 0,
            "withheld": self.withheld,
        }
        manifest = {
            "inum": "1",
            "stream_sid": "MZ1",
            "call_sid": "CA1",
            "audio": {"sha256": hashlib.sha256(audio).hexdigest()},
            "frames": frames,
            "lost_at_end": at_end
            and {"frames": at_end, "until_ms": self.until_ms, "reason": "gateway-died"},
            "segments": [{"tracks": self.tracks}],
        }
        recording = {"inum": "1", "frames": frames, "lost_for": changed.get("lost_for")}
        made = json.loads(json.dumps(manifest | changed))
        ended_at = self.ended_at
        contact = {"decisions": self.decisions, "gaps": self.gaps, "ended_at": ended_at}
        return judge(self.coded, recording, audio, made, contact)


def _ranges(kept: list[Any], name: str) -> dict[str, Any]:
    track, ranges = ExpectedTrack(), []
    for sent in (one for one in kept if one.track == name):
        end, begun, lost = len(track.audio), track.begun, track.lost
        at = track.begins(sent.timestamp)
        track.place(sent)
        if at > end and begun:
            hole = {"kind": "lost", "at": end, "samples": at - end, "frames": track.lost - lost}
            ranges.append(hole | {"reason": "not-received"})
        elif at > end:
            ranges.append({"kind": "silence", "at": end, "samples": at - end, "reason": "start"})
        ranges.append({"kind": "received", "at": at, "frames": 1, "size": FRAME_BYTES})
    return {"ranges": ranges, "left_out": []}


ALL = set(range(TURNS))
