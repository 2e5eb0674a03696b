"""The lander's chaos run in a short form. `make chaos-lander` plays the long form."""

from pathlib import Path

import pytest

from tests.conftest import SettingsFor
from tests.system.chaos_lander.options import Options
from tests.system.chaos_lander.run import play

pytestmark = pytest.mark.integration


@pytest.mark.timeout(400)
async def test_each_record_once_and_the_same_answers(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """With two landers that are killed every few seconds."""
    options = Options(records=12_000, rate=1_000, every=3.0, file_seconds=5, seed=4)
    lines: list[str] = []
    assert [] == await play(options, settings_for(prefix), tmp_path, lines.append), "\n".join(lines)
