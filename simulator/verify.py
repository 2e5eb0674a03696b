"""Whether a call came out as it must: its contact, its recordings, their audio to the byte.

Pure: compares what the console says, and the audio it gives, with the script and with what was sent
on the media streams. An empty list of differences means that all is well.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from simulator.expected import ExpectedAudio, expected_audio, inum_suffix
from simulator.script import ExpectedRecording, ExpectedSession, Json, Script
from simulator.surplus import counted, surplus
from simulator.wav import NotWav, read_wav
from simulator.world import Leg, MediaStream

SESSION_TOLERANCE_MS = 1500
STOP_SLACK_MS = 4500
MOST_SURPLUS_MS = 8000
EDGE_MS = 1000
"""At the beginning and the end of required time, less than this without audio is no gap."""
REQUESTS_WITHIN_MS = 20_000
LOST_FRAME_MS = 10
"""What a lost frame of one track takes from the captured time."""


def differences(
    script: Script,
    legs: Sequence[Leg],
    contact: Json | None,
    audio: Mapping[str, bytes],
    requests: Sequence[int] = (),
) -> list[str]:
    """What of the call is not as it must be. `audio`: the bytes at each recording's `audio_url`, by
    INUM; `requests`: when Twilio was asked about the task (ms)."""
    every = sorted((s for leg in legs for s in leg.media_streams), key=lambda s: s.requested_at)
    ran = counted(every)
    told = _streams(script, legs, ran) + _too_long(every)
    told += _requests(script.expectation.most_requests, requests)
    if not script.expectation.is_contact:
        return told if contact is None else [*told, "a contact of a task that is no voice call"]
    if contact is None:
        return [*told, "no contact"]
    contact = _without(contact, {stream.sid for stream in every} - {s.sid for s in ran})
    told += _facts(script, contact)
    told += _sessions(script.expectation.sessions, contact["sessions"])
    told += _capture(script.expectation.recordings, ran, contact)
    return told + _recordings(script.expectation.recordings, ran, contact["recordings"], audio)


def settled(script: Script, contact: Json | None) -> bool:
    """Whether the contact looks finished: ended, and its recordings complete."""
    if not script.expectation.is_contact:
        return True
    return (
        contact is not None
        and contact["state"] == "ended"
        and contact["outcome"] is not None
        and contact["capture"] != "pending"
        and len(contact["recordings"]) >= len(script.expectation.recordings)
        and all(recording["state"] == "complete" for recording in contact["recordings"])
    )


def began_after(script: Script, legs: Sequence[Leg]) -> int | None:
    """Milliseconds from the moment when recording must begin until media came; None without."""
    began = [s.began_at for leg in legs for s in leg.media_streams if s.began_at is not None]
    wanted = script.expectation.recordings
    return min(began) - wanted[0].begins_at if began and wanted else None


def milliseconds(text: str | None) -> int | None:
    """A time of the console API as milliseconds since the epoch."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _streams(script: Script, legs: Sequence[Leg], ran: Sequence[MediaStream]) -> list[str]:
    wanted = script.expectation.recordings
    told = _compared("media streams", len(wanted), len(ran))
    told += [
        f"media streams were asked for on {leg.sid}"
        for leg in legs
        if leg.attempts and not (leg.sid == script.customer_call_sid and _may_ask(script))
    ]
    for stream in ran:
        if stream.call_sid != script.customer_call_sid:
            told.append(f"a media stream ran on {stream.call_sid}, not the customer's leg")
        if stream.track != "both_tracks":
            told.append(f"a media stream of {stream.track} alone")
        if stream.trouble:
            told.append(f"media stream: {stream.trouble}")
    for expected, stream in zip(wanted, ran, strict=False):
        told += _window(expected, stream)
    return told


def _too_long(every: Sequence[MediaStream]) -> list[str]:
    return [
        f"a media stream too many ran on {stream.call_sid} for {lasted} ms"
        for stream in surplus(every)
        if (lasted := (stream.ended_at or 0) - stream.requested_at) > MOST_SURPLUS_MS
    ]


