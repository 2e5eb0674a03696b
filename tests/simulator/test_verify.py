"""The verifier accepts every correct result, and finds every mistake."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import CASES, Case, inbound_monitored, inbound_unmonitored, scripts
from simulator.comparison import milliseconds
from simulator.events import Account, iso
from simulator.expected import SentFrame, expected_audio, inum_suffix
from simulator.script import Json, LegStatus, Line, Script
from simulator.unstreamed import UNSTREAMED
from simulator.unusual_legs import page_reload
from simulator.unusual_tasks import other_channel, voicemail
from simulator.verify import differences, settled
from simulator.world import MediaStream, StreamStatus, WorldLeg
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
STREAMED = [case for case in CASES if case not in UNSTREAMED]


def script_of(case: Case, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


def _media_stream(script: Script, number: int) -> MediaStream:
    expected = script.expectation.recordings[number]
    assert script.customer_call_sid is not None
    random = Random(number)
    lasted = expected.ends_at - expected.begins_at
    sent = [
        SentFrame(track, 120 + 20 * n, random.randbytes(160))
        for n in range(lasted // 20)
        if n not in (4, 5)
        for track in ("inbound", "outbound")
    ]
    return MediaStream(
        f"MZ{number:032x}",
        script.customer_call_sid,
        "name",
        "ws://127.0.0.1/media",
        "both_tracks",
        {},
        expected.begins_at + 80,
        status=StreamStatus.STOPPED,
        began_at=expected.begins_at + 100,
        ended_at=expected.ends_at + 100,
        sent=sent,
    )


def legs_of(script: Script) -> list[WorldLeg]:
    legs = [WorldLeg(sid, LegStatus.COMPLETED, "seed", Line(), BEGIN) for sid in script.legs]
    for leg in legs:
        if leg.sid == script.customer_call_sid:
            numbers = range(len(script.expectation.recordings))
            leg.media_streams += [_media_stream(script, number) for number in numbers]
            leg.attempts = len(leg.media_streams)
    return legs


def _inum(media_stream: MediaStream) -> str:
    assert media_stream.began_at is not None
    return f"{media_stream.began_at // 1000}{inum_suffix(media_stream.sid)}"


def _recording(script: Script, media_stream: MediaStream, extensions: tuple[str, ...]) -> Json:
    audio = expected_audio(media_stream.sent)
    assert media_stream.began_at is not None
    return {
        "inum": _inum(media_stream),
        "call_sid": media_stream.call_sid,
        "stream_sid": media_stream.sid,
        "extension": extensions[0],
        "extensions": list(extensions),
        "state": "complete",
        "started_at": iso(media_stream.began_at),
        "duration_ms": audio.duration_ms,
        "frames": {"received": audio.received, "lost": 4, "duplicate": 0, "invalid": 0},
        "audio_url": "/audio",
    }


def contact_of(script: Script, legs: list[WorldLeg]) -> Json:
    expected = script.expectation
    streams = [stream for leg in legs for stream in leg.media_streams]
    required = sum(each.ends_at - each.begins_at for each in expected.recordings)
    lost = 10 * sum(expected_audio(stream.sent).lost for stream in streams)
    is_missing = expected.foreign_leg is not None
    return {
        "capture": "missing" if is_missing else "complete" if required else "not-required",
        "required_ms": required,
        "captured_ms": required - 100 * len(streams) - lost,
        "gaps": [],
        "decisions": [],
        "task_sid": script.task_sid,
        "direction": expected.direction,
        "customer": expected.customer,
        "queue": expected.queue,
        "state": "ended",
        "outcome": expected.outcome,
        "sessions": [
            {
                "reservation_sid": s.reservation_sid,
                "extension": s.extension,
                "monitored": bool(s.monitored),
                "started_at": None if s.started_at is None else iso(s.started_at),
                "ended_at": iso(s.ended_at),
            }
            for s in expected.sessions
        ],
        "recordings": [
            _recording(script, stream, wanted.extensions)
            for stream, wanted in zip(streams, expected.recordings, strict=True)
        ],
    }


def wav_of(samples: bytes) -> bytes:
    form = struct.pack("<HHIIHHH", 7, 2, 8000, 16000, 2, 8, 0)
    chunks = b"fmt " + struct.pack("<I", 18) + form + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", len(chunks) + len(samples) + 4) + b"WAVE" + chunks + samples


def audio_of(legs: list[WorldLeg]) -> dict[str, bytes]:
    streams = [stream for leg in legs for stream in leg.media_streams]
    return {_inum(stream): wav_of(expected_audio(stream.sent).samples) for stream in streams}


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.__name__)
@given(seed=st.integers(0, 2**63))
@settings(max_examples=examples(5))
def test_what_is_right_has_no_differences(case: Case, seed: int) -> None:
    """The contact that each case must give passes, if it must give one."""
    script = script_of(case, seed)
    legs = legs_of(script)
    contact = contact_of(script, legs) if script.expectation.is_contact else None
    assert [] == differences(script, legs, contact, audio_of(legs))
    assert settled(script, contact)


def _spoil_extension(contact: Json) -> None:
    contact["recordings"][0]["extension"] = "ben@example.com"


def _spoil_monitored(contact: Json) -> None:
    contact["sessions"][0]["monitored"] = False


def _spoil_outcome(contact: Json) -> None:
    contact["outcome"] = "abandoned"


def _spoil_start(contact: Json) -> None:
    contact["sessions"][0]["started_at"] = iso(BEGIN - 5000)


def _spoil_frames(contact: Json) -> None:
    contact["recordings"][0]["frames"]["lost"] = 0


def _spoil_inum(contact: Json) -> None:
    contact["recordings"][0]["inum"] = "1" * 18


def _spoil_recordings(contact: Json) -> None:
    contact["recordings"].clear()


def _spoil_sessions(contact: Json) -> None:
    contact["sessions"].append(contact["sessions"][0])


def _spoil_capture(contact: Json) -> None:
    contact["capture"] = "partial"


def _spoil_required(contact: Json) -> None:
    contact["required_ms"] += 60_000


def _spoil_captured(contact: Json) -> None:
    contact["captured_ms"] -= 3_000


def _spoil_gaps(contact: Json) -> None:
    since = milliseconds(contact["recordings"][0]["started_at"]) or 0
    start, end = iso(since), iso(since + 4_000)
    contact["gaps"].append({"from": start, "to": end, "reason": "unknown"})
    contact["capture"] = "partial"


SPOILS: list[Callable[[Json], Any]] = [
    _spoil_extension,
    _spoil_monitored,
    _spoil_outcome,
    _spoil_start,
    _spoil_frames,
    _spoil_inum,
    _spoil_recordings,
    _spoil_sessions,
    _spoil_capture,
    _spoil_required,
    _spoil_captured,
    _spoil_gaps,
]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_mistakes_are_found(spoil: Callable[[Json], Any]) -> None:
    """Each wrong value of the contact is a difference."""
    script = script_of(inbound_monitored)
    legs = legs_of(script)
    contact = contact_of(script, legs)
    spoil(contact)
    assert [] != differences(script, legs, contact, audio_of(legs))


def test_one_wrong_byte_of_audio_is_found() -> None:
    """A single sample that differs is found, with its place."""
    script = script_of(inbound_monitored)
    legs = legs_of(script)
    audio = audio_of(legs)
    ((inum, content),) = audio.items()
    audio[inum] = content[:-1] + bytes([content[-1] ^ 1])
    (difference,) = differences(script, legs, contact_of(script, legs), audio)
    assert "audio differs from" in difference
    assert "right" in difference


def test_a_forbidden_media_stream_is_found() -> None:
    """An attempt to start a media stream on a call that must not be recorded is a difference."""
    script = script_of(inbound_unmonitored)
    legs = legs_of(script)
    legs[0].attempts = 1
    (difference,) = differences(script, legs, contact_of(script, legs), {})
    assert "requested on" in difference


def test_a_contact_of_another_channel_is_found() -> None:
    """A task in a channel that carries no voice must not become a contact."""
    script = script_of(other_channel)
    legs = legs_of(script)
    assert settled(script, None)
    (difference,) = differences(script, legs, contact_of(script, legs), {})
    assert "no voice call" in difference


def test_too_many_requests_are_found() -> None:
    """Only the requests of the first 20 s count, and only if the case limits them."""
    for case, most in ((voicemail, 8), (other_channel, 0)):
        script = script_of(case)
        legs = legs_of(script)
        contact = contact_of(script, legs) if script.expectation.is_contact else None
        times = [BEGIN + 100 * n for n in range(most)] + [BEGIN + 60_000] * bool(most)
        assert [] == differences(script, legs, contact, {}, times)
        (difference,) = differences(script, legs, contact, {}, [*times, BEGIN + 19_000])
        assert f"{most + 1} requests" in difference
    script = script_of(inbound_monitored)
    legs = legs_of(script)
    assert [] == differences(script, legs, contact_of(script, legs), audio_of(legs), [BEGIN] * 99)


def test_media_streams_are_compared_in_the_order_of_their_starts() -> None:
    """Each of the two recordings of a call with a page reload is compared with its own part."""
    script = script_of(page_reload)
    legs = legs_of(script)
    for leg in legs:
        leg.media_streams.reverse()
    assert [] == differences(script, legs, contact_of(script, legs), audio_of(legs))


def test_a_missing_contact_is_found() -> None:
    """A call without contact is a difference."""
    script = script_of(inbound_unmonitored)
    assert ["no contact"] == differences(script, legs_of(script), None, {})


def test_a_recording_that_was_not_required_is_found() -> None:
    """A call that must not be recorded has no required time."""
    script = script_of(inbound_unmonitored)
    legs = legs_of(script)
    contact = contact_of(script, legs) | {"capture": "complete", "required_ms": 5_000}
    assert [] != differences(script, legs, contact, {})


def test_a_pending_contact_is_not_settled() -> None:
    """Its recordings are complete, and another is still awaited."""
    script = script_of(inbound_monitored)
    assert not settled(script, contact_of(script, legs_of(script)) | {"capture": "pending"})
