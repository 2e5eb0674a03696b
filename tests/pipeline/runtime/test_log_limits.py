"""Repeated log lines are counted, not written."""

import io
import logging

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.log_limits import (
    MOST,
    MOST_OF_LIBRARIES,
    SECONDS,
    LimitedHandler,
    Repetitions,
)


def record(name: str, message: str, *arguments: object, level: int = 30) -> logging.LogRecord:
    """A record of the standard library."""
    return logging.LogRecord(name, level, "", 0, message, arguments, None)


def written(*records: tuple[float, logging.LogRecord]) -> list[str]:
    """The lines that are written for records at those times."""
    stream, now = io.StringIO(), [0.0]
    handler = LimitedHandler(stream, lambda: now[0])
    for at, each in records:
        now[0] = at
        handler.handle(each)
    return stream.getvalue().splitlines()


def test_a_flood_is_two_lines_and_a_count() -> None:
    """Of a library's messages about partitions only two are written in ten seconds; the next line
    of any kind is preceded by the number of the others."""
    flood = [
        (i / 100, record("aiokafka.producer", "Got error on %s: %s", i % 24, "NotEnoughReplicas"))
        for i in range(900)
    ]
    lines = written(*flood, (11.0, record("agents.x", "else", level=20)))
    assert MOST_OF_LIBRARIES == sum("NotEnoughReplicas" in line for line in lines)
    assert [f"{900 - MOST_OF_LIBRARIES} more like: Got error on %s: %s", "else"] == lines[-2:]


def test_messages_that_differ_in_numbers_are_one_kind() -> None:
    """A message that has its numbers in the text is limited as well."""
    lines = written(*((0.0, record("mode", f"retry {n} of node 1")) for n in range(50)))
    assert MOST_OF_LIBRARIES == len(lines)


def test_what_is_no_trouble_passes() -> None:
    """Information and the last words of a process are never left out."""
    lines = written(
        *((0.0, record("agents.x", "recorded", level=20)) for _ in range(99)),
        *((0.0, record("cli.main", "failed", level=50)) for _ in range(99)),
    )
    assert 198 == len(lines)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["a", "gateway.b"]))))
def test_every_message_is_written_or_counted(events: list[tuple[float, str]]) -> None:
    """At any times, written and suppressed messages add up to all messages, and no kind is written
    more often than allowed."""
    repetitions, passed, counted = Repetitions(), 0, 0
    events.sort()
    for now, name in events:
        counted += sum(count for _, count in repetitions.over(now))
        passed += repetitions.passes((name, 30, "x"), now)
    counted += sum(count for _, count in repetitions.over(1_000.0))
    assert len(events) == passed + counted
    assert passed <= (MOST + MOST_OF_LIBRARIES) * (100 / SECONDS + 2)
