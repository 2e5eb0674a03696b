"""The chaos run in a short form: a few calls while every role is killed in turn, the monitored list
is damaged, and Twilio fails one request in five; a few while Twilio's API is away, and a few while
the broker is. `make chaos` plays the long form."""

from pathlib import Path

import pytest

from tests.system.chaos.__main__ import run
from tests.system.chaos.options import Options

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

PATIENCE = 3.0
"""The stated bounds are for a machine of its own; one that runs other things beside gets more."""


async def test_calls_come_out_right_while_everything_is_killed(tmp_path: Path) -> None:
    """States, sessions, decisions and media streams are the model's; nothing runs too long."""
    options = Options(
        calls=12, minutes=0.25, every=4.0, list_every=8.0, refuse=0.15, seed=20, patience=PATIENCE,
        directory=tmp_path,
    )  # fmt: skip
    lines: list[str] = []
    result = await run(options, lines.append)
    assert result.holds, "\n".join(lines)
    assert result.damages
    assert "missing" in {call.contact["capture"] for call in result.calls if call.contact}


async def test_twilio_is_away_for_a_while(tmp_path: Path) -> None:
    """Audio sent after a stop is not audible, although Twilio stops nothing. Required time without
    audio is in a gap, with a fault that occurred as its reason."""
    options = Options(
        calls=24, minutes=0.25, every=0, away_every=6.0, fail=0, seed=22, patience=PATIENCE,
        directory=tmp_path,
    )  # fmt: skip
    lines: list[str] = []
    result = await run(options, lines.append)
    assert result.holds, "\n".join(lines)
    assert result.outages
    recordings = [r for call in result.calls if call.contact for r in call.contact["recordings"]]
    assert sum(recording["frames"]["withheld"] for recording in recordings)


async def test_the_broker_is_away_for_a_while(tmp_path: Path) -> None:
    """Everything carries on by itself: nothing is lost, nothing runs on."""
    options = Options(
        calls=8, minutes=0.35, every=0, seed=21, broker_down=12, patience=PATIENCE,
        directory=tmp_path,
    )  # fmt: skip
    lines: list[str] = []
    assert (await run(options, lines.append)).holds, "\n".join(lines)
