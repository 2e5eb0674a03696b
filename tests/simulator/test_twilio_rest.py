"""The REST double refuses what Twilio refuses."""

import pytest

from simulator.audio import Voice
from simulator.script import LegBegan, LegChanged, LegStatus, ParticipantJoined, ParticipantLeft
from simulator.twilio_rest import Faults
from tests.simulator.twilio_api import (
    CONFERENCE,
    LEG,
    RINGING_LEG,
    TASK,
    WORKER_LEG,
    double_of,
    small_world,
)

REFUSING_LEG = "CA" + "6" * 32
URL = "wss://example.com/media"


@pytest.mark.parametrize(
    ("call_sid", "form", "status", "code"),
    [
        ("CA" + "9" * 32, {"Url": URL}, 404, 20404),
        (RINGING_LEG, {"Url": URL}, 400, 21220),
        (LEG, {"Url": "ws://example.com/media"}, 400, 21217),
        (LEG, {"Url": URL + "?task=1"}, 400, 21217),
        (LEG, {"Url": URL, "Track": "all"}, 400, 20001),
        (LEG, {}, 400, 21217),
        (LEG, {"Url": URL, "Parameter1.Name": "n", "Parameter1.Value": "v" * 500}, 400, 20001),
        (REFUSING_LEG, {"Url": URL}, 400, 20001),
    ],
)
async def test_wrong_starts_are_refused(
    call_sid: str, form: dict[str, str], status: int, code: int
) -> None:
    """An unknown or ringing call, a bad URL or track, a parameter that is too long, a call on which
    media streams are not allowed: Twilio's status and code."""
    world = small_world()
    world.apply(LegBegan(REFUSING_LEG, LegStatus.IN_PROGRESS), 0)
    world.refusing.add(REFUSING_LEG)
    async with double_of(world) as api:
        answered, body = await api.post(f"/Calls/{call_sid}/Streams.json", **form)
    assert (status, code, status) == (answered, body["code"], body["status"])


async def test_same_name_and_too_many_tracks_are_refused() -> None:
    """A name runs once on a call, and no more than four tracks do."""
    world = small_world()
    for name in ("a", "b"):
        world.start_media_stream(LEG, {"Url": URL, "Name": name, "Track": "both_tracks"}, 0)
    async with double_of(world) as api:
        path = f"/Calls/{LEG}/Streams.json"
        assert 409 == (await api.post(path, Url=URL, Name="a"))[0]
        assert 400 == (await api.post(path, Url=URL, Name="c"))[0]


async def test_wrong_credentials_are_refused() -> None:
    """A wrong token gives 401 and 20003; another account is not found."""
    async with double_of(small_world()) as api:
        api.password = "wrong"
        status, body = await api.get("/Conferences.json")
        assert (401, 20003) == (status, body["code"])


async def test_faults_come_first() -> None:
    """The first requests get 429 and 503 as asked for, the next one its answer."""
    async with double_of(small_world(), Faults(too_many_requests=2, unavailable=1)) as api:
        answers = [await api.get("/Conferences.json") for _ in range(4)]
    assert [429, 429, 503, 200] == [status for status, _ in answers]
    assert 20429 == answers[0][1]["code"]


async def test_conference_is_found_by_its_task() -> None:
    """The conference of a task lists its participants, with status, label, hold and coaching."""
    async with double_of(small_world()) as api:
        _, found = await api.get("/Conferences.json", FriendlyName=TASK, Status="in-progress")
        _, none = await api.get("/Conferences.json", FriendlyName=TASK, Status="completed")
        _, listed = await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
        missing, _ = await api.get(f"/Conferences/CF{'0' * 32}/Participants.json")
    assert [CONFERENCE] == [conference["sid"] for conference in found["conferences"]]
    assert ([], 404) == (none["conferences"], missing)
    assert [
        (WORKER_LEG, "worker", "connected", False),
        (LEG, "customer", "connected", False),
        (RINGING_LEG, None, "ringing", False),
    ] == [(p["call_sid"], p["label"], p["status"], p["coaching"]) for p in listed["participants"]]


async def test_a_leg_is_looked_up_with_its_ends() -> None:
    """Ends, direction and status, also of a leg that is over; an unknown leg is not found."""
    world = small_world()
    async with double_of(world) as api:
        _, leg = await api.get(f"/Calls/{WORKER_LEG}.json")
        world.apply(LegChanged(WORKER_LEG, LegStatus.COMPLETED), 5_000)
        _, over = await api.get(f"/Calls/{WORKER_LEG}.json")
        missing, body = await api.get(f"/Calls/CA{'9' * 32}.json")
    assert ("+15550001000", "client:ann_40example_2Ecom") == (leg["from"], leg["to"])
    assert ("outbound-api", "in-progress", None) == (
        leg["direction"],
        leg["status"],
        leg["end_time"],
    )
    assert ("completed", "Thu, 01 Jan 1970 00:00:05 +0000") == (over["status"], over["end_time"])
    assert (404, 20404) == (missing, body["code"])


async def test_what_is_not_offered_is_refused() -> None:
    """Media streams cannot be listed, and conferences have no other statuses than Twilio's."""
    async with double_of(small_world()) as api:
        listing, body = await api.get(f"/Calls/{LEG}/Streams.json")
        odd, wrong = await api.get("/Conferences.json", Status="ringing")
    assert (405, 20004) == (listing, body["code"])
    assert (400, 20001) == (odd, wrong["code"])


async def test_requests_are_counted_for_their_task() -> None:
    """By the conference's name, the conference, and the leg; a request that a fault refuses does
    not count."""
    world = small_world()
    async with double_of(world, Faults(too_many_requests=1)) as api:
        for _ in range(2):
            await api.get("/Conferences.json", FriendlyName=TASK)
        await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
        await api.get(f"/Calls/{WORKER_LEG}.json")
        await api.get("/Conferences.json", FriendlyName="another")
    assert {TASK: 3, "another": 1} == {name: len(at) for name, at in world.requests.items()}


async def test_a_muted_supervisor_is_listed_and_not_heard() -> None:
    """The conference shows the leg as muted, and no other leg hears it."""
    world = small_world()
    supervisor = "CA" + "7" * 32
    world.apply(LegBegan(supervisor, LegStatus.IN_PROGRESS), 0)
    world.apply(ParticipantLeft(CONFERENCE, WORKER_LEG), 0)
    joined = ParticipantJoined(CONFERENCE, supervisor, None, Voice.AGENT, muted=True)
    world.apply(joined, 0)
    async with double_of(world) as api:
        _, listed = await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
    assert {supervisor} == {p["call_sid"] for p in listed["participants"] if p["muted"]}
    heard = world.scene(LEG)
    assert heard is not None
    assert Voice.HOLD_MUSIC is heard.outbound
