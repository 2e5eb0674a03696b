"""All brokers of a cluster are asked at once; one that hangs or is away delays no other."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster.view import PartitionView, TopicView
from pipeline.runtime import kafka_cluster
from pipeline.runtime.kafka_cluster import LOOK_SECONDS, Cluster
from pipeline.runtime.settings import Settings, SettingsError
from tests.examples import examples
from tests.virtual_time import virtually

UP, AWAY, HANGS = "up", "away", "hangs"
PARTITION = (0, 0, 1, 7, [1, 2, 3], [1, 3], [])
"""Error, number, leader, leader epoch, replicas, in-sync replicas, offline replicas."""


@dataclass
class Brokers:
    """Brokers 1, 2, ... on the ports 9001, 9002, ..., by their state. `bootstrap`: the state of
    the configured server on port 9000; `fenced`: those that the cluster does not list."""

    states: dict[int, str]
    bootstrap: str = UP
    refuses: bool = False
    fenced: frozenset[int] = frozenset()
    asked: list[tuple[int, list[str]]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    async def connect(self, host: str, port: int, **_: Any) -> "Connection":
        node = port - 9000
        state = self.states.get(node, AWAY) if node else self.bootstrap
        await asyncio.sleep(0.1)
        if self.refuses:
            raise SaslAuthenticationFailed("no such user")
        if state == AWAY:
            raise KafkaConnectionError(f"{host}:{port} refuses connections")
        self.opened += 1
        return Connection(self, node)

    def metadata(self, topics: list[str]) -> Any:
        listed = sorted(self.states.keys() - self.fenced)
        brokers = [(node, "kafka.test", 9000 + node, None) for node in listed]
        shown = [(0, name, False, [PARTITION], 1_234) for name in topics]
        return SimpleNamespace(brokers=brokers, topics=shown)


@dataclass
class Connection:
    """A connection to a broker."""

    brokers: Brokers
    node: int
    is_open: bool = True

    def connected(self) -> bool:
        return self.is_open

    async def send(self, request: Any) -> Any:
        if self.brokers.states.get(self.node) == HANGS:
            await asyncio.sleep(3_600)
        topics = getattr(request, "_topics", [])
        self.brokers.asked.append((self.node, topics))
        return self.brokers.metadata(topics)

    def close(self) -> None:
        assert self.is_open
        self.is_open = False
        self.brokers.closed += 1


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    """Three brokers that are up."""
    return use(Brokers({1: UP, 2: UP, 3: UP}), monkeypatch)


def use(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> Brokers:
    """Let clusters connect to these brokers."""
    monkeypatch.setattr(kafka_cluster, "create_conn", brokers.connect)
    return brokers


def cluster(**settings: Any) -> Cluster:
    """Return a cluster that is configured with port 9000."""
    return Cluster(Settings(kafka_bootstrap_servers="kafka.test:9000", **settings))


def test_one_broker_is_asked_for_topics_and_the_others_whether_they_live(brokers: Brokers) -> None:
    """Or all of them, if the caller wants to compare."""

    async def run() -> None:
        async with cluster() as made:
            view = await made.look(["calls"], ask_all=True)
            assert ({1, 2, 3}, "") == (view.listed, view.trouble)
            brokers.asked.clear()
            view = await made.look(["calls"], ask_all=False)
            assert [["calls"], [], []] == [topics for _, topics in sorted(brokers.asked)]
            assert [1] == [node for node, topics in view.answers.items() if topics is not None]

    virtually(run())


def test_a_topic_is_shown_as_the_broker_knows_it(brokers: Brokers) -> None:
    """Leader and epoch, number of replicas, those in sync, and the permitted operations."""

    async def run() -> Mapping[str, TopicView] | None:
        async with cluster() as made:
            return (await made.look(["calls"], ask_all=True)).answers[2]

    partition = PartitionView(leader=1, epoch=7, replicas=3, in_sync=frozenset({1, 3}))
    assert {"calls": TopicView(0, {0: partition}, 1_234)} == virtually(run())


@given(st.dictionaries(st.integers(1, 4), st.sampled_from([UP, AWAY, HANGS]), min_size=1))
@settings(max_examples=examples(25))
def test_a_look_ends_in_time_and_finds_all_that_live(states: dict[int, str]) -> None:
    """Whichever brokers hang or are away: within twice the limit, and no connection is left."""
    with pytest.MonkeyPatch.context() as patch:
        brokers = use(Brokers(states), patch)

        async def run() -> None:
            loop = asyncio.get_running_loop()
            async with cluster() as made:
                for _ in range(2):
                    began = loop.time()
                    view = await made.look(["calls"], ask_all=True)
                    assert loop.time() - began <= 2 * LOOK_SECONDS
                    living = {node for node, state in states.items() if state == UP}
                    assert living == set(view.answers) == set(made.alive)
                    assert bool(view.trouble) == (not living)

        virtually(run())
        assert brokers.opened == brokers.closed


def test_a_broker_that_hangs_delays_no_look_once_it_is_fenced(brokers: Brokers) -> None:
    """Before that, the look waits for it as long as the caller allows."""

    async def run() -> tuple[list[float], list[bool]]:
        loop = asyncio.get_running_loop()
        durations, listed = [], []
        async with cluster() as made:
            await made.look(["calls"], ask_all=True)
            brokers.states[1] = HANGS
            for fenced in (frozenset[int](), frozenset({1})):
                brokers.fenced = fenced
                began = loop.time()
                view = await made.look(["calls"], ask_all=True, others_s=0.7)
                assert {2, 3} == set(view.answers)
                durations.append(round(loop.time() - began, 1))
                listed.append(1 in view.listed)
        return durations, listed

    assert ([0.7, 0.0], [True, False]) == virtually(run())
    assert brokers.opened == brokers.closed


def test_a_configured_server_that_hangs_delays_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer is enough: it lists the brokers that work."""
    brokers = use(Brokers({1: HANGS, 2: UP, 3: UP}, fenced=frozenset({1})), monkeypatch)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        servers = ",".join(f"kafka.test:{9000 + node}" for node in brokers.states)
        async with Cluster(Settings(kafka_bootstrap_servers=servers)) as made:
            began = loop.time()
            view = await made.look(["calls"], ask_all=True)
            assert ({2, 3}, "") == (view.listed, view.trouble)
            return loop.time() - began

    assert virtually(run()) < 1
    assert brokers.opened == brokers.closed


