"""The directories of files that tests write."""

from pathlib import Path

import pytest

from tests.memory_files import memory_directory


@pytest.mark.parametrize(
    ("mount", "is_used"),
    [
        ("tmpfs {} tmpfs rw,relatime 0 0", True),
        ("tmpfs {} tmpfs rw,nosuid,nodev,noexec 0 0", False),
        ("/dev/vda {} ext4 rw 0 0", False),
        ("tmpfs /elsewhere tmpfs rw 0 0", False),
        ("", False),
        ("tmpfs {0} tmpfs rw 0 0\ntmpfs {0} tmpfs rw,noexec 0 0", False),
    ],
)
def test_memory_is_used_if_it_can_be(tmp_path: Path, mount: str, is_used: bool) -> None:
    """It must be in memory, and programs may run there; the last mount counts."""
    found = memory_directory(tmp_path, mount.format(tmp_path), 1)
    assert (tmp_path if is_used else None) == found


def test_there_must_be_room(tmp_path: Path) -> None:
    """Brokers that fill the memory would end the run."""
    mount = f"tmpfs {tmp_path} tmpfs rw 0 0"
    assert memory_directory(tmp_path, mount, 1 << 60) is None


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """Not all systems have one."""
    assert memory_directory(tmp_path / "none", f"tmpfs {tmp_path}/none tmpfs rw 0 0", 1) is None
