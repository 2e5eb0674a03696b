"""Whether a call came out as it must, after all was found and recovered. Pure.

The truth is the script, the media that the simulated Twilio sent, and its own recording. Times
are ms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from simulator.recorded import RecordedCall
from simulator.script import Script
from simulator.wav import read_wav
from simulator.world import MediaStream
from tests.system.chaos.accounting import REASONS, unexplained
from tests.system.chaos.uptime import Span, overlap, without
from tests.system.chaos_recover.alignment import (
    RecoveredPlace,
    captured_offset,
    place,
    speech_ms,
)

UNCERTAIN_MS = 1_500
"""Events and recordings have times to the second, and so much at an edge may be no gap."""
EDGE_MS = 1_000
EXACT_MS = 20
SPEECH_MS = 5_000
"""With so much common speech the start of a recording must be exact."""
HIGH, LOW = "high", "low"
UNTRUE = frozenset({"unknown"})
"""Every fault of the run has a reason of its own."""


@dataclass(frozen=True, slots=True)
class RecoverFacts:
    """The truth about a call. `ran`: the media streams of its legs; `recorded`: Twilio's own
    recording with its audio, None if there was no conference or it was never recorded; `is_there`:
    whether its audio can be fetched; `is_mono`: it has one channel; `origin`: when the voices
    began; `fetched`: how often Twilio gave the audio away; `reasons`: those that a gap may have."""

    script: Script
    ran: Sequence[MediaStream]
    recorded: RecordedCall | None
    is_there: bool
    is_mono: bool
    origin: int
    fetched: int
    reasons: frozenset[str] = REASONS - UNTRUE


@dataclass(frozen=True, slots=True)
class RecoverResult:
    """What the product says of a call. `audio`, `manifests`: by INUM, of complete recordings."""

    contact: Mapping[str, Any] | None
    audio: Mapping[str, bytes] = field(default_factory=dict)
    manifests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aligned:
    """A recovered recording: by how much its start is wrong, and how much speech Twilio's recording
    has in common with captured audio. With such speech the start is compared with that audio; if
    there are several media streams, with the one that it fits best, because each may be late by
    another time."""

    error_ms: float
    speech_ms: int
    confidence: str

    @property
    def must_be_exact(self) -> bool:
        """Whether there was enough to compare."""
        return self.speech_ms >= SPEECH_MS


@dataclass(slots=True)
class RecoverVerdict:
    """The differences, the result in a word, and the recovered recordings."""

    wrong: list[str] = field(default_factory=list)
    result: str = ""
    aligned: list[Aligned] = field(default_factory=list)


def judge(facts: RecoverFacts, result: RecoverResult) -> RecoverVerdict:
    """Return the verdict on a call."""
    verdict = RecoverVerdict()
    contact = result.contact
    if contact is None:
        verdict.wrong.append("no contact")
        return verdict
    if contact["state"] != "ended" or contact["capture"] == "pending":
        verdict.wrong.append(f"the contact is {contact['state']}, {contact['capture']}")
        return verdict
    wanted = [Span(r.begins_at, r.ends_at) for r in facts.script.expectation.recordings]
    verdict.wrong += _sessions(facts, contact)
    verdict.wrong += _each_once(facts, contact)
    if not wanted:
        verdict.result = "not required"
        verdict.wrong += _forbidden(facts, contact)
        return verdict
    if abs(contact["required_ms"] - total(wanted)) > UNCERTAIN_MS * len(wanted):
        verdict.wrong.append(f"required_ms is {contact['required_ms']}, really {total(wanted)}")
    for recording in _recovered(contact):
        _judge_recovered(verdict, facts, recording, result, wanted)
    _judge_capture(verdict, facts, contact, wanted)
    return verdict


def total(spans: Iterable[Span]) -> int:
    """Return the length of spans that do not overlap."""
    return sum(span.end - span.begin for span in spans)


def _sessions(facts: RecoverFacts, contact: Mapping[str, Any]) -> list[str]:
    """An agent's part is known, though events never came."""
    expected = {
        s.reservation_sid: (s.extension, s.started_at is not None)
        for s in facts.script.expectation.sessions
        if s.started_at is not None
    }
    found = {
        s["reservation_sid"]: (s["extension"], True)
        for s in contact["sessions"]
        if s["started_at"] is not None
    }
    return [] if expected == found else [f"sessions are {found}, expected {expected}"]


