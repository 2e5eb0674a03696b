"""Compares what was sent on a coded media stream with its recording, frame by frame. Pure.

A frame was recorded if its 160 bytes lie on the side of its track, at the sample where the contract
puts it after the frames that were recorded before it. Of all others the manifest must say that they
are lost, and why, or that they are withheld. What was recorded must make up the whole audio:
nothing twice, nothing strange. Audio is withheld at the end of a recording only.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.coded.frames import Code, codes_in, payload
from simulator.coded.judgement import Judgement
from simulator.coded.manifest import (
    End,
    Track,
    Withheld,
    contradictions,
    end_of,
    reason_of,
    track_of,
    withheld_of,
)
from simulator.coded.reasons import Turn, reason_at, untrue
from simulator.coded.sent import CodedStream, Fate
from simulator.coded.withheld import Period, gaps_of, heard_too_late, periods, withheld_too_early
from simulator.expected import SILENCE, TRACKS, ExpectedTrack, SentFrame
from simulator.script import Json
from simulator.wav import NotWav, read_wav

SIDES = dict(zip(TRACKS, ("left", "right"), strict=True))
MULAW = (7, 2, 8000, 8)
UNREAD_S = 1.0
"""Frames sent so shortly before the other side closed the socket may not have been read."""
MOST_UNTRUE = 5
"""So many wrong reasons of a track are reported."""


@dataclass(slots=True)
class _Found:
    """One track's audio: what lies in it, which frames do not (after their numbers), and all of its
    turns; `heard_at`: when each frame in it was sent (ms since the epoch)."""

    name: str
    track: ExpectedTrack
    missing: list[tuple[int, SentFrame]]
    turns: list[Turn]
    heard_at: list[float]


@dataclass(frozen=True, slots=True)
class _Told:
    """What the manifest says of a track, and of the whole: what is missing at the end, and what is
    withheld; `gaps`: those of the contact; `has_died`: the gateway did not close the media
    stream."""

    track: Track
    end: End | None
    withheld: tuple[Withheld, ...]
    gaps: Sequence[Period]
    has_died: bool


def judge(
    coded: CodedStream,
    recording: Json,
    audio: bytes,
    manifest: Json,
    contact: Json | None = None,
) -> Judgement:
    """The judgement of a media stream that became this recording (as the console tells it), by the
    decisions and the gaps of its contact."""
    judgement = Judgement(sent=coded.frames)
    wrong = judgement.wrong
    try:
        wav = read_wav(audio)
    except NotWav as error:
        judgement.untold = judgement.sent
        wrong.append(f"audio: {error}")
        return judgement
    form = (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    wrong += [f"WAV format {form}"] if form != MULAW else []
    try:
        told = {name: _told(manifest, name, gaps_of(contact)) for name in TRACKS}
        wrong += _identity(coded, recording, audio, manifest)
        wrong += contradictions(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        wrong.append(f"the manifest is none: {error!r}")
        return judgement
    sides = {name: wav.samples[number::2] for number, name in enumerate(TRACKS)}
    found = {name: _found(coded, name, sides[name]) for name in TRACKS}
    spans = periods(contact["decisions"] if contact else ())
    for name in TRACKS:
        _judge_track(judgement, coded, name, sides[name], found[name])
        _judge_missing(judgement, coded, found[name], told[name], spans)
        _judge_manifest(judgement, name, found[name], told[name].track)
        wrong += heard_too_late(found[name].heard_at, spans)
    wrong += _counts(judgement, recording, manifest, found)
    if judgement.untold:
        wrong.append(f"{judgement.untold} frames are neither recorded nor told lost")
    return judgement


def _told(manifest: Json, name: str, gaps: Sequence[Period]) -> _Told:
    ended = manifest.get("ended", {}).get("reason", "")
    return _Told(
        track_of(manifest, name),
        end_of(manifest),
        withheld_of(manifest),
        gaps,
        has_died=ended.startswith("gateway-"),
    )


def _found(coded: CodedStream, name: str, side: bytes) -> _Found:
    found = _Found(name, ExpectedTrack(), [], [], [])
    track = found.track
    for number, timestamp, fate in coded.fates():
        if fate is not Fate.SENT:
            found.turns.append(Turn(timestamp, fate, recorded=False))
            continue
        sent = SentFrame(name, timestamp, payload(coded.number, name, number))
        at = track.begins(timestamp)
        recorded = at is not None and side[at : at + len(sent.payload)] == sent.payload
        found.turns.append(Turn(timestamp, fate, recorded))
        if recorded:
            track.place(timestamp, sent.payload)
            found.heard_at.append(coded.sent_at(number))
        else:
            found.missing.append((number, sent))
    return found


def _judge_track(
    judgement: Judgement, coded: CodedStream, name: str, side: bytes, found: _Found
) -> None:
    judgement.recorded += found.track.received
    made = found.track.audio.ljust(len(side), SILENCE)
    if made == side:
        return
    what = strangers(coded.number, name, side)
    judgement.strange += what
    first = next((at for at, (a, b) in enumerate(zip(made, side, strict=False)) if a != b), 0)
    told = ", ".join(f"{count} {kind}" for kind, count in what.items()) or "sound nobody sent"
    judgement.wrong.append(
        f"{SIDES[name]} side, from {first / 8000:.3f} s on, is not as it was sent: {told}"
    )


def strangers(media_stream: int, track: str, side: bytes) -> Counter[str]:
    """The frames on one side of a recording that do not belong there, by what is wrong."""
    kinds: Counter[str] = Counter()
    seen: set[Code] = set()
    last = -1
    for _, code in codes_in(side):
        if code.media_stream != media_stream:
            kinds["of another media stream"] += 1
        elif code.track != track:
            kinds["on the wrong side"] += 1
        elif code in seen:
            kinds["twice"] += 1
        elif code.number < last:
            kinds["out of order"] += 1
        last = max(last, code.number)
        seen.add(code)
    return kinds or Counter({"out of place": len(seen)})


def _judge_missing(
    judgement: Judgement,
    coded: CodedStream,
    found: _Found,
    told: _Told,
    spans: Sequence[Period],
) -> None:
    """Account for the frames of a track that are not in the audio."""
    at_end, withheld_at = 0, []
    for number, sent in found.missing:
        reason = reason_of(sent.timestamp, found.name, told.track, told.end)
        if any(span.holds(sent.timestamp) for span in told.withheld):
            withheld_at.append(coded.sent_at(number))
            continue
        if reason is not None:
            judgement.lost[reason] += 1
        elif _is_unread(coded, number, spans, has_died=told.has_died):
            judgement.unread += 1
            continue
        elif told.has_died and _is_in_gap(coded.sent_at(number), told.gaps):
            judgement.in_gap += 1
        else:
            judgement.untold += 1
        at_end += sent.timestamp * 8 >= len(found.track.audio) - 80
    judgement.withheld += len(withheld_at)
    judgement.wrong += withheld_too_early(withheld_at, spans)
    judgement.lost_at_end = max(judgement.lost_at_end, at_end)


def _is_unread(coded: CodedStream, number: int, spans: Sequence[Period], *, has_died: bool) -> bool:
    """Whether a frame that must not be heard came when nothing read the socket any more."""
    if not any(period.is_certain(coded.sent_at(number)) for period in spans):
        return False
    closed = coded.closed_at
    return has_died or (closed is not None and coded.turned_at[number] > closed - UNREAD_S)


def _is_in_gap(sent_at: float, gaps: Sequence[Period]) -> bool:
    """Whether a frame came in a gap of its contact. What a gateway that died had taken in after a
    silence is not in the manifest, which counts from the last frame on."""
    return any(gap.begin <= sent_at and (gap.end is None or sent_at <= gap.end) for gap in gaps)


def _judge_manifest(judgement: Judgement, name: str, found: _Found, told: Track) -> None:
    judgement.wrong += told.broken
    track = found.track
    judgement.wrong += _compared(
        f"{name}: received, in the manifest", track.received, told.received
    )
    lost = sum(hole.frames for hole in told.holes)
    judgement.wrong += _compared(f"{name}: lost, the manifest's ranges", track.lost, lost)
    judgement.wrong += _compared(f"{name}: left out, manifest", 0, told.left_out)
    judgement.wrong += _compared(f"{name}: samples", len(track.audio), told.samples)
    judgement.wrong += [f"{name}: {text}" for text in untrue(found.turns, told.holes)[:MOST_UNTRUE]]
    silent = (turn for turn in found.turns if turn.fate is Fate.NEVER_MADE)
    judgement.silent.update(
        reason_at(turn, told.holes) or "outside the recording" for turn in silent
    )


def _identity(coded: CodedStream, recording: Json, audio: bytes, manifest: Json) -> list[str]:
    stream = coded.media_stream
    told = _compared("stream_sid", stream.sid, manifest["stream_sid"])
    told += _compared("call_sid", stream.call_sid, manifest["call_sid"])
    told += _compared("inum", recording["inum"], manifest["inum"])
    digest = hashlib.sha256(audio).hexdigest()
    return told + _compared("SHA-256 of the audio", digest, manifest["audio"]["sha256"])


def _counts(
    judgement: Judgement, recording: Json, manifest: Json, found: dict[str, _Found]
) -> list[str]:
    end = end_of(manifest)
    received = sum(one.track.received for one in found.values())
    lost = sum(one.track.lost for one in found.values()) + (end.frames if end else 0)
    told = _compared("lost_for, console", manifest.get("lost_for"), recording.get("lost_for"))
    for where, frames in (("console", recording["frames"]), ("manifest", manifest["frames"])):
        told += _compared(f"frames received, {where}", received, frames["received"])
        told += _compared(f"frames lost, {where}", lost, frames["lost"])
        told += _compared(f"frames duplicate, {where}", 0, frames["duplicate"])
        told += _compared(f"frames invalid, {where}", 0, frames["invalid"])
        told += _compared(f"frames withheld, {where}", judgement.withheld, frames["withheld"])
    return told


def _compared(what: str, expected: object, actual: object) -> list[str]:
    return [] if expected == actual else [f"{what}: {actual!r}, expected {expected!r}"]


def without_recording(coded: CodedStream) -> Judgement:
    """The judgement of a media stream of which there is no complete recording."""
    judgement = Judgement(sent=coded.frames, untold=coded.frames)
    judgement.wrong.append(f"no complete recording; {coded.frames} frames were sent")
    return judgement
