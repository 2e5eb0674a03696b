"""The client that leaves a broker which accepts connections and answers nothing."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from pipeline.runtime import kafka_bootstrap, kafka_client
from pipeline.runtime.kafka_client import ANSWER_SECONDS, SETUP_SECONDS, Client, leave_hung_brokers
from tests.virtual_time import virtually


class Cluster:
    """Brokers of which some hang. A fenced one is in no metadata."""

    def __init__(self, brokers: int) -> None:
        self.brokers = dict.fromkeys(range(1, brokers + 1), True)
        self.fenced: set[int] = set()
        self.connections: list[Connection] = []

    def metadata(self) -> Any:
        """The answer to a request for metadata."""
        present = [(n, "broker", n, None) for n in self.brokers if n not in self.fenced]
        return SimpleNamespace(brokers=present, topics=[], controller_id=1, API_VERSION=1)

    async def connect(self, _host: str, port: int, **options: Any) -> "Connection":
        """Return a connection to the broker of that number, if it does not hang."""
        if not self.brokers[port]:
            await asyncio.get_running_loop().create_future()
        made = Connection(self, port, options.get("on_close"))
        self.connections.append(made)
        return made


class Connection:
    """A connection to a broker, which answers at once or, when it hangs, never."""

    def __init__(
        self, cluster: Cluster, port: int, on_close: Callable[[Any, Any], None] | None
    ) -> None:
        self._cluster = cluster
        self._port = port
        self._on_close = on_close
        self._requests: deque[asyncio.Future[Any]] = deque()
        self._open = True

    def connected(self) -> bool:
        """Whether it is open."""
        return self._open

    def send(self, request: Any, **_: Any) -> Awaitable[Any]:
        """Return the answer to come."""
        answer = asyncio.get_running_loop().create_future()
        waits = isinstance(request, JoinGroupRequest | ProduceRequest)
        if not self._cluster.brokers[self._port] or waits:
            self._requests.append(answer)
        elif isinstance(request, MetadataRequest):
            answer.set_result(self._cluster.metadata())
        else:
            answer.set_result("answered")
        return answer

    def close(self, reason: Any = None) -> asyncio.Future[None]:
        """Fail the waiting requests, like aiokafka's connection."""
        self._open = False
        for answer in self._requests:
            if not answer.done():
                answer.set_exception(KafkaConnectionError("closed"))
        if self._on_close is not None:
            self._on_close(self, reason)
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        closed.set_result(None)
        return closed


