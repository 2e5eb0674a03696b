"""One demo at a time in a state directory, so that two do not write each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InUse(RuntimeError):
    """Another demo has the directory; the text names its pid."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock file at `path` for as long as the block runs, and no longer than this process
    lives. Raises `InUse`."""
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
