"""One connection to each broker of the cluster, to check all of them and to administer topics.

aiokafka's clients ask one broker and wait for it: a broker that hangs blocks them for their request
time-out. Here all brokers are asked at once, each with its own time-out.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Self

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from pipeline.cluster.view import ClusterView, PartitionView, TopicView
from pipeline.error_text import error_text
from pipeline.runtime.kafka_protocol import TopicMetadata
from pipeline.runtime.kafka_security import client_arguments
from pipeline.runtime.setting_values import listen_address
from pipeline.runtime.settings import PREFIX, Settings, SettingsError

LOOK_SECONDS = 2.5
"""A broker that needs longer (s) to answer counts as unavailable."""
_REQUEST_SECONDS = 10.0
_REFUSALS = (SaslAuthenticationFailed, UnsupportedSaslMechanismError)


class Cluster:
    """The brokers of the configured cluster. Use it as an asynchronous context manager."""

    def __init__(self, settings: Settings) -> None:
        """Raise `SettingsError` if the settings for Kafka are wrong."""
        arguments = client_arguments(settings)
        self._servers = [listen_address(s) for s in arguments.pop("bootstrap_servers").split(",")]
        self._mechanism = settings.kafka_sasl_mechanism
        self._arguments = {
            **arguments,
            "client_id": f"{settings.instance or 'flexcapture'}-watch",
            "request_timeout_ms": round(_REQUEST_SECONDS * 1000),
        }
        self._addresses: dict[int, tuple[str, int]] = {}
        self._connections: dict[int, AIOKafkaConnection] = {}
        self._alive: tuple[int, ...] = ()
        self._refused: Exception | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in tuple(self._connections):
            self._disconnect(node)

    async def look(
        self, topics: Sequence[str], *, ask_all: bool, others_s: float = LOOK_SECONDS
    ) -> ClusterView:
        """Ask every broker whether it is alive, and one of them, or all, for the state of `topics`.

        Return once every broker that the answers list has answered, or `others_s` after the first
        answer, at the latest after twice `LOOK_SECONDS`. Raise only on cancellation.
        """
        trouble = "" if self._alive else await self._bootstrap()
        nodes = tuple(self._addresses)
        asked = frozenset(nodes) if ask_all else frozenset(self._one(nodes))
        answers = await self._answers(
            {node: topics if node in asked else () for node in nodes}, others_s
        )
        self._alive = tuple(answers)
        if nodes and not answers:
            trouble = trouble or f"brokers do not answer at {_worded_addresses(self._addresses)}"
        for response in answers.values():
            for node, host, port, _ in response.brokers:
                self._addresses[node] = host, port
        listed = _listed(answers)
        for node in set(self._addresses) - listed:
            del self._addresses[node]
            self._disconnect(node)
        views = {n: _topics(r) if n in asked else None for n, r in answers.items()}
        return ClusterView(frozenset(listed), views, trouble)

    def raise_refusal(self) -> None:
        """Raise `SettingsError` if a broker refused this process's credentials in the last look."""
        if self._refused is not None and self._mechanism != "OAUTHBEARER":
            raise SettingsError(
                f"{PREFIX}KAFKA_SASL_USERNAME, _PASSWORD or _MECHANISM: Kafka refuses them "
                f"({self._refused})"
            )

    async def ask(self, request: Any) -> Any:
        """Return a broker's answer to a request that any broker accepts. Raise `KafkaError`,
        `OSError` or `TimeoutError`."""
        if not self._alive:
            raise KafkaConnectionError("no broker answers")
        return await self.ask_of(random.choice(self._alive), request)  # noqa: S311 - no secret

    async def ask_of(self, node: int, request: Any) -> Any:
        """Return this broker's answer. Raise the errors of `ask`."""
        async with asyncio.timeout(_REQUEST_SECONDS):
            return await (await self._connected(node)).send(request)

    @property
    def alive(self) -> tuple[int, ...]:
        """The brokers that answered the last look."""
        return self._alive

    def _one(self, nodes: Sequence[int]) -> Sequence[int]:
        """Return the broker to ask for topics: one that answered the last time, if there is one."""
        return self._alive[:1] or nodes

    async def _bootstrap(self) -> str:
        """Learn the brokers' addresses from the first server that answers: it does not list a
        broker that hangs. Return why that failed; empty if it did not."""
        asked = [asyncio.ensure_future(self._first_answer(*server)) for server in self._servers]
        troubles: list[Exception] = []
        try:
            for answer in asyncio.as_completed(asked):
                found = await answer
                if not isinstance(found, Exception):
                    self._addresses |= found
                    self._refused = None
                    return ""
                troubles.append(found)
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        self._refused = next((e for e in troubles if isinstance(e, _REFUSALS)), None)
        servers = ",".join(f"{host}:{port}" for host, port in self._servers)
        return f"Kafka does not answer at {servers}: {_worded(troubles[0])}"

    async def _first_answer(self, host: str, port: int) -> dict[int, tuple[str, int]] | Exception:
        connection = None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                connection = await create_conn(host, port, **self._arguments)
                response = await connection.send(TopicMetadata([]))
        except Exception as error:  # noqa: BLE001 - any error means: the server cannot be used
            return error
        else:
            return {node: (host, port) for node, host, port, _ in response.brokers}
        finally:
            if connection is not None:
                connection.close()

    async def _answers(
        self, topics: Mapping[int, Sequence[str]], others_s: float
    ) -> dict[int, Any]:
        """Return the metadata of each broker that answers in time, by broker. `topics`: what to ask
        each of them for.

        A broker that hangs stays in `topics` until the controller has taken it out of the cluster.
        It does not delay the look any more once the other brokers do not list it.
        """
        loop = asyncio.get_running_loop()
        asking = {asyncio.create_task(self._metadata(n, t)): n for n, t in topics.items()}
        answers: dict[int, Any] = {}
        until = loop.time() + LOOK_SECONDS
        try:
            while asking and (left := until - loop.time()) > 0:
                done, _ = await asyncio.wait(
                    asking, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                is_first = not answers
                answers |= {asking[t]: r for t in done if (r := t.result()) is not None}
                asking = {t: n for t, n in asking.items() if t not in done}
                if answers and is_first:
                    until = min(until, loop.time() + others_s)
                if answers and _listed(answers).isdisjoint(asking.values()):
                    break
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return {node: answers[node] for node in topics if node in answers}

    async def _metadata(self, node: int, topics: Sequence[str]) -> Any | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await (await self._connected(node)).send(TopicMetadata(list(topics)))
        except asyncio.CancelledError:
            self._disconnect(node)
            raise
        except Exception:  # noqa: BLE001 - any error means: the broker does not answer
            self._disconnect(node)
            return None

    async def _connected(self, node: int) -> AIOKafkaConnection:
        connection = self._connections.get(node)
        if connection is None or not connection.connected():
            host, port = self._addresses[node]
            connection = await create_conn(host, port, **self._arguments)
            self._connections[node] = connection
        return connection

    def _disconnect(self, node: int) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()


def _listed(answers: Mapping[int, Any]) -> set[int]:
    return {node for response in answers.values() for node, *_ in response.brokers}


def _topics(response: Any) -> Mapping[str, TopicView]:
    return {
        name: TopicView(
            error,
            {
                number: PartitionView(leader, epoch, len(replicas), frozenset(in_sync))
                for _, number, leader, epoch, replicas, in_sync, _ in partitions
            },
            operations,
        )
        for error, name, _, partitions, operations in response.topics
    }


def _worded_addresses(addresses: Mapping[int, tuple[str, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in addresses.values())


def _worded(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {LOOK_SECONDS:g} s"
    return error_text(error)