def _each_once(facts: RecoverFacts, contact: Mapping[str, Any]) -> list[str]:
    """No audio is there twice: each media stream has one recording. Twilio's recording may have
    several, of different times: events that come late may show that more time was required."""
    plain = [r for r in contact["recordings"] if not r["supplement_of"]]
    by_sid: dict[str, list[Mapping[str, Any]]] = {}
    for recording in plain:
        by_sid.setdefault(recording["stream_sid"], []).append(recording)
    wrong = [f"{sid} is recorded twice" for sid, each in by_sid.items() if _has_overlap(each)]
    sent = {stream.sid for stream in facts.ran if stream.sent}
    streamed = {r["stream_sid"] for r in plain if r["source"] == "stream"}
    wrong += [f"no recording of {sid}" for sid in sent - streamed]
    own = {facts.recorded.recording.sid} if facts.recorded else set()
    others = {r["stream_sid"] for r in _recovered(contact)} - own
    return wrong + [f"recovered from {sid}, which is of another call" for sid in others]


def _has_overlap(recordings: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether any two recordings of the same source have time in common. Two of a media
    stream always count as such."""
    if any(r["source"] != "twilio-recording" for r in recordings):
        return len(recordings) > 1
    spans = sorted((round(_at(r["started_at"])), r["duration_ms"] or 0) for r in recordings)
    return any(at + length > after for (at, length), (after, _) in pairwise(spans))


def _forbidden(facts: RecoverFacts, contact: Mapping[str, Any]) -> list[str]:
    """Nothing was recorded, and Twilio's recording was not fetched."""
    wrong = [f"a recording of {r['stream_sid']}" for r in contact["recordings"]]
    if facts.fetched:
        wrong.append("Twilio's recording was fetched")
    if contact["capture"] != "not-required":
        wrong.append(f"capture is {contact['capture']}")
    result = contact["reconciliation"]
    if result is not None and result["result"] != "excluded":
        wrong.append(f"reconciled as {result['result']}")
    return wrong


def _recovered(contact: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [r for r in contact["recordings"] if r["source"] == "twilio-recording"]


def _judge_recovered(
    verdict: RecoverVerdict,
    facts: RecoverFacts,
    recording: Mapping[str, Any],
    result: RecoverResult,
    wanted: Sequence[Span],
) -> None:
    inum = recording["inum"]
    audio, manifest = result.audio.get(inum), result.manifests.get(inum)
    if facts.recorded is None or not facts.is_there:
        verdict.wrong.append("recovered from a recording that Twilio does not have")
        return
    if audio is None or manifest is None:
        verdict.wrong.append(f"{inum} cannot be played")
        return
    samples = read_wav(audio).samples
    found = place((samples[::2], samples[1::2]), facts.recorded, is_mono=facts.is_mono)
    if found is None:
        verdict.wrong.append(f"{inum} is nowhere in Twilio's recording")
        return
    verdict.wrong += _inaudible(found, wanted)
    error = _at(recording["started_at"]) - found.begins_at
    confidence = manifest["alignment"]["confidence"]
    common = {s.sid: speech_ms(s.sent, facts.recorded, facts.origin) for s in facts.ran}
    speech = max(common.values(), default=0)
    least = SPEECH_MS if speech >= SPEECH_MS or confidence != HIGH else 1
    offsets = [_captured_offset(facts, result, sid) for sid in common if common[sid] >= least]
    error = min((error - offset for offset in offsets), key=abs, default=error)
    aligned = Aligned(error, speech, confidence)
    verdict.aligned.append(aligned)
    verdict.wrong += _misaligned(aligned)


def _captured_offset(facts: RecoverFacts, result: RecoverResult, stream_sid: str) -> float:
    """Return the offset of a media stream's recording; 0 if there is none."""
    [sent] = [s.sent for s in facts.ran if s.sid == stream_sid]
    for recording in result.contact["recordings"] if result.contact else ():
        if recording["stream_sid"] == stream_sid:
            return captured_offset(sent, _at(recording["started_at"]), facts.origin)
    return 0.0


def _inaudible(found: RecoveredPlace, wanted: Sequence[Span]) -> list[str]:
    wrong = [f"{found.strange} samples are not Twilio's"] if found.strange else []
    allowed = [Span(s.begin - EDGE_MS, s.end + EDGE_MS) for s in wanted]
    for begin, end in found.audible:
        audible = Span(round(begin), round(end))
        if outside := total(without([audible], allowed)):
            wrong.append(f"{outside} ms are audible that had not to be recorded, from {begin:.0f}")
    return wrong


def _misaligned(aligned: Aligned) -> list[str]:
    """With too little to compare the start is right within a second, and said to be uncertain.
    The others are counted: 1 of 100 may be wrong, but not by more than a second if it is said to be
    certain."""
    if aligned.confidence == HIGH and abs(aligned.error_ms) > EDGE_MS:
        return [f"{aligned.error_ms:.0f} ms off, with confidence {aligned.confidence}"]
    if aligned.must_be_exact or (aligned.confidence == HIGH and abs(aligned.error_ms) <= EXACT_MS):
        return []
    if aligned.confidence != LOW:
        return [f"{aligned.error_ms:.0f} ms off, with confidence {aligned.confidence}"]
    return [f"{aligned.error_ms:.0f} ms off"] if abs(aligned.error_ms) > EDGE_MS else []


def _judge_capture(
    verdict: RecoverVerdict, facts: RecoverFacts, contact: Mapping[str, Any], wanted: Sequence[Span]
) -> None:
    streamed = [Span(s.began_at or 0, s.ended_at or 0) for s in facts.ran if s.sent]
    holes = [h for h in without(wanted, streamed) if h.end - h.begin >= UNCERTAIN_MS]
    gaps = [g for g in contact["gaps"] if g["duration_ms"] >= UNCERTAIN_MS]
    still_open = [gap for gap in gaps if gap["covered_by"] is None]
    verdict.wrong += [
        f"nothing ran from {hole.begin} to {hole.end}, and there is no gap"
        for hole in holes
        if not overlap([hole], [_span(gap) for gap in contact["gaps"]])
    ]
    verdict.wrong += [
        f"a gap for {gap['reason']!r}" for gap in gaps if gap["reason"] not in facts.reasons
    ]
    result = (contact["reconciliation"] or {}).get("result")
    if facts.is_there or not holes:
        verdict.result = "recovered" if _recovered(contact) else "captured"
        verdict.wrong += [f"a gap is open: {gap}" for gap in still_open]
        verdict.wrong += _missing(contact, wanted)
    else:
        verdict.result = "partial" if any(s.end > s.begin for s in streamed) else "lost"
        if not still_open:
            verdict.wrong.append("no gap is open, though Twilio has no audio")
        if "Twilio has no recording" not in (contact["reconciliation"] or {}).get("reason", ""):
            verdict.wrong.append(f"the reason is {contact['reconciliation']}")
    if result != verdict.result and not (verdict.result == "captured" and not gaps):
        verdict.wrong.append(f"reconciled as {result}, really {verdict.result}")
    uncovered = [gap for gap in contact["gaps"] if gap["covered_by"] is None]
    verdict.wrong += unexplained({**contact, "gaps": uncovered}, len(wanted))


def _missing(contact: Mapping[str, Any], wanted: Sequence[Span]) -> list[str]:
    missing = contact["required_ms"] - contact["captured_ms"]
    lost = sum(r["frames"]["lost"] for r in contact["recordings"]) * 10
    if missing <= 2 * EDGE_MS * len(wanted) + lost:
        return []
    return [f"{missing} ms are missing"]


def _span(gap: Mapping[str, Any]) -> Span:
    return Span(round(_at(gap["from"])), round(_at(gap["to"])))


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000
