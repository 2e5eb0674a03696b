"""One gateway and one Twilio adapter as processes, on a Kafka that is there: the adapter makes the
start requests from which a peer learns what Twilio learns. Known only from outside."""

import asyncio
import itertools
import os
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aiokafka import AIOKafkaProducer

from infra.ports import chosen
from infra.supervisor.processes import signal_all, tied
from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import StartDuplicateStream
from schemas.topics import STREAM_COMMANDS
from simulator.console import summed
from simulator.media import Credentials
from simulator.pipeline_process import environment
from simulator.script import LegBegan, LegStatus, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import MediaStream, World
from tests.integration.faust_roles import until

CREDENTIALS = Credentials("AC" + "0" * 32, "a-token-of-twilios")
PATIENCE_S = 30.0


@dataclass
class LoneGateway:
    """A gateway that runs. `url`: its public URL; `pid`: its process; `metrics`: host:port."""

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

    def counted(self, name: str) -> float:
        """A metric of the gateway, all labels together."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as answer:
            return summed(answer.read().decode()).get(name, 0.0)


@asynccontextmanager
async def lone_gateway(servers: str, prefix: str, directory: Path) -> AsyncIterator[LoneGateway]:
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
            yield LoneGateway(
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
    command = tied([sys.executable, "-m", "cli.main", role])
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
