"""The true place of recovered audio."""

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.audio import Voice, frame
from simulator.expected import SentFrame
from simulator.mulaw import SILENCE
from simulator.recorded import RecordedCall, RecordedConferences
from tests.simulator.test_recorded import AGENT, AT, CUSTOMER, TASK, played
from tests.system.chaos_recover.alignment import captured_offset, place, speech_ms, truth_of


def recorded() -> RecordedCall:
    """Return a recording of 10 s, in which the agent joined first."""
    found = RecordedConferences(played()).of_call(TASK, CUSTOMER, AT + 20_000)
    assert found is not None
    return found


@given(st.integers(0, 3_000), st.integers(4_000, 10_000), st.booleans())
@settings(max_examples=30)
def test_a_part_of_the_recording_is_found(first_ms: int, last_ms: int, is_mono: bool) -> None:
    """To the sample, with a piece of silence in it."""
    whole = recorded()
    cut = slice(first_ms * 8, last_ms * 8)
    sides = [bytearray(side[cut]) for side in truth_of(whole, is_mono=is_mono)]
    for side in sides:
        side[1_600:2_400] = bytes([SILENCE]) * 800
    found = place((bytes(sides[0]), bytes(sides[1])), whole, is_mono=is_mono)
    assert found is not None
    assert (whole.recording.started_at + first_ms, 0) == (found.begins_at, found.strange)
    assert all(
        not (begin < found.begins_at + 200 and end > found.begins_at + 300)
        for begin, end in found.audible
    )


def test_other_audio_is_noticed() -> None:
    """Sides that were exchanged have nothing in common but silence; a single sample that is not
    Twilio's is counted."""
    whole = recorded()
    exchanged = place((whole.others, whole.customer), whole, is_mono=False)
    assert exchanged is None or exchanged.strange > 10_000
    wrong = bytearray(whole.customer)
    wrong[70_000] ^= 3
    found = place((bytes(wrong), whole.others), whole, is_mono=False)
    assert found is not None
    assert 1 == found.strange


def test_speech_counts_that_both_have() -> None:
    """Media from before the recording, silence, and hold music do not."""
    whole, origin = recorded(), AT
    numbers = range(150, 250)
    sent = [
        SentFrame(track, n * 20, frame(TASK, voice, n))
        for n in numbers
        for track, voice in (("inbound", Voice.CUSTOMER), ("outbound", Voice.AGENT))
    ]
    common = speech_ms(sent, whole, origin)
    assert 1_000 < common <= 2_000
    music = [SentFrame("outbound", n * 20, frame(TASK, Voice.HOLD_MUSIC, n)) for n in numbers]
    assert 0 == speech_ms(music, whole, origin)
    early = [SentFrame("inbound", n * 20, frame(TASK, Voice.CUSTOMER, n)) for n in range(60)]
    assert 0 == speech_ms(early, whole, origin)
    assert AGENT == whole.recording.call_sid


def test_late_media_are_known_to_be_late() -> None:
    """The recording begins with media that were sent 130 ms after they were spoken."""
    sent = [
        SentFrame("inbound", 100 + n * 20, frame(TASK, Voice.CUSTOMER, 50 + n)) for n in range(9)
    ]
    started_at = AT + 50 * 20 + 130 - 100
    assert 130 == captured_offset(sent, started_at, AT)
