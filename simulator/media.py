"""Send a media stream to the URL of its start request, like Twilio Media Streams.

It sends one frame of 20 ms on each track every 20 ms. Numbers are strings, the first timestamp is
not 0, and some timestamps are a little early. The `MediaStream` keeps every frame that was sent, so
that the expected recording can be computed.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from random import Random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from simulator.audio import FRAME_MS, Voice, frame, is_silent
from simulator.expected import INBOUND, OUTBOUND, SentFrame
from simulator.habits import LINGERS_S, TIMESTAMP_STEP, Deaf, second_socket, signed_url
from simulator.script import Json, LegStatus
from simulator.unlike import Unlike
from simulator.world import ENDED, TRACKS, MediaStream, Scene, StreamStatus, World

OPEN_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 5.0
FIRST_TIMESTAMP_MS = (99, 171)
EARLY_SHARE = 0.02
EARLY_MS = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Twilio account's SID and auth token."""

    account_sid: str
    auth_token: str


def signature(auth_token: str, url: str) -> str:
    """Return the X-Twilio-Signature of a handshake: base64 of the HMAC-SHA1 of the URL."""
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def clock() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def send_media_stream(
    world: World, media_stream: MediaStream, credentials: Credentials
) -> None:
    """Run a media stream until it is stopped, its leg ends, or the socket drops. Like Twilio, do
    not connect again. `trouble` then says what went wrong."""
    try:
        async with _connected(world, media_stream, credentials) as socket:
            media_stream.began_at = clock()
            await _Sender(world, media_stream, credentials, socket).run()
    except (OSError, TimeoutError, WebSocketException) as error:
        media_stream.trouble = f"{type(error).__name__}: {error}"
    media_stream.status = StreamStatus.STOPPED
    media_stream.ended_at = media_stream.ended_at or clock()


def _connected(world: World, media_stream: MediaStream, credentials: Credentials) -> connect:
    url = media_stream.url
    signed = signed_url(url) if Unlike.SIGNATURE_URL in world.unlike else url
    return connect(
        url,
        additional_headers={"X-Twilio-Signature": signature(credentials.auth_token, signed)},
        user_agent_header="Twilio.TmeWs/1.0",
        compression=None,
        open_timeout=OPEN_TIMEOUT_S,
        close_timeout=2,
        ping_interval=None,
        proxy=None,
        create_connection=Deaf if Unlike.PING in world.unlike else ClientConnection,
    )


