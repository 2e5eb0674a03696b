"""A Faust role with effects that wait, at the event `slow`, until a file exists."""

import asyncio
from pathlib import Path
from typing import Any

from agents.faust_runner.role import RoleParts, RoleSpec
from agents.faust_runner.runner import run_table_role
from pipeline.runtime.settings import Role, Settings
from pipeline.runtime.telemetry import Health
from schemas.topics import CALLS, CTI_EVENTS
from tests.integration.faust_roles import Collecting, settled_clock, until


async def run(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """The role."""
    go: Path = settings.need("state_dir", "a directory") / "go"

    async def effects(_key: str, _before: Any, step: Any) -> None:
        if step.state.event_id == "slow":
            await until(go.exists)

    spec = RoleSpec(name=Role.TRACKER, sources=(CTI_EVENTS,), targets=(CALLS,))
    parts = RoleParts(core=Collecting(), effects=effects)
    await run_table_role(settings, health, stop, spec, parts, clock=settled_clock())
