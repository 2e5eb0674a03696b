"""The state of a cluster as its brokers report it, and the conclusions for a process. Pure.

A partition can be written while its leader answers and at least `min.insync.replicas` of its
in-sync replicas do. The metadata alone does not show that: it stays the same if a broker hangs, or
if the cluster has lost the majority of its controllers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

NO_ERROR, UNKNOWN_TOPIC, TOPIC_DENIED = 0, 3, 29
UNASKED = -(2**31)
"""`TopicView.operations` if the broker does not report the authorized operations."""
_READ, _WRITE, _DESCRIBE_CONFIGS = 3, 4, 10
"""Numbers of ACL operations in Kafka's protocol."""


@dataclass(frozen=True, slots=True)
class PartitionView:
    """A partition in one broker's metadata. `leader` -1: none."""

    leader: int
    epoch: int
    replicas: int
    in_sync: frozenset[int]


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic in one broker's metadata. `error`: Kafka's error code. `operations`: a bit for each
    operation that this principal may do, or `UNASKED`."""

    error: int
    partitions: Mapping[int, PartitionView]
    operations: int = UNASKED

    def may(self, operation: int) -> bool:
        """Return whether the operation is authorized, as far as is known."""
        return self.operations == UNASKED or bool(self.operations >> operation & 1)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A snapshot of the cluster: the brokers that the metadata lists, and the topics as known to
    each broker that answered in time (None: the broker was only asked whether it is alive).
    `trouble`: why there was no answer at all."""

    listed: frozenset[int] = frozenset()
    answers: Mapping[int, Mapping[str, TopicView] | None] = field(default_factory=dict)
    trouble: str = ""

    @property
    def knowledge(self) -> list[Mapping[str, TopicView]]:
        """The topics as known to each broker that was asked for them."""
        return [topics for topics in self.answers.values() if topics is not None]


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of a process on Kafka. Names are those on the cluster, with the prefix.

    `partitions`: their number, by topic. `reads`, `writes`: topics. `min_in_sync`:
    `min.insync.replicas`, by topic, if known. `principal`: for messages, empty if not known.
    """

    partitions: Mapping[str, int]
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    transactional_ids: tuple[str, ...] = ()
    principal: str = ""
    min_in_sync: Mapping[str, int] = field(default_factory=dict)


def missing(view: ClusterView, topics: Iterable[str]) -> list[str]:
    """Return the topics that no broker knows."""
    known = {name for each in view.knowledge for name, topic in each.items() if not topic.error}
    refused = {n for each in view.knowledge for n, t in each.items() if t.error == TOPIC_DENIED}

    return sorted(set(topics) - known - refused)


def unknown_somewhere(view: ClusterView, partitions: Mapping[str, int]) -> list[str]:
    """Return the topics that some broker that answered does not know with at least their number of
    partitions."""
    return sorted(
        name
        for name, count in partitions.items()
        if not all(_knows(topics.get(name), count) for topics in view.knowledge)
    )


def _knows(topic: TopicView | None, count: int) -> bool:
    return topic is not None and topic.error == NO_ERROR and len(topic.partitions) >= count


def other_counts(view: ClusterView, partitions: Mapping[str, int]) -> dict[str, int]:
    """Return the topics that every broker knows with the same wrong number of partitions, and that
    number. A topic that is being created has no partitions yet on some brokers."""
    wrong: dict[str, int] = {}
    for name, count in partitions.items():
        found = {len(topics[name].partitions) if name in topics else 0 for topics in view.knowledge}
        if len(found) == 1 and not found & {0, count}:
            (wrong[name],) = found
    return wrong


def leaderless(view: ClusterView, topics: Iterable[str]) -> list[str]:
    """Return the partitions without a leader, as `topic-partition`."""
    latest = _latest(view)
    return sorted(
        f"{name}-{number}"
        for name in topics
        for number, partition in latest.get(name, {}).items()
        if partition.leader < 0
    )


def replication(view: ClusterView, topic: str) -> int:
    """Return the smallest number of replicas of a partition of the topic; 0 if it has none."""
    return min((p.replicas for p in _latest(view).get(topic, {}).values()), default=0)


def _latest(view: ClusterView) -> dict[str, dict[int, PartitionView]]:
    """Return each partition with its latest metadata: the highest leader epoch, and of equal ones
    the fewest in-sync replicas."""
    latest: dict[str, dict[int, PartitionView]] = {}
    for topics in view.knowledge:
        for name, topic in topics.items():
            known = latest.setdefault(name, {})
            for number, partition in topic.partitions.items():
                other = known.get(number)
                if other is None or _rank(partition) > _rank(other):
                    known[number] = partition
    return latest


def _rank(partition: PartitionView) -> tuple[int, int]:
    return partition.epoch, -len(partition.in_sync)


def unusable_partitions(view: ClusterView, needs: Needs) -> dict[str, Collection[int]]:
    """Return, for each topic of the process, the partitions that it cannot read or write now."""
    alive = frozenset(view.answers)
    latest = _latest(view)
    unusable: dict[str, Collection[int]] = {}
    for name in needs.reads | needs.writes:
        least = needs.min_in_sync.get(name, 1) if name in needs.writes else 1
        partitions = latest.get(name, {})
        bad = {n for n, p in partitions.items() if not _is_usable(p, alive, least)}
        bad |= set(range(needs.partitions.get(name, 0))) - partitions.keys()
        if bad:
            unusable[name] = bad
    return unusable


def _is_usable(partition: PartitionView, alive: frozenset[int], least: int) -> bool:
    return partition.leader in alive and len(partition.in_sync & alive) >= least


def unusable(view: ClusterView, needs: Needs) -> str | None:
    """Return why the process cannot use Kafka: no broker answers, or one of its topics has no
    usable partition. None if it can use Kafka."""
    if not view.answers:
        return view.trouble or "no broker answers"
    found = unusable_partitions(view, needs)
    dead = sorted(n for n, bad in found.items() if len(bad) >= needs.partitions.get(n, 1))
    if not dead:
        return None
    away = sorted(view.listed - view.answers.keys())
    silent = f"; brokers that do not answer: {', '.join(map(str, away))}" if away else ""
    why = "leaders away, or fewer than min.insync.replicas in sync"
    return f"no partition of {_named(dead)} can be used: {why}{silent}"


def impaired(view: ClusterView, needs: Needs) -> str | None:
    """Return which of the process's partitions cannot be used at the moment; None if all can."""
    counts = Counter({name: len(bad) for name, bad in unusable_partitions(view, needs).items()})
    if not counts:
        return None
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())[:_SHOWN])
    return f"{counts.total()} partitions cannot be used: {shown}"


