"""All roles against a Kafka with SASL_SSL, SCRAM-SHA-512 and exactly the ACLs of the table."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from random import Random

import pytest

from infra.local.kafka import running
from infra.local.kinesis import LocalKinesis
from infra.ports import chosen
from infra.supervisor.processes import tied
from pipeline.runtime.acls import Acl, Operation, ResourceType, acls
from pipeline.runtime.kafka import ensure_topics, wait_for_kafka
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.settings import Role
from schemas.topics import PROVISIONED
from simulator.building import CallBuilder
from simulator.cases import scripts
from simulator.console import Console
from simulator.events import Account
from simulator.kinesis import KinesisSink
from simulator.media import Credentials, clock
from simulator.openings import conversation_begins
from simulator.player import Player
from simulator.script import Json, Sids
from simulator.twilio_rest import Faults, TwilioRest
from simulator.world import World
from tests.integration.acl_requests import CreateAcls, creation
from tests.integration.secured_kafka import BROKER, SecuredKafka, make_certificates
from tests.integration.single_roles import Roles, roles

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

STREAM = "flex-events"
CONSOLE_TOKEN = "t" * 40
_LACKS = re.compile(r"User:([\w-]+) lacks the ACL (\w+) on (\w+) ([^;\n]+)")
_HEALTHY_S = 120.0


@pytest.fixture
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker with a user for each role, and no ACLs."""
    directory = tmp_path_factory.mktemp("secured")
    ports = chosen(["kafka", "controller"], {}, [])
    certificates = directory / "certificates"
    make_certificates(certificates)
    users = {name: secrets.token_hex(16) for name in (BROKER, *map(str, Role))}
    kafka = SecuredKafka(
        directory / "kafka",
        ports["kafka"],
        ports["controller"],
        certificates=certificates,
        users=users,
    )
    with running(kafka, directory / "kafka.log"):
        asyncio.run(wait_for_kafka(kafka.settings(BROKER), 90))
        yield kafka


async def grant(cluster: Cluster, wanted: Mapping[str, frozenset[Acl]]) -> None:
    """Create ACLs, by user."""
    creations = [creation(f"User:{user}", acl) for user, own in wanted.items() for acl in own]
    if creations:
        response = await cluster.ask(CreateAcls(creations))
        assert {0} == {code for code, _ in response.results}


def lacking(text: str, prefix: str) -> dict[str, frozenset[Acl]]:
    """The ACLs that a health check says are missing, by user."""
    found: dict[str, frozenset[Acl]] = {}
    for user, operation, resource_type, names in _LACKS.findall(text):
        kind = ResourceType(resource_type)
        for name in names.split(", "):
            is_prefix = name.endswith("-")
            acl = Acl(Operation(operation), kind, name.strip(), is_prefix)
            assert name.startswith(prefix), name
            found[user] = found.get(user, frozenset()) | {acl}
    return found


async def until_all_is_granted(started: Roles, cluster: Cluster, prefix: str) -> None:
    """Grant each role the permissions that it reports as missing, until all are healthy. Then the
    granted ACLs are exactly those of the table."""
    granted: dict[str, frozenset[Acl]] = {}
    names = [name for name in started.processes if not name.startswith("console")]
    async with asyncio.timeout(_HEALTHY_S):
        while True:
            assert {} == started.ended()
            answers = await asyncio.gather(*(asyncio.to_thread(started.health, n) for n in names))
            new: dict[str, frozenset[Acl]] = {}
            for _, text in answers:
                for user, own in lacking(text, prefix).items():
                    new[user] = own - granted.get(user, frozenset())
                    granted[user] = granted.get(user, frozenset()) | own
            await grant(cluster, new)
            if all(status == 200 and not lacking(text, prefix) for status, text in answers):
                break
            await asyncio.sleep(0.3)
    table = {str(role): acls(role, prefix, STREAM) for role in Role}
    for user in table.keys() | granted.keys():
        wanted, reported = table.get(user, frozenset()), granted.get(user, frozenset())
        assert (set(), set()) == (wanted - reported, reported - wanted), user


