"""The REST double refuses what Twilio refuses, and its media reach a gateway as Twilio's do."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

import aiohttp
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import Server, ServerConnection, serve

from simulator.audio import Voice
from simulator.expected import SentFrame, expected_audio
from simulator.media import Credentials
from simulator.paging import paged
from simulator.script import (
    ConferenceBegan,
    DialledEnds,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    Line,
    ParticipantJoined,
    ParticipantLeft,
    Sids,
)
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
LEG, WORKER_LEG, RINGING_LEG = "CA" + "1" * 32, "CA" + "2" * 32, "CA" + "3" * 32
TASK, CONFERENCE = "WT" + "4" * 32, "CF" + "5" * 32
REFUSING_LEG = "CA" + "6" * 32
URL = "wss://example.com/media"


def _world() -> World:
    """A customer with an agent, and a leg that rings."""
    world = World(Sids(Random(1)))
    world.apply(
        LegBegan(LEG, LegStatus.IN_PROGRESS), 0, seed="call", line=Line(range(5, 8), range(9, 10))
    )
    ends = DialledEnds("+15550001000", "client:ann_40example_2Ecom", "outbound-api")
    world.apply(LegBegan(WORKER_LEG, LegStatus.IN_PROGRESS, ends), 0, seed=TASK)
    world.apply(LegBegan(RINGING_LEG, LegStatus.RINGING), 0)
    world.apply(ConferenceBegan(CONFERENCE, TASK), 0)
    world.apply(ParticipantJoined(CONFERENCE, WORKER_LEG, "worker", Voice.AGENT), 0)
    world.apply(ParticipantJoined(CONFERENCE, LEG, "customer", Voice.CUSTOMER), 0)
    world.apply(ParticipantJoined(CONFERENCE, RINGING_LEG, None, Voice.OUTSIDER), 0)
    return world


@dataclass
class Api:
    """A client of the double."""

    session: aiohttp.ClientSession
    base: str
    account: str = CREDENTIALS.account_sid
    password: str = CREDENTIALS.auth_token

    async def post(self, path: str, **form: str) -> tuple[int, Json]:
        """POST of a form: status and body."""
        return await self._asked("POST", path, data=form)

    async def get(self, path: str, **query: str) -> tuple[int, Json]:
        """GET: status and body."""
        return await self._asked("GET", path, params=query)

    async def _asked(self, method: str, path: str, **more: dict[str, str]) -> tuple[int, Json]:
        url = f"{self.base}/2010-04-01/Accounts/{self.account}{path}"
        auth = aiohttp.BasicAuth(self.account, self.password)
        async with self.session.request(method, url, auth=auth, **more) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.json()


@asynccontextmanager
async def _double(world: World, faults: Faults | None = None) -> AsyncIterator[Api]:
    rest = TwilioRest(world, CREDENTIALS, faults or Faults())
    async with rest, aiohttp.ClientSession() as session:
        yield Api(session, rest.url)


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
    world = _world()
    world.apply(LegBegan(REFUSING_LEG, LegStatus.IN_PROGRESS), 0)
    world.refusing.add(REFUSING_LEG)
    async with _double(world) as api:
        answered, body = await api.post(f"/Calls/{call_sid}/Streams.json", **form)
    assert (status, code, status) == (answered, body["code"], body["status"])


async def test_same_name_and_too_many_tracks_are_refused() -> None:
    """A name runs once on a call, and no more than four tracks do."""
    world = _world()
    for name in ("a", "b"):
        world.start_media_stream(LEG, {"Url": URL, "Name": name, "Track": "both_tracks"}, 0)
    async with _double(world) as api:
        path = f"/Calls/{LEG}/Streams.json"
        assert 409 == (await api.post(path, Url=URL, Name="a"))[0]
        assert 400 == (await api.post(path, Url=URL, Name="c"))[0]


async def test_wrong_credentials_are_refused() -> None:
    """A wrong token gives 401 and 20003; another account is not found."""
    async with _double(_world()) as api:
        api.password = "wrong"
        status, body = await api.get("/Conferences.json")
        assert (401, 20003) == (status, body["code"])


async def test_faults_come_first() -> None:
    """The first requests get 429 and 503 as asked for, the next one its answer."""
    async with _double(_world(), Faults(too_many_requests=2, unavailable=1)) as api:
        answers = [await api.get("/Conferences.json") for _ in range(4)]
    assert [429, 429, 503, 200] == [status for status, _ in answers]
    assert 20429 == answers[0][1]["code"]


async def test_conference_is_found_by_its_task() -> None:
    """The conference of a task lists its participants, with status, label, hold and coaching."""
    async with _double(_world()) as api:
        _, found = await api.get("/Conferences.json", FriendlyName=TASK, Status="in-progress")
        _, none = await api.get("/Conferences.json", FriendlyName=TASK, Status="completed")
        _, listed = await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
        missing, _ = await api.get(f"/Conferences/CF{'0' * 32}/Participants.json")
    assert [CONFERENCE] == [conference["sid"] for conference in found["conferences"]]
    assert ([], 404) == (none["conferences"], missing)
    told = [(p["call_sid"], p["label"], p["status"], p["coaching"]) for p in listed["participants"]]
    assert [
        (WORKER_LEG, "worker", "connected", False),
        (LEG, "customer", "connected", False),
        (RINGING_LEG, None, "ringing", False),
    ] == told


async def test_a_leg_is_looked_up_with_its_ends() -> None:
    """Ends, direction and status, also of a leg that is over; an unknown leg is not found."""
    world = _world()
    async with _double(world) as api:
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
    async with _double(_world()) as api:
        listing, body = await api.get(f"/Calls/{LEG}/Streams.json")
        odd, wrong = await api.get("/Conferences.json", Status="ringing")
    assert (405, 20004) == (listing, body["code"])
    assert (400, 20001) == (odd, wrong["code"])


async def test_requests_are_counted_for_their_task() -> None:
    """By the conference's name, the conference, and the leg; a request that a fault refuses does
    not count."""
    world = _world()
    async with _double(world, Faults(too_many_requests=1)) as api:
        for _ in range(2):
            await api.get("/Conferences.json", FriendlyName=TASK)
        await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
        await api.get(f"/Calls/{WORKER_LEG}.json")
        await api.get("/Conferences.json", FriendlyName="another")
    assert {TASK: 3, "another": 1} == {name: len(at) for name, at in world.requests.items()}


async def test_a_muted_supervisor_is_listed_and_not_heard() -> None:
    """The conference shows the leg as muted, and no other leg hears it."""
    world = _world()
    supervisor = "CA" + "7" * 32
    world.apply(LegBegan(supervisor, LegStatus.IN_PROGRESS), 0)
    world.apply(ParticipantLeft(CONFERENCE, WORKER_LEG), 0)
    joined = ParticipantJoined(CONFERENCE, supervisor, None, Voice.AGENT, muted=True)
    world.apply(joined, 0)
    async with _double(world) as api:
        _, listed = await api.get(f"/Conferences/{CONFERENCE}/Participants.json")
    assert {supervisor} == {p["call_sid"] for p in listed["participants"] if p["muted"]}
    heard = world.scene(LEG)
    assert heard is not None
    assert Voice.HOLD_MUSIC is heard.outbound


def test_pages() -> None:
    """Following `next_page_uri`, which is relative and null at the end, gives all rows in order."""
    rows = [{"sid": number} for number in range(7)]
    seen, query = [], {"PageSize": "3"}
    while True:
        page = paged("rows", rows, "/path", query)
        seen += page["rows"]
        if page["next_page_uri"] is None:
            break
        assert page["next_page_uri"].startswith("/path?")
        query = dict(pair.split("=") for pair in page["next_page_uri"].split("?")[1].split("&"))
    assert rows == seen


@dataclass
class TinyGateway:
    """Accepts media streams and keeps their messages."""

    url: str = ""
    signatures: list[str] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    frames_came: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    pongs: int = 0

    async def take(self, socket: ServerConnection) -> None:
        """One socket, to its end."""
        assert socket.request is not None
        self.signatures.append(socket.request.headers["X-Twilio-Signature"])
        await (await socket.ping())
        self.pongs += 1
        async for text in socket:
            self.messages.append(json.loads(text))
            if len(self.messages) >= 30:
                self.frames_came.set()
        self.closed.set()

    def frames(self) -> list[SentFrame]:
        """The media frames, in order."""
        media = [message["media"] for message in self.messages if message["event"] == "media"]
        return [
            SentFrame(m["track"], int(m["timestamp"]), base64.b64decode(m["payload"]))
            for m in media
        ]


@asynccontextmanager
async def _tiny_gateway() -> AsyncIterator[TinyGateway]:
    gateway = TinyGateway()
    server: Server
    async with serve(gateway.take, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()
        gateway.url = f"ws://{host}:{port}/media"
        yield gateway


async def test_media_stream_from_start_to_stop() -> None:
    """A started media stream is signed, identifies itself, and sends both tracks numbered. It
    leaves out lost frames with their numbers and silent frames without, answers pings, and ends
    with `stop`. The received frames are those that were sent."""
    world = _world()
    async with _tiny_gateway() as gateway, _double(world) as api:
        path = f"/Calls/{LEG}/Streams"
        form = {"Url": gateway.url, "Name": "one", "Track": "both_tracks"}
        parameter = {"Parameter1.Name": "taskSid", "Parameter1.Value": TASK}
        status, started = await api.post(f"{path}.json", **form, **parameter)
        await gateway.frames_came.wait()
        stopped = await api.post(f"{path}/one.json", Status="stopped")
        await gateway.closed.wait()
        again, _ = await api.post(f"{path}/{started['sid']}.json", Status="stopped")
    assert (200, "in-progress") == (status, started["status"])
    assert ((200, "stopped"), 404) == ((stopped[0], stopped[1]["status"]), again)
    validator = RequestValidator(CREDENTIALS.auth_token)
    assert validator.validate(gateway.url, {}, gateway.signatures[0])
    connected, start, *_, stop = gateway.messages
    assert ("connected", "start", "stop") == (connected["event"], start["event"], stop["event"])
    assert {"taskSid": TASK} == start["start"]["customParameters"]
    numbers = [int(message["sequenceNumber"]) for message in gateway.messages[1:]]
    lost = set(range(12, 18))  # after `start` and five frames of each track
    assert [n for n in range(1, numbers[-1] + 1) if n not in lost] == numbers
    (sent,) = world.legs[LEG].media_streams
    assert [replace(each, skipped=0) for each in sent.sent] == gateway.frames()
    assert [0, len(lost)] == sorted({each.skipped for each in sent.sent})
    assert 8 == expected_audio(sent.sent).lost
    assert 0 < sent.sent[0].timestamp
    assert gateway.pongs == 1
    assert len(sent.sent_at) == len(sent.sent)


async def test_media_stream_ends_with_its_leg() -> None:
    """When the customer hangs up, `stop` comes and the media stream is over."""
    world = _world()
    async with _tiny_gateway() as gateway, _double(world) as api:
        await api.post(f"/Calls/{LEG}/Streams.json", Url=gateway.url)
        await gateway.frames_came.wait()
        world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        await gateway.closed.wait()
    assert "stop" == gateway.messages[-1]["event"]
    assert {"inbound"} == {frame.track for frame in gateway.frames()}


async def test_unreachable_gateway_is_trouble() -> None:
    """A media stream to an unreachable gateway ends, with its trouble noted."""
    world = _world()
    async with _double(world) as api:
        status, _ = await api.post(f"/Calls/{LEG}/Streams.json", Url="ws://127.0.0.1:1/media")
    (media_stream,) = world.legs[LEG].media_streams
    assert (200, None) == (status, media_stream.began_at)
    assert media_stream.trouble is not None
