"""Media streams of the REST double reach a gateway as Twilio's do."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import Server, ServerConnection, serve

from simulator.expected import SentFrame, expected_audio
from simulator.media import send_media_stream
from simulator.script import Json, LegChanged, LegStatus
from simulator.unlike import Unlike
from tests.simulator.twilio_api import (
    CREDENTIALS,
    LEG,
    RINGING_LEG,
    TASK,
    double_of,
    small_world,
)


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
    world = small_world()
    async with _tiny_gateway() as gateway, double_of(world) as api:
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
    world = small_world()
    async with _tiny_gateway() as gateway, double_of(world) as api:
        await api.post(f"/Calls/{LEG}/Streams.json", Url=gateway.url)
        await gateway.frames_came.wait()
        world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        await gateway.closed.wait()
    assert "stop" == gateway.messages[-1]["event"]
    assert {"inbound"} == {frame.track for frame in gateway.frames()}


async def test_unreachable_gateway_is_trouble() -> None:
    """A media stream to an unreachable gateway ends, with its trouble noted."""
    world = small_world()
    async with double_of(world) as api:
        status, _ = await api.post(f"/Calls/{LEG}/Streams.json", Url="ws://127.0.0.1:1/media")
    (media_stream,) = world.legs[LEG].media_streams
    assert (200, None) == (status, media_stream.began_at)
    assert media_stream.trouble is not None


@pytest.mark.parametrize("ends_first", [True, False], ids=["before", "after"])
async def test_a_leg_that_is_never_answered_makes_the_media_stream_void(ends_first: bool) -> None:
    """Its ringing may end before the socket is open, or after."""
    world = small_world(frozenset({Unlike.START_WHILE_RINGING}))
    unanswered = LegChanged(RINGING_LEG, LegStatus.NO_ANSWER)
    async with _tiny_gateway() as gateway:
        stream = world.start_media_stream(RINGING_LEG, {"Url": gateway.url}, 0)
        if ends_first:
            world.apply(unanswered, 1)
        sending = asyncio.create_task(send_media_stream(world, stream, CREDENTIALS))
        while len(gateway.messages) < 2 and not sending.done():  # noqa: ASYNC110 - plain state
            await asyncio.sleep(0.01)
        world.apply(unanswered, 1)
        await sending
    assert stream.is_void
    assert not stream.sent
