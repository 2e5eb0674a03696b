"""Clients that data teams use, unchanged, on the real Kafka with the built-in registry.

confluent-kafka in its modes: tests/schemas/registry/test_confluent.py. DuckDB and polars on the
lake: test_lander.py.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.jars import java
from pipeline.runtime.settings import Settings
from schemas import codec
from schemas.codec import encode, schema_text
from schemas.topics import ALL, CALLS, Topic
from tests.integration.example_programs import TIMEOUT, call_versions, fill, finished, registry
from tests.schemas.avro_values import filled
from tools.examples_environment import jars, python

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TIMEOUT)]

PREFIX = "clients."
OF_ONE_TYPE = [topic for topic in ALL if len(topic.records) == 1]

CLICKHOUSE = """
import json, sys
from chdb.session import Session
registry, *files = sys.argv[1:]
with Session() as clickhouse:
    for file in files:
        query = f"select * from file('{file}', AvroConfluent)"
        settings = f"settings format_avro_schema_registry_url = '{registry}'"
        rows = clickhouse.query(f"{query} {settings}", "JSONEachRow")
        print(json.dumps([json.loads(row) for row in str(rows).splitlines()]))
"""


@pytest.fixture(scope="module")
def topic(kafka: str) -> str:
    """The topic `calls` with some calls."""
    fill(Settings.model_validate({"kafka_bootstrap_servers": kafka, "topic_prefix": PREFIX}))
    return PREFIX + CALLS.name


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """The built-in registry."""
    with registry(PREFIX) as url:
        yield url


def test_kcat_reads_raw_records(kafka: str, topic: str) -> None:
    """Keys, sizes and bytes are those that were written."""
    kcat = shutil.which("kcat") or shutil.which("kafkacat")
    assert kcat is not None, "this test needs kcat (Debian: apt install kcat)"
    read = [kcat, "-b", kafka, "-t", topic, "-C", "-e", "-q", "-f"]
    written = [(call.task_sid, encode(call)) for call in call_versions()]
    lines = finished([*read, "%k %S\n"]).decode().splitlines()
    assert sorted(f"{key} {len(value)}" for key, value in written) == sorted(lines)
    raw = finished([*read, "%s"])
    assert sum(len(value) for _, value in written) == len(raw)
    assert all(value in raw for _, value in written)


def test_the_console_consumer_reads_raw_records(kafka: str, topic: str) -> None:
    """Kafka's own tool, from its jars, with keys."""
    written = [(call.task_sid, encode(call)) for call in call_versions()]
    output = finished(
        [
            java(), "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*",
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            "--bootstrap-server", kafka, "--topic", topic, "--from-beginning",
            "--max-messages", str(len(written)), "--isolation-level", "read_committed",
            "--formatter-property", "print.key=true",
        ]
    )  # fmt: skip
    assert all(f"{key}\t".encode() + value in output for key, value in written)


def test_clickhouse_reads_every_topic_with_one_record_type(
    registry_url: str, tmp_path: Path
) -> None:
    """With its default settings. It finds the columns in the registry; each row has the fields of
    the record."""
    files = [_file(topic, tmp_path) for topic in OF_ONE_TYPE]
    command = [str(python()), "-c", CLICKHOUSE, registry_url, *map(str, files)]
    lines = finished(command).decode().splitlines()
    assert len(OF_ONE_TYPE) == len(lines) > 8
    for topic, line in zip(OF_ONE_TYPE, lines, strict=True):
        (first, second) = json.loads(line)
        assert first == second, topic.name
        fields = [field["name"] for field in json.loads(schema_text(topic.records[0]))["fields"]]
        assert fields == list(first), topic.name


def _file(topic: Topic, directory: Path) -> Path:
    """Write two values of the topic, one after the other."""
    (name,) = topic.records
    file = directory / topic.name
    file.write_bytes(encode(codec._FROM_PLAIN[name](filled(name))) * 2)
    return file
