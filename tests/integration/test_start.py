"""The start of roles: with Kafka away, on an empty cluster, with topics that are wrong, and what
their health says while Kafka is away later."""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cli.topics import command
from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import consumer, ensure_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_topics import described
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import (
    ALL,
    CALLS,
    CONTACTS,
    MEDIA,
    PROVISIONED,
    RECORDINGS,
    STREAM_EVENTS,
    Topic,
)
from tests.conftest import SettingsFor
from tests.integration.single_roles import all_served, roles

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FEW = {"tracker": 2, "resolver": 1, "stream-manager": 1, "recorder": 1, "twilio-adapter": 1}


def asked(action: str, *, dry_run: bool = False) -> argparse.Namespace:
    """The arguments of `flexcapture topics`."""
    return argparse.Namespace(action=action, dry_run=dry_run, state_dir=None)


async def topics(settings: Settings, action: str, *, dry_run: bool = False) -> int:
    """The exit status of `flexcapture topics`."""
    return await asyncio.to_thread(command.run, settings, asked(action, dry_run=dry_run))


async def test_topics_are_checked_and_applied(
    settings_for: SettingsFor, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing topics are a failure; a dry run creates none; after `apply`, which can be repeated,
    nothing is wrong, changelogs included."""
    settings = settings_for(prefix)
    assert 1 == await topics(settings, "check")
    assert 1 == await topics(settings, "apply", dry_run=True)
    assert f"{len(PROVISIONED)} topics are missing" in capsys.readouterr().err
    assert 0 == await topics(settings, "apply")
    assert f"{prefix}tracker-table-changelog" in capsys.readouterr().out
    assert 0 == await topics(settings, "apply")
    assert "" == capsys.readouterr().out
    assert 0 == await topics(settings, "check")


async def test_what_loses_data_is_refused_and_can_be_applied(
    settings_for: SettingsFor, prefix: str
) -> None:
    """Topics that would lose records are refused by name with the remedy; `apply` keeps the
    settings that an operator made."""
    settings = settings_for(prefix)
    wrong = [
        replace(MEDIA, extra={"cleanup.policy": "compact", "flush.ms": "1000"}),
        replace(CONTACTS, extra={"cleanup.policy": "delete"}),
        replace(CALLS, retention_ms=3_600_000),
        replace(RECORDINGS, extra={"retention.bytes": "1000000"}),
    ]
    for topic in wrong:
        with pytest.raises(SettingsError, match=rf"{prefix}{topic.name}: (?s:.*)topics apply"):
            await _created_and_checked(settings, topic)
    assert 1 == await topics(settings, "check")
    assert 0 == await topics(settings, "apply")
    await ensure_topics(settings, ALL)
    async with Cluster(settings) as cluster:
        await cluster.look([], ask_all=False)
        name = settings.prefixed(MEDIA.name)
        config = (await described(cluster, [name]))[name]
    assert ("delete", True) == config["cleanup.policy"]
    assert ("1000", True) == config["flush.ms"]


async def _created_and_checked(settings: Settings, topic: Topic) -> None:
    await ensure_topics(settings, [topic])
    await ensure_topics(settings, [each for each in ALL if each.name == topic.name])


async def test_another_number_of_partitions_is_named_and_not_changed(
    settings_for: SettingsFor, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Partitions cannot be changed without moving keys: `apply` fails and leaves them."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [replace(CALLS, partitions=3)])
    assert 1 == await topics(settings, "apply")
    shown = capsys.readouterr()
    assert "3 partitions, not 24" in shown.out
    assert "FLEXCAPTURE_TOPIC_PREFIX" in shown.err


async def test_a_leader_waits_until_it_knows_every_topic(
    settings_for: SettingsFor, prefix: str
) -> None:
    """If the group's leader starts before a topic exists, the group gets the topic's partitions
    soon after its creation, not at the next refresh of the metadata after five minutes."""
    settings = settings_for(prefix)
    await ensure_topics(settings, [CALLS])
    names = [settings.prefixed(topic.name) for topic in (CALLS, STREAM_EVENTS)]
    reader = consumer(settings, *names, group_id=settings.prefixed("g"))
    starting = asyncio.create_task(reader.start())
    try:
        await asyncio.sleep(1)
        await ensure_topics(settings, [STREAM_EVENTS])
        async with asyncio.timeout(30):
            await starting
            while len(reader.assignment()) < 48:  # noqa: ASYNC110 - aiokafka has no event for it
                await asyncio.sleep(0.1)
    finally:
        starting.cancel()
        await reader.stop()


def own_kafka(directory: Path) -> LocalKafka:
    """A broker of the test's own, not started."""
    ports = chosen(["kafka", "controller"], {}, [])
    return LocalKafka(directory / "kafka", ports["kafka"], ports["controller"])


async def test_roles_wait_for_kafka_and_say_so(tmp_path: Path) -> None:
    """Roles that start before Kafka do not end, and show the cause in their health. Once an empty
    Kafka is there, they start at once, and each partition belongs to a member of each group. They
    are unhealthy while Kafka is unavailable. SIGTERM ends each with status 0."""
    kafka = own_kafka(tmp_path)
    await asyncio.to_thread(kafka.prepare)
    with roles(tmp_path, kafka.bootstrap_servers) as started:
        started.start({**FEW, "gateway": 1, "consolidator": 1})
        await started.until_health(503, 90, "brokers: Kafka does not answer at 127.0.0.1:")
        with running(kafka, tmp_path / "kafka.log"):
            await started.all_healthy(120)
            settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
            await all_served(settings, {**FEW, "consolidator": 1}, 60)
        await started.until_health(503, 40, "brokers: Kafka does not answer at 127.0.0.1:")
        with running(kafka, tmp_path / "kafka.log"):
            await started.all_healthy(120)
            assert {*started.terminate().values()} == {0}
    for name in started.processes:
        text = started.log(name).read_text()
        assert 1 <= text.count("waiting for Kafka") <= 2
        assert 1 <= text.count("Kafka cannot be used") <= 3  # one a minute, and for another reason
        assert len(text.splitlines()) < 200


async def test_roles_that_wait_for_kafka_can_be_stopped(tmp_path: Path) -> None:
    """SIGTERM while Kafka is away ends every role with status 0."""
    with roles(tmp_path, own_kafka(tmp_path).bootstrap_servers) as started:
        started.start({**FEW, "gateway": 1, "consolidator": 1, "bridge": 1})
        await started.until_health(503, 90, "brokers: ")
        assert {*started.terminate().values()} == {0}
