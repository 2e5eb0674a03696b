"""Kinesis' answers, good and bad, as one shard's reader takes them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from bridge.kinesis_reader import (
    Batch,
    Kinesis,
    ShardReader,
)
from bridge.unavailable import KinesisUnavailable, StreamAbsent
from pipeline.kinesis.messages import KinesisRecord
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.settings import Settings

PLACE = Place("flex-events", 1, "shardId-0")


def failure(code: str) -> ClientError:
    """As boto3 raises it."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetRecords")


def answer(*sequence_numbers: int, iterator: str | None = "next", behind: int = 0) -> Any:
    """As boto3 gives it."""
    records = [
        {
            "SequenceNumber": str(number),
            "ApproximateArrivalTimestamp": datetime.fromtimestamp(number, UTC),
            "Data": b"x",
            "PartitionKey": "k",
        }
        for number in sequence_numbers
    ]
    found = {"Records": records, "MillisBehindLatest": behind}
    return found if iterator is None else found | {"NextShardIterator": iterator}


class FakeClient:
    """Returns its answers in turn, and keeps the requests."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[Any] = []

    def get_shard_iterator(self, **arguments: Any) -> Any:
        """Return an iterator named after its position."""
        self.asked.append(arguments.get("StartingSequenceNumber", arguments["ShardIteratorType"]))
        return {"ShardIterator": f"from {self.asked[-1]}"}

    def get_records(self, **arguments: Any) -> Any:
        """The next answer."""
        self.asked.append(arguments["ShardIterator"])
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def reader_of(client: FakeClient, position: str | None = None) -> ShardReader:
    """A reader of that client's."""
    return ShardReader(client, PLACE, position)  # type: ignore[arg-type]


def sequence_numbers(batch: Batch) -> list[str]:
    """Of its records."""
    return [record.sequence_number for record in batch.records]


async def test_reads_from_the_oldest_record_to_the_end() -> None:
    """Without a position it begins at TRIM_HORIZON, follows the iterators, and ends with none."""
    client = FakeClient(answer(1, 2, behind=7), answer(3, iterator=None))
    reader = reader_of(client)
    first, second = await reader.read(), await reader.read()
    reader.close()
    assert ["TRIM_HORIZON", "from TRIM_HORIZON", "next"] == client.asked
    assert Batch((KinesisRecord("1", 1000, b"x"), KinesisRecord("2", 2000, b"x")), 7) == first
    assert (["3"], True) == (sequence_numbers(second), second.ended)


async def test_reads_on_after_a_position() -> None:
    """With a position it begins after it; earlier records that an emulator repeats are left out, by
    comparing numbers, not texts."""
    client = FakeClient(answer(8, 9, 10))
    reader = reader_of(client, "9")
    batch = await reader.read()
    reader.close()
    assert ["9", "from 9"] == client.asked
    assert ["10"] == sequence_numbers(batch)


async def test_an_expired_iterator_is_renewed_from_what_was_read() -> None:
    """An expired iterator is replaced by one after the last record, without an error for the
    caller."""
    client = FakeClient(answer(1, 2), failure("ExpiredIteratorException"), answer(3))
    reader = reader_of(client)
    await reader.read()
    batch = await reader.read()
    reader.close()
    assert ["TRIM_HORIZON", "from TRIM_HORIZON", "next", "2", "from 2"] == client.asked
    assert ["3"] == sequence_numbers(batch)


async def test_throttling_is_waited_out() -> None:
    """A refusal because of the rate is no failure: the same iterator is tried again."""
    client = FakeClient(failure("ProvisionedThroughputExceededException"), answer(1))
    reader = reader_of(client)
    assert ["1"] == sequence_numbers(await reader.read())
    reader.close()
    assert ["TRIM_HORIZON", "from TRIM_HORIZON", "from TRIM_HORIZON"] == client.asked


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (failure("ResourceNotFoundException"), StreamAbsent),
        (failure("InternalFailureException"), KinesisUnavailable),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), KinesisUnavailable),
    ],
)
async def test_other_failures_are_the_callers(raised: Exception, expected: type[Exception]) -> None:
    """They are raised; the next read makes a new iterator after the last record."""
    client = FakeClient(answer(1), raised, answer(2))
    reader = reader_of(client)
    await reader.read()
    with pytest.raises(expected):
        await reader.read()
    batch = await reader.read()
    reader.close()
    assert ["1", "from 1"] == client.asked[-2:]
    assert ["2"] == sequence_numbers(batch)


class Describing:
    """A client that finds a different stream at each request."""

    def __init__(self) -> None:
        self.asked = 0

    def describe_stream_summary(self, **_: Any) -> Any:
        """Created one second later each time; the second time there is none."""
        self.asked += 1
        if self.asked == 2:
            raise failure("ResourceNotFoundException")
        created_at = datetime.fromtimestamp(self.asked, UTC)
        summary = {"StreamStatus": "ACTIVE", "StreamCreationTimestamp": created_at}
        return {"StreamDescriptionSummary": summary}


async def test_simultaneous_callers_share_an_answer_begun_after_they_asked() -> None:
    """If all shards fail at once, one request serves all. A caller never gets an answer from before
    its call, and errors are shared too."""
    kinesis = Kinesis(Settings())
    client = kinesis._client = Describing()  # type: ignore[assignment]
    first = await kinesis.incarnation()
    requests = [kinesis.incarnation() for _ in range(20)]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    kinesis.close()
    assert 1_000 == first.created_at
    assert 20 == len(answers)
    assert isinstance(answers[0], StreamAbsent)
    assert 3_000 == answers[-1].created_at  # type: ignore[union-attr]
    assert client.asked <= 3
