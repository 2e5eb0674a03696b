"""aiokafka's client, changed to stop using a broker that accepts connections but does not answer.

The controller fences such a broker (stopped, with a hanging disk, behind a broken switch) after its
session, 9 s by default, and its partitions and groups get new leaders and coordinators. aiokafka
notices only after a request has timed out. It may then ask the same broker for metadata, and wait
for as long again. Meanwhile it opens no connection to any other broker. So this client differs:

- Bootstrap asks the servers in turn, the next one after half a second, and takes the first answer.
  The process's later clients ask a server that did not answer last.
- A connection that is not set up within 3 s is given up, and delays no other.
- While a request has no answer, the client refreshes its metadata every second, from other brokers.
  It closes connections to brokers that the metadata no longer lists: requests to them fail at once
  and are sent elsewhere.
- Requests that a broker answers at once have 4 s; fetches have 4 s more than their longest wait.
  Only joins, which wait for other members, and writes, which wait for replicas, have the client's
  request time-out.
"""

import asyncio
import logging
import random
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError, StaleMetadata
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from pipeline.runtime.kafka_bootstrap import SETUP_SECONDS, first_answer

log = logging.getLogger("aiokafka.client")

ANSWER_SECONDS = 4.0
LATE_SECONDS = 1.0
"""After this time without an answer, the client looks for another broker."""
_AVOIDED_SECONDS = 10.0
"""For this long (s), a broker that did not answer is the last choice for general requests."""
_PAUSE_SECONDS = 0.05
"""Pause between two refreshes of the metadata: aiokafka asks at once while a leader is missing."""
_METADATA = "metadata"
"""A connection for metadata alone. A broker handles the requests of a connection one after the
other, and on the other connections one may be waiting."""
_PROMPT = (HeartbeatRequest, FindCoordinatorRequest, OffsetRequest)


class Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka has no types
    """See the module's docstring. `leave_hung_brokers` turns an existing client into one."""

    _avoided: dict[int, float]
    _sync_task: "asyncio.Task[None] | None"
    _locks: dict[Any, asyncio.Lock]
    _refreshed_at: float

    async def bootstrap(self) -> None:
        """Take the cluster's metadata from the first server that answers. Raise
        `KafkaConnectionError` once all have refused, or none has answered within the request
        time-out."""
        deadline = self._loop.time() + self._request_timeout_ms / 1000
        while True:
            begun = self._loop.time()
            try:
                servers = [(host, port) for host, port, _ in self.hosts]
                connection, metadata = await first_answer(servers, self._connected)
                break
            except KafkaConnectionError:
                refused = self._loop.time() - begun < SETUP_SECONDS / 2
                if refused or self._loop.time() >= deadline:
                    raise
        self.cluster.update_metadata(metadata)
        if self.cluster.brokers():
            connection.close()
        else:  # the broker does not know any broker yet, not even itself
            self._conns["bootstrap", ConnectionGroup.DEFAULT] = connection
        if self._sync_task is None:
            self._sync_task = asyncio.create_task(self._md_synchronizer())

    async def _connected(self, host: str, port: int, **more: Any) -> AIOKafkaConnection:
        return await create_conn(
            host,
            port,
            client_id=self._client_id,
            request_timeout_ms=self._request_timeout_ms,
            ssl_context=self._ssl_context,
            security_protocol=self._security_protocol,
            max_idle_ms=self._connections_max_idle_ms,
            sasl_mechanism=self._sasl_mechanism,
            sasl_plain_username=self._sasl_plain_username,
            sasl_plain_password=self._sasl_plain_password,
            sasl_kerberos_service_name=self._sasl_kerberos_service_name,
            sasl_kerberos_domain_name=self._sasl_kerberos_domain_name,
            sasl_oauth_token_provider=self._sasl_oauth_token_provider,
            **more,
        )

    def get_random_node(self) -> int | None:
        """Return a broker for a request that any broker can answer; None if none is known."""
        nodes = self._nodes()
        return nodes[0] if nodes else None

    def _nodes(self) -> list[int]:
        """Return all brokers in random order, with those that did not answer lately at the end."""
        nodes = [broker.nodeId for broker in self.cluster.brokers()]
        random.shuffle(nodes)
        return sorted(nodes, key=self._is_avoided)

    def _is_avoided(self, node_id: int) -> bool:
        return bool(self._loop.time() < self._avoided.get(node_id, 0.0))

    def _avoid(self, node_id: int) -> None:
        self._avoided[node_id] = self._loop.time() + _AVOIDED_SECONDS

    async def _get_conn(
        self, node_id: Any, *, group: Any = ConnectionGroup.DEFAULT, **_: Any
    ) -> AIOKafkaConnection | None:
        """Return a connection to the broker; None if it cannot be set up soon."""
        name = node_id, group
        known = self._conns.get(name)
        if known is not None and known.connected():
            return known
        async with self._locks.setdefault(name, asyncio.Lock()):
            known = self._conns.pop(name, None)
            if known is not None and known.connected():
                self._conns[name] = known
                return known
            try:
                async with asyncio.timeout(SETUP_SECONDS):
                    self._conns[name] = await self._connected_to(node_id)
            except (OSError, TimeoutError, KafkaError) as error:
                log.warning("no connection to Kafka broker %s: %r", node_id, error)
                self._avoid(node_id)
                if group != _METADATA:
                    self.force_metadata_update()
                return None
        return self._conns[name]

    async def _connected_to(self, node_id: int) -> AIOKafkaConnection:
        broker = self.cluster.broker_metadata(node_id)
        if broker is None:
            raise StaleMetadata(f"broker {node_id} is not in the metadata")
        return await self._connected(broker.host, broker.port, on_close=self._on_connection_closed)

    async def _metadata_update(self, cluster_metadata: Any, topics: Any) -> bool:
        """Refresh the metadata from the first broker that answers; return whether one did."""
        await asyncio.sleep(self._refreshed_at + _PAUSE_SECONDS - self._loop.time())
        request = MetadataRequest(list(topics) if topics else None)
        bootstrap = ["bootstrap"] if ("bootstrap", ConnectionGroup.DEFAULT) in self._conns else []
        for node_id in [*self._nodes(), *bootstrap]:
            metadata = await self._metadata_from(node_id, request)
            if metadata is None:
                continue
            self._refreshed_at = self._loop.time()
            if not metadata.brokers:
                return False  # a topic is being created: the next answer may have brokers
            cluster_metadata.update_metadata(metadata)
            self._close_connections_to_fenced_brokers()
            return True
        log.error("no Kafka broker answers a request for metadata")
        cluster_metadata.failed_update(None)
        self._refreshed_at = self._loop.time()
        return False

    async def _metadata_from(self, node_id: Any, request: MetadataRequest) -> Any:
        group = ConnectionGroup.DEFAULT
        open_one = self._conns.get((node_id, group))
        if node_id != "bootstrap" and open_one is not None and open_one._requests:  # noqa: SLF001
            group = _METADATA
        connection = await self._get_conn(node_id, group=group)
        if connection is None:
            return None
        try:
            async with asyncio.timeout(SETUP_SECONDS):
                return await connection.send(request)
        except (KafkaError, TimeoutError) as error:
            log.warning("no metadata from Kafka broker %s: %r", node_id, error)
            self._avoid(node_id)
            if group == _METADATA:
                connection.close(reason=CloseReason.OUT_OF_SYNC)
            return None

    def _close_connections_to_fenced_brokers(self) -> None:
        """Close connections to brokers that the controller took out of the cluster. Open requests
        to them fail with a `KafkaConnectionError`."""
        brokers = {broker.nodeId for broker in self.cluster.brokers()}
        if not brokers:
            return
        for (node_id, group), connection in list(self._conns.items()):
            if node_id not in brokers:
                del self._conns[node_id, group]
                connection.close(reason=CloseReason.OUT_OF_SYNC)
        self._avoided = {n: until for n, until in self._avoided.items() if n in brokers}

    async def send(
        self, node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT
    ) -> Any:
        """Send a request as aiokafka does, and watch how long the broker takes."""
        waiting = _Waiting(self, node_id, group, request)
        try:
            return await super().send(node_id, request, group=group)
        except KeyError as error:  # too late: aiokafka has closed the connection already
            raise RequestTimedOutError from error
        finally:
            waiting.handle.cancel()

    def give_up(self, node_id: Any, group: Any) -> None:
        """Close a connection on which a request has waited for too long."""
        connection = self._conns.pop((node_id, group), None)
        if connection is not None:
            log.warning("Kafka broker %s does not answer; connection closed", node_id)
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)

    def look_elsewhere(self, node_id: Any) -> None:
        """Ask the other brokers whether that one is still in the cluster."""
        self._avoid(node_id)
        self.force_metadata_update()


class _Waiting:
    """A request under way. Once it is late, it is checked every second."""

    __slots__ = ("_client", "_give_up_at", "_group", "_node_id", "handle")

    def __init__(self, client: Client, node_id: Any, group: Any, request: Any) -> None:
        self._client = client
        self._node_id = node_id
        self._group = group
        expected, longest = _patience(request)
        now = client._loop.time()  # noqa: SLF001
        self._give_up_at = now + longest
        self.handle = client._loop.call_at(now + expected + LATE_SECONDS, self._look)  # noqa: SLF001

    def _look(self) -> None:
        loop = self._client._loop  # noqa: SLF001
        now = loop.time()
        if now >= self._give_up_at:
            self._client.give_up(self._node_id, self._group)
            return
        self._client.look_elsewhere(self._node_id)
        self.handle = loop.call_at(min(now + LATE_SECONDS, self._give_up_at), self._look)


def _patience(request: Any) -> tuple[float, float]:
    """Return how long (s) the request itself lets the broker wait, and how long to wait for the
    answer at most; infinite: the client's request time-out applies."""
    if isinstance(request, FetchRequest):
        expected: float = request._max_wait_ms / 1000  # noqa: SLF001
        return expected, expected + ANSWER_SECONDS
    return 0.0, ANSWER_SECONDS if isinstance(request, _PROMPT) else float("inf")


def leave_hung_brokers(client: AIOKafkaClient) -> None:
    """Make a client that is not started yet leave brokers that do not answer."""
    client.__class__ = Client
    client._avoided = {}  # noqa: SLF001
    client._locks = {}  # noqa: SLF001
    client._refreshed_at = 0.0  # noqa: SLF001
