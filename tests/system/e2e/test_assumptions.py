"""Calls come out right at a Twilio that is not as usual: every assumption, in as few runs as the
assumptions that exclude each other allow."""

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.unlike import Unlike

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

# In one run only those that show beside the others: without callbacks their order does not show,
# and a conference that no attribute names moves no customer there.
FIRST = (
    Unlike.SILENCE,
    Unlike.CHUNK,
    Unlike.FIRST_TIMESTAMP,
    Unlike.TIMESTAMP_STEPS,
    Unlike.TRACKS,
    Unlike.PING,
    Unlike.STOP_MESSAGE,
    Unlike.SECOND_SOCKET,
    Unlike.START_ANSWER,
    Unlike.STOP_AFTER_END,
    Unlike.TRACK_LIMIT,
    Unlike.PAGING,
    Unlike.PARTICIPANT_STATUS,
    Unlike.LABELS,
    Unlike.CONFERENCE_CALLBACKS,
    Unlike.EVENT_ARRAYS,
    Unlike.HELD_CUSTOMER,
)
SECOND = tuple(each for each in Unlike if each not in FIRST)


@pytest.mark.parametrize("unlike", [FIRST, SECOND], ids=["first", "second"])
def test_calls_come_out_right_either_way(unlike: tuple[Unlike, ...], tmp_path: Path) -> None:
    """The demo plays its calls at such a Twilio, and each comes out as it must."""
    command = [sys.executable, "-m", "cli.main", "demo", "--exit", "--state-dir", str(tmp_path)]
    ran = subprocess.run(
        [*command, "--unlike", ",".join(unlike)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert 0 == ran.returncode, ran.stdout
    assert all(f"({name})" in ran.stdout for name in unlike)