async def test_roles_need_exactly_the_acls_of_the_table(
    secured: SecuredKafka, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each role is a user of its own and starts without ACLs. It reports exactly the missing
    permissions of the table. With these a call goes through the whole pipeline."""
    await ensure_topics(secured.settings(BROKER, topic_prefix=prefix), PROVISIONED, 20)
    credentials, world = Credentials(Sids(Random(1)).new("AC"), "t" * 32), World(Sids(Random(2)))
    directory = tmp_path_factory.mktemp("roles")
    async with (
        emulated_kinesis() as kinesis,
        TwilioRest(world, credentials, Faults()) as rest,
        Cluster(secured.settings(BROKER)) as cluster,
    ):
        await cluster.look([], ask_all=False)
        more = {
            "KINESIS_STREAM": STREAM,
            "TWILIO_API_URL": rest.url,
            "TWILIO_ACCOUNT_SID": credentials.account_sid,
            "GATEWAY_DRAIN_SECONDS": "1",
        }
        with roles(directory, secured.bootstrap_servers, prefix, **more) as started:
            started.environment_of = lambda role: variables(started, secured, kinesis, role)
            started.start(dict.fromkeys(Role, 1))
            await until_all_is_granted(started, cluster, prefix)
            await started.all_healthy(60)
            before = refusals(started)
            await play_a_call(started, world, kinesis, credentials)
            await started.all_healthy(10)
            assert before == refusals(started)


@asynccontextmanager
async def emulated_kinesis() -> AsyncIterator[LocalKinesis]:
    """A Kinesis with the stream."""
    kinesis = LocalKinesis(chosen(["kinesis"], {}, [])["kinesis"], "us-east-1", STREAM)
    process = await asyncio.create_subprocess_exec(*tied(kinesis.command()))
    try:
        await asyncio.wait_for(kinesis.make_stream(), 60)
        yield kinesis
    finally:
        process.kill()
        await process.wait()


def refusals(started: Roles) -> set[str]:
    """The lines of the roles' logs with Kafka's refusals. A gateway writes as soon as it runs, also
    while it lacks ACLs."""
    logs = [started.log(name).read_text() for name in started.processes]
    return {line for log in logs for line in log.splitlines() if "AuthorizationFailed" in line}


def variables(
    started: Roles, secured: SecuredKafka, kinesis: LocalKinesis, role: str
) -> dict[str, str]:
    """A role's own environment: its user, for the bridge Kinesis, for the adapter the
    gateway, for the lander the lake, for the retriever something to do."""
    if role == Role.CONSOLE:
        return {}
    own = {f"FLEXCAPTURE_{k}": v for k, v in secured.client_settings(role).items()}
    if role == Role.BRIDGE:
        own |= kinesis.environment()
    if role == Role.TWILIO_ADAPTER:
        own["FLEXCAPTURE_GATEWAY_PUBLIC_URL"] = f"ws://{started.listens['gateway-0']}/media"
    if role == Role.LANDER:
        own["FLEXCAPTURE_LAKE_URL"] = (started.directory / "lake").as_uri()
    if role == Role.RETRIEVER:
        own["FLEXCAPTURE_RECOVERY"] = "missing"  # else it is idle, and asks Kafka for nothing
    return own


def conversation(call: CallBuilder) -> None:
    """A call of a monitored agent, long enough for a machine under load to record some of it."""
    conversation_begins(call)
    call.wait(15_000)
    call.hang_up()


async def play_a_call(
    started: Roles, world: World, kinesis: LocalKinesis, credentials: Credentials
) -> None:
    """Play a monitored agent's call, and return once the console plays its recording."""
    account = Account(credentials.account_sid, Sids(Random(3)).new("WS"))
    [script] = scripts([conversation], clock() + 500, 0, account, 4)
    console = Console(f"http://{started.listens['console-0']}", CONSOLE_TOKEN)
    sink = KinesisSink(kinesis.endpoint, kinesis.region, STREAM)
    async with console, sink:
        await Player(world, sink, console, lambda _: None).act(script, script.steps)
        contact = None
        async with asyncio.timeout(90):
            while not (contact and complete(contact)):
                await asyncio.sleep(0.5)
                contact = await console.contact(script.task_sid)
        assert "answered" == contact["outcome"]
        assert (await console.bytes(complete(contact)[0]["audio_url"])).startswith(b"RIFF")


def complete(contact: Json) -> list[Json]:
    """The contact's recordings that are complete."""
    return [each for each in contact["recordings"] if each["state"] == "complete"]
