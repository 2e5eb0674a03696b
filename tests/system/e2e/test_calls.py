"""Every case of the recording policy, played by the program itself through the whole pipeline."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from infra.local.offline_kafka import reachable_kafka
from pipeline.runtime.settings import Settings
from schemas.codec import decode
from schemas.records import (
    Call,
    CommandAnswered,
    CtiEvent,
    GatewayAlive,
    MediaStreamOpened,
    RecordingCompleted,
    RecordingDecided,
    StartDuplicateStream,
)
from schemas.states import RecordingSource
from schemas.topics import (
    ALL,
    CALLS,
    CHANGELOGS,
    CTI_EVENTS,
    GATEWAYS_ALIVE,
    RECORDINGS,
    STREAM_COMMANDS,
    STREAM_EVENTS,
)
from simulator.cases import CASES
from simulator.result import RESULT_FILE
from simulator.unstreamed import UNSTREAMED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@dataclass(frozen=True, slots=True)
class DemoRun:
    """What `flexcapture demo --exit` gave. `calls` by the name of their case."""

    status: int
    output: str
    directory: Path
    calls: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One run of the demo, for all tests here."""
    directory = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "cli.main", "demo", "--exit"]
    ran = subprocess.run(
        [*command, "--state-dir", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    result = directory / RESULT_FILE
    calls = json.loads(result.read_text())["calls"] if result.exists() else []
    return DemoRun(ran.returncode, ran.stdout, directory, {call["case"]: call for call in calls})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_call_comes_out_as_it_must(demo: DemoRun, case: Any) -> None:
    """Contact, sessions, recordings and every byte of audio are as the script says."""
    assert case.__name__ in demo.calls, demo.output
    call = demo.calls[case.__name__]
    assert ([], True) == (call["differences"], call["right"])


def test_demo_ends_well(demo: DemoRun) -> None:
    """The status is 0, the output says so, and no process is left running."""
    assert 0 == demo.status, demo.output
    assert f"{len(CASES)} of {len(CASES)} calls came out as they must." in demo.output
    assert not (demo.directory / "endpoints.json").exists()


def test_demo_shows_the_recovered_calls(demo: DemoRun) -> None:
    """Their lines have the length of the audio fetched from Twilio, and they alone say so."""
    shown = re.findall(r"^(.*) answered +\d\.\d s recovered", demo.output, re.MULTILINE)
    assert {case.__doc__ for case in UNSTREAMED} == {title.strip() for title in shown}


def test_other_users_of_the_machine_can_read_nothing(demo: DemoRun) -> None:
    """State, logs, Kafka's data, the database, audio and manifests: all for their owner only."""
    paths = [path for path in demo.directory.rglob("*") if not path.is_symlink()]
    kinds = {path.suffix for path in paths}
    assert {".wav", ".db", ".log"} <= kinds
    assert [] == [path for path in paths if path.stat().st_mode & 0o077]


ATTRIBUTES = {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"}


def test_every_record_is_a_cloud_event(demo: DemoRun) -> None:
    """Confluent's client finds the attributes in the headers of every record on every topic, once;
    the type is that of the record. Changelogs have none."""
    types, sources = set(), set()
    with reachable_kafka(Settings(), demo.directory, demo.directory) as settings:
        for message in _records(settings, [topic.name for topic in ALL]):
            headers = message.headers() or []
            value = message.value()
            if value is None:
                continue
            found = dict(headers)
            assert ATTRIBUTES <= found.keys(), message.topic()
            assert len(found) == len(headers)
            assert f"flexcapture.{type(decode(value)).__name__}".encode() == found["ce_type"]
            types.add(found["ce_type"].removeprefix(b"flexcapture.").decode())
            sources.add(found["ce_source"].removeprefix(b"/flexcapture/").decode())
        changelogs = [topic.name for topic in CHANGELOGS]
        assert {None} == {message.headers() for message in _records(settings, changelogs)}
    writers = {"bridge", "tracker", "resolver", "stream-manager", "twilio-adapter", "clock"}
    writers |= {"gateway", "recorder", "consolidator", "reconciler", "retriever"}
    assert writers == sources
    assert {
        "CtiEvent",
        "Call",
        "MediaBatch",
        "GatewayAlive",
        "Contact",
        "RecorderCheckpoint",
        "RetrievalJob",
        "ReconciliationEvidence",
    } <= types


def test_signs_of_life_are_on_a_topic_of_their_own(demo: DemoRun) -> None:
    """`gateways.alive` has nothing else. Hardly any are on `stream.events`: only those that show
    a gateway how far it has read there."""
    with reachable_kafka(Settings(), demo.directory, demo.directory) as settings:
        found = Counter(
            (message.topic(), type(decode(message.value())).__name__)
            for message in _records(settings, [GATEWAYS_ALIVE.name, STREAM_EVENTS.name])
        )
    alive = GatewayAlive.__name__
    assert {alive} == {kind for topic, kind in found if topic == GATEWAYS_ALIVE.name}
    assert found[STREAM_EVENTS.name, alive] < found[GATEWAYS_ALIVE.name, alive] / 4


TOPICS = (Path(__file__).parents[3] / "docs" / "topics.md").read_text()
[JOIN] = re.findall("```sql\n(.*?)```", TOPICS, re.DOTALL)
JOINED = (
    CtiEvent, Call, RecordingDecided, StartDuplicateStream, CommandAnswered, MediaStreamOpened,
    RecordingCompleted,
)  # fmt: skip
CLOCKS_MS = 1_000
"""How far the clocks of two processes on one machine are apart at most, as they measure it."""


def test_each_recording_joins_with_the_event_that_led_to_it(demo: DemoRun) -> None:
    """By ids alone, with the query of docs/topics.md: each recording of a media stream has exactly
    one way back from its first frame to the event, in the order of time. Most of the events are
    acceptances."""
    with reachable_kafka(Settings(), demo.directory, demo.directory) as settings:
        tables = _tables(settings)
    with duckdb.connect() as database:
        for name, table in tables.items():
            database.register(name, table)
        joined = database.sql(JOIN).to_arrow_table().to_pylist()
    streamed = RecordingSource.STREAM
    recordings = {
        each["recording_id"]
        for each in tables["RecordingCompleted"].to_pylist()
        if each["source"] == streamed
    }
    assert len(recordings) > 10
    assert sorted(recordings) == sorted(each["recording_id"] for each in joined)
    for each in joined:
        assert each["decided_at"] <= each["opened_at"] + CLOCKS_MS
        assert each["first_frame_at"] is None or each["opened_at"] <= each["first_frame_at"]
    causes = [each["cause"].rpartition(".taskrouter.")[2] for each in joined]
    assert causes.count("reservation.accepted") > len(causes) / 2


def _tables(settings: Settings) -> dict[str, pa.Table]:
    """Return the plain fields of the records of each of these types."""
    found: dict[str, list[dict[str, Any]]] = {each.__name__: [] for each in JOINED}
    topics = (CTI_EVENTS, CALLS, STREAM_COMMANDS, STREAM_EVENTS, RECORDINGS)
    for message in _records(settings, [topic.name for topic in topics]):
        record = decode(message.value())
        if (rows := found.get(type(record).__name__)) is not None:
            values = {field.name: getattr(record, field.name) for field in fields(record)}
            rows.append({k: v for k, v in values.items() if isinstance(v, str | int | None)})
    return {name: pa.Table.from_pylist(rows) for name, rows in found.items()}


def _records(settings: Settings, topics: list[str]) -> Iterator[Message]:
    """Yield all records of these topics."""
    configuration = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "group.id": "reader",
        "enable.partition.eof": True,
    }
    with closing(Consumer(configuration)) as reader:
        known = reader.list_topics().topics
        places = [(topic, number) for topic in topics for number in known[topic].partitions]
        reader.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in places])
        while places:
            message = reader.poll(1)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield message
                continue
            assert KafkaError._PARTITION_EOF == error.code(), error
            places.remove((message.topic(), message.partition()))
