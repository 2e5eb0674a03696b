"""Fetches the facts about Kafka. I/O. No topic is created."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from cli.twilio.doctor.asking import fetched
from cli.twilio.doctor.facts import KafkaFacts
from cli.twilio.doctor.results import CheckTrouble
from pipeline.cluster.view import ClusterView, missing, other_counts, replication
from pipeline.runtime import kafka_topics
from pipeline.runtime.kafka import consumer
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.log_clock import log_clock
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from schemas.topics import BRIDGE_CHECKPOINTS, CLOCK, CTI_EVENTS, PROVISIONED, Topic

CLOCK_S = 6.0
LAST_S = 10.0
_LAST_RECORDS = 20
"""The number of offsets before a partition's end that are read: the last ones may be marks of
transactions."""


async def kafka_facts(settings: Settings) -> KafkaFacts:
    """Return the facts. Raise `SettingsError`, `KafkaError`, `OSError`."""
    if settings.kafka_bootstrap_servers is None:
        raise SettingsError("FLEXCAPTURE_KAFKA_BOOTSTRAP_SERVERS is not set, and no `up` runs here")
    topics = {settings.prefixed(topic.name): topic for topic in PROVISIONED}
    async with Cluster(settings) as cluster:
        view = await cluster.look(sorted(topics), ask_all=True)
        if not view.answers:
            cluster.raise_refusal()
            raise KafkaConnectionError(view.trouble)
        absent = missing(view, topics)
        present = {name: topic for name, topic in topics.items() if name not in absent}
        configs = await kafka_topics.described(cluster, sorted(present))
    findings = kafka_topics.examined(view, present, configs, settings.kafka_replication_factor)
    last, skew = await asyncio.gather(_last_event(settings, present), _skew(settings, present))
    return KafkaFacts(
        brokers=len(view.answers),
        missing=absent,
        findings=findings,
        partitions=other_counts(view, {n: t.partitions for n, t in present.items()}),
        replicas=_replicas(view, present),
        skew_ms=skew,
        last_event_at=last,
    )


def has_checkpoints(settings: Settings, facts: KafkaFacts | CheckTrouble) -> bool:
    """Return whether the topic of the bridge's checkpoints exists."""
    name = settings.prefixed(BRIDGE_CHECKPOINTS.name)
    return not isinstance(facts, CheckTrouble) and name not in facts.missing


def _replicas(view: ClusterView, present: Mapping[str, Topic]) -> int:
    return min((replication(view, name) for name in present), default=0)


async def _skew(settings: Settings, present: Mapping[str, Topic]) -> int | None:
    """Return this machine's clock minus Kafka's, in ms; None if it cannot be measured."""
    if settings.prefixed(CLOCK.name) not in present:
        return None
    async with log_clock(settings, Health()) as clock:
        try:
            async with asyncio.timeout(CLOCK_S):
                await clock.settled()
        except TimeoutError:
            return None
        correction = clock.correction()
    return None if correction is None else -correction


async def _last_event(
    settings: Settings, present: Mapping[str, Topic]
) -> int | CheckTrouble | None:
    if settings.prefixed(CTI_EVENTS.name) not in present:
        return CheckTrouble("there is no topic of events")
    return await fetched(_newest(settings), LAST_S)


async def _newest(settings: Settings) -> int | None:
    """Return the log time of the newest event; None if there is none."""
    name = settings.prefixed(CTI_EVENTS.name)
    reader: AIOKafkaConsumer = consumer(settings)
    await reader.start()
    try:
        partitions = [TopicPartition(name, number) for number in range(CTI_EVENTS.partitions)]
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        begins = await reader.beginning_offsets(partitions)
        open_ends = {p: end for p, end in ends.items() if end > begins[p]}
        reader.assign(list(open_ends) or partitions[:1])
        for partition, end in open_ends.items():
            reader.seek(partition, max(begins[partition], end - _LAST_RECORDS))
        return await _newest_before(reader, open_ends)
    finally:
        await reader.stop()


async def _newest_before(
    reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> int | None:
    newest: int | None = None
    waiting = set(ends)
    while waiting:
        for records in (await reader.getmany(timeout_ms=200)).values():
            newest = max([newest or 0, *(record.timestamp for record in records)])
        for partition in tuple(waiting):
            if await reader.position(partition) >= ends[partition]:
                waiting.discard(partition)
    return newest
