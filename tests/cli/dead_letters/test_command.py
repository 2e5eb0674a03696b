"""The output and the exit status of `flexcapture dead-letters`."""

import argparse
import json
from collections.abc import Collection
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerFenced

from cli.dead_letters import command
from cli.dead_letters.arguments import add
from cli.dead_letters.letter import Letter
from cli.dead_letters.retrying import LetterRetry
from pipeline.kinesis.messages import SizeLimits
from pipeline.runtime.settings import Settings
from tests.cli.dead_letters.letters import EVENT, letter, mark

GOOD = letter(letter_id=(0, 1), at=10, task_sid="WT1")
BAD = letter(b"no JSON", letter_id=(1, 5), at=20, reason="not-json")
LATE = letter(letter_id=(2, 9), at=30, reason="too-late")
DONE = letter(letter_id=(3, 14), at=40, retried=mark())


class Kafka:
    """The dead letters on the topic, and what a command writes. `steps`: in their order."""

    def __init__(self, patch: pytest.MonkeyPatch, *letters: Letter) -> None:
        self.letters = letters
        self.steps: list[Any] = []
        self.error: Exception | None = None
        self.partitions: Collection[int] | None = None
        patch.setattr(command, "read_letters", self._read)
        patch.setattr(command, "RetryWriter", lambda _: self)
        for name in ("ensure_topics", "topic_limits", "log_time"):
            patch.setattr(command, name, getattr(self, f"_{name}"))

    async def _read(
        self, _: Settings, since: int | None = None, partitions: Collection[int] | None = None
    ) -> tuple[Letter, ...]:
        self.steps.append("read")
        self.partitions = partitions
        if self.error is not None:
            raise self.error
        return self.letters

    async def _ensure_topics(self, _: Settings, topics: list[Any]) -> None:
        self.steps.append("topics")

    async def _topic_limits(self, _: Settings) -> SizeLimits:
        return SizeLimits()

    async def _log_time(self, _: Settings) -> int:
        return 5_000

    async def start(self) -> None:
        self.steps.append("fence")

    async def write(self, of: Letter, plan: LetterRetry, now: int) -> None:
        self.steps.append((of.name, len(plan.puts), now))

    async def close(self) -> None:
        self.steps.append("close")


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """One letter that can be put back, and three others."""
    return Kafka(monkeypatch, DONE, LATE, BAD, GOOD)


def run(*arguments: str) -> int:
    """Run the command. Return its exit status."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(), int, int)
    return command.run(Settings(), parser.parse_args(["dead-letters", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], ["0-1", "1-5", "2-9", "3-14"]),
        (["--reason", "too-late"], ["2-9"]),
        (["--task-sid", "WT1"], ["0-1"]),
        (["--since", "30"], ["2-9", "3-14"]),
        (["--limit", "2"], ["2-9", "3-14"]),
    ],
)
def test_the_latest_letters_are_listed_oldest_first(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], arguments: list[str], ids: list[str]
) -> None:
    """As lines and as JSON. A limit that leaves some out is mentioned."""
    assert 0 == run("list", *arguments)
    out, err = capsys.readouterr()
    assert ids == [line.split()[0] for line in out.splitlines()]
    assert ("--limit" in arguments) == ("the latest 2 of 4" in err)
    assert 0 == run("list", "--json", *arguments)
    assert ids == [each["id"] for each in json.loads(capsys.readouterr().out)]


def test_no_letters_are_good_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 0."""
    Kafka(monkeypatch)
    assert 0 == run("list")
    assert ("", "flexcapture: no dead letters\n") == capsys.readouterr()


def test_one_letter_is_shown_from_its_partition(
    kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that does not exist has status 1."""
    assert 0 == run("show", "3-14")
    assert EVENT.decode() in capsys.readouterr().out
    assert {3} == set(kafka.partitions or ())
    assert 1 == run("show", "3-15")
    assert "there is no dead letter 3-15" in capsys.readouterr().err
    assert 1 == run("show", "99-1")
    assert set() == set(kafka.partitions or ())


def test_a_retry_fences_others_before_it_reads(
    kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """The marks are complete then. Only letters that can succeed and were not put back before are
    written; the others are counted."""
    assert 1 == run("retry")
    assert ["topics", "fence", "read", ("0-1", 1, 5_000), "close"] == kafka.steps
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "0-1  put back: 1 on cti.events"
    assert out.splitlines()[1].startswith("1-5  still bad: not-json")
    for text in ("1 put back, 1 still bad", "1 were put back before", "1 would fail again"):
        assert text in err


@pytest.mark.parametrize(
    ("arguments", "written", "status"),
    [
        (["0-1"], ["0-1"], 0),
        (["2-9"], ["2-9"], 0),  # although it would fail again
        (["--reason", "too-late"], ["2-9"], 0),
        (["3-14"], [], 0),
        (["3-14", "--again"], ["3-14"], 0),
        (["0-1", "0-99"], ["0-1"], 1),
        (["--limit", "1"], ["0-1"], 0),
        (["1-5"], [], 1),
    ],
)
def test_letters_that_are_named_are_put_back(
    kafka: Kafka, arguments: list[str], written: list[str], status: int
) -> None:
    """By ID or reason, and once, unless it is asked for again."""
    assert status == run("retry", *arguments)
    assert written == [step[0] for step in kafka.steps if isinstance(step, tuple)]


def test_a_trial_writes_nothing(kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    """And fences no other retry."""
    assert 0 == run("retry", "0-1", "--dry-run")
    assert ["read"] == kafka.steps
    out, err = capsys.readouterr()
    assert ("would be put back: 1 on" in out, "1 would be put back" in err) == (True, True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProducerFenced(), "another retry has started"),
        (KafkaConnectionError("away"), "cannot be reached"),
        (TimeoutError(), "no answer in time"),
        (LookupError("no topic"), "no topic"),
    ],
    ids=repr,
)
def test_errors_have_status_1(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    """The writer is closed."""
    kafka.error = error
    assert 1 == run("retry")
    assert words in capsys.readouterr().err
    assert "close" == kafka.steps[-1]
