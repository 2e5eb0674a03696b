"""The local Kinesis: its environment, and the stream that is made at each start."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.kinesis import models

from infra.local import kinesis
from infra.local.kinesis import LocalKinesis
from tests.virtual_time import virtually

LOCAL = LocalKinesis(4_567, "eu-west-1", "flex-events")


class Emulator:
    """An emulator that fails with these errors, in turn."""

    class exceptions:  # noqa: N801 - boto3's name
        """The errors of a client."""

        class ResourceInUseException(ClientError):  # type: ignore[misc]
            """The stream is there."""

            def __init__(self) -> None:
                super().__init__({"Error": {"Code": "ResourceInUseException"}}, "CreateStream")

    def __init__(self, *errors: Exception) -> None:
        self.made: list[tuple[str, int]] = []
        self.clients = 0
        self._errors = list(errors)

    def create_stream(self, *, StreamName: str, ShardCount: int) -> None:  # noqa: N803
        if self._errors:
            raise self._errors.pop(0)
        self.made.append((StreamName, ShardCount))

    def close(self) -> None:
        self.clients -= 1


def make_stream(emulator: Emulator, patch: pytest.MonkeyPatch) -> float:
    """Make the stream. Return after how many seconds it was there."""

    def client(*_: Any, **__: Any) -> Emulator:
        emulator.clients += 1
        return emulator

    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        await LOCAL.make_stream(3)
        return asyncio.get_running_loop().time() - began

    patch.setattr(kinesis.boto3, "client", client)
    patch.setattr(asyncio, "to_thread", run)
    return virtually(main())


def test_the_stream_is_made_as_soon_as_the_emulator_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked again until then. No client stays open."""
    away = EndpointConnectionError(endpoint_url=LOCAL.endpoint)
    starting = ClientError({"Error": {"Code": "InternalFailure"}}, "CreateStream")
    emulator = Emulator(away, OSError("reset"), starting)
    assert make_stream(emulator, monkeypatch) == pytest.approx(0.3)
    assert ([("flex-events", 3)], 0) == (emulator.made, emulator.clients)


def test_a_stream_that_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its records stay."""
    emulator = Emulator(Emulator.exceptions.ResourceInUseException())
    assert 0 == make_stream(emulator, monkeypatch)
    assert ([], 0) == (emulator.made, emulator.clients)


def test_real_credentials_do_not_reach_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment and the client have others, and the emulator's address."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    environment = LOCAL.environment()
    assert "http://127.0.0.1:4567" == environment["AWS_ENDPOINT_URL_KINESIS"]
    assert "real" not in environment.values()
    given: dict[str, Any] = {}
    monkeypatch.setattr(kinesis.boto3, "client", lambda _, **arguments: given.update(arguments))
    LOCAL.client(read_timeout=3)
    assert environment["AWS_SECRET_ACCESS_KEY"] == given["aws_secret_access_key"]
    assert (LOCAL.endpoint, "eu-west-1") == (given["endpoint_url"], given["region_name"])
    assert (3, 2) == (given["config"].read_timeout, given["config"].connect_timeout)


def test_concurrent_puts_lose_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record has a sequence number of its own, and all are read."""
    for name in kinesis.SHARD_METHODS:
        monkeypatch.setattr(models.Shard, name, getattr(models.Shard, name))  # restored afterwards
    kinesis.make_shards_thread_safe()
    shard = models.Shard(0, 0, 1)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads interrupt one another within a put
    try:
        with ThreadPoolExecutor(8) as threads:
            reads = [threads.submit(shard.get_records, "0", 100) for _ in range(50)]
            puts = [threads.submit(shard.put_record, "key", "data", "") for _ in range(2_000)]
        assert all(read.exception() is None for read in reads)
    finally:
        sys.setswitchinterval(interval)
    assert 2_000 == len({put.result() for put in puts}) == len(shard.records)
