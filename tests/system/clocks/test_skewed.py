"""The whole pipeline, with clocks of machines that are wrong by up to an hour."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console as Terminal

from simulator import transfers
from simulator.cases import hold, inbound_monitored, outbound_ringing
from tests.system.clocks.playing import play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

CASES = (
    transfers.warm_to_monitored,
    outbound_ringing,
    transfers.warm_outside,
    hold,
    inbound_monitored,
)
SKEWS = {
    "gateway": 600.0,
    "twilio-adapter": -600.0,
    "tracker": -3_600.0,
    "resolver": 1_800.0,
    "stream-manager": 3_600.0,
    "recorder": -1_200.0,
    "consolidator": 2_400.0,
    "bridge": -1_800.0,
}
"""No two of them agree, so that any comparison of two machines' clocks goes wrong."""
LATE_S = 3


@pytest.mark.parametrize("sign", [1, -1])
async def test_calls_come_out_as_they_must_whatever_the_clocks_say(
    tmp_path: Path, sign: int
) -> None:
    """Contacts, sessions, recordings and every byte of audio; the INUMs' seconds are right; each
    process stays healthy, and says by how much its machine's clock is wrong."""
    skews: Mapping[str, float] = {role: sign * skew for role, skew in SKEWS.items()}
    with (tmp_path / "output").open("w") as output:
        outcome = await play(tmp_path, CASES, skews, Terminal(file=output, width=150))
    text = (tmp_path / "output").read_text()
    wrong = [(call["case"], call["differences"]) for call in outcome.calls if not call["right"]]
    assert [] == wrong, text
    assert len(CASES) == len(outcome.calls), text
    assert outcome.inums
    for inum in outcome.inums:
        assert outcome.began - LATE_S <= int(inum[:10]) <= outcome.ended
    for role, skew in skews.items():
        status, text = outcome.health[role]
        assert 200 == status, (role, text)
        assert f"warning: clock: the clock of the machine of {role}-0 is" in text, (role, text)
        assert abs(outcome.skew_of(role) - skew) < 1
