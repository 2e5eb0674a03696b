"""A directory in memory for the files of tests.

A run starts dozens of brokers. Each of them creates 600 partitions and waits for the disk for each:
on a disk this takes a third of the broker's processor time, and the waiting comes on top.
"""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
LEAST_FREE_BYTES = 6 << 30
"""A run needs less; kept files use memory that its processes need."""


def memory_directory(
    directory: Path = MEMORY, mounts: str | None = None, least_free: int = LEAST_FREE_BYTES
) -> Path | None:
    """Return `directory` if it is in memory, may be used by this user, may contain programs (Java
    unpacks libraries), and has `least_free` bytes of room; else None. `mounts`: the text of
    /proc/mounts."""
    try:
        table = Path("/proc/mounts").read_text() if mounts is None else mounts
        room = shutil.disk_usage(directory).free
    except OSError:
        return None
    kinds = [line.split() for line in table.splitlines()]
    options = [kind[3].split(",") for kind in kinds if kind[1:3] == [str(directory), "tmpfs"]]
    is_usable = bool(options) and "noexec" not in options[-1] and os.access(directory, os.W_OK)
    return directory if is_usable and room >= least_free else None
