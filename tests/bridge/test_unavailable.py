"""What the bridge says when AWS refuses its requests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from bridge.kinesis_reader import ShardReader, call
from bridge.shard_carrier import ShardCarrier
from bridge.unavailable import (
    ClockRefused,
    KinesisUnavailable,
    StreamAbsent,
    unavailable,
)
from pipeline.kinesis.shard_ref import Place
from pipeline.runtime.telemetry import Health
from tests.bridge.fakes import FakeKafka, FakeKinesis, world

NOW = 1_800_000_000.0
EXPIRED = "Signature expired: 20260131T115000Z is now earlier than 20260131T115500Z"
AHEAD = "Signature not yet current: 20260131T121000Z is still later than 20260131T120500Z"


def refusal(code: str, message: str, date: str | None = None) -> ClientError:
    """As boto3 raises it."""
    headers = {} if date is None else {"date": date}
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPHeaders": headers},
    }
    return ClientError(answer, "GetRecords")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("InvalidSignatureException", EXPIRED, ClockRefused),
        ("InvalidSignatureException", AHEAD, ClockRefused),
        ("SignatureDoesNotMatch", EXPIRED, ClockRefused),
        ("AuthFailure", AHEAD, ClockRefused),
        ("RequestTimeTooSkewed", "", ClockRefused),
        ("RequestExpired", "Request has expired.", ClockRefused),
        ("RequestInTheFuture", "", ClockRefused),
        ("InvalidSignatureException", "The request signature we calculated", KinesisUnavailable),
        ("ResourceNotFoundException", "no stream", StreamAbsent),
        ("InternalFailure", "Signature expired", KinesisUnavailable),
    ],
)
def test_a_refused_clock_is_recognized(code: str, message: str, kind: type) -> None:
    """From wrong credentials, and from a stream that is not there."""
    found = unavailable(refusal(code, message), NOW)
    assert kind is type(found)
    assert ("the clock of this machine" in str(found)) == (kind is ClockRefused)
    assert code in str(found)


@given(st.integers(-4_000, 4_000).filter(bool))
def test_the_date_of_the_answer_says_by_how_much(skew: int) -> None:
    """In seconds, and in which direction."""
    date = format_datetime(datetime.fromtimestamp(NOW - skew, UTC), usegmt=True)
    text = str(unavailable(refusal("InvalidSignatureException", EXPIRED, date), NOW))
    side = "ahead" if skew > 0 else "behind"
    assert f"which is {abs(skew)} s {side}: set it (NTP)" in text


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_it_is_said_all_the_same(date: str | None) -> None:
    """But not by how much."""
    text = str(unavailable(refusal("RequestTimeTooSkewed", "", date), NOW))
    assert text.startswith("AWS refuses the clock of this machine: set it")


async def test_boto3_raises_what_is_understood() -> None:
    """The answer comes through boto3's own parsing."""
    client = boto3.client(
        "kinesis", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub, ThreadPoolExecutor(1) as executor:
        stub.add_client_error("get_records", "InvalidSignatureException", EXPIRED, 400)
        with pytest.raises(ClockRefused, match="AWS refuses the clock of this machine"):
            await call(executor, lambda: client.get_records(ShardIterator="i"))


async def test_the_health_of_a_bridge_names_the_clock() -> None:
    """Until AWS answers again."""
    health = Health()
    kinesis = FakeKinesis([], None)
    place = Place("flex-events", 1, "shardId-0")
    refused = ClockRefused("AWS refuses the clock of this machine, which is 600 s behind")

    async def reader(*_: Any) -> ShardReader:
        raise refused

    made = world(FakeKafka(), kinesis, lambda _: "", health)
    carrier = ShardCarrier(_with_reader(made, reader), place)
    running = asyncio.create_task(carrier.run())
    async with asyncio.timeout(10):
        while not health.reasons:  # noqa: ASYNC110 - Health has nothing to wait on
            await asyncio.sleep(0.001)
    assert "600 s behind" in health.reasons["shard shardId-0"]
    carrier.stop.set()
    await running


def _with_reader(made: Any, reader: Any) -> Any:
    return type(made)(
        **{name: getattr(made, name) for name in made.__slots__ if name != "reader"}, reader=reader
    )
