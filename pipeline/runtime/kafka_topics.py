"""Create, describe and alter the topics on a cluster. `pipeline.cluster.topic_checks` decides
whether a topic is wrong."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreateTopicsRequest,
    DescribeConfigsRequest,
)

from pipeline.cluster.topic_checks import TopicFinding, findings
from pipeline.cluster.view import ClusterView, Needs, lacks, replication
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import MIN_IN_SYNC, Topic, min_in_sync

_DEFAULT_REPLICATION = "default.replication.factor"
_OF_THE_TOPIC = 1
"""`config_source` of a setting of the topic itself."""
_DENIED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
_CREATE_MS = 10_000
_FOLLOW_SECONDS = 15.0
_AGAIN_SECONDS = 0.1


class TooFewBrokers(KafkaError):  # type: ignore[misc]
    """There are fewer live brokers than the replicas of a new topic."""


async def create(
    cluster: Cluster, settings: Settings, wanted: Mapping[str, Topic], principal: str
) -> str | None:
    """Create topics. `wanted`: by name with the prefix. Return why some cannot be created yet, or
    None if all exist. Raise `TooFewBrokers`, `SettingsError` if Kafka refuses one for good, and the
    errors of `Cluster.ask`."""
    replicas = settings.kafka_replication_factor or await _default_replication(cluster)
    in_sync = {} if replicas is None else {MIN_IN_SYNC: str(min_in_sync(replicas))}
    requests: list[tuple[Any, ...]] = [
        # -1: the broker's default
        (name, topic.partitions, settings.kafka_replication_factor or -1, [],
         list((topic.config() | in_sync).items()))
        for name, topic in wanted.items()
    ]  # fmt: skip
    response = await cluster.ask(CreateTopicsRequest(requests, _CREATE_MS, validate_only=False))
    for name, code, *message in response.topic_errors:
        if (why := _uncreated(name, for_code(code), message, principal)) is not None:
            return why
    return None


def _uncreated(
    name: str, error: type[BrokerResponseError], message: Sequence[object], principal: str
) -> str | None:
    if error.errno == 0 or error is TopicAlreadyExistsError:
        return None  # several processes may create it at once
    if error in _DENIED:
        return (
            f"topic {name} is missing, and {lacks('Create', 'Topic', name, principal)}: create it "
            "with `flexcapture topics apply`"
        )
    if error is InvalidReplicationFactorError:
        raise TooFewBrokers(f"topic {name} cannot be created: {' '.join(map(str, message))}")
    if error.retriable:
        return f"topic {name} cannot be created yet: {error.__name__} {message}"
    raise SettingsError(f"topic {name} cannot be created: {error.__name__} {message}")


async def _default_replication(cluster: Cluster) -> int | None:
    """Return the brokers' default replication factor; None if it is not known."""
    resource = (ConfigResourceType.BROKER, str(cluster.alive[0]), [_DEFAULT_REPLICATION])
    response = await cluster.ask_of(cluster.alive[0], DescribeConfigsRequest([resource]))
    for code, _, _, _, entries in response.resources:
        for name, value, *_ in () if code else entries:
            if name == _DEFAULT_REPLICATION:
                return int(value)
    return None


Described = Mapping[str, Mapping[str, tuple[str | None, bool]]]
"""By topic and setting: the value, and whether it was set for the topic itself."""


async def described(cluster: Cluster, names: Sequence[str], node: int | None = None) -> Described:
    """Return the settings of topics as this broker (or any) knows them. Topics that the principal
    may not describe are left out. Raise the errors of `Cluster.ask`."""
    if not names:
        return {}
    resources = [(ConfigResourceType.TOPIC, name, None) for name in names]
    request = DescribeConfigsRequest(resources)
    response = await (cluster.ask(request) if node is None else cluster.ask_of(node, request))
    return {
        name: {
            setting: (value, source == _OF_THE_TOPIC) for setting, value, _, source, *_ in entries
        }
        for code, _, _, name, entries in response.resources
        if code == 0
    }


def examined(
    view: ClusterView, topics: Mapping[str, Topic], configs: Described, wanted_replicas: int
) -> list[TopicFinding]:
    """Return the problems of the described topics. `topics`: by name with the prefix."""
    return [
        finding
        for name, topic in topics.items()
        if name in configs
        for finding in findings(
            topic,
            name,
            replication(view, name),
            {setting: value for setting, (value, _) in configs[name].items()},
            wanted_replicas,
        )
    ]


def min_in_sync_of(view: ClusterView, needs: Needs, configs: Described) -> dict[str, int]:
    """Return `min.insync.replicas` of each topic; our default if it is not known."""
    return {
        name: int(configs.get(name, {}).get(MIN_IN_SYNC, (None, False))[0] or 0)
        or min_in_sync(replication(view, name))
        for name in needs.partitions
    }


async def alter(cluster: Cluster, found: Sequence[TopicFinding], configs: Described) -> None:
    """Change the settings in the findings, keep the topics' other settings, and return once every
    broker knows the change. Raise `KafkaError` if Kafka refuses, `TimeoutError` if a broker does
    not learn the change in time, and the errors of `Cluster.ask`."""
    wanted: dict[str, dict[str, str]] = {}
    for finding in found:
        wanted.setdefault(finding.topic, {})[finding.setting] = finding.wanted
    # The request replaces all settings of a topic.
    resources = [
        (ConfigResourceType.TOPIC, name, list((_own(configs[name]) | changes).items()))
        for name, changes in wanted.items()
    ]
    response = await cluster.ask(AlterConfigsRequest(resources))
    for code, message, _, name in response.resources:
        if code:
            raise for_code(code)(f"topic {name}: {message}")
    async with asyncio.timeout(_FOLLOW_SECONDS):
        for node in cluster.alive:
            while not _are_set(wanted, await described(cluster, sorted(wanted), node)):  # noqa: ASYNC110
                await asyncio.sleep(_AGAIN_SECONDS)


def _are_set(wanted: Mapping[str, Mapping[str, str]], configs: Described) -> bool:
    return all(
        configs[name][setting][0] == value
        for name, changes in wanted.items()
        for setting, value in changes.items()
    )


def _own(config: Mapping[str, tuple[str | None, bool]]) -> dict[str, str | None]:
    return {name: value for name, (value, own) in config.items() if own}
