"""Compare the frames of a coded media stream with its recording, frame by frame. Pure.

A frame was recorded if its 160 bytes are on the side of its track, at the sample that follows by
the contract from the frames recorded before it. The manifest must account for all other frames as
lost, with a reason, or as withheld. The recorded frames must make up the whole audio, without
repetitions or foreign frames. Audio is withheld only at the end of a recording.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.coded.frames import Code, codes_in, payload
from simulator.coded.judgement import Judgement
from simulator.coded.manifest import (
    EndOfStream,
    Track,
    WithheldFrames,
    contradictions,
    end_of,
    reason_of,
    track_of,
    withheld_of,
)
from simulator.coded.reasons import SpeechTurn, reason_at, untrue
from simulator.coded.sent import CodedStream, FrameFate
from simulator.coded.withheld import (
    WithheldPeriod,
    gaps_of,
    heard_too_late,
    periods,
    withheld_too_early,
)
from simulator.expected import SILENCE, TRACKS, ExpectedTrack, SentFrame
from simulator.script import Json
from simulator.wav import NotWav, read_wav

SIDES = dict(zip(TRACKS, ("left", "right"), strict=True))
MULAW = (7, 2, 8000, 8)
BURST_MS = 2.0
"""Timestamps of a sender that keeps its pace are off by no more."""
UNREAD_S = 1.0
"""Frames sent within this time before the other side closed the socket may be unread."""
MOST_UNTRUE = 5
"""How many wrong reasons of a track are reported."""


@dataclass(slots=True)
class _Found:
    """One track's audio. `track`: with the frames that are in it; `missing`: the numbers and frames
    that are not; `turns`: all turns; `heard_at`: when each frame in it was sent (ms since the
    epoch); `behind_ms`: how far the sender was behind the frames' timestamps, at least."""

    name: str
    track: ExpectedTrack
    missing: list[tuple[int, SentFrame]]
    turns: list[SpeechTurn]
    heard_at: list[float]
    behind_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class _Claims:
    """The statements of manifest and contact about a track. `end`: the frames missing at the end of
    the recording; `withheld`: its withheld spans; `gaps`: of the contact; `has_died`: the gateway
    did not close the media stream."""

    track: Track
    end: EndOfStream | None
    withheld: tuple[WithheldFrames, ...]
    gaps: Sequence[WithheldPeriod]
    has_died: bool


