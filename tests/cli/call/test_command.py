"""The output and the exit status of `flexcapture call`."""

import json
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from cli.call import command
from cli.call.command import show_call
from cli.call.reader import History
from cli.call.versions import known
from pipeline.runtime.settings import Settings
from tests.cli.call.test_formatting import OTHERS, a_history
from tests.pipeline.contacts.records import NOON, TASK

SETTINGS = Settings(topic_prefix="p.")


def let(patch: pytest.MonkeyPatch, answer: History | Exception | None) -> list[Any]:
    """Let the topics have this history. Return the list of requested times."""
    asked: list[Any] = []

    async def read(_: Settings, task_sid: str, at: int | None, __: object) -> History | None:
        asked.append((task_sid, at))
        if isinstance(answer, Exception):
            raise answer
        return answer

    patch.setattr(command, "read_history", read)
    return asked


def history() -> History:
    """Return that of a call."""
    found = a_history()
    return History(found, known(found[-1], OTHERS))


def test_json_has_every_version_unless_a_moment_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The moment is passed on, and shown."""
    asked = let(monkeypatch, history())
    assert 0 == show_call(SETTINGS, TASK, None, in_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (None, 2) == (shown["at"], len(shown["versions"]))
    assert 0 == show_call(SETTINGS, TASK, NOON, in_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (True, False) == (shown["at"].endswith("Z"), "versions" in shown)
    assert [(TASK, None), (TASK, NOON)] == asked


def test_text_is_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason of the decision."""
    let(monkeypatch, history())
    assert 0 == show_call(SETTINGS, TASK, None, in_json=False)
    out, err = capsys.readouterr()
    assert ("stopped: last monitored agent left" in out, err) == (True, "")


@pytest.mark.parametrize(("at", "words"), [(None, "was known:"), (NOON, "was known at 20")])
def test_an_unknown_call_has_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: int | None, words: str
) -> None:
    """The error names the topic and its retention: the call may have expired."""
    let(monkeypatch, None)
    assert 1 == show_call(SETTINGS, TASK, at, in_json=True)
    out, err = capsys.readouterr()
    assert "" == out
    assert all(text in err for text in (TASK, words, "p.calls", "30 days"))


@pytest.mark.parametrize(
    "error", [KafkaConnectionError("away"), LookupError("no topic"), OSError()]
)
def test_topics_that_cannot_be_read_have_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """An error without a text is named by its type."""
    let(monkeypatch, error)
    assert 1 == show_call(SETTINGS, TASK, None, in_json=False)
    assert (str(error) or "OSError") in capsys.readouterr().err
