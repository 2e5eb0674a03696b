"""One demo in a directory."""

import os
from pathlib import Path

import pytest

from simulator.lock import InUse, held


def test_one_demo_at_a_time(tmp_path: Path) -> None:
    """A second demo in the same directory is refused with the first one's pid, until that ends."""
    lock = tmp_path / "demo.lock"
    with held(lock), pytest.raises(InUse, match=str(os.getpid())), held(lock):
        pass
    with held(lock):
        assert str(os.getpid()) == lock.read_text()