def judge(
    coded: CodedStream,
    recording: Json,
    audio: bytes,
    manifest: Json,
    contact: Json | None = None,
) -> Judgement:
    """Return the result for a media stream. `recording`: from the console; `contact`: its decisions
    and gaps say which audio must be missing."""
    judgement = Judgement(sent=coded.frames)
    wrong = judgement.wrong
    try:
        wav = read_wav(audio)
    except NotWav as error:
        judgement.unaccounted = judgement.sent
        wrong.append(f"audio: {error}")
        return judgement
    form = (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    wrong += [f"WAV format {form}"] if form != MULAW else []
    try:
        claims = {name: _claims(manifest, name, gaps_of(contact)) for name in TRACKS}
        wrong += _identity(coded, recording, audio, manifest)
        wrong += contradictions(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        wrong.append(f"the manifest is invalid: {error!r}")
        return judgement
    sides = {name: wav.samples[number::2] for number, name in enumerate(TRACKS)}
    found = {name: _found(coded, name, sides[name]) for name in TRACKS}
    spans = periods(contact["decisions"] if contact else ())
    for name in TRACKS:
        _judge_track(judgement, coded, name, sides[name], found[name])
        _judge_missing(judgement, coded, found[name], claims[name], spans)
        _judge_manifest(judgement, name, found[name], claims[name].track)
        wrong += heard_too_late(found[name].heard_at, spans)
    wrong += _counts(judgement, recording, manifest, found)
    if judgement.unaccounted:
        wrong.append(f"{judgement.unaccounted} frames are neither recorded nor listed as lost")
    return judgement


def _claims(manifest: Json, name: str, gaps: Sequence[WithheldPeriod]) -> _Claims:
    ended = manifest.get("ended", {}).get("reason", "")
    return _Claims(
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
        if fate is not FrameFate.SENT:
            found.turns.append(SpeechTurn(timestamp, fate, recorded=False))
            continue
        sent = SentFrame(name, timestamp, payload(coded.number, name, number))
        at = track.begins(timestamp)
        recorded = at is not None and side[at : at + len(sent.payload)] == sent.payload
        found.turns.append(SpeechTurn(timestamp, fate, recorded))
        if recorded:
            track.place(sent)
            sent_at = coded.sent_at(number)
            found.heard_at.append(sent_at)
            found.behind_ms = min(found.behind_ms, sent_at - timestamp)
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
    strange = strangers(coded.number, name, side)
    judgement.strange += strange
    first = next((at for at, (a, b) in enumerate(zip(made, side, strict=False)) if a != b), 0)
    kinds = ", ".join(f"{count} {kind}" for kind, count in strange.items()) or "unknown audio"
    judgement.wrong.append(
        f"{SIDES[name]} side, from {first / 8000:.3f} s on, differs from the sent audio: {kinds}"
    )


def strangers(media_stream: int, track: str, side: bytes) -> Counter[str]:
    """Return the numbers of misplaced frames on one side of a recording, by kind of mistake."""
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
    claims: _Claims,
    spans: Sequence[WithheldPeriod],
) -> None:
    """Account for the frames of a track that are not in the audio."""
    at_end, withheld_at = 0, []
    for number, sent in found.missing:
        sent_at = coded.sent_at(number)
        reason = reason_of(sent.timestamp, found.name, claims.track, claims.end)
        if any(span.holds(sent.timestamp) for span in claims.withheld):
            withheld_at.append(sent_at)
            continue
        if reason is not None:
            judgement.lost[reason] += 1
        elif _is_unread(coded, number, spans, has_died=claims.has_died):
            judgement.unread += 1
            continue
        elif claims.has_died and _is_in_gap(sent_at, claims.gaps):
            judgement.in_gap += 1
        elif claims.has_died and _is_in_burst(sent_at, sent, found):
            judgement.in_burst += 1
        else:
            judgement.unaccounted += 1
        at_end += sent.timestamp * 8 >= len(found.track.audio) - 80
    judgement.withheld += len(withheld_at)
    judgement.wrong += withheld_too_early(withheld_at, spans)
    judgement.lost_at_end = max(judgement.lost_at_end, at_end)


def _is_unread(
    coded: CodedStream, number: int, spans: Sequence[WithheldPeriod], *, has_died: bool
) -> bool:
    """Return whether a frame must not be heard and was sent when the gateway may no longer have
    read the socket."""
    if not any(period.is_certain(coded.sent_at(number)) for period in spans):
        return False
    closed = coded.closed_at
    return has_died or (closed is not None and coded.turned_at[number] > closed - UNREAD_S)


def _is_in_gap(sent_at: float, gaps: Sequence[WithheldPeriod]) -> bool:
    """Return whether a frame was sent in a gap of its contact, or after the call, when no gap is
    listed. The manifest does not list frames that a gateway received after a silence before it
    died: it counts from the last recorded frame on."""
    return any(gap.begin <= sent_at and (gap.end is None or sent_at <= gap.end) for gap in gaps)


def _is_in_burst(sent_at: float, frame: SentFrame, found: _Found) -> bool:
    """Return whether the sender was less far behind the timestamps at this frame than at any
    recorded one. The recorded ones and the time of the gateway's death do not show that such a
    frame was sent."""
    return sent_at - frame.timestamp < found.behind_ms - BURST_MS


def _judge_manifest(judgement: Judgement, name: str, found: _Found, claim: Track) -> None:
    judgement.wrong += claim.broken
    track = found.track
    judgement.wrong += _compared(
        f"{name}: received, in the manifest", track.received, claim.received
    )
    lost = sum(hole.frames for hole in claim.holes)
    judgement.wrong += _compared(f"{name}: lost, the manifest's ranges", track.lost, lost)
    judgement.wrong += _compared(f"{name}: left out, manifest", 0, claim.left_out)
    judgement.wrong += _compared(f"{name}: samples", len(track.audio), claim.samples)
    reasons = untrue(found.turns, claim.holes)[:MOST_UNTRUE]
    judgement.wrong += [f"{name}: {text}" for text in reasons]
    silent = (turn for turn in found.turns if turn.fate is FrameFate.NEVER_MADE)
    judgement.silent.update(
        reason_at(turn, claim.holes) or "outside the recording" for turn in silent
    )


def _identity(coded: CodedStream, recording: Json, audio: bytes, manifest: Json) -> list[str]:
    stream = coded.media_stream
    wrong = _compared("stream_sid", stream.sid, manifest["stream_sid"])
    wrong += _compared("call_sid", stream.call_sid, manifest["call_sid"])
    wrong += _compared("inum", recording["inum"], manifest["inum"])
    digest = hashlib.sha256(audio).hexdigest()
    return wrong + _compared("SHA-256 of the audio", digest, manifest["audio"]["sha256"])


def _counts(
    judgement: Judgement, recording: Json, manifest: Json, found: dict[str, _Found]
) -> list[str]:
    end = end_of(manifest)
    received = sum(one.track.received for one in found.values())
    lost = sum(one.track.lost for one in found.values()) + (end.frames if end else 0)
    wrong = _compared("lost_for, console", manifest.get("lost_for"), recording.get("lost_for"))
    for source, frames in (("console", recording["frames"]), ("manifest", manifest["frames"])):
        wrong += _compared(f"frames received, {source}", received, frames["received"])
        wrong += _compared(f"frames lost, {source}", lost, frames["lost"])
        wrong += _compared(f"frames duplicate, {source}", 0, frames["duplicate"])
        wrong += _compared(f"frames invalid, {source}", 0, frames["invalid"])
        wrong += _compared(f"frames withheld, {source}", judgement.withheld, frames["withheld"])
    return wrong


def _compared(what: str, expected: object, actual: object) -> list[str]:
    return [] if expected == actual else [f"{what}: {actual!r}, expected {expected!r}"]


def without_recording(coded: CodedStream) -> Judgement:
    """Return the result for a media stream without a complete recording."""
    judgement = Judgement(sent=coded.frames, unaccounted=coded.frames)
    judgement.wrong.append(f"no complete recording; {coded.frames} frames were sent")
    return judgement
