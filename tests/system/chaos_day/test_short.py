"""Three hours of log time in their short form; `make chaos-day` plays a whole day."""

from pathlib import Path

import pytest

from tests.system.chaos_day.__main__ import play
from tests.system.chaos_day.plan import short

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


async def test_each_frame_is_in_one_recording_or_lost_for_its_reason(tmp_path: Path) -> None:
    """A gateway was cut off for 65 minutes, another killed with a full spill and started again 65
    minutes later; recorder and consolidator were killed; dead letters were put back."""
    lines: list[str] = []
    verdict = await play(short, tmp_path, 1, 1.0, lines.append)
    assert verdict.wrong == [], "\n".join([*lines, *verdict.wrong])
    assert verdict.supplements >= 2
    assert {"recorded", "spill-full"} <= verdict.fates.keys()
