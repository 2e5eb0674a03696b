"""Fixtures of several test modules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents.policy_scene import Scene


@pytest.fixture
def policy_scene(tmp_path: Path) -> Callable[..., Scene]:
    """Make a scene with these entries in force, and in the file."""

    def made(*before: str, **more: float) -> Scene:
        found = Scene(tmp_path / "agents", before, **more)  # type: ignore[arg-type]
        found.write(*before)
        return found

    return made
