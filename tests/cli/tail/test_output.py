"""Standard output: lines, JSON and colours."""

import io
import sys

import pytest

from cli.tail.decoding import Shown
from cli.tail.output import output

BAD = Shown("calls", 0, 1, 1_769_860_800_000, "WT1", None, b"?", "no header")


class Terminal(io.TextIOWrapper):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def written(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, in_json: bool = False) -> str:
    """Return the output for a record that cannot be decoded."""
    raw = io.BytesIO()
    stream = Terminal(raw) if terminal else io.TextIOWrapper(raw)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        output(in_json=in_json)([BAD])
    return raw.getvalue().decode()


def test_a_terminal_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is red; NO_COLOR, a dumb terminal, a pipe and JSON have no colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mundecodable\x1b[0m" in written(monkeypatch, terminal=True)
    assert "\x1b" not in written(monkeypatch, terminal=False)
    assert "\x1b" not in written(monkeypatch, terminal=True, in_json=True)
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in written(monkeypatch, terminal=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in written(monkeypatch, terminal=True)
