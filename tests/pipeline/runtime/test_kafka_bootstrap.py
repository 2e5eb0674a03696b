"""The first Kafka server that answers is used; one that hangs delays one client of a process."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime import kafka_bootstrap
from pipeline.runtime.kafka_bootstrap import SETUP_SECONDS, STAGGER_SECONDS, first_answer
from tests.virtual_time import virtually

UP, REFUSES, HANGS = "up", "refuses", "hangs"


@dataclass
class Servers:
    """Servers by port, with their states."""

    states: dict[int, str]
    open: list["Connection"] = field(default_factory=list)

    async def connect(self, _host: str, port: int) -> Any:
        if self.states[port] == REFUSES:
            raise KafkaConnectionError(f"{port} refuses")
        connection = Connection(self, port)
        self.open.append(connection)
        return connection

    async def first(self) -> int:
        """Return the port of the server that is used."""
        connection, metadata = await first_answer(
            [("kafka.test", port) for port in self.states], self.connect
        )
        assert metadata == f"from {connection.port}"
        await asyncio.sleep(0)  # the cancelled tasks close their connections
        assert [connection] == self.open
        connection.close()
        return int(connection.port)


@dataclass(eq=False)
class Connection:
    """A connection to a server."""

    servers: Servers
    port: int

    async def send(self, _request: Any) -> Any:
        if self.servers.states[self.port] == HANGS:
            await asyncio.sleep(3_600)
        return f"from {self.port}"

    def close(self) -> None:
        self.servers.open.remove(self)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_bootstrap, "_silent_until", {})


@given(st.lists(st.sampled_from([UP, REFUSES, HANGS]), min_size=1, max_size=5))
def test_any_server_that_works_is_found(states: list[str]) -> None:
    """Each one before it delays the start by half a second at most. No connection is left."""
    kafka_bootstrap._silent_until.clear()
    servers = Servers(dict(enumerate(states)))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if UP not in states:
            with pytest.raises(KafkaConnectionError):
                await servers.first()
            assert loop.time() - began <= SETUP_SECONDS + STAGGER_SECONDS * len(states)
            return
        assert UP == states[await servers.first()]
        assert loop.time() - began <= STAGGER_SECONDS * states.index(UP) + 0.01

    virtually(run())
    assert [] == servers.open


def test_a_server_that_hangs_delays_one_client_of_a_process() -> None:
    """The later ones ask it last, and first again after a while."""
    servers = Servers({1: HANGS, 2: UP})

    async def run() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert [2] * 20 == [await servers.first() for _ in range(20)]
        assert loop.time() - began <= STAGGER_SECONDS + 0.01
        servers.states[1] = UP
        assert 2 == await servers.first()
        await asyncio.sleep(60)
        assert 1 == await servers.first()

    virtually(run())
