"""Single events are delivered into the Kinesis stream of a sink."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from simulator import delivery
from simulator.delivery import into_kinesis, workers_of_people
from simulator.people import SID, UMA
from tests.virtual_time import virtually

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/events"


class ResourceNotFoundException(Exception):
    """The Kinesis stream does not exist."""


class FakeKinesis:
    """Keeps the records, or refuses them with an error."""

    exceptions = SimpleNamespace(ResourceNotFoundException=ResourceNotFoundException)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.records: list[tuple[str, Any]] = []
        self.closed = False

    def put_record(self, StreamName: str, Data: bytes, PartitionKey: str) -> None:  # noqa: N803
        assert PartitionKey
        if self.error is not None:
            raise self.error
        self.records.append((StreamName, json.loads(Data)))

    def close(self) -> None:
        self.closed = True


def _delivered(fake: FakeKinesis, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    def client(service: str, *, endpoint_url: str, region_name: str, **_: Any) -> FakeKinesis:
        assert ("kinesis", "http://kinesis.test", "eu-west-1") == (
            service, endpoint_url, region_name,
        )  # fmt: skip
        return fake

    monkeypatch.setattr(asyncio, "to_thread", run)
    monkeypatch.setattr(delivery, "boto3", SimpleNamespace(client=client))
    deliver = into_kinesis("http://kinesis.test", "eu-west-1")

    async def main() -> None:
        await deliver({"arn": ARN, "role_arn": "any"}, {"id": "EZ1"})

    virtually(main())


def test_an_event_goes_into_the_stream_of_the_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is the end of the ARN."""
    fake = FakeKinesis()
    _delivered(fake, monkeypatch)
    assert [("events", {"id": "EZ1"})] == fake.records
    assert fake.closed


def test_an_event_for_no_stream_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an error, as at Twilio."""
    fake = FakeKinesis(ResourceNotFoundException())
    _delivered(fake, monkeypatch)
    assert ([], True) == (fake.records, fake.closed)


def test_another_error_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the connection is closed too."""
    fake = FakeKinesis(ConnectionError("no Kinesis"))
    with pytest.raises(ConnectionError):
        _delivered(fake, monkeypatch)
    assert fake.closed


def test_the_workers_are_the_people() -> None:
    """Each once, with attributes in TaskRouter's form."""
    workers = dict(workers_of_people())
    assert (8, 8) == (len(workers), len(workers_of_people()))
    attributes = json.loads(workers[SID.name])
    assert (SID.email, SID.address, SID.name, SID.team) == (
        attributes["email"], attributes["contact_uri"],
        attributes["full_name"], attributes["team_name"],
    )  # fmt: skip
    assert UMA.contact_uri == json.loads(workers[UMA.name])["contact_uri"]
