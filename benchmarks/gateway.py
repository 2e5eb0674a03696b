"""How many calls a gateway takes per CPU core, with every frame acknowledged by Kafka."""

import asyncio
import sys
import time
from dataclasses import asdict

from benchmarks.load import Load
from benchmarks.local import BenchmarkFailed, Local, RunningPipeline, child, role
from benchmarks.rows import Row
from infra.ports import chosen
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import Role
from schemas.codec import decode
from schemas.records import MediaBatch
from schemas.topics import MEDIA

SOCKETS = 200
"""Enough to keep the process busy. With few sockets, each message wakes it alone and costs more."""

SETTLE_S = 3.0
FRAMES_OF_A_CALL = 100
"""Per second, both tracks."""

_ACCOUNT, _TOKEN = "AC" + "0" * 32, "a benchmark's token"


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the gateway, and a bare loop that receives and decodes."""
    seconds = 5.0 if quick else 12.0
    bare = _bare(here, seconds)
    product, lost = _product(here, seconds)
    return [
        Row(
            "gateway: paced calls, acknowledged by Kafka",
            "calls/core",
            product / FRAMES_OF_A_CALL,
            bare / FRAMES_OF_A_CALL,
            "websockets asyncio, receive + decode",
            least=1_500,
            ratio=1.0,
        ),
        Row("gateway: frames lost in that run", "frames", lost, most=0),
    ]


def load_for(port: int, seconds: float, tag: str, sockets: int = SOCKETS) -> dict[str, object]:
    """Return the arguments of `load.py` for a gateway that is measured for `seconds`. `tag`: four
    hexadecimal digits that no other load of the run has."""
    url = f"ws://127.0.0.1:{port}/media"
    return asdict(Load(url, _ACCOUNT, _TOKEN, sockets, seconds + SETTLE_S + 2, tag))


def settings_for(here: Local, prefix: str, port: int, name: str = "gateway") -> dict[str, str]:
    """Return the settings of a gateway that takes the load of `load_for`. `name`: its instance."""
    return here.plain(
        prefix,
        instance=name,
        gateway_listen=f"127.0.0.1:{port}",
        gateway_public_url=f"ws://127.0.0.1:{port}/media",
        twilio_account_sid=_ACCOUNT,
        twilio_auth_token=_TOKEN,
        gateway_customer_streams=True,
        state_dir=here.directory / name,
    )


def _product(here: Local, seconds: float) -> tuple[float, int]:
    """Return frames per second of CPU time, and how many did not reach Kafka."""
    prefix, port = "gateway.", chosen(["gateway"], {}, [])["gateway"]
    settings = settings_for(here, prefix, port)
    with role(here, Role.GATEWAY, settings) as gateway:
        gateway.wait_ready()
        with child(here, "load", load_for(port, seconds, "aaaa"), {}) as load:
            load.line()
            time.sleep(SETTLE_S)
            frames, cpu = frames_of(gateway), gateway.cpu()
            time.sleep(seconds)
            rate = (frames_of(gateway) - frames) / (gateway.cpu() - cpu)
            report = load.line()
    print(f"  the load was at most {report['late_ms']:.0f} ms late", file=sys.stderr)
    return rate, int(report["frames"]) - asyncio.run(frames_on_kafka(here, prefix))


def frames_of(gateway: RunningPipeline) -> float:
    """Return the number of frames that a gateway has taken."""
    return gateway.counted("flexcapture_gateway_frames_total")


def _bare(here: Local, seconds: float) -> float:
    """Return frames per second of CPU time."""
    port = chosen(["bare"], {}, [])["bare"]
    with child(here, "bare_socket", {"port": port}, {}) as bare:
        bare.line()
        with child(here, "load", load_for(port, seconds, "bbbb"), {}) as load:
            begins_at = load.line()["began"] + SETTLE_S
            ends_at = begins_at + seconds
            samples = [bare.line()]
            while samples[-1]["at"] < ends_at:
                samples.append(bare.line())
            load.line()
    within = [sample for sample in samples if sample["at"] >= begins_at]
    first, last = within[0], within[-1]
    if last["frames"] <= first["frames"]:
        raise BenchmarkFailed("the bare loop received nothing")
    return float((last["frames"] - first["frames"]) / (last["cpu"] - first["cpu"]))


async def frames_on_kafka(here: Local, prefix: str) -> int:
    """Return the number of frames in all batches on `media`."""
    settings = here.settings(prefix)
    frames = 0
    reader = consumer(settings, settings.prefixed(MEDIA.name))
    await reader.start()
    try:
        while batches := await reader.getmany(timeout_ms=2_000):
            for records in batches.values():
                for record in records:
                    batch = decode(record.value)
                    if isinstance(batch, MediaBatch):
                        frames += sum(run.frames for track in batch.tracks for run in track.runs)
    finally:
        await reader.stop()
    return frames
