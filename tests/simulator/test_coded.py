"""Coded audio: every frame identifies itself, and the judge finds every mistake."""

import hashlib
import json
import struct
from base64 import b64decode
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.frames import (
    FRAME_BYTES,
    OUTBOUND_BIT,
    Code,
    code_of,
    codes_in,
    payload,
    text,
)
from simulator.coded.judgement import Judgement
from simulator.coded.judging import judge, strangers, without_recording
from simulator.coded.sent import CodedStream
from simulator.expected import INBOUND, OUTBOUND, TRACKS, ExpectedTrack, expected_audio
from simulator.script import Line
from simulator.world import MediaStream

NUMBERS = st.integers(0, OUTBOUND_BIT - 1)
TURNS = 60


@given(st.integers(0, 2**32 - 1), st.sampled_from(TRACKS), NUMBERS)
def test_a_frame_tells_what_it_is(stream: int, track: str, number: int) -> None:
    """160 bytes, none of them silence beyond its head, and the same in base64."""
    made = payload(stream, track, number)
    assert FRAME_BYTES == len(made)
    assert made == b64decode(text(stream, track, number))
    assert Code(stream, track, number) == code_of(made)


@given(st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES))
def test_other_bytes_are_no_frame(samples: bytes) -> None:
    """Nor is a frame in which one byte is another."""
    assert code_of(samples) is None
    frame = bytearray(payload(7, INBOUND, 8))
    frame[samples[0] % FRAME_BYTES] ^= samples[1] | 1
    assert code_of(bytes(frame)) is None


def test_frames_are_found_wherever_they_lie() -> None:
    """At odd places, amid silence, cut off at the end."""
    one, other = payload(1, INBOUND, 5), payload(2, OUTBOUND, 6)
    side = b"\xff" * 3 + one + b"\xff" * 50 + other + one[:159]
    expected = [(3, Code(1, INBOUND, 5)), (213, Code(2, OUTBOUND, 6))]
    assert expected == codes_in(side)


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


def test_all_recorded() -> None:
    """Nothing is lost, nothing strange, nothing wrong."""
    judgement = Recorded(ALL, []).judged()
    assert ([], 2 * TURNS, 0, 0) == (
        judgement.wrong,
        judgement.recorded,
        judgement.lost.total(),
        judgement.untold,
    )


@given(st.sets(st.integers(1, TURNS - 2)), st.sets(st.integers(1, TURNS - 2)))
def test_what_is_told_lost_is_accounted_for(lost: set[int], away: set[int]) -> None:
    """All reported losses are accounted for; frames dropped before they were sent are not
    missed."""
    judgement = Recorded(ALL - lost, sorted(away)).judged()
    assert [] == judgement.wrong
    assert 2 * len(lost - away) == judgement.lost["not-received"] == judgement.lost.total()
    assert judgement.sent == judgement.recorded + judgement.lost.total()


def test_the_end_may_be_told_track_by_track() -> None:
    """Then only what lies in its holes is accounted for, each with its own reason."""
    recorded = Recorded(set(range(30)), [], until_ms=10_000)
    ends = {name: len(_side(recorded, number)) for number, name in enumerate(TRACKS)}
    holes = {
        name: [{"at": at, "samples": 30 * 160, "frames": 30, "reason": f"{name} gone"}]
        for name, at in ends.items()
    }
    end = {"frames": 100, "until_ms": 10_000, "reason": "any", "tracks": holes}
    told = recorded.judged(lost_at_end=end)
    assert ([], {"inbound gone": 30, "outbound gone": 30}) == (told.wrong, told.lost)
    del holes["outbound"]
    assert 30 == recorded.judged(lost_at_end=end).untold


def _side(recorded: Recorded, number: int) -> bytes:
    return recorded.expected.samples[number::2]


def test_reasons_must_add_up() -> None:
    """To the frames that are lost."""
    recorded = Recorded(ALL - {5}, [])
    assert [] == recorded.judged(lost_for={"not-received": 2}).wrong
    assert recorded.judged(lost_for={"not-received": 1}).wrong


