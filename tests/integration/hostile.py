"""Peers that do what no media stream of Twilio's does, byte by byte, and a gateway to do it to: the
real process beside the real adapter, on the real Kafka, known only from outside."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer

from infra.ports import chosen
from infra.processes import signal_all, tied
from pipeline.kafka import producer
from pipeline.settings import Settings
from schemas.codec import encode
from schemas.records import StartDuplicateStream
from schemas.topics import STREAM_COMMANDS
from simulator.console import summed
from simulator.media import Credentials, signature
from simulator.pipeline_process import environment
from simulator.script import LegBegan, LegStatus
from simulator.sids import Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import MediaStream, World
from tests.integration.faust_roles import until

CREDENTIALS = Credentials("AC" + "0" * 32, "a-token-of-twilios")
STRANGER = ("127.0.0.9", 0)
"""Where hostile peers come from: limits for each address must not reach anybody else."""

TEXT, BINARY, CLOSE, PING, CONTINUED = 0x1, 0x2, 0x8, 0x9, 0x0
PATIENCE_S = 30.0
KEY = b64encode(bytes(16)).decode()


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    mask: bool = True,
    reserved: int = 0,
    declared: int | None = None,
) -> bytes:
    """A WebSocket frame, masked with zeros. `reserved`: bits RSV1 (4) to RSV3 (1); `declared`: the
    length that it claims to have."""
    length = len(data) if declared is None else declared
    masked = 0x80 * mask
    if length < 126:
        size = bytes([masked | length])
    elif length < 2**16:
        size = bytes([masked | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([masked | 127]) + length.to_bytes(8, "big")
    return bytes([0x80 * fin | reserved << 4 | opcode]) + size + bytes(4 * mask) + data


class Peer:
    """A TCP connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Writes; a gateway that has hung up is no error."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def message(self, message: object) -> None:
        """A text message: JSON of anything, or text as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self.send(frame(TEXT, text.encode()))

    async def status(self) -> int | None:
        """The status of the answer to a handshake; None where it was cut without one."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return int(head.split()[1])

    async def closed(self) -> int | None:
        """Reads on until the gateway ends the connection; its close code, None where it gave
        none. Raises `TimeoutError` where it keeps the connection."""
        code = None
        async with asyncio.timeout(PATIENCE_S):
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    opcode, data = await self._frame()
                    if opcode == CLOSE:
                        code = int.from_bytes(data[:2], "big") if data else 1005
                        await self.send(frame(CLOSE, data[:2]))
        return code

    async def ended(self) -> None:
        """Returns once the gateway has ended the connection, whatever it said. Raises
        `TimeoutError` where it does not."""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                await self._reader.read()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0xF, await self._reader.readexactly(size)

    def cut(self) -> None:
        """Ends it without a word (RST)."""
        self._writer.transport.abort()


def handshake(
    url: str, headers: Mapping[str, str] | None = None, *, path: str | None = None
) -> str:
    """The request that opens a WebSocket at a URL, with further headers."""
    parts = urlsplit(url)
    lines = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **(headers or {}),
    }
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path or parts.path} HTTP/1.1\r\n{told}\r\n"


def signed(url: str) -> dict[str, str]:
    """The header that Twilio signs a URL with."""
    return {"X-Twilio-Signature": signature(CREDENTIALS.auth_token, url)}


@dataclass
class Bench:
    """A gateway to be attacked. `url`: its public URL; `pid`: its process."""

    settings: Settings
    url: str
    pid: int
    metrics: str
    world: World
    rest: TwilioRest
    _commands: AIOKafkaProducer
    _asked: dict[str, asyncio.Future[MediaStream]]
    _numbers: "itertools.count[int]"

    def resident(self) -> int:
        """Bytes of memory that the gateway has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def start_request(self) -> MediaStream:
        """What Twilio is asked for next: a media stream of a call of its own."""
        number = next(self._numbers)
        task_sid, call_sid, now = f"WT{number:032x}", f"CA{number:032x}", time.time_ns() // 10**6
        self.world.apply(LegBegan(call_sid, LegStatus.IN_PROGRESS), now)
        asked = self._asked[call_sid] = asyncio.get_running_loop().create_future()
        command = StartDuplicateStream(
            command_id=f"start:{number}",
            task_sid=task_sid,
            call_sid=call_sid,
            generation=1,
            issued_at=now,
            expires_at=now + 60_000,
            reason="started",
            policy_version=1,
            direction="inbound",
            worker_marks=(),
            customer_marks=(),
        )
        topic = self.settings.prefixed(STREAM_COMMANDS.name)
        await self._commands.send_and_wait(topic, encode(command), task_sid.encode())
        async with asyncio.timeout(PATIENCE_S):
            return await asked

    async def connected(self, *, stranger: bool = True) -> Peer:
        """A TCP connection."""
        parts = urlsplit(self.url)
        source = STRANGER if stranger else None
        opened = asyncio.open_connection(parts.hostname, parts.port, local_addr=source)
        async with asyncio.timeout(PATIENCE_S):
            return Peer(*await opened)

    async def opened(self, media_stream: MediaStream | None = None) -> Peer:
        """A socket that was let in, for this media stream or a new one; nothing was sent yet."""
        url = (media_stream or await self.start_request()).url
        peer = await self.connected()
        await peer.send(handshake(url, signed(url)).encode())
        assert 101 == await peer.status()
        return peer

    async def started(self) -> tuple[Peer, MediaStream]:
        """A socket on which a media stream has begun."""
        media_stream = await self.start_request()
        peer = await self.opened(media_stream)
        await peer.message(start(media_stream))
        return peer, media_stream

    def counted(self, name: str) -> float:
        """A metric of the gateway, all labels together."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as answer:
            return summed(answer.read().decode()).get(name, 0.0)


