"""Calls that were not captured in real time are recovered from Twilio's own recordings."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import tied
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import Settings
from schemas.topics import PROVISIONED
from simulator.building import CallBuilder
from simulator.cases import scripts
from simulator.console import Console
from simulator.events import Account
from simulator.kinesis import KinesisSink
from simulator.media import Credentials, clock
from simulator.openings import conversation_begins
from simulator.player import Player
from simulator.recorded import ConferenceRecording
from simulator.script import Json, Script, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.wav import Wav, read_wav
from simulator.world import World
from tests.integration.single_roles import Roles, roles

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KINESIS_STREAM = "flex-events"
TOKEN = "t" * 40
CONSOLE_ROLES = ("bridge", "tracker", "resolver", "stream-manager", "consolidator", "console")


@dataclass
class Stage:
    """A pipeline without a gateway, a Twilio, and a console."""

    started: Roles
    rest: TwilioRest
    world: World
    console: Console
    player: Player
    account: Account
    gateway_port: socket.socket
    """Holds the gateway's port until it starts: it is chosen much earlier, for the adapter."""

    async def start_gateway(self) -> None:
        """Start the gateway; return once it is healthy."""
        self.gateway_port.close()
        self.started.start({"gateway": 1})
        async with asyncio.timeout(60):
            while self.started.health("gateway-0")[0] != 200:  # noqa: ASYNC110 - asks a process
                await asyncio.sleep(0.2)

    async def play(self, seconds: int, seed: int) -> Script:
        """Play a monitored agent's call of so many seconds to its end."""

        def conversation(call: CallBuilder) -> None:
            conversation_begins(call)
            call.wait(seconds * 1000)
            call.hang_up()

        [script] = scripts([conversation], clock() + 500, 0, self.account, seed)
        await self.player.act(script, script.steps)
        return script

    async def contact(self, script: Script, is_right: Callable[[Json], bool]) -> Json:
        """Return the contact once it is as it should be."""
        contact: Json | None = None
        try:
            async with asyncio.timeout(150):
                while contact is None or not is_right(contact):
                    await asyncio.sleep(0.5)
                    contact = await self.console.contact(script.task_sid)
        except TimeoutError:
            raise AssertionError(contact) from None
        return contact

    def recording(self, script: Script) -> ConferenceRecording:
        """Return Twilio's recording of the call."""
        recorded = self.rest.recordings.recorded
        conferences = [
            c.sid for c in self.world.conferences.values() if c.friendly_name == script.task_sid
        ]
        [found] = [r for r in recorded.all(clock()) if r.conference_sid in conferences]
        return found


@asynccontextmanager
async def stage(
    kafka: str, prefix: str, directory: Path, *names: str, **more: str
) -> AsyncIterator[Stage]:
    """Roles of these names, and of all that lead from events to the console."""
    await ensure_topics(
        Settings(kafka_bootstrap_servers=kafka, topic_prefix=prefix), PROVISIONED, 60
    )
    credentials = Credentials(Sids(Random(1)).new("AC"), "t" * 32)
    world = World(Sids(Random(2)))
    async with emulated_kinesis() as kinesis, TwilioRest(world, credentials, Faults()) as rest:
        more = {
            "KINESIS_STREAM": KINESIS_STREAM,
            "TWILIO_API_URL": rest.url,
            "TWILIO_ACCOUNT_SID": credentials.account_sid,
            "GATEWAY_DRAIN_SECONDS": "1",
            "RECOVERY_DELAY_SECONDS": "1",
            **more,
        }
        port = chosen(["gateway"], {}, [])["gateway"]
        gateway = f"127.0.0.1:{port}"
        with socket.socket() as held, roles(directory, kafka, prefix, **more) as started:
            held.bind(("127.0.0.1", port))

            def own(role: str) -> Mapping[str, str]:
                if role == "bridge":
                    return kinesis.environment()
                public = {"FLEXCAPTURE_GATEWAY_PUBLIC_URL": f"ws://{gateway}/media"}
                if role == "gateway":
                    return public | {"FLEXCAPTURE_GATEWAY_LISTEN": gateway}
                return public if role == "twilio-adapter" else {}

            started.environment_of = own
            started.start(dict.fromkeys((*CONSOLE_ROLES, *names), 1))
            await started.all_healthy(150)
            console = Console(f"http://{started.listens['console-0']}", TOKEN)
            sink = KinesisSink(kinesis.endpoint, kinesis.region, KINESIS_STREAM)
            async with console, sink:
                player = Player(world, sink, console, lambda _: None)
                account = Account(credentials.account_sid, Sids(Random(3)).new("WS"))
                yield Stage(started, rest, world, console, player, account, held)


