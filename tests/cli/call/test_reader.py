"""The history of one call is read from its partition, and from the time in which it can have
records. With Kafka: tests/integration/test_call_command.py."""

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.call import reader
from cli.call.reader import CLOCKS_APART_MS, LONGEST_MS, History, read_history
from pipeline.runtime.settings import Settings
from schemas.records import Call
from schemas.topics import CALLS, DEAD_LETTERS, RECORDINGS, STREAM_EVENTS
from tests.cli.call.test_formatting import a_history
from tests.cli.logs import MemoryLog
from tests.pipeline.contacts.records import NOON, TASK, changed, decided, started

HOUR = 3_600_000
OTHER = "WT" + "b" * 32
FIRST, SECOND = a_history()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> MemoryLog:
    """The topics with the two versions of a call, among the records of another one that is on the
    same partition."""
    made = MemoryLog()
    for version in (FIRST, SECOND):
        made.add(CALLS, version.at, version.call, TASK.encode())
        made.add(CALLS, version.at, version.call, OTHER.encode(), partition=_number(made))
    for at, record in ((210, decided(210, "record")), (300, changed(1, "running", 300, "MZ1"))):
        made.add(STREAM_EVENTS, NOON + at, record, TASK.encode())
    made.add(RECORDINGS, NOON + 310, started(1, 300), TASK.encode())
    monkeypatch.setattr(reader, "Log", made)
    return made


def _number(log: MemoryLog) -> int:
    return log.topics[CALLS.name][0].partition


async def read(at: int | None = None) -> History | None:
    """Return the history up to a time."""
    return await read_history(Settings(topic_prefix="p."), TASK, at, lambda *_: None)


async def test_every_version_and_the_records_of_the_call(log: MemoryLog) -> None:
    """Those of other calls are left out. The log is closed afterwards."""
    found = await read()
    assert found is not None
    assert [FIRST.call, SECOND.call] == [version.call for version in found.versions]
    assert SECOND == found.latest.version
    assert 1 == len(found.latest.known.decisions)
    assert 1 == len(found.latest.known.media_streams)
    assert not log.is_open


@pytest.mark.parametrize(
    ("after", "version", "streams"),
    [(200, FIRST, 0), (299, FIRST, 0), (300, FIRST, 1), (5_499, FIRST, 1), (5_500, SECOND, 1)],
)
async def test_the_state_at_a_moment(
    log: MemoryLog, after: int, version: object, streams: int
) -> None:
    """From the records up to it, by log time."""
    found = await read(NOON + after)
    assert found is not None
    assert (version, streams) == (found.latest.version, len(found.latest.known.media_streams))


async def test_before_the_first_version_there_is_no_call(log: MemoryLog) -> None:
    """Nor if none has the SID."""
    assert await read(NOON + 199) is None
    log.topics[CALLS.name].clear()
    assert await read() is None


async def test_only_the_time_of_the_call_is_read(log: MemoryLog) -> None:
    """From before its first event to after the moment, for clocks that differ. An earlier call is
    found by a second read, from the beginning."""
    for n in range(5):
        log.add(CALLS, NOON + 90 * HOUR + n, FIRST.call, OTHER.encode(), partition=_number(log))
    await read(NOON + 400)
    calls, *others = log.asked
    assert 4 == calls.end
    assert [STREAM_EVENTS.name, RECORDINGS.name] == [s.partition.topic[2:] for s in others]
    log.asked.clear()
    found = await read(NOON + 90 * HOUR)
    assert found is not None
    assert SECOND == found.latest.version
    first, second = (s for s in log.asked if s.partition.topic == f"p.{CALLS.name}")
    assert first.start > second.start == 0
    assert LONGEST_MS < 90 * HOUR
    assert CLOCKS_APART_MS < LONGEST_MS


async def test_a_record_that_cannot_be_read_is_passed_over(log: MemoryLog) -> None:
    """It is logged, and the rest is shown."""
    log.add(CALLS, NOON + 5_400, b"no record", TASK.encode())
    log.add(DEAD_LETTERS, NOON + 5_450, b"", TASK.encode())
    found = await read()
    assert found is not None
    assert 2 == len(found.versions)


async def test_missing_topics_and_an_absent_kafka_are_errors(log: MemoryLog) -> None:
    """The other topics may be missing: nothing was recorded yet."""
    del log.topics[STREAM_EVENTS.name]
    found = await read()
    assert found is not None
    assert () == found.latest.known.decisions
    del log.topics[CALLS.name]
    with pytest.raises(LookupError, match=r"p\.calls"):
        await read()
    assert not log.is_open
    log.error = KafkaConnectionError("away")
    with pytest.raises(KafkaConnectionError):
        await read()
    assert isinstance(FIRST.call, Call)