def denied(view: ClusterView, needs: Needs) -> list[str]:
    """Return the topic operations that this principal needs and may not do, one sentence for each
    operation. Without `Read` and `Write`, a principal cannot see whether a topic exists."""
    lacking: dict[str, set[str]] = {}
    for topics in view.knowledge:
        for name, topic in topics.items():
            for word in _denied(name, topic, needs):
                lacking.setdefault(word, set()).add(name)
    return [
        lacks(word, "Topic", ", ".join(sorted(names)), needs.principal)
        for word, names in sorted(lacking.items())
    ]


def _denied(name: str, topic: TopicView, needs: Needs) -> list[str]:
    if topic.error not in (NO_ERROR, TOPIC_DENIED):
        return []
    wanted = [(_READ, "Read", needs.reads), (_WRITE, "Write", needs.writes)]
    return [
        word
        for operation, word, names in wanted
        if name in names and (topic.error == TOPIC_DENIED or not topic.may(operation))
    ]


def are_hidden(view: ClusterView) -> bool:
    """Return whether some topic is hidden from this principal."""
    return any(t.error == TOPIC_DENIED for topics in view.knowledge for t in topics.values())


def configs_are_hidden(view: ClusterView) -> bool:
    """Return whether this principal may not read the settings of some topic."""
    return any(
        topic.error == NO_ERROR and not topic.may(_DESCRIBE_CONFIGS)
        for topics in view.knowledge
        for topic in topics.values()
    )


LACKS = "lacks the ACL"


def lacks(operation: str, kind: str, name: str, principal: str) -> str:
    """Return the sentence that names a missing ACL."""
    subject = principal or "this process's principal"
    return f"{subject} {LACKS} {operation} on {kind} {name}"


_SHOWN = 5


def _named(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