class Withheld(Recorded):
    """The same, but a stop was decided at 0 s, and all frames from the turn `first` on are
    withheld; those from `read` on the gateway did not read."""

    def __init__(self, first: int, read: int = TURNS) -> None:
        super().__init__(set(range(read)), [])
        self.decisions = [{"at": "1970-01-01T00:00:00.000Z", "decision": "stop"}]
        begin = first * 20 - 2_000
        self.coded.began_at = -begin  # the turn `first` is at 2 s
        whole = len(self.expected.samples) // 2
        kept = [sent for track in TRACKS for number, sent in self.coded.sent(track)
                if number < first]  # fmt: skip
        self.expected = expected_audio(kept)
        at = len(self.expected.samples) // 2
        self.samples = {name: {"samples": at} for name in TRACKS}
        frames = dict.fromkeys(TRACKS, read - first)
        self.spans = [{"at": at, "samples": whole - at, "frames": frames}]
        self.withheld = 2 * (read - first)

    def judged_with(self, **changed: Any) -> Judgement:
        """The judgement, of a manifest of which some fields may be changed."""
        return self.judged(tracks=self.samples, withheld=self.spans, **changed)


def test_what_must_not_be_heard_is_accounted_for_apart() -> None:
    """It is withheld, and neither recorded nor lost; as many frames as the manifest says."""
    withheld = Withheld(30)
    judgement = withheld.judged_with()
    assert judgement.wrong == []
    assert (judgement.withheld, judgement.lost.total(), judgement.untold) == (60, 0, 0)
    assert judgement.recorded == 60
    withheld.withheld -= 1
    assert withheld.judged_with().wrong


def test_frames_that_are_withheld_too_early_or_heard_too_late_are_found() -> None:
    """Two seconds after the stop is the limit."""
    early = Withheld(30)
    early.coded.began_at = -10_000
    assert any("must not be withheld but are" in text for text in early.judged_with().wrong)
    late = Recorded(ALL, [])
    late.coded.began_at = 10_000
    late.decisions = [{"at": "1970-01-01T00:00:00.000Z", "decision": "stop"}]
    assert any("must not be heard but are" in text for text in late.judged().wrong)


def test_frames_that_a_closed_socket_had_are_unread() -> None:
    """Only those of the last moments: others must be withheld."""
    withheld = Withheld(20, read=55)
    assert withheld.judged_with().untold == 10
    withheld.coded.closed_at = withheld.coded.turned_at[-1]
    judgement = withheld.judged_with()
    assert (judgement.wrong, judgement.unread, judgement.untold) == ([], 10, 0)


def test_a_frame_that_was_sent_must_not_count_as_silence() -> None:
    """And silence must, if no number is missing."""
    recorded = Recorded(ALL - {5, 6}, [])
    holes = [one for track in recorded.tracks.values() for one in track["ranges"]
             if one["kind"] == "lost"]  # fmt: skip
    for hole in holes:
        hole["reason"] = "not-sent"
    assert any("lost as not-sent" in text for text in recorded.judged().wrong)
    recorded.coded.line = Line(silent=range(5, 7))
    judgement = recorded.judged()
    assert (judgement.wrong, judgement.silent) == ([], {"not-sent": 4})
    holes[0]["reason"] = "not-received"
    assert recorded.judged().wrong


def test_what_a_gateway_took_with_it_may_be_in_a_gap_of_the_contact() -> None:
    """If the gateway died, and as far as the gap goes."""
    recorded = Recorded(set(range(30)), [])
    recorded.coded.began_at = 1_000
    recorded.gaps = [{"from": "1970-01-01T00:00:01.600Z", "to": "1970-01-01T00:00:01.990Z"}]
    died = {"ended": {"reason": "gateway-died"}}
    judgement = recorded.judged(**died)
    assert (judgement.in_gap, judgement.untold) == (40, 20)
    assert recorded.judged().untold == 60


