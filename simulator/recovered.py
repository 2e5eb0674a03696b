"""Check the result of a call without media streams: it must have been fetched from Twilio's own
recording, and found in Twilio's lists if no event of it was delivered. Pure."""

from collections.abc import Mapping

from simulator.comparison import SESSION_TOLERANCE_MS, compared, milliseconds
from simulator.expected import SAMPLES_PER_MS, inum_suffix
from simulator.recorded import RecordedCall
from simulator.script import ExpectedRecording, Json
from simulator.wav import NotWav, Wav, read_wav

FRAME_SAMPLES = 160
TWILIO_REFUSED, LATE_EVENTS = "twilio-refused", "late-events"
UNCERTAIN_MS = 1_000
"""Twilio states the start of its recording to the second."""


def recovered_differences(
    expected: ExpectedRecording,
    contact: Json,
    audio: Mapping[str, bytes],
    recorded: RecordedCall | None,
    *,
    is_undelivered: bool = False,
) -> list[str]:
    """Return the differences from the expected result. `audio`: the bytes at each recording's
    `audio_url`, by INUM; `recorded`: Twilio's own recording of the call;
    `is_undelivered`: no event of it was delivered. Otherwise Twilio refused to stream it."""
    if recorded is None:
        return ["Twilio has no recording of the call"]
    found = _reconciled(contact) if is_undelivered else []
    found += compared("recordings", 1, len(contact["recordings"]))
    for recording in contact["recordings"]:
        found += _facts(expected, recording, recorded)
        found += _sound(expected, recording, audio.get(recording["inum"]), recorded)
    return found + _capture(expected, contact, LATE_EVENTS if is_undelivered else TWILIO_REFUSED)


def _reconciled(contact: Json) -> list[str]:
    """Return the differences from the result of the comparison with Twilio's records: the events
    were added, and the call was recovered."""
    found = contact["reconciliation"]
    if found is None:
        return ["the call was not compared with Twilio's records"]
    if not found["events_added"]:
        return ["no event was added from TaskRouter's list"]
    return compared("the reconciliation's result", "recovered", found["result"])


def _capture(expected: ExpectedRecording, contact: Json, reason: str) -> list[str]:
    """Check that all of the required time counts as captured, and that each gap of the media
    streams is covered."""
    inums = {recording["inum"] for recording in contact["recordings"]}
    gaps = contact["gaps"]
    found = compared("capture", "complete", contact["capture"])
    found += compared("reasons of gaps", {reason}, {gap["reason"] for gap in gaps})
    found += compared("gaps are covered by", inums, {gap["covered_by"] for gap in gaps})
    lasted, required = expected.ends_at - expected.begins_at, contact["required_ms"]
    if abs(required - lasted) > SESSION_TOLERANCE_MS:
        found.append(f"required_ms is {required}, expected {lasted}")
    if not required - 2 * UNCERTAIN_MS <= contact["captured_ms"] <= required:
        found.append(f"captured_ms is {contact['captured_ms']} of {required}")
    return found


def _facts(expected: ExpectedRecording, recording: Json, recorded: RecordedCall) -> list[str]:
    source, inum = recorded.recording, recording["inum"]
    found = compared("recording source", "twilio-recording", recording["source"])
    found += compared("recording state", "complete", recording["state"])
    found += compared("recording stream_sid", source.sid, recording["stream_sid"])
    found += compared("recording call_sid", source.call_sid, recording["call_sid"])
    found += compared("INUM's last digits", inum_suffix(source.sid), inum[10:])
    found += compared("INUM's second", source.started_at // 1000, int(inum[:10]))
    return found + compared(
        "recording extensions", list(expected.extensions), recording["extensions"]
    )


def _sound(
    expected: ExpectedRecording, recording: Json, content: bytes | None, recorded: RecordedCall
) -> list[str]:
    if content is None:
        return ["no audio"]
    try:
        wav = read_wav(content)
    except NotWav as error:
        return [f"audio: {error}"]
    form = (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    if form != (7, 2, 8000, 8):
        return compared("WAV format", (7, 2, 8000, 8), form)
    samples = len(wav.samples) // 2
    frames = 2 * -(-samples // FRAME_SAMPLES)
    counts = {"received": frames, "lost": 0, "duplicate": 0, "invalid": 0}
    shown = {name: recording["frames"][name] for name in counts}
    found = compared("frames", counts, shown)
    found += compared("duration_ms", samples // SAMPLES_PER_MS, recording["duration_ms"])
    return found + _place(expected, recording, wav, recorded)


def _place(
    expected: ExpectedRecording, recording: Json, wav: Wav, recorded: RecordedCall
) -> list[str]:
    """Check that both sides are one part of Twilio's recording, to the sample: the required part,
    at the right time. The frames of a voice are all different, so there is only one place."""
    left, right = wav.samples[::2], wav.samples[1::2]
    first = recorded.customer.find(left) if left else -1
    if first < 0:
        return ["the left side is not what Twilio recorded of the customer"]
    if recorded.others[first : first + len(right)] != right:
        return ["the right side is not what Twilio recorded of the others"]
    begins_at = recorded.recording.started_at + first // SAMPLES_PER_MS
    ends_at = begins_at + len(left) // SAMPLES_PER_MS
    found = []
    if begins_at < expected.begins_at - UNCERTAIN_MS:
        found.append(f"audio from {expected.begins_at - begins_at} ms before it was required")
    if ends_at > expected.ends_at + UNCERTAIN_MS:
        found.append(f"audio until {ends_at - expected.ends_at} ms after it was required")
    stated = milliseconds(recording["started_at"]) or 0
    if abs(stated - begins_at) > UNCERTAIN_MS:
        found.append(f"recording started_at is {stated - begins_at} ms off")
    return found
