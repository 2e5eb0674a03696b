"""Facts about Kafka. With a cluster: tests/integration/test_doctor.py."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from cli.twilio.doctor import asking_kafka
from cli.twilio.doctor.asking_kafka import has_checkpoints, kafka_facts
from cli.twilio.doctor.facts import KafkaFacts
from cli.twilio.doctor.results import CheckTrouble
from pipeline.cluster.view import ClusterView, PartitionView, TopicView
from pipeline.runtime import kafka_topics
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import BRIDGE_CHECKPOINTS, CLOCK, CTI_EVENTS, PROVISIONED, Topic
from tests.pipeline.runtime.log_consumers import Consumer, Kafka
from tests.virtual_time import virtually

SETTINGS = Settings(topic_prefix="p.", kafka_bootstrap_servers="kafka.test:9092")


class Reader(Consumer):
    """A consumer that fetches from all assigned partitions."""

    async def getmany(self, *_: TopicPartition, timeout_ms: int = 0) -> Any:
        found = await super().getmany(*self.positions)
        return {tp: records for tp, records in found.items() if records}


class Surroundings:
    """A cluster of two brokers. `log`: the partitions of `cti.events`; `replicas`: of all topics;
    `correction`: of the log's clock (ms), None: it cannot be measured."""

    def __init__(self, patch: pytest.MonkeyPatch, *absent: Topic) -> None:
        events = {TopicPartition("p.cti.events", n): {} for n in range(CTI_EVENTS.partitions)}
        self.log = Kafka(events)  # type: ignore[arg-type]
        self.correction: int | None = -40
        self.is_away = False
        self.counts: dict[str, int] = {}
        self.replicas = 3
        self._absent = {topic.name for topic in absent}
        patch.setattr(asking_kafka, "Cluster", lambda _: self)
        patch.setattr(asking_kafka, "consumer", lambda _: Reader(self.log))
        patch.setattr(asking_kafka, "log_clock", self._clock)
        patch.setattr(kafka_topics, "described", self._described)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""

    def raise_refusal(self) -> None:
        """The credentials are good."""

    async def look(self, _: Sequence[str], *, ask_all: bool) -> ClusterView:
        assert ask_all
        if self.is_away:
            return ClusterView(trouble="Kafka does not answer")
        broker = {
            f"p.{topic.name}": TopicView(
                0,
                {
                    n: PartitionView(1, 1, self.replicas, frozenset({1}))
                    for n in range(self.counts.get(topic.name, topic.partitions))
                },
            )
            for topic in PROVISIONED
            if topic.name not in self._absent
        }
        return ClusterView(frozenset({1, 2}), {1: broker, 2: broker})

    async def _described(self, *_: Any) -> dict[str, Any]:
        return {}

    @asynccontextmanager
    async def _clock(self, *_: Any) -> AsyncIterator[Any]:
        async def settled() -> None:
            if self.correction is None:
                raise TimeoutError

        yield SimpleNamespace(settled=settled, correction=lambda: self.correction)


def test_a_whole_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers, replicas, and this machine's clock, which is ahead if the log's time is corrected
    back."""
    Surroundings(monkeypatch)
    found = virtually(kafka_facts(SETTINGS))
    assert found == KafkaFacts(
        brokers=2, missing=[], findings=[], replicas=3, skew_ms=40, last_event_at=None
    )
    assert has_checkpoints(SETTINGS, found)


def test_missing_topics_and_wrong_numbers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the topics of the clock and of the events there is no time and no event."""
    made = Surroundings(monkeypatch, BRIDGE_CHECKPOINTS, CLOCK, CTI_EVENTS)
    made.counts = {"media": 12}
    made.replicas = 1
    found = virtually(kafka_facts(SETTINGS))
    assert ["p.bridge.checkpoints", "p.clock", "p.cti.events"] == found.missing
    assert ({"p.media": 12}, 1, None) == (found.partitions, found.replicas, found.skew_ms)
    assert CheckTrouble("there is no topic of events") == found.last_event_at
    assert not has_checkpoints(SETTINGS, found)
    assert not has_checkpoints(SETTINGS, CheckTrouble("x"))


def test_a_clock_that_cannot_be_measured_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else depends on it."""
    Surroundings(monkeypatch).correction = None
    assert virtually(kafka_facts(SETTINGS)).skew_ms is None


@pytest.mark.parametrize(
    ("partitions", "ends", "expected"),
    [
        ({3: {0: 100}, 5: {7: 300, 8: 200}}, {}, 300),
        ({3: {n: 100 + n for n in range(60)}}, {}, 159),
        ({3: {40: 500}}, {3: 45}, 500),  # it ends in marks of transactions
    ],
)
def test_the_newest_event_is_found_near_the_ends(
    monkeypatch: pytest.MonkeyPatch,
    partitions: dict[int, dict[int, int]],
    ends: dict[int, int],
    expected: int,
) -> None:
    """Of all partitions, without reading them from their beginning."""
    made = Surroundings(monkeypatch)
    for number, records in partitions.items():
        made.log.partitions[TopicPartition("p.cti.events", number)] = records
    made.log.ends = {TopicPartition("p.cti.events", n): end for n, end in ends.items()}
    assert expected == virtually(kafka_facts(SETTINGS)).last_event_at


def test_an_absent_kafka_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that is not configured."""
    Surroundings(monkeypatch).is_away = True
    with pytest.raises(KafkaConnectionError, match="does not answer"):
        virtually(kafka_facts(SETTINGS))
    with pytest.raises(SettingsError, match="is not set"):
        virtually(kafka_facts(Settings()))
