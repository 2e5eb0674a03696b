"""What could not be verified about Twilio is played in the usual way, or in the other by name."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import aiohttp
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve

from simulator.audio import FRAME_MS, Voice
from simulator.expected import INBOUND, OUTBOUND
from simulator.media import Credentials, clock
from simulator.script import (
    ConferenceBegan,
    Json,
    LegBegan,
    LegChanged,
    LegStatus,
    ParticipantJoined,
    Sids,
)
from simulator.surplus import counted, surplus
from simulator.twilio_rest import Faults, TwilioRest
from simulator.unlike import NONE, OTHERWISE, UnknownName, Unlike, parsed
from simulator.world import ApiError, MediaStream, World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
LEG, WORKER_LEG, RINGING_LEG = "CA" + "1" * 32, "CA" + "2" * 32, "CA" + "3" * 32
TASK, CONFERENCE = "WT" + "4" * 32, "CF" + "5" * 32
URL = "wss://example.com/media"
STREAMS = f"/2010-04-01/Accounts/{CREDENTIALS.account_sid}/Calls/{LEG}/Streams"


def _world(unlike: frozenset[Unlike] = NONE) -> World:
    world = World(Sids(Random(1)), unlike)
    world.apply(LegBegan(LEG, LegStatus.IN_PROGRESS), 0, seed="call")
    world.apply(LegBegan(WORKER_LEG, LegStatus.IN_PROGRESS), 0)
    world.apply(LegBegan(RINGING_LEG, LegStatus.RINGING), 0)
    world.apply(ConferenceBegan(CONFERENCE, TASK), 0)
    world.apply(ParticipantJoined(CONFERENCE, WORKER_LEG, "worker", Voice.AGENT), 0)
    world.apply(ParticipantJoined(CONFERENCE, LEG, "customer", Voice.CUSTOMER), 0)
    return world


@dataclass
class Gateway:
    """Takes sockets, keeps the messages of each, and pings the first."""

    url: str = ""
    signatures: list[str] = field(default_factory=list)
    sockets: list[list[Json]] = field(default_factory=list)
    pongs: int = 0
    open: int = 0

    async def take(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.signatures.append(socket.request.headers["X-Twilio-Signature"])
        messages: list[Json] = []
        self.sockets.append(messages)
        self.open += 1
        pinging = asyncio.create_task(self._ping(socket, len(self.sockets)))
        async for text in socket:
            messages.append(json.loads(text))  # noqa: PERF401 - seen at once
        pinging.cancel()
        self.open -= 1

    async def _ping(self, socket: ServerConnection, number: int) -> None:
        await (await socket.ping())
        self.pongs += number == 1

    def media(self) -> list[Json]:
        """What `media` messages of the first socket say."""
        return [message["media"] for message in self.sockets[0] if message["event"] == "media"]


@dataclass
class Stage:
    """A gateway, a Twilio, and a client of it."""

    gateway: Gateway
    world: World
    rest: TwilioRest
    session: aiohttp.ClientSession

    async def post(self, path: str, **form: str) -> tuple[int, Json]:
        async with self.session.post(self.rest.url + path, data=form) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **query: str) -> Json:
        async with self.session.get(self.rest.url + path, params=query) as answer:
            found: Json = await answer.json()
            return found

    async def start(self, name: str = "one") -> tuple[int, Json]:
        form = {"Url": self.gateway.url, "Name": name, "Track": "both_tracks"}
        return await self.post(f"{STREAMS}.json", **form)


@asynccontextmanager
async def _stage(*unlike: Unlike) -> AsyncIterator[Stage]:
    gateway, world = Gateway(), _world(frozenset(unlike))
    auth = aiohttp.BasicAuth(CREDENTIALS.account_sid, CREDENTIALS.auth_token)
    async with (
        serve(gateway.take, "127.0.0.1", 0, ping_interval=None) as server,
        TwilioRest(world, CREDENTIALS, Faults()) as rest,
        aiohttp.ClientSession(auth=auth) as session,
    ):
        host, port = next(iter(server.sockets)).getsockname()
        gateway.url = f"ws://{host}:{port}/media"
        yield Stage(gateway, world, rest, session)


async def _played(*unlike: Unlike, frames: int = 60) -> Gateway:
    """A media stream of the length of `frames` frames, stopped by its name."""
    async with _stage(*unlike) as stage:
        stage.world.origins = dict.fromkeys(stage.world.origins, clock())  # the voices begin now
        await stage.start()
        (stream,) = stage.world.legs[LEG].media_streams
        async with asyncio.timeout(10):
            while _length_ms(stream) < frames * FRAME_MS:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await stage.post(f"{STREAMS}/one.json", Status="stopped")
            while stage.gateway.open:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    return stage.gateway


def _length_ms(stream: MediaStream) -> int:
    times = [frame.timestamp for frame in stream.sent]
    return max(times) - min(times) if times else 0


def test_names_are_known() -> None:
    """Each name can be given, several with commas; of an unknown one the error lists all."""
    assert parsed("silence, Chunk,") == {Unlike.SILENCE, Unlike.CHUNK}
    assert set(Unlike) == set(OTHERWISE)
    for text in ("nonsense", "silence,nonsense", ",", " "):
        with pytest.raises(UnknownName, match="held-customer"):
            parsed(text)


async def test_usual_media() -> None:
    """Usually: a frame every 20 ms on both tracks, chunks counted per track, `stop` at the end."""
    gateway = await _played()
    media = gateway.media()
    for track in (INBOUND, OUTBOUND):
        chunks = [int(m["chunk"]) for m in media if m["track"] == track]
        times = [int(m["timestamp"]) for m in media if m["track"] == track]
        assert list(range(1, len(chunks) + 1)) == chunks
        assert all(15 < b - a < 25 for a, b in pairwise(times))
        assert times[0] > 0
    assert "stop" == gateway.sockets[0][-1]["event"]
    assert (1, 1) == (gateway.pongs, len(gateway.sockets))
    assert RequestValidator("secret").compute_signature(gateway.url, {}) == gateway.signatures[0]


async def test_media_the_other_way() -> None:
    """All that concerns frames and sockets, the other way, at once."""
    gateway = await _played(
        Unlike.SILENCE,
        Unlike.CHUNK,
        Unlike.FIRST_TIMESTAMP,
        Unlike.TIMESTAMP_STEPS,
        Unlike.TRACKS,
        Unlike.PING,
        Unlike.STOP_MESSAGE,
        Unlike.SECOND_SOCKET,
        Unlike.SIGNATURE_URL,
        frames=130,
    )
    media = gateway.media()
    assert list(range(1, len(media) + 1)) == [int(m["chunk"]) for m in media]
    outbound = [int(m["timestamp"]) for m in media if m["track"] == OUTBOUND]
    assert 0 == outbound[0]  # it carries the customer, a voice from the beginning
    assert [after - before for before, after in pairwise(outbound)].count(39)
    inbound = [int(m["timestamp"]) for m in media if m["track"] == INBOUND]
    assert inbound[0] > 1000  # the agent begins to speak after a while
    assert all(any(base64.b64decode(m["payload"])[40:60].strip(b"\xff")) for m in media)
    assert "media" == gateway.sockets[0][-1]["event"]
    assert (0, 2) == (gateway.pongs, len(gateway.sockets))
    unported = "ws://127.0.0.1/media"
    assert RequestValidator("secret").compute_signature(unported, {}) == gateway.signatures[0]


async def test_socket_stays_open_after_the_call() -> None:
    """After the call the socket is open, nothing comes, and a stop does not find it."""
    async with _stage(Unlike.SOCKET_AFTER_CALL) as stage:
        await stage.start()
        async with asyncio.timeout(5):
            while len(stage.world.legs[LEG].media_streams[0].sent) < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        stage.world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        await asyncio.sleep(0.1)
        connected = len(stage.gateway.sockets[0])
        await asyncio.sleep(0.2)
        assert (connected, 1) == (len(stage.gateway.sockets[0]), stage.gateway.open)
        assert "media" == stage.gateway.sockets[0][-1]["event"]
        assert 404 == (await stage.post(f"{STREAMS}/one.json", Status="stopped"))[0]


async def test_start_is_answered_after_the_socket_is_open() -> None:
    """Frames have come when the answer comes."""
    async with _stage(Unlike.START_ANSWER) as stage:
        status, _ = await stage.start()
        assert (200, True) == (status, len(stage.gateway.sockets[0]) > 5)


async def test_same_name_starts_another_after_a_lost_answer() -> None:
    """The first answer is lost; the start that is repeated starts another media stream. Only the
    longer one counts."""
    async with _stage(Unlike.SAME_NAME) as stage:
        with pytest.raises(aiohttp.ClientError):
            await stage.start()
        status, second = await stage.start()
        assert 200 == status
        await asyncio.sleep(0.2)
        await stage.post(f"{STREAMS}/{second['sid']}.json", Status="stopped")
        await asyncio.sleep(0.2)
        every = stage.world.legs[LEG].media_streams
    assert [every[0]] == counted(every)
    assert [every[1]] == surplus(every)


def test_starts_and_stops_both_ways() -> None:
    """A ringing leg, a name that runs, a third and fourth track, a stop after the end."""
    usual, other = _world(), _world(frozenset(Unlike))
    form = {"Url": URL, "Name": "one", "Track": "both_tracks"}
    with pytest.raises(ApiError, match="21220"):
        usual.start_media_stream(RINGING_LEG, form, 0)
    assert "one" == other.start_media_stream(RINGING_LEG, form, 0).name
    usual.start_media_stream(LEG, form, 0)
    with pytest.raises(ApiError, match="409"):
        usual.start_media_stream(LEG, form, 0)
    usual.start_media_stream(LEG, form | {"Name": "two"}, 0)
    other.start_media_stream(LEG, form, 0)
    with pytest.raises(ApiError, match="Too many tracks"):
        other.start_media_stream(LEG, form | {"Name": "two"}, 0)
    for world, code in ((usual, "20404"), (other, "21220")):
        world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        with pytest.raises(ApiError, match=code):
            world.stop_media_stream(LEG, "one", "stopped")


async def test_lists_both_ways() -> None:
    """One row a page and absolute URLs; participants without label and status."""
    path = f"/2010-04-01/Accounts/{CREDENTIALS.account_sid}/Conferences/{CONFERENCE}/Participants"
    async with _stage() as stage:
        usual = await stage.get(f"{path}.json")
    async with _stage(Unlike.PAGING, Unlike.LABELS, Unlike.PARTICIPANT_STATUS) as stage:
        other = await stage.get(f"{path}.json")
        page = other["next_page_uri"].removeprefix("https://api.twilio.com")
        last = await stage.get(page)
    assert (2, None) == (len(usual["participants"]), usual["next_page_uri"])
    assert ["worker", "customer"] == [p["label"] for p in usual["participants"]]
    assert (1, 1, None) == (
        len(other["participants"]), len(last["participants"]), last["next_page_uri"],
    )  # fmt: skip
    for participant in (*other["participants"], *last["participants"]):
        assert participant["label"] is None
        assert "status" not in participant
