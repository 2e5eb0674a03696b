"""The exit status of `flexcapture tail`."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.parser import parser
from cli.tail import command
from cli.tail.command import FAILED, OK, WRONG
from cli.tail.decoding import decoded
from pipeline.runtime.settings import Settings
from tests.cli.tail.test_formatting import consumed


def arguments(*more: str) -> argparse.Namespace:
    """Return the arguments of the command."""
    return parser().parse_args(["tail", "calls", *more])


def let(patch: pytest.MonkeyPatch, *events: Any) -> None:
    """Let the topics have these events: a list of records, an error, or a signal."""

    async def read(*_: Any) -> AsyncIterator[list[Any]]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, signal.Signals):
                os.kill(os.getpid(), event)
                await asyncio.sleep(60)
            yield event

    patch.setattr(command, "read", read)


RECORDS = [decoded(consumed(None))]


def test_records_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line each; a fetch without records prints none."""
    let(monkeypatch, RECORDS, [], RECORDS)
    assert OK == command.run(Settings(), arguments())
    out, err = capsys.readouterr()
    assert (2, "") == (len(out.splitlines()), err)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KafkaConnectionError("away"), FAILED, "away"),
        (LookupError("there is no topic calls"), FAILED, "no topic calls"),
        (TimeoutError(), FAILED, "no answer in time"),
        (BrokenPipeError(), OK, ""),
    ],
    ids=repr,
)
def test_the_status_of_an_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
    words: str,
) -> None:
    """If the reader of the output is gone, that is no failure: `head` ends like that."""
    closed: list[bool] = []
    monkeypatch.setattr(command, "close_quietly", lambda: closed.append(True))
    let(monkeypatch, error)
    assert status == command.run(Settings(), arguments())
    assert words in capsys.readouterr().err
    assert bool(closed) == isinstance(error, BrokenPipeError)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """With status 0, and the records so far are printed."""
    let(monkeypatch, RECORDS, number, RECORDS)
    assert OK == command.run(Settings(), arguments("--follow"))
    assert 1 == len(capsys.readouterr().out.splitlines())


def test_wrong_usage_has_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is read."""
    wrong = parser().parse_args(["tail", "nonsense"])
    assert WRONG == command.run(Settings(), wrong)
    assert "nonsense" in capsys.readouterr().err
