"""The exact ACLs that each role needs on a Kafka with an authorizer.

docs/kafka.md has the table. A role reports each ACL that it lacks, in its health and in its log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.runtime.settings import Role
from schemas.topics import (
    BRIDGE_CHECKPOINTS,
    CALL_ALIASES,
    CALLS,
    CLOCK,
    CONTACTS,
    CTI_EVENTS,
    CTI_RESOLVED,
    DEAD_LETTERS,
    GATEWAYS_ALIVE,
    MEDIA,
    POLICY,
    RECONCILIATION_EVIDENCE,
    RECONCILIATION_WINDOWS,
    RECONCILIATIONS,
    RECORDER_CHECKPOINTS,
    RECORDINGS,
    RETRIEVALS,
    SCHEMA_IDS_TOPIC,
    STREAM_COMMANDS,
    STREAM_EVENTS,
    TICKS,
    TWILIO_PERMITS,
    WORKERS,
    WORKERS_SEEN,
    Topic,
    changelog,
)


class ResourceType(StrEnum):
    """A kind of resource, as Kafka names it."""

    TOPIC = "Topic"
    GROUP = "Group"
    TRANSACTIONAL_ID = "TransactionalId"


class Operation(StrEnum):
    """An operation, as Kafka names it. Both include `Describe`."""

    READ = "Read"
    WRITE = "Write"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """Allows an operation on a resource. `is_prefix`: on all resources with this prefix."""

    operation: Operation
    resource_type: ResourceType
    name: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """A role's access to Kafka. Names are without the prefix. `STREAM` in a name stands for the
    Kinesis stream. A transactional id that ends with a hyphen is a prefix. `shared_group`: a group
    that several roles join."""

    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    group: str | None = None
    transactional_id: str | None = None
    shared_group: str | None = None


def _of_table_role(
    role: Role,
    reads: tuple[Topic, ...],
    writes: tuple[Topic, ...],
    transactional_id: str | None = None,
) -> Access:
    table = changelog(role)
    return Access(
        (*reads, TICKS, table), (*writes, DEAD_LETTERS, table), role.value, transactional_id
    )


ACCESS: Mapping[Role, Access] = {
    Role.BRIDGE: Access(
        (BRIDGE_CHECKPOINTS,),
        (CTI_EVENTS, DEAD_LETTERS, BRIDGE_CHECKPOINTS),
        "bridge-STREAM",
        "bridge-STREAM-",
    ),
    Role.TRACKER: _of_table_role(
        Role.TRACKER, (CTI_EVENTS, CTI_RESOLVED), (CALLS, CALL_ALIASES, WORKERS_SEEN, TICKS)
    ),
    Role.RESOLVER: _of_table_role(
        Role.RESOLVER, (CTI_EVENTS, CALL_ALIASES, WORKERS_SEEN), (CTI_RESOLVED, WORKERS)
    ),
    Role.STREAM_MANAGER: _of_table_role(
        Role.STREAM_MANAGER,
        (CALLS, STREAM_EVENTS, GATEWAYS_ALIVE, POLICY, WORKERS),
        (STREAM_COMMANDS, STREAM_EVENTS, MEDIA, POLICY, CTI_RESOLVED, CALL_ALIASES),
        "policy-publisher",
    ),
    Role.TWILIO_ADAPTER: Access(
        (STREAM_COMMANDS, STREAM_EVENTS),
        (STREAM_EVENTS, DEAD_LETTERS),
        Role.TWILIO_ADAPTER.value,
    ),
    Role.GATEWAY: Access((STREAM_EVENTS, GATEWAYS_ALIVE), (MEDIA, STREAM_EVENTS, GATEWAYS_ALIVE)),
    Role.RECORDER: Access(
        (MEDIA, RECORDER_CHECKPOINTS),
        (RECORDINGS, RECORDER_CHECKPOINTS, DEAD_LETTERS),
        Role.RECORDER.value,
    ),
    Role.CONSOLIDATOR: _of_table_role(
        Role.CONSOLIDATOR,
        (CALLS, STREAM_EVENTS, RECORDINGS, RECONCILIATION_EVIDENCE, POLICY, WORKERS),
        (CONTACTS, RECONCILIATIONS),
    ),
    Role.CONSOLE: Access(),
    Role.LANDER: Access(
        (CTI_EVENTS, CALLS, STREAM_EVENTS, RECORDINGS, CONTACTS), group=Role.LANDER.value
    ),
    Role.RETRIEVER: Access(
        (CONTACTS, RETRIEVALS, TWILIO_PERMITS),
        (RECORDINGS, RETRIEVALS, DEAD_LETTERS),
        Role.RETRIEVER.value,
        shared_group="twilio-history",
    ),
    Role.RECONCILER: Access(
        (CALLS, CONTACTS, RECONCILIATION_EVIDENCE, RECONCILIATION_WINDOWS, TWILIO_PERMITS),
        (CTI_EVENTS, RECONCILIATION_EVIDENCE, RECONCILIATION_WINDOWS),
        Role.RECONCILER.value,
        shared_group="twilio-history",
    ),
}


def acls(role: Role, prefix: str, kinesis_stream: str) -> frozenset[Acl]:
    """Return the ACLs of a role's principal. `prefix`: FLEXCAPTURE_TOPIC_PREFIX."""
    return frozenset(_acls(ACCESS[role], prefix, kinesis_stream))


def _acls(access: Access, prefix: str, kinesis_stream: str) -> Iterator[Acl]:
    # Every process that uses Kafka reads the ids of schemas, and measures Kafka's clock.
    for topic in (*access.reads, SCHEMA_IDS_TOPIC) if access.reads else ():
        yield Acl(Operation.READ, ResourceType.TOPIC, prefix + topic.name)
    for topic in (*access.writes, CLOCK) if access.writes else ():
        yield Acl(Operation.WRITE, ResourceType.TOPIC, prefix + topic.name)
    for name in (access.group, access.shared_group):
        if name is None:
            continue
        group = name.replace("STREAM", kinesis_stream)
        yield Acl(Operation.READ, ResourceType.GROUP, prefix + group)
    if access.transactional_id is not None:
        name = access.transactional_id.replace("STREAM", kinesis_stream)
        is_prefix = name.endswith("-")
        yield Acl(Operation.WRITE, ResourceType.TRANSACTIONAL_ID, prefix + name, is_prefix)
