"""The chaos run with coded audio in a short form: a few calls in real time while gateway, recorder
and broker are killed. `make chaos-audio` plays the long form."""

from pathlib import Path

import pytest

from simulator.coded.judgement import total
from tests.system.chaos_audio.__main__ import run
from tests.system.chaos_audio.options import AudioOptions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


async def test_every_frame_is_recorded_or_told_lost(tmp_path: Path) -> None:
    """Broker, recorder and gateway are killed, some calls fall silent, some lose messages, some
    cannot be stopped: each frame is recorded in its place, lost for its true reason, or withheld;
    the console answers as its contract says."""
    options = AudioOptions(
        calls=16, seconds=6.0, ramp=1.0, kill=("gateway", "kafka", "recorder"), every=4.5,
        times=1, silent=0.4, lossy=0.4, stubborn=0.4, seed=30, directory=tmp_path,
    )  # fmt: skip
    said: list[str] = []
    outcome = await run(options, said.append)
    assert outcome.holds, "\n".join(said)
    sums = total(list(outcome.assessment.judgements.values()))
    assert sums.silent["not-sent"]
    assert sums.withheld
    assert {"kafka": 1, "recorder": 1, "gateway": 1} == outcome.played.kills
