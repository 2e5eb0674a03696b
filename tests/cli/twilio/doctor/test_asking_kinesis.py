"""Facts about the Kinesis stream, and how far the bridge is behind in it."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.unavailable import StreamAbsent
from cli.twilio.doctor import asking_kinesis
from cli.twilio.doctor.asking_kinesis import MAX_READS, MAX_SHARDS, kinesis_facts
from cli.twilio.doctor.facts import KinesisFacts, ShardLag
from cli.twilio.doctor.results import CheckTrouble
from cli.twilio.kinesis import KinesisAccess
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.settings import Settings
from schemas.records import BridgeCheckpoint
from tests.bridge.tables import checkpoint
from tests.cli.twilio.doctor.healthy import STREAM

NOW = 1_800_000_000_000
CREATED_AT = 2
ACCESS = KinesisAccess("flex-events", "eu-west-1")


@dataclass
class Kinesis:
    """boto3's client. Shards: their records, as sequence number and age (ms). A read returns one
    record; `empty_reads`: reads without any before the records."""

    shards: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    empty_reads: int = 0
    repeats: bool = False
    reads: int = 0

    def describe_stream_summary(self, **_: Any) -> Any:
        created = datetime.fromtimestamp(CREATED_AT / 1000, UTC)
        return {"StreamDescriptionSummary": {"StreamCreationTimestamp": created}}

    def get_paginator(self, name: str) -> Any:
        assert "list_shards" == name
        pages = [{"Shards": [{"ShardId": shard}]} for shard in self.shards]
        return SimpleNamespace(paginate=lambda **_: pages)

    def get_shard_iterator(self, **asked: Any) -> Any:
        after = int(asked.get("StartingSequenceNumber", -1)) - (1 if self.repeats else 0)
        assert ("TRIM_HORIZON" == asked["ShardIteratorType"]) == (
            "StartingSequenceNumber" not in asked
        )
        return {"ShardIterator": (asked["ShardId"], after, self.empty_reads)}

    def get_records(self, *, ShardIterator: Any, Limit: int) -> Any:  # noqa: N803
        assert Limit == 2
        self.reads += 1
        shard, after, empty = ShardIterator
        rest = [] if empty else [each for each in self.shards[shard] if each[0] > after]
        behind = 9_000 if empty else 0
        records = [
            {
                "SequenceNumber": str(number),
                "ApproximateArrivalTimestamp": datetime.fromtimestamp((NOW - age) / 1000, UTC),
            }
            for number, age in rest[:Limit]
        ]
        following = (shard, rest[0][0] if rest else after, empty - 1 if empty else 0)
        return {"Records": records, "MillisBehindLatest": behind, "NextShardIterator": following}


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> Kinesis:
    """A stream without shards, and no checkpoint."""
    made = Kinesis()

    async def described(_: KinesisAccess) -> Any:
        return STREAM

    async def in_thread(blocking: Any) -> Any:
        return blocking()

    monkeypatch.setattr(asking_kinesis, "described", described)
    monkeypatch.setattr(asking_kinesis, "in_thread", in_thread)
    monkeypatch.setattr(asking_kinesis, "machine_clock", lambda: NOW)
    monkeypatch.setattr(KinesisAccess, "client", lambda _: made)
    use(monkeypatch)
    return made


def use(patch: pytest.MonkeyPatch, *known: BridgeCheckpoint) -> list[str]:
    """Let the bridge have these checkpoints. Return the steps of the table."""
    steps: list[str] = []
    found = {
        Place(each.kinesis_stream, each.stream_created_at, each.shard_id, each.name): each
        for each in known
    }

    class Table:
        def __init__(self, *_: Any) -> None:
            self.get = found.get

        async def start(self) -> None:
            steps.append("start")

        async def run(self) -> None:
            await asyncio.Event().wait()

        async def readable(self) -> None:
            steps.append("readable")

        async def stop(self) -> None:
            steps.append("stop")

    patch.setattr(asking_kinesis, "Checkpoints", Table)
    return steps


async def lags(*, has_checkpoints: bool = True) -> Any:
    """Return the lags of the shards."""
    return (await kinesis_facts(ACCESS, Settings(), has_checkpoints=has_checkpoints)).lags


def of(shard: str, position: str = "5", **changes: Any) -> BridgeCheckpoint:
    """Return the checkpoint of a shard."""
    made = checkpoint(Place("flex-events", CREATED_AT, shard), **changes)
    return BridgeCheckpoint(
        made.name, made.kinesis_stream, made.stream_created_at, shard, position, made.finished,
        made.arrived_at, made.at, made.instance,
    )  # fmt: skip


async def test_the_lag_is_the_age_of_the_first_record_that_is_not_bridged(
    kinesis: Kinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard without a checkpoint has not been begun: its oldest record counts. A finished one is
    left out."""
    records = [(3, 9_000), (5, 7_000), (8, 4_000)]
    kinesis.shards = {"s-0": records, "s-1": records, "s-2": records, "s-3": [(5, 7_000)]}
    steps = use(monkeypatch, of("s-0"), of("s-2", finished=True), of("s-3"))
    assert [
        ShardLag("s-0", is_begun=True, lag_ms=4_000),
        ShardLag("s-1", is_begun=False, lag_ms=9_000),
        ShardLag("s-3", is_begun=True, lag_ms=0),
    ] == await lags()
    assert ["start", "readable", "stop"] == steps


