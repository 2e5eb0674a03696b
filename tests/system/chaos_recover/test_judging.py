"""The judge accepts a right result, and finds every mistake."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from simulator.audio import FRAME_BYTES, FRAME_MS
from simulator.cases import inbound_unmonitored, scripts
from simulator.events import iso
from simulator.expected import SentFrame
from simulator.unstreamed import undelivered
from simulator.world import MediaStream
from tests.simulator.test_recovered import right
from tests.simulator.test_unstreamed import ACCOUNT, BEGIN
from tests.system.chaos_recover import judging
from tests.system.chaos_recover.judging import (
    Aligned,
    RecoverFacts,
    RecoverResult,
    RecoverVerdict,
    judge,
)

RECORDING = {
    "supplement_of": None,
    "lost_for": {},
}
MORE_FRAMES = {"withheld": 0}


@dataclass
class Judged:
    """A call without media streams that was recovered: right, until a test changes it."""

    facts: RecoverFacts
    contact: Any
    audio: dict[str, bytes]
    confidence: str = "low"

    def verdict(self) -> RecoverVerdict:
        manifest = {"alignment": {"confidence": self.confidence}}
        return judge(
            self.facts,
            RecoverResult(self.contact, self.audio, dict.fromkeys(self.audio, manifest)),
        )


def recovered_call() -> Judged:
    """The call, its gap covered."""
    made = right(case=undelivered)
    contact = made.contact
    [wanted] = made.script.expectation.recordings
    for recording in contact["recordings"]:
        recording.update(RECORDING)
        recording["frames"] |= MORE_FRAMES
    contact["captured_ms"] = contact["required_ms"] - 1_000
    contact["gaps"][0]["duration_ms"] = wanted.ends_at - wanted.begins_at
    contact["gaps"][0]["to"] = iso(wanted.ends_at)
    facts = RecoverFacts(
        script=made.script,
        ran=(),
        recorded=made.recorded,
        is_there=True,
        is_mono=False,
        origin=BEGIN,
        fetched=1,
    )
    return Judged(facts, contact, made.audio())


def lost_call() -> Judged:
    """The same; Twilio has deleted its recording."""
    judged = recovered_call()
    judged.facts = replace(judged.facts, is_there=False, fetched=0)
    contact = judged.contact
    contact["recordings"], contact["captured_ms"], contact["capture"] = [], 0, "missing"
    contact["gaps"][0]["covered_by"] = None
    contact["reconciliation"] = {
        "result": "lost",
        "reason": "late-events; Twilio has no recording",
        "events_added": 7,
    }
    judged.audio = {}
    return judged


def test_right_results_are_accepted() -> None:
    """A call that was recovered, and one that is lost."""
    found = recovered_call().verdict()
    assert ([], "recovered") == (found.wrong, found.result)
    [aligned] = found.aligned
    assert abs(aligned.error_ms) < 1
    found = lost_call().verdict()
    assert ([], "lost") == (found.wrong, found.result)


def _recording_twice(judged: Judged) -> None:
    judged.contact["recordings"] *= 2


def _of_another_call(judged: Judged) -> None:
    judged.contact["recordings"][0]["stream_sid"] = "RE" + "9" * 32


def _two_seconds_off(judged: Judged) -> None:
    recording = judged.contact["recordings"][0]
    recording["started_at"] = iso(judged.facts.script.expectation.recordings[0].begins_at - 1_600)


def _sure_of_a_wrong_start(judged: Judged) -> None:
    recording = judged.contact["recordings"][0]
    recording["started_at"] = iso(judged.facts.script.expectation.recordings[0].begins_at + 550)
    judged.confidence = "high"


def _said_to_be_lost(judged: Judged) -> None:
    judged.contact["reconciliation"]["result"] = "lost"


def _without_audio(judged: Judged) -> None:
    judged.audio = {}


def _open_gap(judged: Judged) -> None:
    judged.contact["gaps"][0]["covered_by"] = None


def _no_gap(judged: Judged) -> None:
    judged.contact["gaps"] = []


def _unknown_reason(judged: Judged) -> None:
    judged.contact["gaps"][0]["reason"] = "unknown"


def _no_session(judged: Judged) -> None:
    judged.contact["sessions"] = []


def _too_long(judged: Judged) -> None:
    """It seems that less had to be recorded."""
    script = judged.facts.script
    [wanted] = script.expectation.recordings
    earlier = replace(wanted, ends_at=wanted.ends_at - 2_000)
    expectation = replace(script.expectation, recordings=(earlier,))
    judged.facts = replace(judged.facts, script=replace(script, expectation=expectation))
    judged.contact["required_ms"] -= 2_000
    judged.contact["captured_ms"] -= 2_000


def _pending(judged: Judged) -> None:
    judged.contact["capture"] = "pending"


def _parts_with_common_time(judged: Judged) -> None:
    """The second part repeats the end of the first one."""
    [first] = judged.contact["recordings"]
    began = datetime.fromisoformat(first["started_at"]).timestamp() * 1000
    second = {**first, "started_at": iso(round(began) + first["duration_ms"] - 500)}
    judged.contact["recordings"] = [first, second]


SPOILS = (
    _recording_twice, _parts_with_common_time, _of_another_call, _two_seconds_off,
    _sure_of_a_wrong_start, _said_to_be_lost, _without_audio, _open_gap, _no_gap,
    _unknown_reason, _no_session, _too_long, _pending,
)  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_every_mistake_is_found(spoil: Callable[[Judged], None]) -> None:
    """Of a recovered call."""
    judged = recovered_call()
    spoil(judged)
    assert [] != judged.verdict().wrong


def test_parts_of_one_recording_may_have_different_times() -> None:
    """Late events may show that more time was required. A media stream has one recording."""
    judged = recovered_call()
    [first] = judged.contact["recordings"]
    began = datetime.fromisoformat(first["started_at"]).timestamp() * 1000
    second = {**first, "inum": "2", "started_at": iso(round(began) + first["duration_ms"] + 500)}
    judged.contact["recordings"] = [first, second]
    assert not any("recorded twice" in text for text in judged.verdict().wrong)
    for recording in judged.contact["recordings"]:
        recording["source"] = "stream"
    assert any("recorded twice" in text for text in judged.verdict().wrong)


def test_lost_audio_must_have_its_true_reason() -> None:
    """Twilio has a recording; the reason is unknown; it is said to be captured."""
    judged = lost_call()
    judged.facts = replace(judged.facts, is_there=True)
    assert [] != judged.verdict().wrong
    for change in (
        {"reason": "late-events; Twilio has 1 recordings of it"},
        {"result": "captured"},
    ):
        judged = lost_call()
        judged.contact["reconciliation"] |= change
        assert [] != judged.verdict().wrong


def test_forbidden_audio_must_not_be_recorded() -> None:
    """Neither a recording, nor a request for Twilio's audio."""
    [script] = scripts([inbound_unmonitored], BEGIN, 0, ACCOUNT, 1)
    facts = RecoverFacts(script, (), None, True, False, BEGIN, 0)
    sessions = [
        {"reservation_sid": s.reservation_sid, "extension": s.extension, "started_at": iso(BEGIN)}
        for s in script.expectation.sessions
    ]
    contact: Any = {
        "state": "ended",
        "capture": "not-required",
        "sessions": sessions,
        "recordings": [],
        "reconciliation": {"result": "excluded", "reason": ""},
    }
    assert ([], "not required") == (
        judge(facts, RecoverResult(contact)).wrong,
        judge(facts, RecoverResult(contact)).result,
    )
    assert [] != judge(replace(facts, fetched=1), RecoverResult(contact)).wrong
    recording = {"source": "stream", "stream_sid": "MZ1", "supplement_of": None}
    assert [] != judge(facts, RecoverResult(contact | {"recordings": [recording]})).wrong
    assert [] != judge(facts, RecoverResult(contact | {"capture": "complete"})).wrong
    assert [] != judge(facts, RecoverResult(None)).wrong


