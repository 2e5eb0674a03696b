"""Derived records, states and progress are written in one transaction, and read back."""

from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from cli.derive import writer
from cli.derive.network import Changes, Derived
from cli.derive.topics import PROGRESS, PROGRESS_KEY, STATE
from cli.derive.writer import DerivationWriter, read_progress, read_states
from pipeline.runtime.kafka import partition_of
from pipeline.runtime.settings import Settings
from schemas.codec import decode, encode
from schemas.records import DerivationProgress, Tick
from schemas.topics import CALLS
from tests.cli.logs import MemoryLog
from tests.cli.transactions import next_producer
from tests.transactional_producer import TransactionalProducer
from tests.virtual_time import virtually

SETTINGS = Settings(topic_prefix="d.")
CHANGES = Changes(
    (Derived(CALLS, "WT1", Tick(5), 77),),
    {("tracker", "WT1"): b"state", ("resolver", "a:b"): None},
)


def progress(**changes: Any) -> DerivationProgress:
    """Return the progress of a derivation."""
    values = {
        "roles": ("tracker",), "since": None, "until": None, "rules": "", "complete_from": 0,
        "positions": {"cti.events-0": 3}, "ends": {"cti.events-0": 9}, "clock": 5_000,
        "ends_at": 9_000, "finished": False, "taken": 3, "written": 1, "refused": 0, **changes,
    }  # fmt: skip
    return DerivationProgress(**values)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> TransactionalProducer:
    """The producer of the next writer."""
    return next_producer(monkeypatch)


def write() -> None:
    """Write a portion."""

    async def run() -> None:
        made = DerivationWriter(SETTINGS)
        await made.start()
        await made.write(CHANGES, progress())

    virtually(run())


def test_a_portion_is_one_transaction(kafka: TransactionalProducer) -> None:
    """The records with their times, on the partitions of their keys; the states, of which a
    forgotten one has no value; and the progress."""
    write()
    begin, (topic, value, key, more), first, second, last, commit = kafka.steps
    assert ("begin", "commit") == (begin, commit)
    assert ("d.calls", Tick(5), b"WT1") == (topic, decode(value), key)
    number = partition_of(b"WT1", CALLS.partitions)
    assert {"partition": number, "timestamp_ms": 77} == more
    assert ("d.derive.state", b"state", b"tracker:WT1") == first[:3]
    assert ("d.derive.state", None, b"resolver:a:b") == second[:3]
    assert ("d.derive.progress", progress(), PROGRESS_KEY) == (last[0], decode(last[1]), last[2])


@pytest.mark.parametrize("topic", ["d.calls", "d.derive.state", "d.derive.progress"])
@pytest.mark.parametrize("fate", [MessageSizeTooLargeError(), "silent"], ids=["refused", "silent"])
def test_nothing_is_committed_unless_all_is_acknowledged(
    kafka: TransactionalProducer, topic: str, fate: Any
) -> None:
    """The derivation would continue behind records that are missing."""
    kafka.fate[topic] = fate
    with pytest.raises((MessageSizeTooLargeError, TimeoutError)):
        write()
    assert "commit" not in kafka.steps


def test_there_is_one_writer_of_a_prefix(kafka: TransactionalProducer) -> None:
    """A later one fences it. A start without an answer is given up."""
    write()
    assert "d.derive" == kafka.arguments["transactional_id"]
    kafka.fate["start"] = "silent"
    with pytest.raises(TimeoutError):
        write()


async def test_the_last_progress_and_states_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state without a value is forgotten. A key may contain the separator."""
    log = MemoryLog()
    monkeypatch.setattr(writer, "Log", log)
    assert await read_progress(SETTINGS) is None
    for taken in (3, 8):
        log.add(PROGRESS, 1, progress(taken=taken), PROGRESS_KEY)
    found = await read_progress(SETTINGS)
    assert progress(taken=8) == found
    for key, value in (
        (b"tracker:WT1", b"old"), (b"tracker:WT2", b"x"), (b"tracker:WT1", b"new"),
        (b"tracker:WT2", None), (b"resolver:a:b", encode(Tick(1))),
    ):  # fmt: skip
        log.add(STATE, 1, value, key)
    expected = [("tracker", "WT1", b"new"), ("resolver", "a:b", encode(Tick(1)))]
    assert expected == list(await read_states(SETTINGS))
    assert not log.is_open
