"""Dead letters and the marks of their retries are read from the log. With Kafka:
tests/integration/test_dead_letters.py."""

from typing import Any, Self

import pytest

from cli.dead_letters import reader
from cli.dead_letters.letter import key_of
from cli.dead_letters.reader import CLOCKS_APART_MS, read_letters
from pipeline.runtime.settings import Settings
from schemas.topics import DEAD_LETTERS, DEAD_LETTERS_RETRIED
from tests.cli.dead_letters.letters import letter, mark
from tests.cli.logs import MemoryLog

SETTINGS = Settings(topic_prefix="p.")


class Names:
    """A consumer that knows the names of the topics."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""

    async def topics(self) -> set[str]:
        return {f"p.{name}" for name in self._log.topics}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> MemoryLog:
    """The topic with a letter on each of the partitions 2 to 4, at offset 0."""
    made = MemoryLog()
    for number in (2, 3, 4):
        record = letter(detail=f"on {number}").record
        headers: Any = (("arrived-at", b"7"),)
        made.add(DEAD_LETTERS, CLOCKS_APART_MS * number, record, partition=number, headers=headers)
    monkeypatch.setattr(reader, "Log", made)
    monkeypatch.setattr(reader, "consumer", lambda _: Names(made))
    return made


async def test_letters_have_their_place_time_and_headers(log: MemoryLog) -> None:
    """Of all partitions. There is no topic of marks before the first retry."""
    found = await read_letters(SETTINGS)
    assert [(2, 0), (3, 0), (4, 0)] == [each.id for each in found]
    assert (CLOCKS_APART_MS * 2, {"arrived-at": b"7"}, "on 2") == (
        found[0].at, found[0].headers, found[0].record.detail,
    )  # fmt: skip
    assert [None] * 3 == [each.retried for each in found]
    assert not log.is_open


async def test_the_last_mark_of_a_letter_counts(log: MemoryLog) -> None:
    """A mark of a letter that was there before the topic was created again does not."""
    for given, outcome in (((3, 0), "first"), ((3, 0), "last"), ((2, 0), "other")):
        given_up_at = 900 if outcome != "other" else 899
        record = mark(given, given_up_at, outcome)
        log.add(DEAD_LETTERS_RETRIED, 9, record, key_of(letter()), partition=given[0])
    second, third, fourth = await read_letters(SETTINGS)
    assert (None, None) == (second.retried, fourth.retried)
    assert third.retried is not None
    assert "last" == third.retried.outcome


async def test_only_the_selected_letters_are_read(log: MemoryLog) -> None:
    """Some partitions; and from a time on, a little earlier for clocks that differ."""
    assert [(4, 0)] == [each.id for each in await read_letters(SETTINGS, partitions=[4])]
    log.asked.clear()
    found = await read_letters(SETTINGS, since=CLOCKS_APART_MS * 5)
    assert [(4, 0)] == [each.id for each in found]
    assert 3 == len(await read_letters(SETTINGS, since=5))


async def test_records_that_are_no_letters_are_passed_over(log: MemoryLog) -> None:
    """They are logged."""
    log.add(DEAD_LETTERS, 9, b"no record", partition=2)
    assert 3 == len(await read_letters(SETTINGS))


async def test_a_missing_topic_is_an_error(log: MemoryLog) -> None:
    """At once: a client would wait for it for long."""
    log.topics.clear()
    with pytest.raises(LookupError, match=r"p\.cti\.dead-letters"):
        await read_letters(SETTINGS)
    assert not log.is_open
