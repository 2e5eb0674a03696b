"""Each program in `examples/` on the real Kafka, in an environment with no other code of ours than
flexcapture-schemas. The Faust example: test_queue_counter.py."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.jars import java
from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import Settings
from schemas.records import RecordingCompleted
from schemas.states import CallState
from schemas.topics import RECORDINGS, Topic
from tests.conftest import SettingsFor
from tests.integration.example_programs import (
    EXAMPLES,
    NUMBERS,
    call_versions,
    fill,
    finished,
    registry,
    running,
    values_on,
)
from tests.integration.faust_roles import publish
from tests.integration.single_roles import roles
from tests.integration.test_lander import until_landed
from tests.integration.test_tracker import task
from tools.examples_environment import install_schemas, jars, python

pytestmark = pytest.mark.integration

PREFIX = "examples."
HEADER_DECIDES = """
import sys
sys.path.insert(0, sys.argv[1])
import quix_agent
from quixstreams.models import IgnoreMessage, MessageField, SerializationContext
deserializer = quix_agent.RecordsOf(quix_agent.RecordingDecided)
for name, kind in (("other", "GatewayAlive"), ("own", "RecordingDecided")):
    headers = [("ce_type", b"flexcapture." + kind.encode())]
    try:
        deserializer(b"", SerializationContext("t", MessageField.VALUE, headers))
    except IgnoreMessage as ignored:
        print(name, str(ignored) == "a record of another type")
"""
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Stage:
    """A Kafka with calls and decisions, a registry, and an installed flexcapture-schemas."""

    kafka: str
    registry: str
    schemas: Path

    def program(self, name: str, *more: str) -> list[str]:
        """Return the command of an example that reads topics."""
        servers = ["--bootstrap-servers", self.kafka, "--prefix", PREFIX]
        return [str(python()), str(EXAMPLES / name), *servers, *more]


@pytest.fixture(scope="module")
def stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same for all tests of this module: they only read."""
    schemas = tmp_path_factory.mktemp("schemas")
    install_schemas(schemas)
    settings = Settings.model_validate({"kafka_bootstrap_servers": kafka, "topic_prefix": PREFIX})
    fill(settings)
    with registry(PREFIX) as url:
        yield Stage(kafka, url, schemas)


def test_the_consumer_prints_each_call_that_has_ended(stage: Stage) -> None:
    """Each version with that state once. Started again, its group continues at its offsets."""
    command = stage.program("consumer.py", "--exit", "--group", "examples.ended")
    lines = [json.loads(line) for line in finished(command, stage.schemas).splitlines()]
    ended = [call for call in call_versions() if call.state == CallState.ENDED]
    assert len(ended) >= len(NUMBERS)
    wanted = [
        {
            "task_sid": call.task_sid,
            "revision": call.revision,
            "direction": "inbound",
            "queue": call.facts["queue"].value,
            "seconds": (call.latest_event_at - call.first_event_at) / 1000,
            "agents": ["ann@example.com"],
        }
        for call in ended
    ]
    assert sorted(wanted, key=_place) == sorted(lines, key=_place)
    assert b"" == finished(command, stage.schemas)


def _place(line: dict[str, object]) -> tuple[str, object]:
    return str(line["task_sid"]), line["revision"]


def test_the_quix_agent_counts_starts(stage: Stage, tmp_path: Path) -> None:
    """A decision that comes twice counts once; another one of the same call counts again."""
    command = stage.program("quix_agent.py", "--state-dir", str(tmp_path / "state"))
    log = tmp_path / "log"
    wanted = {task(number): 2 if number == 0 else 1 for number in NUMBERS}

    def counts(found: Sequence[tuple[bytes | None, bytes]]) -> dict[str, int]:
        return {
            each["task_sid"]: each["starts"] for _, value in found if (each := json.loads(value))
        }

    with running(command, log, stage.schemas):
        found = values_on(
            stage.kafka, f"{PREFIX}recording.starts", lambda seen: counts(seen) == wanted, log
        )
    assert all(json.loads(value)["task_sid"].encode() == key for key, value in found)


def test_the_quix_agent_decodes_only_records_of_its_type(stage: Stage) -> None:
    """By the header: bytes that no schema fits are passed over unread."""
    command = [str(python()), "-W", "ignore", "-c", HEADER_DECIDES, str(EXAMPLES)]
    assert b"other True\nown False\n" == finished(command, stage.schemas)


async def test_kafka_streams_joins_decisions_with_calls(
    stage: Stage, settings_for: SettingsFor, tmp_path: Path
) -> None:
    """Each decision comes out with the direction and queue of its call."""
    joined = "decisions.with-queue"
    await ensure_topics(settings_for(PREFIX), [Topic(joined, "task SID", ())])
    source = EXAMPLES / "kafka_streams" / "DecisionsWithQueue.java"
    command = [
        java(), "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", str(source),
        stage.kafka, stage.registry, str(tmp_path / "state"), PREFIX,
    ]  # fmt: skip
    log = tmp_path / "log"
    with running(command, log):
        found = values_on(
            stage.kafka, PREFIX + joined, lambda seen: len(seen) >= len(NUMBERS) + 3, log
        )
    queue = call_versions()[0].facts["queue"].value
    wanted = {(task(number), f"record\tinbound\t{queue}") for number in NUMBERS}
    wanted.add((task(0), f"stop\tinbound\t{queue}"))
    assert wanted == {((key or b"").decode(), value.decode()) for key, value in found}


def test_clickhouse_reads_calls_into_a_table(stage: Stage) -> None:
    """With the columns from the registry; of the versions of a call, the last one counts."""
    command = stage.program("clickhouse_table.py", "--registry", stage.registry)
    lines = finished(command, stage.schemas).decode().splitlines()
    queue = call_versions()[0].facts["queue"].value
    number = len(NUMBERS)
    assert ["queue\tcalls\tended", f"{queue}\t{number}\t{number}"] == lines


def completed(number: int, day: int, lost: int) -> RecordingCompleted:
    """A recording of ten seconds."""
    at = day * DAY_MS + number
    return RecordingCompleted(
        f"{number:018}", f"MZ{number:032x}", f"CA{number:032x}", task(number), 1, at, at + 10_000,
        10_000, 1_000 - lost, lost, 0, 0, 0, "a.wav", 80_058, "", "m.json", "stop", f"r{number}",
    )  # fmt: skip


async def test_duckdb_reports_from_the_lake(
    settings_for: SettingsFor, prefix: str, tmp_path: Path, kafka: str
) -> None:
    """By the day on which a recording began; a recording that was reported twice counts once."""
    settings, lake = settings_for(prefix), tmp_path / "lake"
    records = [completed(1, 20_000, 3), completed(2, 20_000, 0), completed(3, 20_001, 5)]
    published = [(each.task_sid, each) for each in [*records, records[0]]]
    await publish(settings, RECORDINGS, published)
    with roles(tmp_path, kafka, prefix, LAKE_URL=lake.as_uri()) as started:
        started.start({"lander": 1})
        await started.all_healthy(60)
        await until_landed(lake, len(published))
        assert {0} == set(started.terminate().values())
    script = [str(python()), str(EXAMPLES / "duckdb_lake.py"), str(lake), "--prefix", prefix]
    lines = finished(script).decode().splitlines()
    assert ["day\trecordings\tseconds\tlost_frames"] == lines[:1]
    assert ["2024-10-04\t2\t20.0\t3", "2024-10-05\t1\t10.0\t5"] == lines[1:]
