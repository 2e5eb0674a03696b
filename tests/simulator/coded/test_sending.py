"""Coded audio on a socket: paced, complete, honest about what the socket did not take."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from simulator.coded.pacing import Pacer
from simulator.coded.sending import CodedMedia
from simulator.expected import TRACKS, SentFrame
from simulator.media import Credentials
from simulator.script import LegBegan, LegChanged, LegStatus, Line, Sids
from simulator.world import MediaStream, World

CREDENTIALS = Credentials("AC" + "a" * 32, "secret")
LEG = "CA" + "1" * 32


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


class Run:
    """One media stream towards a server that does what the test says."""

    def __init__(self, port: int, line: Line) -> None:
        self.world = World(Sids(Random(1)))
        self.world.apply(LegBegan(LEG, LegStatus.IN_PROGRESS), 0, line=line)
        self.url = f"ws://127.0.0.1:{port}/media/token"
        form = {"Url": self.url, "Track": "both_tracks", "Parameter1.Name": "taskSid",
                "Parameter1.Value": "WT1"}  # fmt: skip
        self.stream: MediaStream = self.world.start_media_stream(LEG, form, 0)
        self.pacer = Pacer()
        self.media = CodedMedia(self.pacer)
        self.sending = asyncio.create_task(self.media.send(self.world, self.stream, CREDENTIALS))

    async def turns(self, number: int) -> None:
        """Returns once so many have passed."""
        streams = self.media.streams
        await _until(lambda: bool(streams) and streams[0].turns >= number)

    async def hung_up(self) -> None:
        """The leg ends, and with it the media stream."""
        self.world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        async with asyncio.timeout(30):
            await self.sending


@asynccontextmanager
async def _running(
    handle: Callable[[ServerConnection], Awaitable[None]], line: Line | None = None
) -> AsyncIterator[Run]:
    async with serve(handle, "127.0.0.1", 0, compression=None, max_queue=4) as server:
        run = Run(next(iter(server.sockets)).getsockname()[1], line or Line())
        pacing = asyncio.create_task(run.pacer.run())
        try:
            yield run
        finally:
            pacing.cancel()
            run.stream.stopping = True
            await asyncio.gather(run.sending)


async def test_what_is_sent_is_what_is_said_to_be_sent() -> None:
    """Signed for its URL, begun and ended as Twilio does, each frame on its track in order; pings
    are answered meanwhile."""
    messages: list[Any] = []
    signed: list[bool] = []

    async def handle(ws: ServerConnection) -> None:
        assert ws.request is not None
        given = ws.request.headers["X-Twilio-Signature"]
        validator = RequestValidator(CREDENTIALS.auth_token)
        signed.append(validator.compute_signature(run.url, {}) == given)
        await (await ws.ping())
        async for message in ws:
            messages.append(json.loads(message))
            if messages[-1]["event"] == "stop":
                return

    async with _running(handle) as run:
        await run.turns(30)
        await run.hung_up()
    assert ([True], None) == (signed, run.stream.trouble)
    kinds = [message["event"] for message in messages]
    assert ["connected", "start", *["media"] * (len(kinds) - 3), "stop"] == kinds
    assert messages[1]["start"]["customParameters"] == {"taskSid": "WT1"}
    numbers = [int(message["sequenceNumber"]) for message in messages[1:]]
    assert list(range(1, len(numbers) + 1)) == numbers
    [coded] = run.media.streams
    for track in TRACKS:
        media = [m["media"] for m in messages[2:-1] if m["media"]["track"] == track]
        got = [SentFrame(track, int(m["timestamp"]), b64decode(m["payload"])) for m in media]
        assert [sent for _, sent in coded.sent(track)] == got
    assert [] == coded.thrown_away


async def test_what_a_socket_does_not_take_is_thrown_away() -> None:
    """Dropped frames are noted, and later frames keep their own times."""
    read, received = asyncio.Event(), []

    async def handle(ws: ServerConnection) -> None:
        await read.wait()
        async for message in ws:
            received.append(json.loads(message))
            if received[-1]["event"] == "stop":
                return

    async with _running(handle) as run:
        coded = await _thrown_away(run)
        read.set()
        await _taken_again(run)
        await run.hung_up()
    assert run.stream.trouble is None
    for track in TRACKS:
        media = [message["media"] for message in received if message["event"] == "media"]
        times = [one["timestamp"] for one in media if one["track"] == track]
        assert [str(sent.timestamp) for _, sent in coded.sent(track)] == times


async def test_silence_has_no_numbers_and_what_is_lost_has() -> None:
    """Both leave a hole in the timestamps; pings are answered in a silence."""
    messages: list[Any] = []

    async def handle(ws: ServerConnection) -> None:
        async for message in ws:
            messages.append(json.loads(message))
            if int(messages[-1].get("sequenceNumber", 0)) == 1 + 2 * 5:
                await (await ws.ping())  # the silence begins

    async with _running(handle, Line(lost=range(20, 23), silent=range(5, 15))) as run:
        await run.turns(30)
        await run.hung_up()
    media = [message for message in messages if message["event"] == "media"]
    numbers = [int(message["sequenceNumber"]) for message in media]
    [coded] = run.media.streams
    lost = set(range(2 + 2 * 10, 2 + 2 * 13))  # after `start`, and ten turns with both tracks
    assert [n for n in range(2, numbers[-1] + 1) if n not in lost] == numbers
    times = [int(m["media"]["timestamp"]) for m in media if m["media"]["track"] == TRACKS[0]]
    assert [sent.timestamp for _, sent in coded.sent(TRACKS[0])] == times
    assert coded.frames == len(media) == 2 * (coded.turns - 13)


async def test_a_media_stream_may_stay_on_after_it_was_stopped() -> None:
    """Until its time is over, or the other side closes the socket."""
    closing = asyncio.Event()

    async def handle(ws: ServerConnection) -> None:
        await closing.wait()
        await ws.close()

    async with _running(handle, Line(stays_on_ms=60_000)) as run:
        await run.turns(5)
        run.world.apply(LegChanged(LEG, LegStatus.COMPLETED), 1)
        run.stream.stopping = True
        await run.turns(run.media.streams[0].turns + 5)
        closing.set()
        async with asyncio.timeout(30):
            await run.sending
    assert run.stream.trouble is not None
    assert run.media.streams[0].closed_at is not None


async def _thrown_away(run: Run) -> Any:
    """Turns the wheel by hand, quicker than time goes, until the socket is full."""
    await run.turns(1)
    [coded] = run.media.streams
    [socket] = [one for slot in run.pacer._wheel for one in slot]
    async with asyncio.timeout(30):
        while not coded.thrown_away:
            socket.turn()
            await asyncio.sleep(0)
    return coded


async def _taken_again(run: Run) -> None:
    [coded] = run.media.streams
    await _until(lambda: coded.thrown_away[-1] < coded.turns - 1)


@pytest.mark.parametrize("code", [1008, 1011])
async def test_a_socket_that_is_closed_is_not_opened_again(code: int) -> None:
    """Nor is one that is refused; why stands in the media stream's trouble."""
    opened = []

    async def handle(ws: ServerConnection) -> None:
        opened.append(ws)
        await ws.recv()
        await ws.close(code)

    async with _running(handle) as run:
        async with asyncio.timeout(30):
            await run.sending
    assert 1 == len(opened)
    assert str(code) in str(run.stream.trouble)


async def test_a_gateway_that_is_gone_is_trouble() -> None:
    """No process listens on the port."""

    async def handle(ws: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await ws.recv()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
    run = Run(port, Line())
    await run.sending
    assert "Error" in str(run.stream.trouble)
    assert 0 == run.media.streams[0].frames
