"""The bridge's chaos run in a short form: a few thousand events while shards split and merge and
bridges are killed, frozen and added. `make chaos-bridge` plays the long form."""

from pathlib import Path

import pytest

from tests.conftest import SettingsFor
from tests.system.chaos_bridge.options import Options
from tests.system.chaos_bridge.run import play

pytestmark = pytest.mark.integration


async def test_each_event_once_and_in_order(
    settings_for: SettingsFor, prefix: str, tmp_path: Path
) -> None:
    """A read-committed consumer sees each event and each dead letter once, every shard's lineage in
    order, and every closed shard is finished."""
    options = Options(
        events=2_000, rate=400, processes=2, every=1.5, freeze=0.15, reshard=1.5, seed=6
    )
    lines: list[str] = []
    assert [] == await play(options, settings_for(prefix), tmp_path, lines.append), "\n".join(lines)