def test_enough_speech_makes_a_start_exact() -> None:
    """With 5 s it is counted; with less it may be uncertain."""
    assert Aligned(21.0, 5_000, "high").must_be_exact
    assert not Aligned(400.0, 4_980, "low").must_be_exact


def captured_too(judged: Judged, late_ms: int) -> None:
    """Add a media stream of all that Twilio recorded; its recording begins too late by this."""
    whole, number = judged.facts.recorded, len(judged.facts.ran)
    assert whole is not None
    begin = whole.recording.started_at
    first = -(-(begin - judged.facts.origin) // FRAME_MS)
    at = judged.facts.origin + first * FRAME_MS
    sent = [
        SentFrame(track, (place - (at - begin) * 8) // 8, side[place : place + FRAME_BYTES])
        for track, side in (("inbound", whole.customer), ("outbound", whole.others))
        for place in range((at - begin) * 8, len(side) - FRAME_BYTES, FRAME_BYTES)
        if set(side[place : place + FRAME_BYTES]) != {0xFF}
    ]
    stream = MediaStream(f"MZ{number}", "CA1", "", "", "both_tracks", {}, begin, sent=sent)
    judged.facts = replace(judged.facts, ran=(*judged.facts.ran, stream))
    judged.contact["recordings"].append(
        judged.contact["recordings"][0]
        | {"stream_sid": stream.sid, "source": "stream", "started_at": iso(at + late_ms)}
    )


def misplaced(judged: Judged, error_ms: int) -> list[str]:
    """Return the complaints about the start of the recovered recording, if it is wrong by this."""
    script = judged.facts.script
    [wanted] = script.expectation.recordings
    judged.contact["recordings"][0]["started_at"] = iso(wanted.begins_at + 500 + error_ms)
    return [text for text in judged.verdict().wrong if " off" in text]


def test_a_start_may_agree_with_any_captured_audio() -> None:
    """Of two media streams one is late by 45 ms."""
    for error_ms in (0, 45):
        judged = recovered_call()
        judged.confidence = "high"
        captured_too(judged, 0)
        captured_too(judged, 45)
        assert [] == misplaced(judged, error_ms)
        [aligned] = judged.verdict().aligned
        assert abs(aligned.error_ms) < 1
        assert aligned.speech_ms > 0
    judged.facts = replace(judged.facts, ran=judged.facts.ran[:1])
    [aligned] = judged.verdict().aligned
    assert round(aligned.error_ms) == 45


def test_a_certain_start_is_never_wrong_by_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to compare; a smaller error is counted."""
    monkeypatch.setattr(judging, "SPEECH_MS", 4_000)
    judged = recovered_call()
    judged.confidence = "high"
    captured_too(judged, 0)
    assert judged.verdict().aligned[0].must_be_exact
    assert [] == misplaced(judged, 900)
    assert ["-1100 ms off, with confidence high"] == misplaced(judged, -1_100)