def start(media_stream: MediaStream, **changed: object) -> dict[str, object]:
    """The message with which Twilio begins it; `changed` replaces fields of `start`."""
    body: dict[str, object] = {
        "accountSid": CREDENTIALS.account_sid,
        "streamSid": media_stream.sid,
        "callSid": media_stream.call_sid,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": dict(media_stream.parameters),
    }
    sid = media_stream.sid
    return {"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": body | changed}


def media(media_stream: MediaStream, timestamp: int, payload: str) -> dict[str, object]:
    """An inbound frame."""
    told = {"track": "inbound", "chunk": "1", "timestamp": str(timestamp), "payload": payload}
    sid = media_stream.sid
    return {"event": "media", "sequenceNumber": "2", "streamSid": sid, "media": told}


def stop(media_stream: MediaStream) -> dict[str, object]:
    """The end."""
    ids = {"accountSid": CREDENTIALS.account_sid, "callSid": media_stream.call_sid}
    return {"event": "stop", "sequenceNumber": "9", "streamSid": media_stream.sid, "stop": ids}


@asynccontextmanager
async def attacked(servers: str, prefix: str, directory: Path) -> AsyncIterator[Bench]:
    """A gateway, and an adapter that makes its start requests; both are ended after the block."""
    world = World(Sids(Random(1)))
    asked: dict[str, asyncio.Future[MediaStream]] = {}

    async def capture(_: World, media_stream: MediaStream, __: Credentials) -> None:
        asked[media_stream.call_sid].set_result(media_stream)

    names = ["gateway", "gateway-http", "adapter-http"]
    ports = chosen(names, {}, [])
    url = f"ws://127.0.0.1:{ports['gateway']}/media"
    settings = Settings(kafka_bootstrap_servers=servers, topic_prefix=prefix)
    async with TwilioRest(world, CREDENTIALS, Faults(), send=capture) as rest:
        common = {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "TOPIC_PREFIX": prefix,
            "STATE_DIR": str(directory),
            "TWILIO_ACCOUNT_SID": CREDENTIALS.account_sid,
            "TWILIO_AUTH_TOKEN": CREDENTIALS.auth_token,
            "TWILIO_API_URL": rest.url,
            "GATEWAY_PUBLIC_URL": url,
            "GATEWAY_LISTEN": f"127.0.0.1:{ports['gateway']}",
            "LOG_LEVEL": "INFO",
        }
        gateway = _role("gateway", common, ports["gateway-http"], directory)
        adapter = _role("twilio-adapter", common, ports["adapter-http"], directory)
        async with gateway as pid, adapter, _producing(settings) as commands:
            yield Bench(
                settings, url, pid, f"127.0.0.1:{ports['gateway-http']}", world, rest, commands,
                asked, itertools.count(1),
            )  # fmt: skip


@asynccontextmanager
async def _producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    commands = producer(settings)
    await commands.start()
    try:
        yield commands
    finally:
        await commands.stop()


@asynccontextmanager
async def _role(
    role: str, settings: Mapping[str, str], port: int, directory: Path
) -> AsyncIterator[int]:
    own = {**settings, "INSTANCE": f"{role}-0", "HTTP_LISTEN": f"127.0.0.1:{port}"}
    command = tied([sys.executable, "-m", "pipeline.cli", role])
    with (directory / f"{role}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment(own), stdout=log, stderr=log, start_new_session=True
        )
    try:
        await until(lambda: _healthy(port), 60)
        yield process.pid
    finally:
        signal_all(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        signal_all(process.pid, signal.SIGKILL)
        await process.wait()


async def _healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except OSError:
        return False
    return b" 200 " in answer.split(b"\r\n", 1)[0]