def _without(contact: Json, stream_sids: set[str]) -> Json:
    kept = [r for r in contact["recordings"] if r["stream_sid"] not in stream_sids]
    return contact | {"recordings": kept}


def _requests(most: int | None, requests: Sequence[int]) -> list[str]:
    if most is None or not requests:
        return []
    first = min(requests)
    early = sum(at - first < REQUESTS_WITHIN_MS for at in requests)
    return [] if early <= most else [f"{early} requests in the first 20 s, expected at most {most}"]


def _may_ask(script: Script) -> bool:
    """An outbound call may be asked for while it rings, though in the end nobody answers."""
    sessions = script.expectation.sessions
    return any(session.monitored for session in sessions if session.started_at is not None)


def _window(expected: ExpectedRecording, stream: MediaStream) -> list[str]:
    began, ended = stream.began_at, stream.ended_at
    if began is None or ended is None:
        return ["a media stream never began, or never ended"]
    told = []
    if not -20 - stream.rang_ms <= began - expected.begins_at <= expected.slack:
        told.append(f"recording began {began - expected.begins_at} ms after it should")
    if not -100 <= ended - expected.ends_at <= STOP_SLACK_MS:
        told.append(f"recording ended {ended - expected.ends_at} ms after it should")
    return told


def _facts(script: Script, contact: Json) -> list[str]:
    expected = script.expectation
    told = _compared("task_sid", script.task_sid, contact["task_sid"])
    told += _compared("direction", expected.direction, contact["direction"])
    told += _compared("state", "ended", contact["state"])
    told += _compared("outcome", expected.outcome, contact["outcome"])
    if expected.direction != "internal":
        told += _compared("customer", expected.customer, contact["customer"])
    return told


def _sessions(expected: Sequence[ExpectedSession], sessions: Sequence[Json]) -> list[str]:
    by_sid = {session["reservation_sid"]: session for session in sessions}
    told = _compared("sessions", len(expected), len(sessions))
    for wanted in expected:
        if (session := by_sid.get(wanted.reservation_sid)) is None:
            told.append(f"no session of {wanted.extension}")
            continue
        who = f"session of {wanted.extension}:"
        told += _compared(f"{who} extension", wanted.extension, session["extension"])
        if wanted.monitored is not None:
            told += _compared(f"{who} monitored", wanted.monitored, session["monitored"])
        told += _near(f"{who} started_at", wanted.started_at, session["started_at"])
        if wanted.started_at is not None:
            told += _near(f"{who} ended_at", wanted.ended_at, session["ended_at"])
    return told


def _capture(
    expected: Sequence[ExpectedRecording], ran: Sequence[MediaStream], contact: Json
) -> list[str]:
    """Whether the contact accounts for all of the time that had to be recorded."""
    gaps = [(milliseconds(gap["from"]) or 0, milliseconds(gap["to"]) or 0, gap["reason"])
            for gap in contact["gaps"]]  # fmt: skip
    required, captured = contact["required_ms"], contact["captured_ms"]
    if not expected:
        told = _compared(
            "capture", ("not-required", 0, 0), (contact["capture"], required, captured)
        )
        return told + _compared("gaps", [], gaps)
    slack = SESSION_TOLERANCE_MS * len(expected)
    rang = sum(stream.rang_ms for stream in ran)
    most = sum(each.ends_at - each.begins_at for each in expected) + rang
    heard = sum(_overlap_ms(each.begins_at, each.ends_at, ran) for each in expected)
    lost = LOST_FRAME_MS * sum(_lost_on_the_way(stream) for stream in ran)
    told = _compared("capture", "partial" if gaps else "complete", contact["capture"])
    if not heard - slack <= required <= most + slack:
        told.append(f"required_ms is {required}, expected {heard} to {most}")
    if not heard - lost - slack <= captured <= heard - lost + slack + rang:
        told.append(f"captured_ms is {captured}, expected {heard - lost}")
    unexplained = required - captured - lost - sum(end - start for start, end, _ in gaps)
    if unexplained > 2 * EDGE_MS * len(expected):
        told.append(f"{unexplained} ms are neither captured nor in a gap")
    for start, end, reason in gaps:
        if _overlap_ms(start, end, ran) > slack:
            told.append(f"a gap ({reason}) in which a media stream ran, from {start} to {end}")
    return told


