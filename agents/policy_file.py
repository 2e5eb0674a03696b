"""Read the file of the monitored list. Its text is valid once two reads, at least a second apart,
agree: a file that is still being copied is not a list."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.policy.monitored_list import MonitoredList, parse_list

AGREE_S = 1.0


@dataclass(frozen=True, slots=True)
class UnreadableList:
    """The file cannot be read or has invalid lines. `why`: a text for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Entries:
    """The file's entries in normal form. `agreed`: the file has not changed for a second."""

    entries: tuple[str, ...]
    agreed: bool


class PolicyFile:
    """Reads the file at `path`. None means no file and an empty list."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._data: bytes | None = None
        self._since = 0.0
        self._parsed = MonitoredList((), ())

    async def read(self) -> Entries | UnreadableList | None:
        """Return the current entries, or why there are none. Return None while a new text has
        invalid lines."""
        if self._path is None:
            return Entries((), agreed=True)
        try:
            data = await asyncio.to_thread(self._path.read_bytes)
            if data != self._data:
                self._data, self._since = None, self._clock()
                self._parsed = await asyncio.to_thread(_parsed, data)
                self._data = data
        except (OSError, UnicodeDecodeError) as error:
            self._data = None
            return UnreadableList(f"{self._path} cannot be read: {error}")
        agreed = self._clock() - self._since >= AGREE_S
        if not self._parsed.bad:
            return Entries(self._parsed.entries, agreed)
        if not agreed:
            return None
        wrong = "; ".join(str(line) for line in self._parsed.bad[:5])
        return UnreadableList(f"{self._path}: {wrong}")


def _parsed(data: bytes) -> MonitoredList:
    return parse_list(data.decode("utf-8"))
