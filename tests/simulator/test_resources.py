"""The resources of the REST API."""

from typing import Any

import pytest

from simulator import resources
from simulator.audio import Voice
from simulator.events import rfc2822
from simulator.resources import (
    call_resource,
    conference_resource,
    conference_status,
    media_stream_resource,
    participant_resource,
)
from simulator.script import DialledEnds, LegStatus, Line
from simulator.world import Conference, MediaStream, StreamStatus, WorldLeg, WorldParticipant

BEGAN, ENDED, NOW = 1_700_000_000_000, 1_700_000_060_000, 1_700_000_090_000
ROOT = "/2010-04-01/Accounts/AC1"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is always `NOW`."""
    monkeypatch.setattr(resources, "clock", lambda: NOW)


@pytest.mark.parametrize(("ended", "shown"), [(None, None), (ENDED, rfc2822(ENDED))])
def test_a_call_has_its_ends_and_times(ended: int | None, shown: str | None) -> None:
    """A call in progress has no end time. A completed one was last updated at its end."""
    ends = DialledEnds("+1", "client:ann", "outbound-api")
    leg = WorldLeg("CA1", LegStatus.NO_ANSWER, "", Line(), BEGAN, ended, ends=ends)
    resource = call_resource(leg, "AC1")
    assert ("CA1", "AC1", "no-answer") == (
        resource["sid"], resource["account_sid"], resource["status"],
    )  # fmt: skip
    assert ("+1", "client:ann", "outbound-api") == (
        resource["from"], resource["to"], resource["direction"],
    )  # fmt: skip
    assert (rfc2822(BEGAN), shown, shown or rfc2822(NOW)) == (
        resource["start_time"], resource["end_time"], resource["date_updated"],
    )  # fmt: skip
    assert f"{ROOT}/Calls/CA1.json" == resource["uri"]


def test_a_media_stream_is_below_its_call() -> None:
    """With its name and status."""
    stream = MediaStream("MZ1", "CA1", "name", "ws://x", "both_tracks", {}, 0, StreamStatus.STOPPED)
    resource = media_stream_resource(stream, "AC1")
    assert ("MZ1", "CA1", "name", "stopped") == (
        resource["sid"], resource["call_sid"], resource["name"], resource["status"],
    )  # fmt: skip
    assert f"{ROOT}/Calls/CA1/Streams/MZ1.json" == resource["uri"]


@pytest.mark.parametrize(
    ("ended", "status", "updated"), [(None, "in-progress", NOW), (ENDED, "completed", ENDED)]
)
def test_a_conference_is_completed_at_its_end(ended: int | None, status: str, updated: int) -> None:
    """It was updated then, or now if it is in progress; its name is the task's SID."""
    conference = Conference("CF1", "WT1", BEGAN, ended_at=ended)
    resource = conference_resource(conference, "AC1")
    assert (status, status) == (conference_status(conference), resource["status"])
    assert ("WT1", rfc2822(updated)) == (resource["friendly_name"], resource["date_updated"])
    participants = resource["subresource_uris"]["participants"]
    assert f"{ROOT}/Conferences/CF1/Participants.json" == participants


@pytest.mark.parametrize(
    ("leg", "status"),
    [
        (LegStatus.RINGING, "ringing"),
        (LegStatus.IN_PROGRESS, "connected"),
        (LegStatus.COMPLETED, "complete"),
        (LegStatus.NO_ANSWER, "complete"),
    ],
)
def test_a_participant_is_connected_while_its_leg_is_in_progress(
    leg: LegStatus, status: str
) -> None:
    """It rings before, and is complete after."""
    participant = WorldParticipant("CA1", "worker", Voice.AGENT, coaching=False)
    resource = participant_resource(Conference("CF1", "WT1", BEGAN), participant, leg, "AC1")
    assert status == resource["status"]
    assert f"{ROOT}/Conferences/CF1/Participants/CA1.json" == resource["uri"]


@pytest.mark.parametrize("flag", ["hold", "muted", "coaching"])
def test_a_participant_has_its_flags(flag: str) -> None:
    """Each under its own name; the ends of its leg are not shown."""
    flags: dict[str, Any] = {"coaching": False, flag: True}
    participant = WorldParticipant("CA1", None, Voice.AGENT, **flags)
    conference = Conference("CF1", "WT1", BEGAN)
    resource = participant_resource(conference, participant, LegStatus.IN_PROGRESS, "AC1")
    assert [flag] == [name for name in ("hold", "muted", "coaching") if resource[name]]
    assert resource["label"] is None
    assert not {"from", "to", "direction"} & resource.keys()
