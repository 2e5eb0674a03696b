"""Check the result of a call: its contact, its recordings, and every byte of their audio.

Pure: it compares the console's answers and audio with the script and with the frames that were sent
on the media streams. An empty list of differences means that the result is correct.
"""

from collections.abc import Mapping, Sequence

from simulator.comparison import SESSION_TOLERANCE_MS, compared, milliseconds, near
from simulator.expected import ExpectedAudio, expected_audio, inum_suffix
from simulator.foreign_leg import foreign_leg_differences, streams_of
from simulator.heard import lost_on_the_way, not_withheld, overlap_ms, sent_ms
from simulator.recorded import RecordedCall
from simulator.recovered import recovered_differences
from simulator.script import ExpectedRecording, ExpectedSession, Json, Script
from simulator.surplus import counted, surplus
from simulator.wav import NotWav, read_wav
from simulator.world import MediaStream, WorldLeg

STOP_SLACK_MS = 4500
MOST_SURPLUS_MS = 8000
EDGE_MS = 1000
"""Less time than this without audio, at the beginning or end of the required time, is no gap."""
REQUESTS_WITHIN_MS = 20_000
LOST_FRAME_MS = 10
"""The captured time that a lost frame of one track costs."""


def differences(
    script: Script,
    legs: Sequence[WorldLeg],
    contact: Json | None,
    audio: Mapping[str, bytes],
    requests: Sequence[int] = (),
    *,
    withheld: Sequence[Json] = (),
    recorded: RecordedCall | None = None,
) -> list[str]:
    """Return the differences from the expected result. `audio`: the bytes at each recording's
    `audio_url`, by INUM; `requests`: the times of the requests to Twilio about the task (ms);
    `withheld`: the recordings, if some are withheld, as the console shows them on request;
    `recorded`: Twilio's own recording, if the call must be recovered from it."""
    every = streams_of(script, legs)
    if (foreign_leg := script.expectation.foreign_leg) is not None:
        if contact is None:
            return ["no contact"]
        found = _facts(script, contact)
        found += _sessions(script.expectation.sessions, contact["sessions"])
        return found + foreign_leg_differences(foreign_leg, every, contact, withheld)
    if script.expectation.is_recovered:
        return _recovered(script, legs, contact, audio, recorded)
    ran = counted(every)
    found = _streams(script, legs, ran) + _too_long(every)
    found += _requests(script.expectation.most_requests, requests)
    if not script.expectation.is_contact:
        return found if contact is None else [*found, "a contact of a task that is no voice call"]
    if contact is None:
        return [*found, "no contact"]
    contact = _without(contact, {stream.sid for stream in every} - {s.sid for s in ran})
    found += _facts(script, contact)
    found += _sessions(script.expectation.sessions, contact["sessions"])
    found += _capture(script.expectation.recordings, ran, contact)
    return found + _recordings(script.expectation.recordings, ran, contact, audio)


def settled(script: Script, contact: Json | None) -> bool:
    """Return whether the contact looks finished: it has ended, and its recordings are complete."""
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


def began_after(script: Script, legs: Sequence[WorldLeg]) -> int | None:
    """Return the ms from the moment when recording must begin until media arrived; None if nothing
    must be recorded, or no media arrived."""
    began = [s.began_at for s in streams_of(script, legs) if s.began_at is not None]
    wanted = script.expectation.recordings
    return min(began) - wanted[0].begins_at if began and wanted else None


def _recovered(
    script: Script,
    legs: Sequence[WorldLeg],
    contact: Json | None,
    audio: Mapping[str, bytes],
    recorded: RecordedCall | None,
) -> list[str]:
    found = compared("media streams", 0, sum(len(leg.media_streams) for leg in legs))
    found += _asked_on_others(script, legs)
    is_undelivered = script.expectation.is_undelivered
    is_asked = any(leg.attempts for leg in legs if leg.sid == script.customer_call_sid)
    found += compared("a media stream was requested", not is_undelivered, is_asked)
    if contact is None:
        return [*found, "no contact"]
    found += _facts(script, contact)
    found += _sessions(script.expectation.sessions, contact["sessions"])
    [expected] = script.expectation.recordings
    return found + recovered_differences(
        expected, contact, audio, recorded, is_undelivered=is_undelivered
    )


