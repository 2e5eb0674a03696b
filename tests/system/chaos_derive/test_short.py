"""The derivation's chaos run in a short form. `make chaos-derive` plays the long form."""

from pathlib import Path

import pytest

from tests.conftest import SettingsFor
from tests.system.chaos_derive.options import Options
from tests.system.chaos_derive.run import play

pytestmark = pytest.mark.integration


@pytest.mark.timeout(400)
async def test_a_derivation_is_live_also_after_kills(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """One call of each of the simulator's plain cases."""
    options, lines = Options(calls=25, rate=5.0, kills=2, seed=3), list[str]()
    assert [] == await play(options, settings_for(prefix), tmp_path, lines.append), "\n".join(lines)
