"""The problems of an existing topic, compared with `schemas/topics.py`. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.topics import MIN_IN_SYNC, Topic, min_in_sync

POLICY, RETENTION = "cleanup.policy", "retention.ms"
_UNCLEAN = "unclean.leader.election.enable"
_MAY_DIFFER = frozenset({"message.timestamp.type"})
"""Settings with two valid values: a mirrored topic keeps the original times of its records."""


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """A topic's setting that is wrong.

    `setting` and `wanted`: the change to make with `kafka-configs.sh`; empty if that cannot correct
    it. `loses_data`: a process must not use the topic until it is corrected.
    """

    topic: str
    problem: str
    setting: str
    wanted: str
    loses_data: bool


def findings(
    topic: Topic, name: str, replicas: int, actual: Mapping[str, str | None], wanted_replicas: int
) -> list[TopicFinding]:
    """Return the problems of a topic. `name`: with the prefix. `actual`: the topic's settings,
    defaults included. `wanted_replicas`: as configured; 0 for the broker's default."""
    found = [
        *_of_retention(topic, name, actual),
        *_of_replication(name, replicas, actual, wanted_replicas),
    ]
    settled = {finding.setting for finding in found} | _MAY_DIFFER
    for setting, wanted in topic.config().items():
        if setting not in settled and setting in actual and actual[setting] != wanted:
            problem = f"{setting} is {actual[setting]}, not {wanted}"
            found.append(TopicFinding(name, problem, setting, wanted, loses_data=False))
    return found


def _of_retention(topic: Topic, name: str, actual: Mapping[str, str | None]) -> list[TopicFinding]:
    """Return settings that delete records too early, or let a later record replace them."""
    policies = {p.strip() for p in (actual.get(POLICY) or "").split(",")} - {""}
    wanted = topic.config()[POLICY]
    found = []
    if ({"compact", "delete"} - {wanted}) & policies:
        effect = (
            "records that are needed for ever are deleted by age"
            if wanted == "compact"
            else "records are deleted as soon as a later one has their key"
        )
        problem = f"{POLICY} is {actual[POLICY]}: {effect}"
        found.append(TopicFinding(name, problem, POLICY, wanted, loses_data=True))
    if topic.retention_ms is None:
        return found
    kept = _number(actual.get(RETENTION))
    if kept is not None and 0 <= kept < topic.retention_ms:
        problem = f"{RETENTION} is {kept}, less than {topic.retention_ms}: records expire unread"
        found.append(
            TopicFinding(name, problem, RETENTION, str(topic.retention_ms), loses_data=True)
        )
    size = _number(actual.get("retention.bytes"))
    if size is not None and size >= 0:
        problem = f"retention.bytes is {size}: records are deleted by size, however new they are"
        found.append(TopicFinding(name, problem, "retention.bytes", "-1", loses_data=True))
    return found


def _of_replication(
    name: str, replicas: int, actual: Mapping[str, str | None], wanted_replicas: int
) -> list[TopicFinding]:
    """Return settings by which acknowledged records are lost with one broker, or writes blocked."""
    found = []
    least, right = _number(actual.get(MIN_IN_SYNC)), str(min_in_sync(replicas))
    if replicas and least is not None:
        situation = f"{MIN_IN_SYNC} is {least} with {replicas} replicas"
        if replicas >= 3 and least < 2:
            problem = f"{situation}: acknowledged records may exist on one broker only"
            found.append(TopicFinding(name, problem, MIN_IN_SYNC, right, loses_data=True))
        elif least > replicas:
            problem = f"{situation}: nothing can be written"
            found.append(TopicFinding(name, problem, MIN_IN_SYNC, right, loses_data=True))
        elif least == replicas > 1:
            problem = f"{situation}: nothing can be written while one broker is away"
            found.append(TopicFinding(name, problem, MIN_IN_SYNC, right, loses_data=False))
    if replicas > 1 and actual.get(_UNCLEAN) == "true":
        problem = f"{_UNCLEAN} is true: acknowledged records are lost when a stale replica leads"
        found.append(TopicFinding(name, problem, _UNCLEAN, "false", loses_data=True))
    if 0 < replicas < wanted_replicas:
        problem = (
            f"{replicas} replicas, not {wanted_replicas}; kafka-reassign-partitions.sh adds more"
        )
        found.append(TopicFinding(name, problem, "", "", loses_data=False))
    return found


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def remedy(found: Iterable[TopicFinding], servers: str) -> str:
    """Return the commands that correct the findings, one per line."""
    changes: dict[str, dict[str, str]] = {}
    for finding in found:
        if finding.setting:
            changes.setdefault(finding.topic, {})[finding.setting] = finding.wanted
    lines = [
        f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics "
        f"--entity-name {name} --add-config {','.join(f'{k}={v}' for k, v in config.items())}"
        for name, config in changes.items()
    ]
    return "\n".join(lines)


def refusal(found: Sequence[TopicFinding], servers: str) -> str | None:
    """Return why the topics must not be used as they are, with the commands that correct them; None
    if they may be used."""
    fatal = [finding for finding in found if finding.loses_data]
    if not fatal:
        return None
    problems = "\n".join(f"topic {f.topic}: {f.problem}" for f in fatal)
    return (
        f"{problems}\nCorrect this with `flexcapture topics apply`, or with\n"
        f"{remedy(fatal, servers)}"
    )