async def test_checkpoints_of_an_earlier_stream_do_not_count(
    kinesis: Kinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that was created again has other sequence numbers."""
    kinesis.shards = {"s-0": [(3, 9_000)]}
    earlier = checkpoint(Place("flex-events", 1, "s-0"))
    use(monkeypatch, earlier)
    assert [ShardLag("s-0", is_begun=False, lag_ms=9_000)] == await lags()


async def test_an_emulator_that_repeats_the_last_record_has_no_lag(
    kinesis: Kinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record at the position was bridged."""
    kinesis.shards, kinesis.repeats = {"s-0": [(5, 7_000), (8, 4_000)]}, True
    use(monkeypatch, of("s-0"))
    assert [ShardLag("s-0", is_begun=True, lag_ms=4_000)] == await lags()


@pytest.mark.parametrize(
    ("empty", "expected"), [(MAX_READS - 1, 4_000), (MAX_READS, 9_000), (99, 9_000)]
)
async def test_reads_without_records_are_continued_for_a_while(
    kinesis: Kinesis, empty: int, expected: int
) -> None:
    """Kinesis passes over parts of a shard without records. Then its own figure is taken."""
    kinesis.shards, kinesis.empty_reads = {"s-0": [(8, 4_000)]}, empty
    assert [expected] == [each.lag_ms for each in await lags()]
    assert kinesis.reads <= MAX_READS


async def test_only_so_many_shards_are_asked(kinesis: Kinesis) -> None:
    """A check must end."""
    kinesis.shards = {f"s-{n:03}": [] for n in range(MAX_SHARDS + 5)}
    assert MAX_SHARDS == len(await lags())


async def test_without_checkpoints_or_a_stream_there_is_no_lag(
    kinesis: Kinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause is named."""
    assert "checkpoints cannot be read" in (await lags(has_checkpoints=False)).why

    async def absent(_: KinesisAccess) -> None:
        raise StreamAbsent("no such stream")

    monkeypatch.setattr(asking_kinesis, "described", absent)
    found = await kinesis_facts(ACCESS, Settings(), has_checkpoints=True)
    assert CheckTrouble("no such stream") == found.stream
    assert isinstance(found.lags, CheckTrouble)


@pytest.mark.parametrize(
    ("endpoint", "is_local"),
    [(None, False), ("http://127.0.0.1:4567", True), ("https://kinesis.example.com", False)],
)
async def test_an_emulator_is_on_this_machine(
    kinesis: Kinesis, endpoint: str | None, is_local: bool
) -> None:
    """By its address."""
    access = KinesisAccess("flex-events", "eu-west-1", endpoint)
    found = await kinesis_facts(access, Settings(), has_checkpoints=True)
    assert KinesisFacts("flex-events", STREAM, [], is_local) == found
