"""Fetches the facts about the Kinesis stream and the bridge. I/O."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bridge.checkpoints import Checkpoints
from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.facts import KinesisFacts, ShardLag
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisAccess, described, in_thread
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.setting_values import LOOPBACK_HOSTS
from pipeline.runtime.settings import Settings

MAX_SHARDS = 64
MAX_READS = 5
_NO_BRIDGE = CheckTrouble("the topic of the bridge's checkpoints cannot be read")


@dataclass(frozen=True, slots=True)
class _Shard:
    shard_id: str
    created_at: int


async def kinesis_facts(
    access: KinesisAccess, settings: Settings, *, has_checkpoints: bool
) -> KinesisFacts:
    """Return the facts. `has_checkpoints`: the topic of the checkpoints exists."""
    stream = await fetched(described(access))
    lags: list[ShardLag] | CheckTrouble = _NO_BRIDGE
    if has_checkpoints and not isinstance(stream, CheckTrouble):
        lags = await fetched(_lags(access, settings))
    elif isinstance(stream, CheckTrouble):
        lags = CheckTrouble("the Kinesis stream cannot be read")
    is_local = urlsplit(access.endpoint or "").hostname in LOOPBACK_HOSTS
    return KinesisFacts(access.kinesis_stream, stream, lags, is_local)


async def _lags(access: KinesisAccess, settings: Settings) -> list[ShardLag]:
    client = await in_thread(access.client)
    shards = await in_thread(lambda: _shards(client, access.kinesis_stream))
    checkpoints = Checkpoints(settings, lambda: None)
    try:
        await checkpoints.start()
        running = asyncio.create_task(checkpoints.run())
        try:
            await checkpoints.readable()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    finally:
        await checkpoints.stop()
    found = []
    for shard in shards[:MAX_SHARDS]:
        place = Place(access.kinesis_stream, shard.created_at, shard.shard_id)
        known = checkpoints.get(place)
        if known is not None and known.finished:
            continue
        position = None if known is None else known.sequence_number
        work = partial(_lag, client, access.kinesis_stream, shard.shard_id, position)
        found.append(ShardLag(shard.shard_id, known is not None, await in_thread(work)))
    return found


def _shards(client: Any, name: str) -> list[_Shard]:
    summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    created_at = round(summary["StreamCreationTimestamp"].timestamp() * 1000)
    pages = client.get_paginator("list_shards").paginate(StreamName=name)
    return [_Shard(shard["ShardId"], created_at) for page in pages for shard in page["Shards"]]


def _lag(client: Any, name: str, shard_id: str, position: str | None) -> int:
    """Return the age (ms) of the oldest record after a position; 0 if there is none."""
    start: Mapping[str, str] = (
        {"ShardIteratorType": "TRIM_HORIZON"}
        if position is None
        else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position}
    )
    iterator = client.get_shard_iterator(StreamName=name, ShardId=shard_id, **start)[
        "ShardIterator"
    ]
    for _ in range(MAX_READS):
        answer = client.get_records(ShardIterator=iterator, Limit=2)
        # An emulator may return the record at the position once more.
        new = [r for r in answer["Records"] if r["SequenceNumber"] != position]
        if new:
            arrived_at: float = new[0]["ApproximateArrivalTimestamp"].timestamp()
            return max(1, machine_clock() - round(arrived_at * 1000))
        iterator = answer.get("NextShardIterator")
        if iterator is None or not answer.get("MillisBehindLatest"):
            return 0
    return int(answer.get("MillisBehindLatest") or 0)
