"""`flexcapture topics check | apply`: compare the topics on the cluster with ours."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence

from aiokafka.errors import KafkaConnectionError, KafkaError

from cli.messages import FAILED, OK, print_error, print_message
from pipeline.cluster.topic_checks import TopicFinding, remedy
from pipeline.cluster.view import ClusterView, missing, other_counts
from pipeline.error_text import error_text
from pipeline.runtime import kafka_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_start import Preparation, needs_of, principal_of
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import PROVISIONED, Topic

_PATIENCE_S = 30.0
_SHOWN_WIDTH = 32
_DAY_MS = 24 * 60 * 60 * 1000


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Run the command. Return the exit status: 0 if every topic is right (or was corrected), 1 if
    one is not, or Kafka cannot be used. Raise `SettingsError`."""
    changing = asked.action == "apply" and not asked.dry_run
    try:
        return asyncio.run(_run(settings, changing=changing))
    except (KafkaError, TimeoutError, OSError) as error:
        return print_error(f"Kafka cannot be used: {error_text(error)}")


async def _run(settings: Settings, *, changing: bool) -> int:
    topics = {settings.prefixed(topic.name): topic for topic in PROVISIONED}
    async with Cluster(settings) as cluster:
        if changing:
            await _create(cluster, settings, topics)
        view = await cluster.look(sorted(topics), ask_all=True)
        if not view.answers:
            cluster.raise_refusal()
            raise KafkaConnectionError(view.trouble)
        absent = missing(view, topics)
        for name in absent:
            _say(name, f"missing: {_described(topics[name])}")
        found = await _examine(cluster, settings, view, topics, changing=changing)
    return _verdict(settings, found, absent, changing=changing)


async def _create(cluster: Cluster, settings: Settings, topics: Mapping[str, Topic]) -> None:
    """Create missing topics, and return once every broker knows them."""
    view = await cluster.look(sorted(topics), ask_all=True)
    if not view.answers:
        cluster.raise_refusal()
        raise KafkaConnectionError(view.trouble)
    absent = {name: topics[name] for name in missing(view, topics)}
    if not absent:
        return
    try:
        why = await kafka_topics.create(cluster, settings, absent, principal_of(settings))
    except kafka_topics.TooFewBrokers as error:
        raise SettingsError(f"FLEXCAPTURE_KAFKA_REPLICATION_FACTOR: {error}") from error
    if why is not None:
        raise KafkaConnectionError(why)
    needs, wanted = needs_of(settings, reads=[topics[name] for name in absent])
    await known_everywhere(cluster, Preparation(settings, needs, wanted))
    for name, topic in absent.items():
        _say(name, f"created: {_described(topic)}")


async def known_everywhere(cluster: Cluster, preparation: Preparation) -> None:
    """Return once the preparation is done. Raise `TimeoutError` with its last reason."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while (why := await preparation.attempt(cluster)) is not None:
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(why.reason)
        await asyncio.sleep(why.pause)


async def _examine(
    cluster: Cluster,
    settings: Settings,
    view: ClusterView,
    topics: Mapping[str, Topic],
    *,
    changing: bool,
) -> list[TopicFinding]:
    """Print the problems of the existing topics, correct them if `changing`, and return those that
    remain."""
    present = {n: topics[n] for n in topics if n not in set(missing(view, topics))}
    configs = await kafka_topics.described(cluster, sorted(present))
    hidden = sorted(present.keys() - configs.keys())
    if hidden:
        why = "ACL DescribeConfigs on Topic"
        print_message(f"settings of {len(hidden)} topics cannot be read: {why}")
    factor = settings.kafka_replication_factor
    found = kafka_topics.examined(view, present, configs, factor)
    wrong = other_counts(view, {name: topic.partitions for name, topic in present.items()})
    miscounted = [
        TopicFinding(
            name, f"{count} partitions, not {topics[name].partitions}", "", "", loses_data=True
        )
        for name, count in wrong.items()
    ]
    fixable = [finding for finding in found if finding.setting]
    if changing and fixable:
        await kafka_topics.alter(cluster, fixable, configs)
        for finding in fixable:
            _say(finding.topic, f"set {finding.setting}={finding.wanted} ({finding.problem})")
        found = [finding for finding in found if not finding.setting]
    for finding in (*found, *miscounted):
        _say(finding.topic, ("WRONG: " if finding.loses_data else "differs: ") + finding.problem)
    return [*found, *miscounted]


def _verdict(
    settings: Settings, found: Sequence[TopicFinding], absent: Sequence[str], *, changing: bool
) -> int:
    fixable = [finding for finding in found if finding.setting]
    if fixable and not changing:
        print_message("`flexcapture topics apply` does the same as:")
        print(remedy(fixable, str(settings.kafka_bootstrap_servers)))
    if absent:
        print_message(f"{len(absent)} topics are missing: flexcapture topics apply")
    fatal = [finding for finding in found if finding.loses_data]
    if any(not finding.setting for finding in fatal):
        print_message("the number of partitions cannot be changed: use FLEXCAPTURE_TOPIC_PREFIX")
    if not found and not absent:
        print_message(f"{len(PROVISIONED)} topics are as they must be")
    return FAILED if fatal or absent else OK


def _described(topic: Topic) -> str:
    if topic.retention_ms is None:
        return f"{topic.partitions} partitions, compacted"
    return f"{topic.partitions} partitions, kept for {topic.retention_ms / _DAY_MS:g} days"


def _say(topic: str, what: str) -> None:
    print(f"{topic:<{_SHOWN_WIDTH}} {what}", flush=True)
