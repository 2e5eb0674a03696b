"""Landers on a real Kafka, as processes: killed, paused and stopped, each record lands once."""

import asyncio
import io
import os
import signal
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from aiokafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from pipeline.lake.layout import LANDED
from pipeline.runtime import kafka as clients
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import (
    Call,
    CtiEvent,
    Fact,
    GatewayAlive,
    MediaStreamClosed,
    RecordingStarted,
    Reservation,
)
from schemas.topics import CALLS, CONTACTS, CTI_EVENTS, RECORDINGS, STREAM_EVENTS
from tests.buckets import BUCKET, running_bucket
from tests.conftest import SettingsFor
from tests.integration.single_roles import Roles, roles

pytestmark = pytest.mark.integration

SECONDS = 90.0


def call(number: int) -> Call:
    """Return a version of a call."""
    fact = Fact(f"queue-{number % 7}", 1, number, f"EV{number}")
    return Call(
        f"WT{number % 500:032x}", number, f"EV{number}", "task.updated", number, 0, number, number,
        {"queue": fact}, {"created": number}, (Reservation("WR1", {"worker": fact}, {}),), (), (),
        "inbound", "active", (),
    )  # fmt: skip


def records(number: int) -> Iterable[tuple[str, Any]]:
    """Yield one record for each of the topics."""
    sid = f"{number % 500:032x}"
    yield (
        CTI_EVENTS.name,
        CtiEvent(
            f"EV{number}", "s", "t", number, number, f"WT{sid}", None, "{}", "k", "0", str(number)
        ),
    )
    yield CALLS.name, call(number)
    yield (
        RECORDINGS.name,
        RecordingStarted(str(number), f"MZ{sid}", f"CA{sid}", f"WT{sid}", 1, number, f"r{number}"),
    )


async def filled(settings: Settings, numbers: range) -> int:
    """Write records to the topics; return how many."""
    await ensure_topics(settings, LANDED)
    writer = producer(settings)
    await writer.start()
    sent = 0
    try:
        for number in numbers:
            for topic, record in records(number):
                key = record.task_sid.encode()
                await writer.send(settings.prefixed(topic), encode(record), key)
                sent += 1
    finally:
        await writer.stop()
    return sent


