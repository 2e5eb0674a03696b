"""A lock on a state directory, so that two demos do not overwrite each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InUse(RuntimeError):
    """Another demo uses the directory; the text names its pid."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs. The lock ends with this process at the
    latest. Raise `InUse`."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise InUse(f"{path.parent} is in use by the demo with pid {file.read()}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