def _streams(script: Script, legs: Sequence[WorldLeg], ran: Sequence[MediaStream]) -> list[str]:
    wanted = script.expectation.recordings
    found = compared("media streams", len(wanted), len(ran))
    found += _asked_on_others(script, legs)
    for stream in ran:
        if stream.call_sid != script.customer_call_sid:
            found.append(f"a media stream ran on {stream.call_sid}, not the customer's leg")
        if stream.track != "both_tracks":
            found.append(f"a media stream of {stream.track} alone")
        if stream.trouble:
            found.append(f"media stream: {stream.trouble}")
    for expected, stream in zip(wanted, ran, strict=False):
        found += _window(expected, stream)
    return found


def _asked_on_others(script: Script, legs: Sequence[WorldLeg]) -> list[str]:
    return [
        f"media streams were requested on {leg.sid}"
        for leg in legs
        if leg.attempts and not (leg.sid == script.customer_call_sid and _may_ask(script))
    ]


def _too_long(every: Sequence[MediaStream]) -> list[str]:
    return [
        f"a surplus media stream ran on {stream.call_sid} for {lasted} ms"
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
    """Return whether media streams may be requested. For an outbound call this is so while it
    rings, even if it is never answered."""
    sessions = script.expectation.sessions
    return any(session.monitored for session in sessions if session.started_at is not None)


def _window(expected: ExpectedRecording, stream: MediaStream) -> list[str]:
    began, ended = stream.began_at, stream.ended_at
    if began is None or ended is None:
        return ["a media stream never began, or never ended"]
    found = []
    if not -20 - stream.rang_ms <= began - expected.begins_at <= expected.slack:
        found.append(f"recording began {began - expected.begins_at} ms after it should")
    if not -100 <= ended - expected.ends_at <= STOP_SLACK_MS:
        found.append(f"recording ended {ended - expected.ends_at} ms after it should")
    return found


def _facts(script: Script, contact: Json) -> list[str]:
    expected = script.expectation
    found = compared("task_sid", script.task_sid, contact["task_sid"])
    found += compared("direction", expected.direction, contact["direction"])
    found += compared("state", "ended", contact["state"])
    found += compared("outcome", expected.outcome, contact["outcome"])
    if expected.direction != "internal":
        found += compared("customer", expected.customer, contact["customer"])
    return found


def _sessions(expected: Sequence[ExpectedSession], sessions: Sequence[Json]) -> list[str]:
    by_sid = {session["reservation_sid"]: session for session in sessions}
    found = compared("sessions", len(expected), len(sessions))
    for wanted in expected:
        if (session := by_sid.get(wanted.reservation_sid)) is None:
            found.append(f"no session of {wanted.extension}")
            continue
        name = f"session of {wanted.extension}:"
        found += compared(f"{name} extension", wanted.extension, session["extension"])
        if wanted.monitored is not None:
            found += compared(f"{name} monitored", wanted.monitored, session["monitored"])
        found += near(f"{name} started_at", wanted.started_at, session["started_at"])
        if wanted.started_at is not None:
            found += near(f"{name} ended_at", wanted.ended_at, session["ended_at"])
    return found


def _capture(
    expected: Sequence[ExpectedRecording], ran: Sequence[MediaStream], contact: Json
) -> list[str]:
    """Check that the contact accounts for all of the time that had to be recorded. A busy simulator
    may not have sent all that was said before the end: that part may be missing or be a gap."""
    gaps = [(milliseconds(gap["from"]) or 0, milliseconds(gap["to"]) or 0, gap["reason"])
            for gap in contact["gaps"]]  # fmt: skip
    required, captured = contact["required_ms"], contact["captured_ms"]
    if not expected:
        found = compared(
            "capture", ("not-required", 0, 0), (contact["capture"], required, captured)
        )
        return found + compared("gaps", [], gaps)
    slack = SESSION_TOLERANCE_MS * len(expected)
    rang = sum(stream.rang_ms for stream in ran)
    most = sum(each.ends_at - each.begins_at for each in expected) + rang
    heard = sum(overlap_ms(each.begins_at, each.ends_at, ran) for each in expected)
    sent = sum(sent_ms(each.begins_at, each.ends_at, ran) for each in expected)
    lost = LOST_FRAME_MS * sum(lost_on_the_way(stream) for stream in ran)
    found = compared("capture", "partial" if gaps else "complete", contact["capture"])
    if not heard - slack <= required <= most + slack:
        found.append(f"required_ms is {required}, expected {heard} to {most}")
    if not sent - lost - slack <= captured <= heard - lost + slack + rang:
        found.append(f"captured_ms is {captured}, expected {sent - lost} to {heard - lost}")
    explained = lost + heard - sent + sum(end - start for start, end, _ in gaps)
    unexplained = required - captured - explained
    if unexplained > 2 * EDGE_MS * len(expected):
        found.append(f"{unexplained} ms are neither captured nor in a gap")
    for start, end, reason in gaps:
        if sent_ms(start, end, ran) > slack:
            found.append(f"a gap ({reason}) in which media were sent, from {start} to {end}")
    return found


def _recordings(
    expected: Sequence[ExpectedRecording],
    ran: Sequence[MediaStream],
    contact: Json,
    audio: Mapping[str, bytes],
) -> list[str]:
    by_sid = {recording["stream_sid"]: recording for recording in contact["recordings"]}
    found = compared("recordings", len(expected), len(contact["recordings"]))
    for number, stream in enumerate(ran):
        if (recording := by_sid.get(stream.sid)) is None:
            found.append(f"no recording of the media stream {stream.sid}")
            continue
        wanted = expected[number] if number < len(expected) else None
        found += _recording(wanted, stream, recording)
        withheld = recording["frames"].get("withheld", 0)
        heard, wrong = not_withheld(stream, withheld, contact["decisions"])
        found += wrong + _sound(expected_audio(heard), recording, audio.get(recording["inum"]))
    return found


def _recording(
    expected: ExpectedRecording | None, stream: MediaStream, recording: Json
) -> list[str]:
    inum = recording["inum"]
    found = compared("recording state", "complete", recording["state"])
    found += compared("recording call_sid", stream.call_sid, recording["call_sid"])
    found += compared("INUM's last digits", inum_suffix(stream.sid), inum[10:])
    started = milliseconds(recording["started_at"])
    found += compared("INUM's second", None if started is None else started // 1000, int(inum[:10]))
    found += near("recording started_at", stream.began_at, recording["started_at"])
    if expected is not None:
        extensions = list(expected.extensions)
        found += compared("recording extension", extensions[0], recording["extension"])
        found += compared("recording extensions", extensions, recording["extensions"])
    return found


def _sound(expected: ExpectedAudio, recording: Json, content: bytes | None) -> list[str]:
    frames = recording["frames"]
    found = compared("frames received", expected.received, frames["received"])
    found += compared("frames lost", expected.lost, frames["lost"])
    found += compared("frames duplicate", expected.duplicate, frames["duplicate"])
    found += compared("frames invalid", 0, frames["invalid"])
    found += compared("duration_ms", expected.duration_ms, recording["duration_ms"])
    if content is None:
        return [*found, "no audio"]
    try:
        wav = read_wav(content)
    except NotWav as error:
        return [*found, f"audio: {error}"]
    form = (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    found += compared("WAV format", (7, 2, 8000, 8), form)
    if wav.samples != expected.samples:
        found.append(_first_difference(expected.samples, wav.samples))
    return found


def _first_difference(expected: bytes, actual: bytes) -> str:
    pairs = zip(expected, actual, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    side = ("left", "right")[place % 2]
    lengths = f"{len(actual) // 2} samples, expected {len(expected) // 2}"
    return f"audio differs from {place / 16000:.3f} s on, {side} ({lengths})"