@asynccontextmanager
async def emulated_kinesis() -> AsyncIterator[LocalKinesis]:
    """A Kinesis with the stream."""
    kinesis = LocalKinesis(chosen(["kinesis"], {}, [])["kinesis"], "us-east-1", KINESIS_STREAM)
    process = await asyncio.create_subprocess_exec(*tied(kinesis.command()))
    try:
        await asyncio.wait_for(kinesis.make_stream(), 60)
        yield kinesis
    finally:
        process.kill()
        await process.wait()


def sides(wav: Wav) -> tuple[bytes, bytes]:
    """Return the left and the right side of a WAV with two channels of mu-law."""
    assert (7, 2, 8_000, 8) == (wav.encoding, wav.channels, wav.sample_rate, wav.bits)
    return wav.samples[::2], wav.samples[1::2]


async def check_audio(at: Stage, script: Script, recording: Json) -> None:
    """Each sample of the recovered audio is that of Twilio's recording, the customer on the
    left."""
    recovered = sides(read_wav(await at.console.bytes(recording["audio_url"])))
    source = at.recording(script)
    channels = at.rest.recordings.recorded.channels(source)
    if source.call_sid != script.customer_call_sid:
        channels = channels[::-1]
    start = recovered[0][:4000]
    begins = channels[0].find(start) if any(b != 0xFF for b in start) else -1
    if begins < 0:  # the customer is silent at first
        begins = channels[1].find(recovered[1][:4000])
    assert begins >= 0
    for side, channel in zip(recovered, channels, strict=True):
        assert channel[begins : begins + len(side)] == side


async def manifest_of(at: Stage, recording: Json) -> Json:
    """Return the recording's manifest, through the console."""
    content = await at.console.bytes(f"/api/recordings/{recording['inum']}/manifest")
    manifest: Json = json.loads(content)
    return manifest


async def test_calls_without_their_gateway_are_recovered(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """One call finds no gateway, the next loses its gateway in the middle. Both are fetched from
    Twilio after their end: their gaps are covered, their capture is complete, and each sample is
    right. The recording that was made in real time does not change."""
    names = ("twilio-adapter", "recorder", "retriever")
    async with stage(kafka, prefix, tmp_path, *names, RECOVERY="partial") as at:
        missed = await at.play(12, seed=4)
        contact = await at.contact(missed, lambda c: c["capture"] == "complete")
        [recording] = contact["recordings"]
        [gap] = contact["gaps"]
        assert "twilio-recording" == recording["source"]
        assert recording["inum"] == gap["covered_by"]
        assert "never-reached-gateway" == gap["reason"]
        assert abs(contact["captured_ms"] - contact["required_ms"]) < 2_000
        await check_audio(at, missed, recording)
        manifest = await manifest_of(at, recording)
        assert "low" == manifest["alignment"]["confidence"]
        assert at.recording(missed).sid == manifest["twilio"]["recording_sid"]

        await at.start_gateway()
        playing = asyncio.create_task(at.play(45, seed=5))
        await asyncio.sleep(22)
        at.started.processes["gateway-0"].kill()
        at.started.processes.pop("gateway-0").wait()
        await asyncio.sleep(6)
        at.started.start({"gateway": 1})
        broken = await playing
        contact = await at.contact(
            broken, lambda c: any(r["source"] == "twilio-recording" for r in c["recordings"])
        )
        assert "complete" == contact["capture"]
        by_source = {r["source"]: r for r in contact["recordings"]}
        assert {"stream", "twilio-recording"} == by_source.keys()
        recovered = by_source["twilio-recording"]
        assert contact["gaps"]
        assert {recovered["inum"]} == {gap["covered_by"] for gap in contact["gaps"]}
        await check_audio(at, broken, recovered)
        manifest = await manifest_of(at, recovered)
        assert "high" == manifest["alignment"]["confidence"]
        assert "audio" == manifest["customer"]["determined_by"]


async def test_capture_after_the_call_needs_neither_adapter_nor_gateway(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """No media stream is requested, and its absence is no fault. The call is fetched after its end
    and has the same result as any other."""
    async with stage(kafka, prefix, tmp_path, "retriever", CAPTURE="post-call") as at:
        script = await at.play(12, seed=6)
        contact = await at.contact(script, lambda c: c["capture"] == "complete")
        [recording] = contact["recordings"]
        assert "twilio-recording" == recording["source"]
        assert "record" == contact["decisions"][0]["decision"]
        assert {recording["inum"]} == {gap["covered_by"] for gap in contact["gaps"]}
        assert recording["extension"] == contact["sessions"][0]["extension"]
        await check_audio(at, script, recording)
        assert {0} == {leg.attempts for leg in at.world.legs.values()}
        metrics = await at.console.metrics(at.started.addresses["stream-manager-0"])
        assert 0 == metrics.get("flexcapture_unstreamed_seconds_total", 0)
