"""How landers agree on a file without communicating. Pure: the lake is an argument.

1. Claim the file for the day of its records. The first claim counts, so that a file has one key.
2. If it was claimed before, look for the file: adopt it if it is there.
3. Write the file, unless it exists. If it does, another lander was faster: adopt its file.

A lander may end at any point, or another one may take the same steps. Both continue with the same
chain.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.lake.layout import PartitionRef
from pipeline.lake.partition import NextFile

Encode = Callable[[NextFile], Awaitable[bytes]]


class Files(Protocol):
    """The lake; see `pipeline.store.lake`."""

    async def claim(self, partition: PartitionRef, start: int, day: int) -> int | None:
        """Claim a file; return None, or the day for which it was claimed before."""

    async def put(self, partition: PartitionRef, day: int, start: int, data: bytes) -> bool:
        """Store a file unless there is one; return whether it was stored."""

    async def end_of(self, partition: PartitionRef, day: int, start: int) -> int | None:
        """Return the end offset of a file; None: there is no such file."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The end of the file that is in the lake, and whether this lander wrote it."""

    end: int
    is_ours: bool


class ClaimedForAnotherDay(Exception):
    """Another lander has claimed the file for a day other than that of the first record here: one
    of the records has expired meanwhile. Read the partition again from the file's beginning."""


class FileVanished(Exception):
    """A file existed before and is gone."""


async def agree(files: Files, partition: PartitionRef, file: NextFile, encode: Encode) -> Agreed:
    """Bring the file, or another lander's with the same beginning, into the lake. Raise
    `ClaimedForAnotherDay`, `FileVanished`, and the errors of `files`; a retry is safe."""
    day = await files.claim(partition, file.start, file.day)
    if day is not None:
        if day != file.day:
            raise ClaimedForAnotherDay(f"{partition}: the file from offset {file.start}")
        if (end := await files.end_of(partition, day, file.start)) is not None:
            return Agreed(end, is_ours=False)
    data = await encode(file)
    if await files.put(partition, file.day, file.start, data):
        return Agreed(file.end, is_ours=True)
    end = await files.end_of(partition, file.day, file.start)
    if end is None:
        raise FileVanished(partition.file_key(file.day, file.start))
    return Agreed(end, is_ours=False)