class _Sender:
    def __init__(
        self,
        world: World,
        media_stream: MediaStream,
        credentials: Credentials,
        socket: ClientConnection,
    ) -> None:
        self._world = world
        self._media_stream = media_stream
        self._account_sid = credentials.account_sid
        self._socket = socket
        self._leg = world.legs[media_stream.call_sid]
        self._sequence = 0
        self._skipped = 0
        self._chunks = {INBOUND: 0, OUTBOUND: 0}

    async def run(self) -> None:
        await self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self._send_numbered("start", started(self._media_stream, self._account_sid))
        unlike = self._world.unlike
        if Unlike.SECOND_SOCKET in unlike:
            self._second = asyncio.create_task(second_socket(self._socket, self._media_stream.url))
        await self._answered()
        await self._frames()
        self._media_stream.ended_at = clock()
        if Unlike.SOCKET_AFTER_CALL in unlike and self._leg.status in ENDED:
            await self._linger()
        elif Unlike.STOP_MESSAGE not in unlike:
            ids = {"accountSid": self._account_sid, "callSid": self._leg.sid}
            await self._send_numbered("stop", ids)

    async def _answered(self) -> None:
        """Wait while the leg rings, because it has no audio yet. The media stream's clock runs."""
        stream = self._media_stream
        if self._rings():
            while self._rings() and not stream.stopping:  # noqa: ASYNC110 - plain state
                await asyncio.sleep(FRAME_MS / 1000)
            stream.rang_ms = clock() - (stream.began_at or 0)
        # The ringing may also have ended between the start and the opening of the socket.
        stream.is_void = self._leg.status in {LegStatus.RINGING, LegStatus.NO_ANSWER}

    def _rings(self) -> bool:
        return self._leg.status is LegStatus.RINGING

    async def _linger(self) -> None:
        """Leave the socket open until the other side closes it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGERS_S):
                while self._is_open() and not self._media_stream.stopping:  # noqa: ASYNC110
                    await asyncio.sleep(FRAME_MS / 1000)

    def _is_open(self) -> bool:
        return self._socket.close_code is None

    async def _frames(self) -> None:
        loop = asyncio.get_running_loop()
        first = await self._next_frame()
        began = loop.time()
        line = self._leg.line
        for number, timestamp in enumerate(self._timestamps()):
            scene = self._world.scene(self._leg.sid)
            if scene is None or self._media_stream.stopping:
                return
            if number in line.lost:
                self._sequence += TRACKS[self._media_stream.track]
                self._skipped += TRACKS[self._media_stream.track]
            elif number not in line.silent:
                for track, voice in self._heard(scene, first + number):
                    at = self._stamped(track, timestamp, number) + self._media_stream.rang_ms
                    payload = frame(self._leg.seed, voice, first + number)
                    await self._send_frame(SentFrame(track, at, payload, self._skipped))
            await asyncio.sleep(began + (number + 1) * FRAME_MS / 1000 - loop.time())

    async def _next_frame(self) -> int:
        """Wait for the beginning of the voices' next frame. Return its number: all media streams
        and recordings of a call hear the same frame at the same time."""
        since = clock() - self._world.origins.get(self._leg.seed, clock())
        await asyncio.sleep(-since % FRAME_MS / 1000)
        return -(-since // FRAME_MS)

    def _heard(self, scene: Scene, number: int) -> list[tuple[str, Voice]]:
        """Return the tracks for which a frame is sent, each with its voice."""
        voices = [scene.inbound, scene.outbound]
        if Unlike.TRACKS in self._world.unlike:
            voices.reverse()
        pairs = list(zip((INBOUND, OUTBOUND), voices, strict=True))
        pairs = pairs[: TRACKS[self._media_stream.track]]
        if Unlike.SILENCE in self._world.unlike:
            return [(track, voice) for track, voice in pairs if not is_silent(voice, number)]
        return pairs

    def _timestamps(self) -> Iterator[int]:
        found = timestamps(self._media_stream.sid)
        if Unlike.FIRST_TIMESTAMP in self._world.unlike:
            return count(0, FRAME_MS)
        return found

    def _stamped(self, track: str, timestamp: int, number: int) -> int:
        jumps = Unlike.TIMESTAMP_STEPS in self._world.unlike and track == OUTBOUND
        after, by = TIMESTAMP_STEP
        return timestamp + by if jumps and number >= after else timestamp

    def _next_chunk(self, track: str) -> int:
        self._chunks[track] += 1
        overall = Unlike.CHUNK in self._world.unlike
        return sum(self._chunks.values()) if overall else self._chunks[track]

    async def _send_frame(self, sent: SentFrame) -> None:
        at = clock()
        media = {
            "track": sent.track,
            "chunk": str(self._next_chunk(sent.track)),
            "timestamp": str(sent.timestamp),
            "payload": base64.b64encode(sent.payload).decode(),
        }
        await self._send_numbered("media", media)
        self._media_stream.sent.append(sent)
        self._media_stream.sent_at.append(at)

    async def _send_numbered(self, event: str, body: Json) -> None:
        self._sequence += 1
        await self._send(
            {
                "event": event,
                "sequenceNumber": str(self._sequence),
                "streamSid": self._media_stream.sid,
                event: body,
            }
        )

    async def _send(self, message: Json) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send(json.dumps(message))


def started(media_stream: MediaStream, account_sid: str) -> Json:
    """Return the body of a media stream's `start` message."""
    return {
        "accountSid": account_sid,
        "streamSid": media_stream.sid,
        "callSid": media_stream.call_sid,
        "tracks": [INBOUND, OUTBOUND][: TRACKS[media_stream.track]],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": dict(media_stream.parameters),
    }


def timestamps(media_stream_sid: str) -> Iterator[int]:
    """Yield the timestamps (ms) of a media stream's frames, without end: 20 ms apart, the first not
    0, some of them a little early."""
    random = Random(media_stream_sid)  # noqa: S311
    timestamp = random.randint(*FIRST_TIMESTAMP_MS)
    while True:
        yield timestamp - (EARLY_MS if random.random() < EARLY_SHARE else 0)
        timestamp += FRAME_MS
