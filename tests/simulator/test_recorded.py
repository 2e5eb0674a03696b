"""Twilio's recordings of the conferences that were played."""

from random import Random

from simulator.audio import FRAME_BYTES, Voice, frame, number_of
from simulator.recorded import RecordedConferences, RecordingQuirk, RecordingStatus
from simulator.script import (
    ConferenceBegan,
    ConferenceEnded,
    HoldChanged,
    LegBegan,
    LegStatus,
    ParticipantJoined,
    ParticipantLeft,
    Sids,
)
from simulator.world import World

AT = 1_790_000_000_000
CUSTOMER, AGENT, CONFERENCE, TASK = "CA1", "CA2", "CF1", "WT1"


def played() -> World:
    """Return a world with a conference of 10 s, in which the customer is on hold for a second."""
    world = World(Sids(Random(1)))
    for call_sid in (CUSTOMER, AGENT):
        world.apply(LegBegan(call_sid, LegStatus.IN_PROGRESS), AT, seed=TASK)
    world.apply(ConferenceBegan(CONFERENCE, TASK), AT + 2_010)
    world.apply(ParticipantJoined(CONFERENCE, AGENT, None, Voice.AGENT), AT + 2_010)
    world.apply(ParticipantJoined(CONFERENCE, CUSTOMER, "customer", Voice.CUSTOMER), AT + 3_010)
    world.apply(HoldChanged(CONFERENCE, CUSTOMER, hold=True), AT + 9_000)
    world.apply(HoldChanged(CONFERENCE, CUSTOMER, hold=False), AT + 10_000)
    world.apply(ParticipantLeft(CONFERENCE, CUSTOMER), AT + 12_010)
    world.apply(ConferenceEnded(CONFERENCE), AT + 12_010)
    return world


def test_a_recording_begins_with_its_first_participant() -> None:
    """The first one, alone, on channel 1. It is in progress, then processed, then completed."""
    recorded = RecordedConferences(played(), processing_ms=1_000)
    [recording] = recorded.all(AT + 20_000)
    assert (AGENT, AT + 2_010, AT + 12_010) == (
        recording.call_sid, recording.started_at, recording.ended_at,
    )  # fmt: skip
    states = [recorded.all(AT + at)[0].status for at in (12_011, 13_009, 13_010)]
    assert [RecordingStatus.PROCESSING] * 2 + [RecordingStatus.COMPLETED] == states
    assert [(AGENT, AT + 2_010), (CUSTOMER, AT + 3_010)] == recorded.joined(CONFERENCE)


def test_its_audio_is_what_media_streams_hear_at_the_same_time() -> None:
    """To the sample: it begins in the middle of a frame. A customer on hold is not heard."""
    recorded = RecordedConferences(played())
    [recording] = recorded.all(AT + 20_000)
    agent, customer = recorded.channels(recording)
    assert 10_000 * 8 == len(agent) == len(customer)
    assert frame(TASK, Voice.AGENT, 100)[80:] == agent[:80]
    number = (8_000) // 20
    begin = (AT + 8_000 - recording.started_at) * 8
    for side, voice in ((agent, Voice.AGENT), (customer, Voice.CUSTOMER)):
        found = side[begin : begin + FRAME_BYTES]
        assert frame(TASK, voice, number) == found
        assert number == number_of(found)
    assert {0xFF} == set(customer[: 900 * 8])
    held = customer[7_000 * 8 : 7_950 * 8]
    assert {0xFF} == set(held)


def test_what_is_unusual_about_a_recording() -> None:
    """By the task: none, one channel, absent or deleted."""
    recorded = RecordedConferences(played())
    for quirk, status, channels in (
        (RecordingQuirk.MONO, RecordingStatus.COMPLETED, 1),
        (RecordingQuirk.ENCRYPTED, RecordingStatus.COMPLETED, 1),
        (RecordingQuirk.ABSENT, RecordingStatus.ABSENT, 2),
        (RecordingQuirk.DELETED, RecordingStatus.DELETED, 2),
    ):
        recorded.quirks[TASK] = quirk
        [recording] = recorded.all(AT + 20_000)
        assert (status, channels) == (recording.status, recording.channels)
    recorded.quirks[TASK] = RecordingQuirk.NONE
    assert [] == recorded.all(AT + 20_000)
    assert recorded.find("RE1", AT) is None