def test_what_a_gateway_took_with_it_after_the_call_is_in_no_gap() -> None:
    """The contact lists no gap there: that time need not be recorded."""
    recorded = Recorded(set(range(30)), [])
    recorded.coded.began_at = 1_000
    recorded.ended_at = "1970-01-01T00:00:01.400Z"
    judgement = recorded.judged(ended={"reason": "gateway-died"})
    assert (judgement.in_gap, judgement.untold) == (60, 0)
    assert recorded.judged().untold == 60


def test_what_a_killed_gateway_took_is_accounted_for_only_as_far_as_it_is_told() -> None:
    """Frames after the last one that was received, until the media time that the manifest names."""
    arrived = set(range(30))
    told = Recorded(arrived, [], until_ms=10_000).judged()
    assert ([], 60) == (told.wrong, told.lost["gateway-died"])
    in_part = Recorded(arrived, [], until_ms=1_000).judged()
    assert 0 < in_part.untold < 60
    assert 60 == Recorded(arrived, []).judged().untold


@pytest.mark.parametrize(
    ("strange", "expected"),
    [
        (payload(4, INBOUND, 10), "of another media stream"),
        (payload(3, OUTBOUND, 10), "on the wrong side"),
        (payload(3, INBOUND, 9), "twice"),
        (payload(3, INBOUND, 2**30), None),
    ],
)
def test_a_frame_that_does_not_belong_there_is_seen(strange: bytes, expected: str | None) -> None:
    """In place of the inbound frame 10: of another call, of the other side, there before."""
    recorded = Recorded(ALL, [])
    samples = bytearray(recorded.expected.samples)
    at = samples[0::2].index(payload(3, INBOUND, 10))
    samples[2 * at : 2 * (at + FRAME_BYTES) : 2] = strange
    judgement = recorded.judged(recorded.wav(bytes(samples)))
    assert judgement.wrong
    assert expected is None or 1 == judgement.strange[expected]


@given(st.integers(0, 2**32), st.integers(1, 255))
def test_no_sample_may_be_another(place: int, flipped: int) -> None:
    """One byte anywhere in the audio."""
    recorded = Recorded(ALL - {5, 6}, [])
    samples = bytearray(recorded.expected.samples)
    samples[place % len(samples)] ^= flipped
    assert recorded.judged(recorded.wav(bytes(samples))).wrong


def test_audio_may_not_be_moved() -> None:
    """All frames are there, a sample late."""
    recorded = Recorded(ALL, [])
    assert recorded.judged(recorded.wav(b"\xff\xff" + recorded.expected.samples)).wrong


@pytest.mark.parametrize(
    "changed",
    [
        {"stream_sid": "MZ2"},
        {"call_sid": "CA2"},
        {"inum": "2"},
        {"audio": {"sha256": "0"}},
        {"segments": []},
        {"segments": None},
        {"frames": {"received": 1, "lost": 0, "duplicate": 0, "invalid": 0, "withheld": 0}},
        {"withheld": [{"at": 0, "samples": 9, "frames": {"inbound": 1, "outbound": 0}}]},
    ],
)
def test_a_manifest_that_says_something_else_is_wrong(changed: dict[str, Any]) -> None:
    """Of another call, of other bytes, of other frames, of none."""
    assert Recorded(ALL, []).judged(**changed).wrong


def test_frames_in_the_wrong_order_are_told() -> None:
    """Frames in a wrong order, and a side on which all frames are misplaced, are reported."""
    side = payload(3, INBOUND, 2) + payload(3, INBOUND, 1)
    assert {"out of order": 1} == strangers(3, INBOUND, side)
    assert {"out of place": 1} == strangers(3, INBOUND, payload(3, INBOUND, 1))


def test_without_a_recording_nothing_is_accounted_for() -> None:
    """However much was sent."""
    judgement = without_recording(Recorded(ALL, []).coded)
    assert (2 * TURNS, 0, True) == (judgement.untold, judgement.recorded, bool(judgement.wrong))


def test_the_tail_of_a_frame_is_drawn_by_its_head() -> None:
    """So that frames of any two media streams differ nearly everywhere."""
    random = Random(1)
    tails = {payload(random.getrandbits(31), INBOUND, n)[12:] for n in range(500)}
    assert 32 < len(tails)
