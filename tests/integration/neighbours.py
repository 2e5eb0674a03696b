"""Harmless calls beside attacks on a gateway, and their records on Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pipeline.media.batch import frames
from pipeline.runtime.kafka import consumer
from schemas import codec
from schemas.records import MediaBatch, MediaStreamClosed
from schemas.topics import MEDIA
from simulator.coded.pacing import Pacer
from simulator.coded.sending import CodedMedia
from simulator.coded.sent import CodedStream
from simulator.expected import TRACKS, SentFrame
from simulator.world import MediaStream
from tests.integration.faust_roles import until
from tests.integration.lone_gateway import CREDENTIALS, PATIENCE_S, LoneGateway


@dataclass
class Neighbours:
    """Calls that mean no harm. `resident`: the gateway's memory while there were only they."""

    media: CodedMedia
    streams: list[MediaStream]
    sending: list["asyncio.Task[None]"]
    resident: int

    def disturbed(self) -> list[str]:
        """What went wrong with them so far."""
        troubles = [s.trouble for s in self.streams if s.trouble]
        away = sum(len(coded.thrown_away) for coded in self.media.streams)
        return [*troubles, *([f"{away} turns were not taken in time"] if away else [])]


@asynccontextmanager
async def neighbours_of(gateway: LoneGateway, calls: int) -> AsyncIterator[Neighbours]:
    """So many calls, all of them on for half a second; they are hung up after the block."""
    pacer = Pacer()
    media = CodedMedia(pacer)
    pacing = asyncio.create_task(pacer.run())
    streams = [await gateway.start_request() for _ in range(calls)]
    sending = [asyncio.create_task(media.send(gateway.world, one, CREDENTIALS)) for one in streams]
    try:
        await until(lambda: sum(coded.turns > 25 for coded in media.streams) == calls)
        yield Neighbours(media, streams, sending, gateway.resident())
    finally:
        for one in streams:
            one.stopping = True
        await asyncio.gather(*sending)
        pacing.cancel()


async def records_of(gateway: LoneGateway, media_stream: MediaStream) -> list[object]:
    """All of a media stream's records on `media`, up to its end."""
    reader = consumer(gateway.settings, gateway.settings.prefixed(MEDIA.name))
    found: list[object] = []
    await reader.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not any(isinstance(one, MediaStreamClosed) for one in found):
                for records in (await reader.getmany(timeout_ms=100)).values():
                    decoded = (codec.decode(record.value) for record in records)
                    found += [
                        one
                        for one in decoded
                        if getattr(one, "stream_sid", None) == media_stream.sid
                    ]
    finally:
        await reader.stop()
    return found


async def ended(gateway: LoneGateway, media_stream: MediaStream) -> list[MediaStreamClosed]:
    found = await records_of(gateway, media_stream)
    return [one for one in found if isinstance(one, MediaStreamClosed)]


async def received(gateway: LoneGateway, coded: CodedStream) -> dict[str, list[SentFrame]]:
    found: dict[str, list[SentFrame]] = {track: [] for track in TRACKS}
    for batch in await records_of(gateway, coded.media_stream):
        if isinstance(batch, MediaBatch):
            for one in frames(batch):
                found[one.track].append(SentFrame(one.track, one.timestamp, one.payload))
    return found
