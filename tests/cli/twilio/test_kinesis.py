"""The Kinesis stream as set-up and checks see it."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from bridge.unavailable import KinesisUnavailable, StreamAbsent
from cli.twilio import kinesis
from cli.twilio.kinesis import (
    READ_S,
    KinesisAccess,
    KinesisStream,
    SinkTestReader,
    described,
    id_of_test,
)
from tests.virtual_time import virtually

ACCESS = KinesisAccess("flex-events", "eu-west-1")
TEST = {"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "t-1"}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (TEST, "t-1"),
        ([TEST], "t-1"),
        ([{"type": "com.other"}, TEST], "t-1"),
        ({"type": "com.other", "data": {"test_id": "t-1"}}, ""),
        ({"type": TEST["type"]}, ""),
        ({"type": TEST["type"], "data": "x"}, ""),
        ([1, None], ""),
    ],
)
def test_a_test_event_is_known_by_its_type(document: Any, expected: str) -> None:
    """Alone, or in an array."""
    assert expected == id_of_test(json.dumps(document).encode())


@given(st.binary(max_size=40))
def test_any_bytes_are_no_test_event(data: bytes) -> None:
    """The stream is the customer's."""
    assert "" == id_of_test(data)


def error(code: str) -> ClientError:
    """Return an error of AWS."""
    return ClientError({"Error": {"Code": code, "Message": "x"}}, "Operation")


class Client:
    """boto3's client. Shards: their records in turn; a list is one read, an error is raised."""

    def __init__(self, **shards: list[Any]) -> None:
        self.shards = shards
        self.closed: set[str] = set()
        self.summary: Any = {
            "StreamARN": "arn:x", "StreamStatus": "ACTIVE", "RetentionPeriodHours": 168,
            "OpenShardCount": 2,
        }  # fmt: skip
        self.reads = 0

    def describe_stream_summary(self, **_: Any) -> Any:
        if isinstance(self.summary, Exception):
            raise self.summary
        return {"StreamDescriptionSummary": self.summary}

    def get_paginator(self, _: str) -> "Client":
        return self

    def paginate(self, **_: Any) -> list[Any]:
        open_range, ended = {"StartingSequenceNumber": "1"}, {"EndingSequenceNumber": "9"}
        shards = [
            {"ShardId": n, "SequenceNumberRange": ended if n in self.closed else open_range}
            for n in self.shards
        ]
        return [{"Shards": shards}]

    def get_shard_iterator(self, **asked: Any) -> Any:
        assert "LATEST" == asked["ShardIteratorType"]
        return {"ShardIterator": asked["ShardId"]}

    def get_records(self, *, ShardIterator: str) -> Any:  # noqa: N803
        self.reads += 1
        left = self.shards[ShardIterator]
        found = left.pop(0) if left else []
        if isinstance(found, Exception):
            raise found
        data = [{"Data": json.dumps(each).encode()} for each in found]
        return {"Records": data, "NextShardIterator": ShardIterator if left else None}


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Threads know no virtual time. Time is the loop's."""

    async def run(blocking: Any) -> Any:
        return blocking()

    def now() -> float:
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(asyncio, "to_thread", run)
    monkeypatch.setattr(kinesis, "time", SimpleNamespace(monotonic=now, time=time.time))
    return monkeypatch


def arrived(client: Client, patch: pytest.MonkeyPatch, seconds: float = 5.0) -> list[str]:
    """Return the ids of the test events that arrive."""

    async def run() -> list[str]:
        patch.setattr(KinesisAccess, "client", lambda _: client)
        reader = SinkTestReader(ACCESS)
        await reader.begin()
        return await reader.arrived(seconds)

    return virtually(run())


def test_test_events_are_read_from_all_open_shards(without_threads: pytest.MonkeyPatch) -> None:
    """As soon as one has some; a closed shard gets no records."""
    client = Client(a=[[], [{"type": "x"}]], b=[[], [], [TEST, {}]], c=[[TEST]])
    client.closed = {"c"}
    assert ["t-1"] == arrived(client, without_threads)


def test_without_a_test_event_the_wait_ends(without_threads: pytest.MonkeyPatch) -> None:
    """A shard that has ended is not read again. The bridge reads the shards, too."""
    client = Client(a=[[]] * 99, b=[[]])
    assert [] == arrived(client, without_threads, 10 * READ_S)
    assert client.reads <= 12


def test_a_throttled_read_is_repeated(without_threads: pytest.MonkeyPatch) -> None:
    """Other errors end the wait."""
    throttled = error("ProvisionedThroughputExceededException")
    assert ["t-1"] == arrived(Client(a=[throttled, [TEST], []]), without_threads)
    with pytest.raises(KinesisUnavailable):
        arrived(Client(a=[error("AccessDeniedException"), []]), without_threads)


async def test_a_stream_is_described(without_threads: pytest.MonkeyPatch) -> None:
    """Missing fields have AWS's defaults."""
    client = Client()
    without_threads.setattr(KinesisAccess, "client", lambda _: client)
    assert KinesisStream("arn:x", "ACTIVE", 168, 2) == await described(ACCESS)
    client.summary = {"StreamARN": "arn:x", "StreamStatus": "CREATING"}
    assert KinesisStream("arn:x", "CREATING", 24, 0) == await described(ACCESS)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (error("ResourceNotFoundException"), StreamAbsent),
        (error("AccessDeniedException"), KinesisUnavailable),
        (EndpointConnectionError(endpoint_url="x"), KinesisUnavailable),
        (OSError("x"), KinesisUnavailable),
    ],
    ids=repr,
)
async def test_every_error_of_boto3_is_kinesis_being_unavailable(
    without_threads: pytest.MonkeyPatch, cause: Exception, kind: type[Exception]
) -> None:
    """A stream that does not exist is another trouble."""
    client = Client()
    client.summary = cause
    without_threads.setattr(KinesisAccess, "client", lambda _: client)
    with pytest.raises(KinesisUnavailable) as raised:
        await described(ACCESS)
    assert type(raised.value) is kind
