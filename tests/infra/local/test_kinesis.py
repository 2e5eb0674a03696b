"""The local Kinesis: its environment, and the stream that is made at each start."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

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
