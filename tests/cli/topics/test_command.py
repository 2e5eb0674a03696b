"""The output and the exit status of `flexcapture topics check | apply`."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.topics import command
from cli.topics.command import FAILED, OK, known_everywhere
from pipeline.cluster.topic_checks import TopicFinding
from pipeline.cluster.view import ClusterView, PartitionView, TopicView
from pipeline.runtime import kafka_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_start import Preparation
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import CALLS, PROVISIONED, Topic
from tests.virtual_time import virtually

SETTINGS = Settings(topic_prefix="p.", kafka_bootstrap_servers="kafka.test:9092")
RETENTION = TopicFinding("p.calls", "retention.ms is 5", "retention.ms", "9", loses_data=False)
UNCLEAN = TopicFinding("p.media", "unclean", "unclean.leader", "false", loses_data=True)
REPLICAS = TopicFinding("p.calls", "1 replica", "", "", loses_data=False)


class Kafka:
    """A cluster with topics. `counts`: their partitions, if they are not the usual ones."""

    def __init__(self, patch: pytest.MonkeyPatch, *absent: Topic) -> None:
        self.absent = {f"p.{topic.name}" for topic in absent}
        self.counts: dict[str, int] = {}
        self.found: list[TopicFinding] = []
        self.hidden: set[str] = set()
        self.steps: list[Any] = []
        self.is_away = False
        self.refusal = ""
        self.why: str | Exception | None = None
        patch.setattr(command, "Cluster", lambda _: self)
        patch.setattr(command, "known_everywhere", self._known_everywhere)
        for name in ("described", "examined", "alter", "create"):
            patch.setattr(kafka_topics, name, getattr(self, f"_{name}"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""

    def raise_refusal(self) -> None:
        if self.refusal:
            raise SettingsError(self.refusal)

    async def look(self, topics: Sequence[str], *, ask_all: bool) -> ClusterView:
        assert ask_all
        if self.is_away:
            return ClusterView(trouble="Kafka does not answer")
        usual = {f"p.{topic.name}": topic.partitions for topic in PROVISIONED}
        leader = PartitionView(1, 1, 1, frozenset({1}))
        shown = {
            name: TopicView(0, dict.fromkeys(range(self.counts.get(name, usual[name])), leader))
            for name in topics
            if name not in self.absent
        }
        return ClusterView(frozenset({1}), {1: shown})

    async def _described(self, _: Any, names: Sequence[str]) -> dict[str, Any]:
        return {name: {} for name in names if name not in self.hidden}

    def _examined(self, _: Any, topics: Mapping[str, Topic], *__: Any) -> list[TopicFinding]:
        return [each for each in self.found if each.topic in topics]

    async def _alter(self, _: Any, found: Sequence[TopicFinding], __: Any) -> None:
        self.steps.append(("alter", [each.setting for each in found]))

    async def _create(self, _: Any, __: Any, wanted: Mapping[str, Topic], ___: str) -> str | None:
        if isinstance(self.why, Exception):
            raise self.why
        if self.why is None:
            self.steps.append(("create", sorted(wanted)))
            self.absent -= set(wanted)
        return self.why

    async def _known_everywhere(self, *_: Any) -> None:
        self.steps.append("known")


def run(action: str = "check", *, dry_run: bool = False) -> int:
    """Run the command. Return its exit status."""
    return command.run(SETTINGS, argparse.Namespace(action=action, dry_run=dry_run))


def test_topics_as_they_must_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 0, and one line. Nothing is changed, also not by `apply`."""
    kafka = Kafka(monkeypatch)
    assert OK == run() == run("apply")
    out, err = capsys.readouterr()
    assert ("", True) == (out, f"{len(PROVISIONED)} topics are as they must be" in err)
    assert [] == kafka.steps


def test_missing_topics_are_named_and_created(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check only names them. `apply` waits until every broker knows them."""
    kafka = Kafka(monkeypatch, CALLS)
    assert FAILED == run() == run("apply", dry_run=True)
    out, err = capsys.readouterr()
    assert "p.calls" in out
    assert "missing: 24 partitions, kept for 30 days" in out
    assert "1 topics are missing: flexcapture topics apply" in err
    assert [] == kafka.steps
    assert OK == run("apply")
    assert [("create", ["p.calls"]), "known"] == kafka.steps
    assert "created: 24 partitions" in capsys.readouterr().out


def test_wrong_settings_are_shown_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only those with which records may be lost are a failure. `apply` corrects all that a setting
    can correct."""
    kafka = Kafka(monkeypatch)
    kafka.found = [RETENTION, REPLICAS]
    assert OK == run()
    out, err = capsys.readouterr()
    assert "differs: retention.ms is 5" in out
    assert "kafka-configs" in out
    assert "as they must be" not in err
    kafka.found = [RETENTION, UNCLEAN, REPLICAS]
    assert FAILED == run()
    assert "WRONG: unclean" in capsys.readouterr().out
    assert OK == run("apply")
    assert [("alter", ["retention.ms", "unclean.leader"])] == kafka.steps
    out = capsys.readouterr().out
    assert ("set retention.ms=9" in out, "1 replica" in out) == (True, True)
    assert "kafka-configs" not in out


def test_a_wrong_number_of_partitions_cannot_be_corrected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys would move to other partitions: another prefix is needed."""
    Kafka(monkeypatch).counts = {"p.calls": 12}
    assert FAILED == run("apply")
    out, err = capsys.readouterr()
    assert "WRONG: 12 partitions, not 24" in out
    assert "FLEXCAPTURE_TOPIC_PREFIX" in err


def test_settings_that_cannot_be_read_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The missing permission is named; the command does not fail."""
    Kafka(monkeypatch).hidden = {"p.calls", "p.media"}
    assert OK == run()
    assert "settings of 2 topics cannot be read: ACL DescribeConfigs" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["check", "apply"])
def test_an_absent_kafka_has_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """Refused credentials are an error of the settings."""
    kafka = Kafka(monkeypatch)
    kafka.is_away = True
    assert FAILED == run(action)
    assert "Kafka does not answer" in capsys.readouterr().err
    kafka.refusal = "KAFKA_SASL_USERNAME"
    with pytest.raises(SettingsError, match="SASL"):
        run(action)


def test_topics_that_cannot_be_created(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too few brokers are an error of the settings."""
    kafka = Kafka(monkeypatch, CALLS)
    kafka.why = "the controller is being elected"
    assert FAILED == run("apply")
    assert "being elected" in capsys.readouterr().err
    kafka.why = kafka_topics.TooFewBrokers("3 replicas, 1 broker")
    with pytest.raises(SettingsError, match=r"REPLICATION_FACTOR: .*3 replicas"):
        run("apply")
    kafka.why = KafkaConnectionError("away")
    assert FAILED == run("apply")


@pytest.mark.parametrize(("attempts", "is_ready"), [(5, True), (10_000, False)])
def test_brokers_are_waited_for_with_patience(attempts: int, is_ready: bool) -> None:
    """The last reason is in the error."""
    left = [attempts]

    async def attempt(_: Cluster) -> Any:
        left[0] -= 1
        return SimpleNamespace(reason="p.calls is not known", pause=0.5) if left[0] else None

    async def run() -> float:
        preparation = cast("Preparation", SimpleNamespace(attempt=attempt))
        await known_everywhere(cast("Cluster", None), preparation)
        return asyncio.get_running_loop().time()

    if is_ready:
        assert 1_002.0 == virtually(run())
    else:
        with pytest.raises(TimeoutError, match="not known"):
            virtually(run())