def test_the_trouble_names_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the configured servers if they do not answer, and of the brokers if only those do not."""
    brokers = use(Brokers({1: AWAY, 2: HANGS}, bootstrap=AWAY), monkeypatch)

    async def trouble() -> str:
        async with cluster() as made:
            return (await made.look([], ask_all=True)).trouble

    assert "Kafka does not answer at kafka.test:9000: KafkaConnectionError" in virtually(trouble())
    brokers.bootstrap = UP
    reason = virtually(trouble())
    assert "brokers do not answer at kafka.test:9001, kafka.test:9002" == reason


def test_a_broker_that_leaves_the_cluster_is_forgotten(brokers: Brokers) -> None:
    """Its connection is closed, and it is not asked again."""

    async def run() -> None:
        async with cluster() as made:
            await made.look([], ask_all=True)
            del brokers.states[3]
            await made.look([], ask_all=True)
            before, _ = brokers.closed, brokers.asked.clear()
            view = await made.look([], ask_all=True)
            assert {1, 2} == view.listed == {node for node, _ in brokers.asked}
            assert 2 == before  # the first connection to port 9000, and the one to broker 3

    virtually(run())


def test_refused_credentials_are_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the settings. With OAUTHBEARER the token may be refreshed: no error."""
    use(Brokers({1: UP}, refuses=True), monkeypatch)
    plain = {
        "kafka_sasl_username": "u",
        "kafka_sasl_password": "p",
        "kafka_sasl_mechanism": "PLAIN",
    }

    async def refusal(made: Cluster) -> None:
        await made.look([], ask_all=True)
        made.raise_refusal()

    with pytest.raises(SettingsError, match=r"KAFKA_SASL_USERNAME.*no such user"):
        virtually(refusal(cluster(kafka_security_protocol="SASL_PLAINTEXT", **plain)))
    bearer = cluster()
    bearer._mechanism = "OAUTHBEARER"
    virtually(refusal(bearer))


def test_any_living_broker_answers_a_request(brokers: Brokers) -> None:
    """None is an error; a broker that hangs is given up after the time-out of requests."""

    async def run() -> None:
        async with cluster() as made:
            with pytest.raises(KafkaConnectionError):
                await made.ask(object())
            await made.look([], ask_all=True)
            brokers.asked.clear()
            await made.ask(object())
            await made.ask_of(2, object())
            assert 2 == len(brokers.asked)
            assert 2 == brokers.asked[1][0]
            brokers.states[2] = HANGS
            with pytest.raises(TimeoutError):
                await made.ask_of(2, object())

    virtually(run())


def test_a_lost_connection_is_made_anew(brokers: Brokers) -> None:
    """At the next request to that broker."""

    async def run() -> None:
        async with cluster() as made:
            await made.look([], ask_all=True)
            made._connections[1].close()
            opened = brokers.opened
            await made.ask_of(1, object())
            assert opened + 1 == brokers.opened

    virtually(run())
