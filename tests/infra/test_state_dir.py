"""The state directory: one holder, private files, everything by rename."""

import json
import os
import stat
from pathlib import Path

import pytest

from infra.state_dir import StateDir, StateDirInUse, write_private


def test_a_second_holder_gets_the_pid_of_the_first(tmp_path: Path) -> None:
    """While the directory is held, another is refused with the holder's pid; afterwards not."""
    state_dir = StateDir(tmp_path / "state")
    with (
        state_dir.held(),
        pytest.raises(StateDirInUse, match=f"pid {os.getpid()}"),
        state_dir.held(),
    ):
        pass
    with state_dir.held():
        pass


def test_the_token_is_made_once(tmp_path: Path) -> None:
    """The console's token is long, private, and the same at the next start."""
    state_dir = StateDir(tmp_path)
    token = state_dir.console_token()
    assert len(token) >= 32
    assert token == state_dir.console_token()
    assert 0o600 == stat.S_IMODE((tmp_path / "console-token").stat().st_mode)


def test_endpoints_come_and_go(tmp_path: Path) -> None:
    """endpoints.json is private, replaced as a whole, and gone once removed, twice too."""
    state_dir = StateDir(tmp_path)
    for pid in (1, 2):
        state_dir.write_endpoints({"pid": pid})
        assert {"pid": pid} == json.loads((tmp_path / "endpoints.json").read_text())
    assert 0o600 == stat.S_IMODE((tmp_path / "endpoints.json").stat().st_mode)
    state_dir.remove_endpoints()
    state_dir.remove_endpoints()
    assert [] == list(tmp_path.iterdir())


def test_a_left_over_partial_file_does_not_hinder(tmp_path: Path) -> None:
    """A file is written again if its writer was killed while writing it."""
    (tmp_path / ".x.partial").write_text("hal")
    write_private(tmp_path / "x", "whole")
    assert ["whole"] == [path.read_text() for path in tmp_path.iterdir()]
