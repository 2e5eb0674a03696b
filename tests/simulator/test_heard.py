"""How long a media stream was heard, and how much of it was sent."""

from array import array
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from simulator.cases import inbound_monitored
from simulator.events import iso
from simulator.expected import SentFrame, expected_audio
from simulator.heard import lost_on_the_way, overlap_ms, sent_ms
from simulator.verify import differences
from simulator.world import MediaStream
from tests.simulator.test_verify import audio_of, contact_of, legs_of, script_of, wav_of

BEGAN = 1_700_000_000_000


def media_stream(frames: int, lasted: int) -> MediaStream:
    """A media stream of `lasted` ms on which so many frames of each track were sent."""
    sent = [
        SentFrame(track, 20 * n, bytes(160))
        for n in range(frames)
        for track in ("inbound", "outbound")
    ]
    return MediaStream(
        "MZ1", "CA1", "name", "ws://x", "both_tracks", {}, BEGAN, began_at=BEGAN,
        ended_at=BEGAN + lasted, sent=sent,
    )  # fmt: skip


@given(frames=st.integers(0, 300), lasted=st.integers(0, 8_000))
def test_what_was_sent_is_the_media_up_to_the_end(frames: int, lasted: int) -> None:
    """A sender in time sends all that the clock says; a late one only what its frames say."""
    ran = [media_stream(frames, lasted)]
    far = BEGAN - 5_000, BEGAN + 20_000
    assert lasted == overlap_ms(*far, ran)
    assert min(lasted, 20 * frames) == sent_ms(*far, ran)
    assert 0 == sent_ms(BEGAN + lasted, BEGAN + 20_000, ran)


def test_frames_lost_on_the_way_are_counted() -> None:
    """Frames that Twilio did not create do not count, unless one beside them was lost: then the
    whole hole counts."""
    one = media_stream(100, 2_000)
    one.sent = [each for each in one.sent if each.timestamp not in (40, 60)]
    assert 0 == lost_on_the_way(one)
    one.sent = [replace(each, skipped=4 if each.timestamp > 60 else 0) for each in one.sent]
    assert 4 == lost_on_the_way(one)
    one.sent = [e for e in one.sent if e.track == "outbound" or not 60 < e.timestamp < 180]
    assert 9 == lost_on_the_way(one)


def test_a_sender_that_was_late_is_no_mistake() -> None:
    """A busy simulator had not sent the last two seconds when the media stream was stopped. They
    are missing from the captured time, or are a gap. The sent audio must be captured."""
    script = script_of(inbound_monitored)
    legs = legs_of(script)
    contact = contact_of(script, legs)
    (stream,) = [stream for leg in legs for stream in leg.media_streams]
    assert stream.began_at is not None
    assert stream.ended_at is not None
    until = stream.ended_at - stream.began_at - 2_000
    stream.sent = [each for each in stream.sent if each.timestamp < until]
    (recording,) = contact["recordings"]
    audio = expected_audio(stream.sent)
    recording["frames"]["received"] = audio.received
    recording["duration_ms"] = audio.duration_ms
    contact["captured_ms"] -= 2_000
    assert [] == differences(script, legs, contact, audio_of(legs))
    end = iso(stream.ended_at)
    gap = {"from": iso(stream.ended_at - 2_000), "to": end, "reason": "unknown"}
    partial = contact | {"gaps": [gap], "capture": "partial"}
    assert [] == differences(script, legs, partial, audio_of(legs))
    contact["captured_ms"] -= 2_000
    found = differences(script, legs, contact, audio_of(legs))
    assert any("captured_ms" in each for each in found)


def test_what_is_withheld_after_a_late_stop_is_no_mistake() -> None:
    """A busy product stopped the media stream 2.4 s after its decision. The withheld part must be
    the end of the audio, and must have been received 2 s or more after the decision."""
    script = script_of(inbound_monitored)
    legs = legs_of(script)
    (stream,) = [stream for leg in legs for stream in leg.media_streams]
    assert stream.began_at is not None
    stream.sent_at = array("q", [stream.began_at + each.timestamp - 120 for each in stream.sent])
    decided_at = stream.sent_at[-1] - 2_400
    decisions = [
        {"at": iso(stream.began_at), "decision": "record"},
        {"at": iso(decided_at), "decision": "stop"},
    ]
    contact = contact_of(script, legs) | {"decisions": decisions}
    assert [] == differences(script, legs, contact, audio_of(legs))

    kept = len(stream.sent) - 40
    audio = expected_audio(stream.sent[:kept])
    (recording,) = contact["recordings"]
    recording["frames"] |= {"received": audio.received, "withheld": 40}
    recording["duration_ms"] = audio.duration_ms
    sound = {recording["inum"]: wav_of(audio.samples)}
    assert [] == differences(script, legs, contact, sound)

    decisions[1]["at"] = iso(decided_at + 3_600)
    [early] = differences(script, legs, contact, sound)
    assert "40 frames must not be withheld but are" in early
    decisions[1]["at"] = iso(decided_at - 3_600)
    [late] = differences(script, legs, contact, sound)
    assert "frames must not be heard but are" in late