async def started(servers: str = "broker:1,broker:2,broker:3") -> Client:
    """A client that is bootstrapped."""
    client = AIOKafkaClient(bootstrap_servers=servers, request_timeout_ms=12_000)
    leave_hung_brokers(client)
    await client.bootstrap()
    assert isinstance(client, Client)
    return client


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Three brokers that answer."""
    made = Cluster(3)
    monkeypatch.setattr(kafka_client, "create_conn", made.connect)
    monkeypatch.setattr(kafka_bootstrap, "_silent_until", {})
    return made


def now() -> float:
    """Seconds of the running loop."""
    return asyncio.get_running_loop().time()


def join() -> JoinGroupRequest:
    """A request that waits for others for as long as 8 s."""
    return JoinGroupRequest("g", 8_000, 8_000, "m", "i", "consumer", [])


def write() -> ProduceRequest:
    """A request that waits for replicas."""
    return ProduceRequest(None, -1, 10_000, [])


def test_bootstrap_does_not_wait_for_hung_servers(cluster: Cluster) -> None:
    """The first answer of any server is taken, within a second and a half."""

    async def scene() -> None:
        cluster.brokers |= {1: False, 2: False}
        begun = now()
        client = await started()
        assert now() - begun <= 1.0
        await client.close()

    virtually(scene())


def test_bootstrap_fails_if_no_server_ever_answers(cluster: Cluster) -> None:
    """It tries for the request time-out and then raises."""

    async def scene() -> None:
        cluster.brokers |= {1: False, 2: False, 3: False}
        begun = now()
        with pytest.raises(KafkaConnectionError):
            await started()
        assert 12 <= now() - begun <= 12 + SETUP_SECONDS + 1

    virtually(scene())


@pytest.mark.parametrize("fenced_after", [3.0, 9.0])
@pytest.mark.parametrize("kind", ["join", "write"])
def test_what_waits_at_a_fenced_broker_fails_soon(
    cluster: Cluster, kind: str, fenced_after: float
) -> None:
    """A join or a write at a hung broker fails once the others say that it is gone."""

    async def scene() -> None:
        client = await started()
        await client.send(1, MetadataRequest([]))
        cluster.brokers[1] = False
        begun = now()
        asyncio.get_running_loop().call_later(fenced_after, cluster.fenced.add, 1)
        with pytest.raises(KafkaConnectionError):
            await client.send(1, join() if kind == "join" else write())
        assert now() - begun <= fenced_after + 1.5
        await client.close()

    virtually(scene())


@pytest.mark.parametrize(
    ("request_", "longest"),
    [
        (HeartbeatRequest("g", 1, "m"), ANSWER_SECONDS),
        (FetchRequest(500, 1, 1, 1, []), 0.5 + ANSWER_SECONDS),
    ],
)
def test_what_is_answered_at_once_is_not_waited_for_long(
    cluster: Cluster, request_: Any, longest: float
) -> None:
    """A heartbeat or a fetch without an answer fails after 4 s beyond its own wait."""

    async def scene() -> None:
        client = await started()
        await client.send(1, MetadataRequest([]))
        cluster.brokers[1] = False
        begun = now()
        with pytest.raises(KafkaConnectionError):
            await client.send(1, request_, group=ConnectionGroup.DEFAULT)
        assert longest - 0.1 <= now() - begun <= longest + 0.1
        await client.close()

    virtually(scene())


def test_a_join_that_waits_for_others_is_left_alone(cluster: Cluster) -> None:
    """A broker of the cluster may take as long as the request time-out for a join."""

    async def scene() -> None:
        client = await started()
        joining = asyncio.create_task(client.send(1, join()))
        await asyncio.sleep(11)
        assert not joining.done()
        joining.cancel()
        await client.close()

    virtually(scene())
    assert cluster.connections


def test_connecting_to_a_hung_broker_holds_no_other_connection_back(cluster: Cluster) -> None:
    """Another broker is connected to at once meanwhile, and the metadata come from it."""

    async def scene() -> None:
        client = await started()
        cluster.brokers[1] = False
        begun = now()
        hung = asyncio.create_task(client.ready(1))
        await asyncio.sleep(0)
        assert await client.ready(2)
        assert now() == begun
        assert not await hung
        assert now() - begun <= SETUP_SECONDS
        assert await client.force_metadata_update()
        assert now() - begun <= SETUP_SECONDS + 0.1
        assert client.get_random_node() != 1
        await client.close()

    virtually(scene())


def test_metadata_do_not_wait_behind_a_write(cluster: Cluster) -> None:
    """While the only broker left waits for replicas, it is asked on another connection."""

    async def scene() -> None:
        client = await started()
        writing = asyncio.create_task(client.send(3, write()))
        cluster.brokers |= {1: False, 2: False}
        await asyncio.sleep(0.1)
        cluster.fenced |= {1, 2}
        begun = now()
        assert await client.force_metadata_update()
        assert now() - begun <= 2 * SETUP_SECONDS + 0.1
        assert not writing.done()
        writing.cancel()
        await client.close()

    virtually(scene())


async def test_a_request_whose_connection_is_gone_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka closes the connection of a request that is too late, and fails with a `KeyError` if
    it was closed before. Consumers then never fetch again, and their stop fails."""
    client = AIOKafkaClient(bootstrap_servers="localhost:1")
    leave_hung_brokers(client)

    async def too_late() -> None:
        client._conns.clear()
        raise TimeoutError

    async def ready(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(client, "ready", ready)
    connection = SimpleNamespace(send=lambda *_, **__: too_late())
    client._conns[1, ConnectionGroup.DEFAULT] = connection
    with pytest.raises(RequestTimedOutError):
        await client.send(1, HeartbeatRequest("group", 1, "member"))