def _lost_on_the_way(stream: MediaStream) -> int:
    return max(0, expected_audio(stream.sent).lost - stream.not_sent)


def _overlap_ms(begin: int, end: int, ran: Sequence[MediaStream]) -> int:
    """For how long of the time media streams ran, at most one at a time."""
    spans = [(stream.began_at or 0, stream.ended_at or 0) for stream in ran]
    return sum(max(0, min(end, until) - max(begin, since)) for since, until in spans)


def _recordings(
    expected: Sequence[ExpectedRecording],
    ran: Sequence[MediaStream],
    recordings: Sequence[Json],
    audio: Mapping[str, bytes],
) -> list[str]:
    by_sid = {recording["stream_sid"]: recording for recording in recordings}
    told = _compared("recordings", len(expected), len(recordings))
    for number, stream in enumerate(ran):
        if (recording := by_sid.get(stream.sid)) is None:
            told.append(f"no recording of the media stream {stream.sid}")
            continue
        wanted = expected[number] if number < len(expected) else None
        told += _recording(wanted, stream, recording)
        told += _sound(expected_audio(stream.sent), recording, audio.get(recording["inum"]))
    return told


def _recording(
    expected: ExpectedRecording | None, stream: MediaStream, recording: Json
) -> list[str]:
    inum = recording["inum"]
    told = _compared("recording state", "complete", recording["state"])
    told += _compared("recording call_sid", stream.call_sid, recording["call_sid"])
    told += _compared("INUM's last digits", inum_suffix(stream.sid), inum[10:])
    started = milliseconds(recording["started_at"])
    told += _compared("INUM's second", None if started is None else started // 1000, int(inum[:10]))
    told += _near("recording started_at", stream.began_at, recording["started_at"])
    if expected is not None:
        extensions = list(expected.extensions)
        told += _compared("recording extension", extensions[0], recording["extension"])
        told += _compared("recording extensions", extensions, recording["extensions"])
    return told


def _sound(expected: ExpectedAudio, recording: Json, content: bytes | None) -> list[str]:
    frames = recording["frames"]
    told = _compared("frames received", expected.received, frames["received"])
    told += _compared("frames lost", expected.lost, frames["lost"])
    told += _compared("frames duplicate", expected.duplicate, frames["duplicate"])
    told += _compared("frames invalid", 0, frames["invalid"])
    told += _compared("duration_ms", expected.duration_ms, recording["duration_ms"])
    if content is None:
        return [*told, "no audio"]
    try:
        wav = read_wav(content)
    except NotWav as error:
        return [*told, f"audio: {error}"]
    form = (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    told += _compared("WAV format", (7, 2, 8000, 8), form)
    if wav.samples != expected.samples:
        told.append(_first_difference(expected.samples, wav.samples))
    return told


def _first_difference(expected: bytes, actual: bytes) -> str:
    pairs = zip(expected, actual, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    side = ("left", "right")[place % 2]
    lengths = f"{len(actual) // 2} samples, expected {len(expected) // 2}"
    return f"audio differs from {place / 16000:.3f} s on, {side} ({lengths})"


def _near(what: str, expected: int | None, actual: str | None) -> list[str]:
    at = milliseconds(actual)
    if expected is None or at is None:
        return _compared(what, expected, at)
    return (
        [] if abs(at - expected) <= SESSION_TOLERANCE_MS else [f"{what} is {at - expected} ms off"]
    )


def _compared(what: str, expected: Any, actual: Any) -> list[str]:
    return [] if expected == actual else [f"{what}: {actual!r}, expected {expected!r}"]
