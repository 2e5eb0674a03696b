"""The state directory of `flexcapture up`: its lock, and the small files that others read."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runtime.console_settings import new_console_token


class StateDirInUse(RuntimeError):
    """Another `flexcapture up` uses the directory. The text contains its pid."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """The directory with all data of `up`. `path` is absolute."""

    path: Path

    @property
    def logs(self) -> Path:
        """The directory of the processes' logs."""
        return self.path / "logs"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Create the directory and lock it during the block. The lock ends with the process, even
        if that is killed. Raise `StateDirInUse`."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateDirInUse(
                    f"{self.path} is in use by pid {_holder(self.path / 'lock')}"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def console_token(self) -> str:
        """Return the console's token. The first call creates it; it is kept."""
        path = self.path / "console-token"
        if not path.exists():
            write_private(path, new_console_token() + "\n")
        return path.read_text().strip()

    def write_endpoints(self, endpoints: Mapping[str, Any]) -> None:
        """Write endpoints.json."""
        write_private(self.path / "endpoints.json", json.dumps(endpoints, indent=2) + "\n")

    def remove_endpoints(self) -> None:
        """Remove endpoints.json: nothing runs, or everything is stopping."""
        (self.path / "endpoints.json").unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. Readers always see a complete file."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    partial.rename(path)


def _holder(lock: Path) -> str:
    return lock.read_text().strip() or "unknown"
