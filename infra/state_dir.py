"""The state directory of `flexcapture up`: who holds it, and the small files others read."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runtime.console_settings import new_console_token


class InUse(RuntimeError):
    """Another `flexcapture up` holds the directory; the text names its pid."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """A directory in which `up` keeps all it keeps. `path` is absolute."""

    path: Path

    @property
    def logs(self) -> Path:
        """Where each process has its log."""
        return self.path / "logs"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Makes the directory and holds it while the block runs; it falls free with the process,
        however that ends. Raises `InUse`."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"{self.path} is in use by pid {_holder(self.path / 'lock')}") from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def console_token(self) -> str:
        """Return the token that opens the console, made at the first call and kept."""
        path = self.path / "console-token"
        if not path.exists():
            write_private(path, new_console_token() + "\n")
        return path.read_text().strip()

    def write_endpoints(self, endpoints: Mapping[str, Any]) -> None:
        """Says where everything is."""
        write_private(self.path / "endpoints.json", json.dumps(endpoints, indent=2) + "\n")

    def remove_endpoints(self) -> None:
        """Nothing is anywhere (any more)."""
        (self.path / "endpoints.json").unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, so that it is always there as a whole."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    partial.rename(path)


def _holder(lock: Path) -> str:
    return lock.read_text().strip() or "unknown"
