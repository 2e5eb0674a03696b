"""A Kafka with an authorizer: what a role lacks is named, and it starts once that was granted."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from agents import stream_manager, tracker
from agents.recorder import service
from infra.local.kafka import LocalKafka, running
from infra.ports import chosen
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.settings import Settings, SettingsError
from pipeline.runtime.telemetry import Health
from schemas.topics import CALLS, PROVISIONED
from tests.integration.acl_requests import GROUP, READ, TOPIC, TRANSACTIONAL_ID, WRITE, CreateAcls
from tests.integration.faust_roles import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

_USERS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="broker" password="x" user_app="secret";'
)


@dataclass(frozen=True, slots=True)
class GuardedKafka(LocalKafka):
    """A broker with an authorizer. The plain port is for the administrator; on `guarded_port` the
    user `app` logs in, without any permissions."""

    guarded_port: int = 0

    def _own_properties(self, data: Path) -> dict[str, str]:
        own = LocalKafka._own_properties(self, data)
        guarded = f",SASL_PLAINTEXT://127.0.0.1:{self.guarded_port}"
        return {
            **own,
            "listeners": own["listeners"] + guarded,
            "advertised.listeners": own["advertised.listeners"] + guarded,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "SASL_PLAINTEXT:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": _USERS,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """The broker."""
    directory = tmp_path_factory.mktemp("guarded")
    ports = chosen(["kafka", "controller", "guarded"], {}, [])
    kafka = GuardedKafka(
        directory / "kafka", ports["kafka"], ports["controller"], guarded_port=ports["guarded"]
    )
    with running(kafka, directory / "kafka.log"):
        admin = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
        asyncio.run(wait_for_kafka(admin, 90))
        yield kafka


SettingsOf = Callable[..., Settings]


@pytest.fixture
def app(guarded: GuardedKafka, prefix: str, tmp_path: Path) -> SettingsOf:
    """The settings of the user `app`."""

    def make(**more: Any) -> Settings:
        own = {
            "kafka_bootstrap_servers": f"127.0.0.1:{guarded.guarded_port}",
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_username": "app",
            "kafka_sasl_password": "secret",
            "topic_prefix": prefix,
            "instance": "role-0",
            "state_dir": tmp_path / "state",
            "recordings_url": (tmp_path / "recordings").as_uri(),
            "database_url": f"sqlite:///{tmp_path / 'db'}",
        }
        return Settings(**own | more)

    return make


async def grant(guarded: GuardedKafka, kind: int, prefix: str, *operations: int) -> None:
    """Allow `app` these operations on everything of that kind that begins with the prefix."""
    admin = Settings(kafka_bootstrap_servers=guarded.bootstrap_servers)
    async with Cluster(admin) as cluster:
        await cluster.look([], ask_all=False)
        response = await cluster.ask(CreateAcls.on_prefix("User:app", kind, prefix, operations))
    assert {0} == {code for code, _ in response.results}


async def lacks(health: Health, what: str) -> None:
    """Return once the health says that this ACL is missing."""
    try:
        await until(lambda: what in health.reasons.get("brokers", ""), 30)
    except TimeoutError:
        raise AssertionError(health.reasons) from None


@pytest.mark.parametrize(("role", "name"), [(tracker, "tracker"), (service, "recorder")])
async def test_what_a_role_lacks_is_named_until_it_is_granted(
    guarded: GuardedKafka, app: SettingsOf, prefix: str, role: Any, name: str
) -> None:
    """Topics first, then the group; without DescribeConfigs the role starts nevertheless."""
    health, stop = Health(starting="not ready yet"), asyncio.Event()
    running_role = asyncio.create_task(role.run(app(), health, stop))
    await lacks(health, f"User:app lacks the ACL Read on Topic {prefix}")
    await grant(guarded, TOPIC, prefix, READ)
    await lacks(health, f"User:app lacks the ACL Create on Topic {prefix}")
    admin = Settings(kafka_bootstrap_servers=guarded.bootstrap_servers, topic_prefix=prefix)
    await ensure_topics(admin, PROVISIONED)
    await lacks(health, f"User:app lacks the ACL Write on Topic {prefix}")
    await grant(guarded, TOPIC, prefix, WRITE)
    await lacks(health, f"User:app lacks the ACL Read on Group {prefix}{name}")
    await grant(guarded, GROUP, prefix, READ)
    await until(lambda: not health.reasons, 60)
    stop.set()
    async with asyncio.timeout(30):
        await running_role


async def test_a_stream_manager_lacks_its_transactional_id(
    guarded: GuardedKafka, app: SettingsOf, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it publishes the list of monitored agents, which would wait for ever."""
    admin = Settings(kafka_bootstrap_servers=guarded.bootstrap_servers, topic_prefix=prefix)
    await ensure_topics(admin, PROVISIONED)
    await grant(guarded, TOPIC, prefix, READ, WRITE)
    await grant(guarded, GROUP, prefix, READ)
    health, stop = Health(starting="not ready yet"), asyncio.Event()
    running_role = asyncio.create_task(stream_manager.run(app(), health, stop))
    await lacks(health, f"lacks the ACL Write on TransactionalId {prefix}policy-publisher")
    assert "waiting for Kafka" in capsys.readouterr().out
    await grant(guarded, TRANSACTIONAL_ID, prefix, WRITE)
    await until(lambda: not health.reasons.keys() - {"monitored-list"}, 60)
    stop.set()
    async with asyncio.timeout(30):
        await running_role


async def test_wrong_credentials_are_refused(app: SettingsOf) -> None:
    """They do not get better by waiting."""
    settings = app(kafka_sasl_password="wrong")
    with pytest.raises(SettingsError, match="FLEXCAPTURE_KAFKA_SASL_USERNAME"):
        await service.run(settings, Health(), asyncio.Event())


async def test_a_command_names_what_it_lacks_at_once(app: SettingsOf) -> None:
    """Also a process that measures Kafka's clock must not wait for a permission in silence."""
    for only_writes, operation in ((False, "Read"), (True, "Write")):
        with pytest.raises(
            TopicAuthorizationFailedError, match=f"User:app lacks the ACL {operation} on Topic"
        ):
            await ensure_topics(app(), [CALLS], only_writes=only_writes)
