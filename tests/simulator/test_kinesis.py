"""Events are put into Kinesis in order, again if Kinesis refuses them."""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from simulator import kinesis
from simulator.kinesis import ATTEMPTS, BATCH, Event, KinesisError, KinesisSink, gathered
from tests.virtual_time import virtually


class FakeKinesis:
    """Keeps the records of each request. `faults`: how many records each of the first requests
    refuses; None: the request fails."""

    def __init__(self, *faults: int | None) -> None:
        self.faults = list(faults)
        self.requests: list[list[bytes]] = []
        self.keys: list[str] = []

    def put_records(self, StreamName: str, Records: list[Any]) -> Any:  # noqa: N803
        assert "events" == StreamName
        self.requests.append([record["Data"] for record in Records])
        self.keys += [record["PartitionKey"] for record in Records]
        refused = self.faults.pop(0) if self.faults else 0
        if refused is None:
            raise ConnectionError("no Kinesis")
        return {
            "Records": [
                {"ErrorCode": "ProvisionedThroughputExceededException"} if n < refused else {}
                for n in range(len(Records))
            ]
        }


@pytest.fixture
def sink_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., KinesisSink]:
    """Returns a sink of a Kinesis, without threads."""

    async def run(function: Any, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(*arguments)

    def made(fake: FakeKinesis, *, in_arrays: bool = False) -> KinesisSink:
        boto3 = SimpleNamespace(client=lambda service, **_: fake)
        monkeypatch.setattr(kinesis, "boto3", boto3)
        return KinesisSink("http://kinesis.test", "eu", "events", in_arrays=in_arrays)

    monkeypatch.setattr(asyncio, "to_thread", run)
    return made


Sinks = Callable[..., KinesisSink]


async def _put(sink: KinesisSink, count: int) -> None:
    async with sink:
        for number in range(count):
            await sink.put({"n": number})


def _numbers(requests: list[list[bytes]]) -> list[int]:
    return [json.loads(record)["n"] for request in requests for record in request]


def test_leaving_the_context_sends_all_events_in_order(sink_of: Sinks) -> None:
    """In batches, under different keys, so that all shards get some."""
    fake = FakeKinesis()
    virtually(_put(sink_of(fake), 2 * BATCH + 5))
    assert list(range(2 * BATCH + 5)) == _numbers(fake.requests)
    assert max(map(len, fake.requests)) <= BATCH
    assert len(set(fake.keys)) > BATCH


def test_only_refused_records_are_sent_again(sink_of: Sinks) -> None:
    """Under their own keys."""
    fake = FakeKinesis(2, 1)
    virtually(_put(sink_of(fake), 3))
    assert [[0, 1, 2], [0, 1], [0]] == [_numbers([request]) for request in fake.requests]
    assert fake.keys[:2] == fake.keys[3:5]


def test_a_request_that_fails_is_repeated(sink_of: Sinks) -> None:
    """As often as it may be."""
    fake = FakeKinesis(*[None] * (ATTEMPTS - 1))
    virtually(_put(sink_of(fake), 1))
    assert [[0]] * ATTEMPTS == [_numbers([request]) for request in fake.requests]


@pytest.mark.parametrize(("fault", "problem"), [(None, "no Kinesis"), (1, "cannot put 1 events")])
def test_events_that_cannot_be_put_are_reported(
    sink_of: Sinks, fault: int | None, problem: str
) -> None:
    """By the next put, and at the end of the block."""
    fake = FakeKinesis(*[fault] * ATTEMPTS)

    async def main() -> None:
        async with sink_of(fake) as sink:
            await sink.put({"n": 1})
            await asyncio.sleep(60)
            for put, what in ((sink.put, {}), (sink.put_bytes, b"")):
                with pytest.raises(KinesisError, match=problem):
                    await put(what)  # type: ignore[operator]

    with pytest.raises(KinesisError, match=problem):
        virtually(main())
    assert ATTEMPTS == len(fake.requests)


def test_after_an_error_nothing_more_is_sent(sink_of: Sinks) -> None:
    """The block's own error is the one that is raised."""
    fake = FakeKinesis(*[None] * ATTEMPTS)

    async def main() -> None:
        async with sink_of(fake) as sink:
            await sink.put({"n": 1})
            await asyncio.sleep(0.3)
            raise LookupError

    with pytest.raises(LookupError):
        virtually(main())
    assert 2 == len(fake.requests)


def test_events_that_wait_go_into_one_record(sink_of: Sinks) -> None:
    """As an array; a record without an event stays as it is."""
    fake = FakeKinesis()

    async def main() -> None:
        async with sink_of(fake, in_arrays=True) as sink:
            await sink.put({"n": 1})
            await sink.put_bytes(b"no JSON")
            await sink.put({"n": 2})

    virtually(main())
    assert [[b"no JSON", b'[{"n": 1},{"n": 2}]']] == fake.requests


def test_an_array_is_only_of_events() -> None:
    """Without events there is no request."""
    records = [Event(b'{"id": 1}'), b"no JSON", Event(b'{"id": 2}')]
    assert [b"no JSON", b'[{"id": 1},{"id": 2}]'] == gathered(records)
    assert [b"no JSON"] == gathered([b"no JSON"])