def rows(lake: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query over the view `lake` with DuckDB."""
    with duckdb.connect() as database:
        files = f"{lake}/topic=*/*/*.parquet"
        database.sql(
            f"create view lake as select * from read_parquet('{files}', union_by_name=true)"
        )
        return database.sql(query).fetchall()


def landed(lake: Path) -> int:
    """Return how many records are in the lake."""
    if not list(lake.glob("topic=*/*/*.parquet")):
        return 0
    return int(rows(str(lake), "select count(*) from lake")[0][0])


async def until_landed(lake: Path, number: int, seconds: float = SECONDS) -> None:
    """Return once so many records are in the lake. Raises `AssertionError`."""
    found = -1
    try:
        async with asyncio.timeout(seconds):
            while (found := await asyncio.to_thread(landed, lake)) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"{found} of {number} records are landed") from None


async def check_once(settings: Settings, lake: Path) -> None:
    """Each record of the log is in the lake once, and nothing else is."""
    found: dict[tuple[str, int], list[int]] = {}
    query = "select _topic, _partition, _offset from lake order by all"
    for topic, number, offset in rows(str(lake), query):
        found.setdefault((topic, number), []).append(offset)
    async with clients.consumer(settings) as reader:
        names = [settings.prefixed(topic.name) for topic in LANDED]
        tps = [TopicPartition(name, number) for name in names for number in range(24)]
        ends = await reader.end_offsets(tps)
    # Without transactions and compaction each offset up to the end is a record.
    expected = {(tp.topic, tp.partition): [*range(end)] for tp, end in ends.items() if end}
    assert expected == found


def again(started: Roles, name: str) -> None:
    """Kill a process with SIGKILL and start it again."""
    started.processes[name].kill()
    started.processes[name].wait()
    started._start(name, started.listens[name])


@pytest.mark.timeout(400)
async def test_landers_that_are_killed_land_each_record_once(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, kafka: str
) -> None:
    """Three landers are killed one after the other every second, while records arrive, and one is
    paused until others have its partitions; then it continues with the records that it had read."""
    settings, lake = settings_for(prefix), tmp_path / "lake"
    sent = await filled(settings, range(6_000))
    with roles(tmp_path, kafka, prefix, LAKE_URL=lake.as_uri()) as started:
        started.start({"lander": 3})
        names = [*started.processes]
        for turn in range(12):
            await asyncio.sleep(1.0)
            again(started, names[turn % 3])
        paused = started.processes["lander-1"]
        os.kill(paused.pid, signal.SIGSTOP)
        sent += await filled(settings, range(6_000, 8_000))
        for _ in range(6):
            await asyncio.sleep(2.0)
            again(started, "lander-0")
        os.kill(paused.pid, signal.SIGCONT)
        await until_landed(lake, sent)
        await started.all_healthy(60)  # one that is still starting cannot end with status 0
        assert {0} == set(started.terminate().values())
    assert sent == landed(lake)
    await check_once(settings, lake)


async def test_queries_of_duckdb_and_polars(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, kafka: str
) -> None:
    """Nested fields are columns; records of all types of a topic, tombstones and what nothing can
    decode are there; the directories are columns too."""
    settings, lake = settings_for(prefix), tmp_path / "lake"
    await filled(settings, range(20))
    async with producer(settings) as writer:
        events = settings.prefixed(STREAM_EVENTS.name)
        closed = MediaStreamClosed(
            "MZ1", "CA1", "WT1", None, 1, "g", 1, 7, "stop", "", 3, 50, 0
        )  # fmt: skip
        for value in (encode(GatewayAlive("g", 1, 5)), encode(closed), b"\xff"):
            await writer.send(events, value, b"WT1", 0)
        await writer.send(settings.prefixed(CONTACTS.name), None, b"WT1", 0)
    with roles(tmp_path, kafka, prefix, LAKE_URL=lake.as_uri()) as started:
        started.start({"lander": 1})
        await started.all_healthy(60)
        await until_landed(lake, 64)
        assert {0} == set(started.terminate().values())
    calls = f"{lake}/topic={prefix}calls"
    query = f"""select facts['queue'].value, count(*), max(latest_event_at),
        any_value(reservations[1].facts['worker'].event_id)
        from read_parquet('{calls}/**/*.parquet') group by 1 order by 1"""
    found = duckdb.sql(query).fetchall()
    assert [f"queue-{n}" for n in range(7)] == [row[0] for row in found]
    assert [3, 3, 3, 3, 3, 3, 2] == [row[1] for row in found]
    frame = pl.scan_parquet(f"{calls}/**/*.parquet", hive_partitioning=True)
    days = frame.select("day", "topic").unique().collect()
    assert {f"{prefix}calls"} == set(days["topic"])
    assert 20 == frame.select(pl.len()).collect().item()
    types = "select _type, _key, _undecoded, topic from lake where _topic not in (%s) order by all"
    others = ", ".join(f"'{prefix}{t.name}'" for t in (CALLS, CTI_EVENTS, RECORDINGS))
    assert {
        ("GatewayAlive", None), ("MediaStreamClosed", None), (None, b"\xff"), (None, None),
    } == {(row[0], row[2]) for row in rows(str(lake), types % others)}  # fmt: skip


async def test_a_bucket_is_a_lake(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, kafka: str
) -> None:
    """Files are put into S3 if they are not there; a lander that starts again continues."""
    settings = settings_for(prefix)
    with running_bucket() as environment:
        url = f"s3://{BUCKET}/{prefix}lake"
        with roles(tmp_path, kafka, prefix, LAKE_URL=url) as started:
            started.environment_of = lambda _: environment
            started.start({"lander": 1})
            await started.all_healthy(60)
            for numbers in (range(10), range(10, 30)):
                sent = await filled(settings, numbers)
                await counted(started, "flexcapture_lander_landed_records_total", sent)
                again(started, "lander-0")
                await started.all_healthy(60)
            assert {0} == set(started.terminate().values())
        assert 90 == len(in_bucket(environment, f"{prefix}lake/topic="))


async def test_a_topic_that_was_created_again_is_not_passed_over(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, kafka: str
) -> None:
    """The lake is of another log: the partition stops, and the health check says so."""
    settings, lake = settings_for(prefix), tmp_path / "lake"
    sent = await filled(settings, range(200))
    with roles(tmp_path, kafka, prefix, LAKE_URL=lake.as_uri()) as started:
        started.start({"lander": 1})
        await until_landed(lake, sent)
        started.terminate()
    admin = clients.admin_client(settings)
    await admin.start()
    try:
        await admin.delete_topics([settings.prefixed(CALLS.name)])
    finally:
        await admin.close()
    await asyncio.sleep(2)
    await ensure_topics(settings, LANDED)
    with roles(tmp_path, kafka, prefix, LAKE_URL=lake.as_uri()) as started:
        started.start({"lander": 1})
        await started.until_health(503, 60, "are landed; if the topic was deleted")


async def counted(started: Roles, name: str, number: int) -> None:
    """Return once the metric of the lander has at least this value."""
    deadline = time.monotonic() + SECONDS
    total = 0.0
    while total < number:
        assert time.monotonic() < deadline, f"{name} is {total}"
        await asyncio.sleep(0.5)
        total = sum(metrics(started).get(name, {}).values())


def metrics(started: Roles) -> Mapping[str, dict[str, float]]:
    """Return the lander's metrics, by name and labels."""
    with urllib.request.urlopen(f"http://{started.addresses['lander-0']}/metrics") as answer:
        text = answer.read().decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[str(sample.labels)] = sample.value
    return found


def in_bucket(environment: Mapping[str, str], prefix: str) -> set[tuple[str, int, int]]:
    """Return topic, partition and offset of all records in the bucket. No record is there twice."""
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    found: list[tuple[str, int, int]] = []
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    for each in (each for page in pages for each in page.get("Contents", ())):
        data = client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        table = pq.read_table(io.BytesIO(data), columns=["_topic", "_partition", "_offset"])
        found += [tuple(row.values()) for row in table.to_pylist()]
    assert len(found) == len(set(found))
    return set(found)
