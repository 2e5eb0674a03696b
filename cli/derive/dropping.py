"""`flexcapture derive drop`: delete a derivation's topics, and the groups of its readers. I/O."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupIdNotFound,
    NoError,
    NonEmptyGroup,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest, DeleteTopicsRequest

from cli.derive.comparing import needed_progress
from cli.derive.roles import ROLES, targets
from cli.derive.topics import PROGRESS, all_topics
from cli.derive.writer import DerivationWriter
from pipeline.runtime.kafka import admin_client
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.settings import Role, Settings
from schemas.topics import PROVISIONED

_DELETE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Found:
    """The topics of a derivation, the one that marks the prefix last, and its groups."""

    topics: tuple[str, ...]
    groups: tuple[str, ...]


async def find(target: Settings) -> Found:
    """Return the topics and groups of a derivation. Raise `DeriveRefused` if there is none with the
    prefix of `target`, and the errors of aiokafka."""
    await needed_progress(target)
    admin = admin_client(target)
    try:
        await admin.start()
        present = set(await admin.list_topics())
        groups = [str(group) for group, *_ in await admin.list_consumer_groups()]
    finally:
        await admin.close()
    names = (target.prefixed(topic.name) for topic in all_topics(targets(tuple(ROLES.values()))))
    topics = tuple(name for name in names if name in present)
    return Found(topics, groups_of(target.topic_prefix, groups, present))


def groups_of(prefix: str, groups: Iterable[str], topics: Collection[str]) -> tuple[str, ...]:
    """Return the groups with the prefix. Groups with a longer prefix that topics of some pipeline
    have do not belong to this derivation. If the prefix does not end with a separator, only groups
    named like roles belong to it."""
    ends = tuple(topic.name for topic in (*PROVISIONED, PROGRESS))
    prefixes = {name.removesuffix(end) for name in topics for end in ends if name.endswith(end)}
    longer = tuple(each for each in prefixes if each.startswith(prefix) and each != prefix)
    own = [g for g in groups if g.startswith(prefix) and not (longer and g.startswith(longer))]
    if not prefix.endswith((".", "_", "-")):
        own = [group for group in own if group.removeprefix(prefix) in set(Role)]
    return tuple(sorted(own))


async def drop(target: Settings, found: Found) -> tuple[str, ...]:
    """Delete the topics and groups. Return the groups that have members and were not deleted. May
    be repeated after an error: the topic that marks the prefix is deleted last."""
    writer = DerivationWriter(target)
    try:
        await writer.start()  # ends a derivation that runs
    finally:
        await writer.close()
    marker = target.prefixed(PROGRESS.name)
    async with Cluster(target) as cluster:
        await cluster.look([], ask_all=True)
        for names in ([name for name in found.topics if name != marker], [marker]):
            await _delete_topics(cluster, names)
    await _gone(target, found.topics)
    return await _delete_groups(target, found.groups)


async def _delete_topics(cluster: Cluster, names: Sequence[str]) -> None:
    if not names:
        return
    response = await cluster.ask(DeleteTopicsRequest(list(names), _DELETE_MS))
    for name, code in response.topic_error_codes:
        if code not in (NoError.errno, UnknownTopicOrPartitionError.errno):
            raise for_code(code)(f"topic {name}")


async def _gone(target: Settings, topics: Collection[str]) -> None:
    """Return once the cluster lists none of the topics. Raise `TimeoutError` if that takes long."""
    admin = admin_client(target)
    try:
        await admin.start()
        async with asyncio.timeout(_DELETE_MS / 1000):
            while not set(topics).isdisjoint(await admin.list_topics()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _delete_groups(target: Settings, groups: Sequence[str]) -> tuple[str, ...]:
    busy: list[str] = []
    admin: AIOKafkaAdminClient = admin_client(target)
    try:
        await admin.start()
        async with Cluster(target) as cluster:
            await cluster.look([], ask_all=True)
            for group in groups:
                node = await admin.find_coordinator(group)
                response = await cluster.ask_of(node, DeleteGroupsRequest([group]))
                for name, code in response.results:
                    if code == NonEmptyGroup.errno:
                        busy.append(name)
                    elif code not in (NoError.errno, GroupIdNotFound.errno):
                        raise for_code(code)(f"group {name}")
    finally:
        await admin.close()
    return tuple(busy)
