"""What the retriever asks Twilio."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.runtime.twilio_http import TwilioError
from simulator.audio import Voice
from simulator.recorded import RecordingQuirk
from simulator.script import (
    ConferenceBegan,
    ConferenceEnded,
    LegBegan,
    LegStatus,
    ParticipantJoined,
)
from tests.agents.retriever.scene import CONFERENCE, scene
from tests.pipeline.recovery.contacts_made import AT, CUSTOMER, TASK, WORKER


async def test_recordings_of_conference_and_legs_are_each_listed_once(tmp_path: Path) -> None:
    """The conference is found by the task SID; the customer's leg lists the same recording."""
    async with scene(tmp_path) as at:
        [found] = await at.twilio.of_call(TASK, [CUSTOMER, WORKER])
        assert (CONFERENCE, AT, 40_000) == (
            found.conference_sid, found.started_at, found.duration_ms,
        )  # fmt: skip
        assert [] == await at.twilio.of_call("WT" + "9" * 32, [WORKER])


async def test_a_leg_in_another_tasks_conference_brings_no_recording_of_it(tmp_path: Path) -> None:
    """A task may name the leg of another call, and a leg may move to one. The recording of the
    task's own conference had to be made, and is fetched; the other one was not."""
    async with scene(tmp_path) as at:
        foreign, other = "CA" + "7" * 32, "WT" + "7" * 32
        world = at.world
        world.apply(LegBegan(foreign, LegStatus.IN_PROGRESS), AT, seed=other)
        world.apply(ConferenceBegan("CF" + "7" * 32, other), AT)
        world.apply(ParticipantJoined("CF" + "7" * 32, foreign, "customer", Voice.CUSTOMER), AT)
        world.apply(ConferenceEnded("CF" + "7" * 32), AT + 40_000)
        assert 1 == len(await at.twilio.of_call(other, []))
        [found] = await at.twilio.of_call(TASK, [CUSTOMER, foreign])
        assert CONFERENCE == found.conference_sid


@pytest.mark.parametrize("customer_first", [True, False])
async def test_the_first_participant_is_known(tmp_path: Path, customer_first: bool) -> None:
    """By Conference Insights; an unknown conference has no answer."""
    async with scene(tmp_path, customer_first=customer_first) as at:
        expected = CUSTOMER if customer_first else WORKER
        assert {expected} == await at.twilio.first_joined(CONFERENCE)
        assert frozenset() == await at.twilio.first_joined("CF" + "9" * 32)


async def test_a_mono_recording_is_asked_for_again_without_channels(tmp_path: Path) -> None:
    """Error 16113. Twilio's list may say two channels nevertheless."""
    async with scene(tmp_path) as at:
        at.recorded.quirks[TASK] = RecordingQuirk.MONO
        source = replace(await at.source(), channels=2)
        path = tmp_path / "x.wav"
        assert await at.twilio.download(source, path) == path.stat().st_size
        assert at.rest.recordings.audio_sent[f"{source.sid}/1"] == path.read_bytes()
        assert 16113 in {refusal.code for refusal in at.rest.refusals}


async def test_audio_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """With the status that says so."""
    async with scene(tmp_path) as at:
        source = await at.source()
        await at.twilio.delete(source.sid)
        await at.twilio.delete("RE" + "9" * 32)  # no such recording: no error
        with pytest.raises(TwilioError) as refused:
            await at.twilio.download(source, tmp_path / "x.wav")
        assert 404 == refused.value.status
        assert ["deleted"] == [s.status for s in await at.twilio.of_call(TASK, [CUSTOMER])]
