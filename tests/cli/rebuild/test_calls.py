"""The tracker's table is rebuilt from the log. With Kafka: tests/integration/test_rebuild.py."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorNotAvailableError, GroupIdNotFound
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.tracker import TrackerCore
from cli.rebuild import calls
from cli.rebuild.calls import CallsReport, RebuildRefused, in_log_order, rebuild_tracker
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Role, Settings
from schemas.codec import decode, encode
from schemas.records import CtiEvent
from schemas.topics import CALL_PARTITIONS, CALLS, CTI_EVENTS, CTI_RESOLVED, Topic, changelog
from tests.cli.logs import MemoryLog
from tests.examples import examples
from tests.pipeline.calls.histories import Story, inbound
from tests.virtual_time import virtually

TABLE = changelog(Role.TRACKER)
NOW = 1_780_000_000_000
TASK = "WT" + "a" * 32
KEY = TASK.encode()
NUMBER = partition_of(KEY, CALL_PARTITIONS)


def story() -> list[CtiEvent]:
    """Return the events of a running call."""
    written = Story(task_sid=TASK, attributes=inbound().attributes, t0=NOW - 60_000)
    written.task("created", 0).reservation("created", 1_000, "ann")
    written.reservation("accepted", 2_000, "ann")
    return written.events


@dataclass
class Kafka:
    """The topics, the tracker's group, and the written values of the table."""

    log: MemoryLog = field(default_factory=MemoryLog)
    members: list[str] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    written: dict[bytes, bytes | None] = field(default_factory=dict)
    ensured: list[str] = field(default_factory=list)
    leaves_after_s: float | None = None
    open: int = 0

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let the command use this Kafka."""
        patch.setattr(calls, "Log", self.log)
        patch.setattr(calls, "producer", lambda *_, **__: self)
        patch.setattr(calls, "admin_client", lambda *_: self)
        patch.setattr(calls, "ensure_topics", self._ensure)
        patch.setattr(calls, "log_time", self._now)
        patch.setattr(
            calls, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
        )

    def call(self, events: list[CtiEvent], *, committed: int | None = None) -> bytes:
        """Put a call on the topics, as the tracker does: its events, and its versions. Return its
        state after all events. `committed`: the number of handled events that are committed."""
        core, state = TrackerCore(), None
        for event in events:
            record = self.log.add(CTI_EVENTS, event.arrived_at, event, KEY)
            step = core.on_record(TASK, state, event, event.arrived_at)
            state = step.state
            for output in step.outputs:
                if output.topic is CALLS:
                    self.log.add(CALLS, event.arrived_at, output.record, KEY)
            self.committed[TopicPartition(CTI_EVENTS.name, NUMBER)] = record.offset + 1
        if committed is not None:
            self.committed[TopicPartition(CTI_EVENTS.name, NUMBER)] = committed
        assert state is not None
        return encode(state)

    def keep(self, value: bytes | None) -> None:
        """Put a value into the table."""
        self.log.add(TABLE, NOW, value, KEY)

    # The clients

    async def start(self) -> None:
        self.open += 1

    async def stop(self) -> None:
        self.open -= 1

    async def close(self) -> None:
        self.open -= 1

    async def list_topics(self) -> list[str]:
        return list(self.log.topics)

    async def list_consumer_group_offsets(self, group: str) -> dict[TopicPartition, Any]:
        assert "tracker" == group
        return {tp: SimpleNamespace(offset=offset) for tp, offset in self.committed.items()}

    async def describe_consumer_groups(self, groups: list[str]) -> list[Any]:
        passed = asyncio.get_running_loop().time() - 1_000
        if self.leaves_after_s is not None and passed >= self.leaves_after_s:
            self.members = []
        code = self.errors.pop(0) if self.errors else 0
        members = [("id", name) for name in self.members]
        return [SimpleNamespace(groups=[(code, groups[0], "", "", "", members)])]

    async def send(self, topic: str, value: bytes | None, key: bytes, partition: int) -> Any:
        assert (TABLE.name, NUMBER) == (topic, partition)
        self.written[key] = value

        async def acknowledged() -> None:
            """At once."""

        return acknowledged()

    async def _ensure(self, _: Settings, topics: list[Topic]) -> None:
        self.ensured = [topic.name for topic in topics]

    async def _now(self, _: Settings) -> int:
        return NOW


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """The topics without a record."""
    made = Kafka()
    for topic in (CTI_EVENTS, CTI_RESOLVED, CALLS, TABLE):
        made.log.topics[topic.name] = []
    made.use(monkeypatch)
    return made


def rebuild(*, check: bool = False) -> CallsReport:
    """Rebuild the table."""
    return virtually(rebuild_tracker(Settings(), check=check, progress=lambda *_: None))


def test_a_correct_table_is_left_alone(kafka: Kafka) -> None:
    """Nothing is written. All clients are closed."""
    kafka.keep(kafka.call(story()))
    report = rebuild()
    assert (1, [], 0, {}) == (report.same, report.differences, report.written, kafka.written)
    assert (0, False) == (kafka.open, kafka.log.is_open)
    assert [TABLE.name, CTI_RESOLVED.name] == kafka.ensured


def test_a_lost_table_is_made_from_the_events(kafka: Kafka) -> None:
    """With the values that the tracker had."""
    state = kafka.call(story())
    report = rebuild()
    assert ({KEY: state}, 1) == (kafka.written, report.written)
    assert [f"{TASK}: is not in the table"] == report.differences


def test_a_wrong_value_is_replaced_and_a_surplus_one_deleted(kafka: Kafka) -> None:
    """The last value of a key counts."""
    state = kafka.call(story())
    kafka.keep(state)
    kafka.keep(encode(story()[0]))
    assert [f"{TASK}: has another value in the table"] == rebuild().differences
    assert {KEY: state} == kafka.written
    kafka.log.topics[CTI_EVENTS.name].clear()
    kafka.log.topics[CALLS.name].clear()
    assert [f"{TASK}: is in the table but should not be"] == rebuild().differences
    assert {KEY: None} == kafka.written


def test_a_check_writes_nothing(kafka: Kafka) -> None:
    """And makes no topic."""
    kafka.call(story())
    report = rebuild(check=True)
    assert (1, {}, []) == (len(report.differences), kafka.written, kafka.ensured)


def test_a_deleted_value_is_none(kafka: Kafka) -> None:
    """The table does not have the key."""
    kafka.keep(kafka.call(story()))
    kafka.keep(None)
    assert [f"{TASK}: is not in the table"] == rebuild(check=True).differences


def test_events_that_are_not_committed_are_handled_again(kafka: Kafka) -> None:
    """A table that lacks them is correct: the tracker reads them when it starts."""
    events = story()
    state = kafka.call(events, committed=2)
    core, before = TrackerCore(), None
    for event in events[:2]:
        before = core.on_record(TASK, before, event, event.arrived_at).state
    kafka.keep(encode(before))
    report = rebuild(check=True)
    assert (0, 1, []) == (report.same, report.behind, report.differences)
    assert decode(state).state == "active"


def test_a_running_tracker_is_not_interfered_with(kafka: Kafka) -> None:
    """It would overwrite the table. The error names its members."""
    kafka.call(story())
    kafka.members = ["tracker-1", "tracker-0"]
    with pytest.raises(RebuildRefused, match=r"tracker-0, tracker-1\. Stop it first"):
        rebuild()
    assert ({}, 0) == (kafka.written, kafka.open)


def test_a_tracker_that_has_just_ended_is_waited_for(kafka: Kafka) -> None:
    """Its session has yet to expire."""
    kafka.call(story())
    kafka.members, kafka.leaves_after_s = ["tracker-0"], 8.0
    assert 1 == rebuild().written


def test_a_broker_that_has_just_started_gets_time(kafka: Kafka) -> None:
    """To load the group; a group that it does not know has no members."""
    kafka.call(story())
    kafka.errors = [CoordinatorNotAvailableError.errno] * 5 + [GroupIdNotFound.errno] * 2
    assert 1 == rebuild().written
    kafka.errors = [CoordinatorNotAvailableError.errno] * 1_000
    with pytest.raises(CoordinatorNotAvailableError):
        rebuild()


@pytest.mark.parametrize("topic", [CTI_EVENTS, CALLS], ids=lambda topic: topic.name)
def test_a_missing_topic_is_refused(kafka: Kafka, topic: Topic) -> None:
    """The table would be emptied."""
    kafka.keep(kafka.call(story()))
    del kafka.log.topics[topic.name]
    with pytest.raises(RebuildRefused, match=topic.name):
        rebuild()
    assert {} == kafka.written


@given(st.lists(st.lists(st.integers(0, 20), max_size=5).map(sorted), max_size=4))
@settings(max_examples=examples(30))
def test_sources_are_read_in_the_order_of_the_log(times: list[list[int]]) -> None:
    """By time; of two records with the same time the one of the first source comes first."""

    async def source(number: int, of: list[int]) -> AsyncIterator[Any]:
        for at in of:
            yield SimpleNamespace(timestamp=at, number=number)

    async def run() -> list[tuple[int, int]]:
        sources = [source(number, of) for number, of in enumerate(times)]
        return [(each.timestamp, each.number) async for each in in_log_order(sources)]

    expected = [(at, number) for number, of in enumerate(times) for at in of]
    assert sorted(expected) == asyncio.run(run())
