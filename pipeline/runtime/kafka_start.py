"""The start of a role on Kafka: topics, permissions, and the wait for both.

Every broker must know every topic of the role before the role starts. A client treats a topic as
missing if the broker it asks does not know the topic yet, and a group's leader then assigns only
the other partitions.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import HeartbeatRequest

from pipeline.cluster.topic_checks import TopicFinding, refusal, remedy
from pipeline.cluster.view import (
    LACKS,
    ClusterView,
    Needs,
    are_hidden,
    configs_are_hidden,
    denied,
    lacks,
    leaderless,
    missing,
    other_counts,
    unknown_somewhere,
)
from pipeline.error_text import error_text
from pipeline.runtime import kafka_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.settings import PREFIX, Settings, SettingsError
from schemas.topics import Topic

log = structlog.get_logger(__name__)

_SOON_S = 0.1
_LATER_S = 1.0
_OTHERS_S = 0.75
"""How long one check waits for the other brokers after the first answer. A check is repeated at
once, so that it sees soon that a broker which hangs was taken out of the cluster."""
_SETTLING_S = 12.0
"""How long to wait for a partition without a leader, or for a listed broker that does not answer:
longer than a broker's session (9 s). Then the role starts without them."""
_LOOKS = 10
"""The number of checks in a row after which a topic certainly has wrong settings: a topic that was
just created or altered reaches each broker at a different time."""
_TOO_FEW_S = 60.0
_TRANSACTION = 1
_GROUP_DENIED, _TRANSACTIONAL_ID_DENIED = 30, 53


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why Kafka cannot be used yet, and the time until the next check (s)."""

    reason: str
    pause: float = _LATER_S

    @property
    def is_denied(self) -> bool:
        """Whether a permission is missing."""
        return LACKS in self.reason


def needs_of(
    settings: Settings,
    *,
    reads: Iterable[Topic] = (),
    writes: Iterable[Topic] = (),
    groups: Iterable[str] = (),
    transactional_ids: Iterable[str] = (),
) -> tuple[Needs, dict[str, Topic]]:
    """Return the needs of a role, and its topics by their name on the cluster. The arguments are
    without the prefix."""
    read = {settings.prefixed(topic.name): topic for topic in reads}
    written = {settings.prefixed(topic.name): topic for topic in writes}
    topics = read | written
    needs = Needs(
        {name: topic.partitions for name, topic in topics.items()},
        frozenset(read),
        frozenset(written),
        tuple(map(settings.prefixed, groups)),
        tuple(map(settings.prefixed, transactional_ids)),
        principal_of(settings),
    )
    return needs, topics


def principal_of(settings: Settings) -> str:
    """Return the Kafka principal of this process; empty if it is not known."""
    protocol = settings.kafka_security_protocol
    if protocol.startswith("SASL_") and settings.kafka_sasl_username:
        return f"User:{settings.kafka_sasl_username}"
    return "User:ANONYMOUS" if protocol == "PLAINTEXT" else ""


class Preparation:
    """Checks Kafka repeatedly until a role can start. `needs` then has `min_in_sync` too."""

    def __init__(
        self,
        settings: Settings,
        needs: Needs,
        topics: Mapping[str, Topic],
        *,
        too_few_s: float = _TOO_FEW_S,
    ) -> None:
        """`too_few_s`: how long to wait if the brokers are fewer than the replication factor."""
        self.needs = needs
        self._too_few_s = too_few_s
        self._too_few_since: float | None = None
        self._settings = settings
        self._topics = topics
        self._loop = asyncio.get_running_loop()
        self._answered_at: float | None = None
        self._wrong_counts = self._refusals = 0
        self._examined = False

    async def attempt(self, cluster: Cluster) -> NotYet | None:
        """Return None once the role can start, else the reason. Raise `SettingsError` for a problem
        that waiting does not solve."""
        try:
            return await self._attempt(cluster)
        except kafka_topics.TooFewBrokers as error:
            return self._too_few(error)
        except (KafkaError, OSError, TimeoutError) as error:
            return NotYet(f"Kafka does not answer: {error_text(error)}")

    def _too_few(self, error: KafkaError) -> NotYet:
        """Wait for brokers that may still be starting. After that, the setting is wrong."""
        why = f"{error}; {PREFIX}KAFKA_REPLICATION_FACTOR is greater than the number of brokers"
        if self._too_few_since is None:
            self._too_few_since = self._loop.time()
        if self._loop.time() - self._too_few_since >= self._too_few_s:
            raise SettingsError(why)
        return NotYet(why)

    async def _attempt(self, cluster: Cluster) -> NotYet | None:
        view = await cluster.look(sorted(self._topics), ask_all=True, others_s=_OTHERS_S)
        if not view.answers:
            cluster.raise_refusal()
            self._answered_at = None
            return NotYet(view.trouble or "no broker answers")
        if self._answered_at is None:
            self._answered_at = self._loop.time()
        for step in (self._known_everywhere, self._stable, self._permitted, self._examine):
            if (why := await step(cluster, view)) is not None:
                return why
        return None

    async def _known_everywhere(self, cluster: Cluster, view: ClusterView) -> NotYet | None:
        if absent := missing(view, self._topics):
            wanted = {name: self._topics[name] for name in absent}
            principal = self.needs.principal
            why = await kafka_topics.create(cluster, self._settings, wanted, principal)
            return NotYet(why) if why else NotYet("topics are being created", _SOON_S)
        wrong = other_counts(view, self.needs.partitions)
        self._wrong_counts = self._wrong_counts + 1 if wrong else 0
        if self._wrong_counts >= _LOOKS:
            raise SettingsError(_miscounted(wrong, self.needs.partitions))
        if wrong:
            return NotYet(_miscounted(wrong, self.needs.partitions), _SOON_S)
        if are_hidden(view):
            return NotYet("; ".join(denied(view, self.needs)))
        if unknown := unknown_somewhere(view, self.needs.partitions):
            return NotYet(f"not every broker knows the topics yet: {', '.join(unknown)}", _SOON_S)
        return None

    async def _stable(self, _: Cluster, view: ClusterView) -> NotYet | None:
        """Wait for leaders and for listed brokers for a limited time: the role can work with the
        others."""
        problems = []
        if headless := leaderless(view, self._topics):
            problems.append(f"partitions without a leader: {', '.join(headless[:5])}")
        if silent := sorted(view.listed - view.answers.keys()):
            problems.append(f"brokers that do not answer: {', '.join(map(str, silent))}")
        if not problems or self._answered_at is None:
            return None
        if self._loop.time() - self._answered_at < _SETTLING_S:
            return NotYet("; ".join(problems), _SOON_S)
        log.warning("starting without some partitions or brokers", problems=problems)
        return None

    async def _permitted(self, cluster: Cluster, view: ClusterView) -> NotYet | None:
        lacking = denied(view, self.needs) + await _denied_ids(cluster, self.needs)
        return NotYet("; ".join(lacking)) if lacking else None

    async def _examine(self, cluster: Cluster, view: ClusterView) -> NotYet | None:
        if self._examined:
            return None
        configs = await kafka_topics.described(cluster, sorted(self._topics))
        factor = self._settings.kafka_replication_factor
        found = kafka_topics.examined(view, self._topics, configs, factor)
        servers = str(self._settings.kafka_bootstrap_servers)
        if why := refusal(found, servers):
            self._refusals += 1
            if self._refusals >= _LOOKS:
                raise SettingsError(why)
            return NotYet(why, _SOON_S)
        if configs_are_hidden(view):
            log.warning(
                "topic settings are not checked: this process may not read them "
                "(ACL DescribeConfigs on Topic)", principal=self.needs.principal,
            )  # fmt: skip
        _warn(found, servers)
        least = kafka_topics.min_in_sync_of(view, self.needs, configs)
        self.needs = replace(self.needs, min_in_sync=least)
        self._examined = True
        return None


def _miscounted(wrong: Mapping[str, int], partitions: Mapping[str, int]) -> str:
    name, count = next(iter(wrong.items()))
    return (
        f"topic {name} has {count} partitions, must have {partitions[name]}: give flexcapture "
        f"topics of its own ({PREFIX}TOPIC_PREFIX)"
    )


def _warn(found: Iterable[TopicFinding], servers: str) -> None:
    harmless = [finding for finding in found if not finding.loses_data]
    if harmless:
        log.warning(
            "topic settings differ from ours and were not changed",
            differences=[f"{f.topic}: {f.problem}" for f in harmless],
            remedy="flexcapture topics apply, or " + remedy(harmless, servers),
        )


async def _denied_ids(cluster: Cluster, needs: Needs) -> list[str]:
    """Return the missing permissions for the groups and the transactional ids. Neither request
    changes anything: the heartbeat names no member."""
    found = []
    for group in needs.groups:
        response = await cluster.ask(HeartbeatRequest(group, -1, ""))
        if response.error_code == _GROUP_DENIED:
            found.append(lacks("Read", "Group", group, needs.principal))
    for name in needs.transactional_ids:
        response = await cluster.ask(FindCoordinatorRequest(name, _TRANSACTION))
        if response.error_code == _TRANSACTIONAL_ID_DENIED:
            found.append(lacks("Write", "TransactionalId", name, needs.principal))
    return found


async def ensure_topics(
    settings: Settings,
    topics: Iterable[Topic],
    patience_s: float = 5,
    *,
    only_writes: bool = False,
) -> None:
    """Create missing topics, and return once every broker knows all of them.

    For commands and tests; a role uses `kafka_watch.using_kafka`. Raise `SettingsError` if a topic
    would lose data or has another number of partitions. Raise `KafkaConnectionError` if
    Kafka cannot be used after `patience_s`, or after four times that if it answers. Raise
    `TopicAuthorizationFailedError` at once if a permission is missing: to read the topics, or, with
    `only_writes`, to write to them.
    """
    if only_writes:
        needs, wanted = needs_of(settings, writes=topics)
    else:
        needs, wanted = needs_of(settings, reads=topics)
    loop = asyncio.get_running_loop()
    began = loop.time()
    preparation = Preparation(settings, needs, wanted, too_few_s=2 * patience_s)
    async with Cluster(settings) as cluster:
        while (why := await preparation.attempt(cluster)) is not None:
            if why.is_denied:
                raise TopicAuthorizationFailedError(why.reason)
            if loop.time() - began > patience_s * (4 if cluster.alive else 1):
                raise KafkaConnectionError(why.reason)
            await asyncio.sleep(min(why.pause, _LATER_S / 5))
