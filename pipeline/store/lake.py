"""The lake: files of records that the landers agree on, so that each is written once.

See `pipeline.lake.layout` for the keys. Everything that landers agree on is in the lake itself. The
consumer group, its offsets and its fencing are not needed to land each record exactly once.
"""

from pipeline.lake.layout import FORMAT, MARKER, PartitionRef, day_from, day_text, start_of
from pipeline.lake.parquet import TAIL_BYTES, Footer, NotOurs, footer, footer_length
from pipeline.store.audio import AudioStore, StoreError

HEAD_EVERY = 100
"""The number of claims after which a new head is written, so that fewer claims are listed."""


class ReplacesObjects(ValueError):
    """The store ignores the condition that an object must be new."""


class Lake:
    """The lake in a store. Every method raises `StoreError` if the store fails."""

    def __init__(self, store: AudioStore) -> None:
        self._store = store

    async def check(self) -> None:
        """Check that the store never replaces an object. Raise `ReplacesObjects`."""
        for _ in range(2):  # after the first pass the marker exists in any case
            is_new = await self._store.put_new(MARKER, FORMAT)
        if is_new:
            raise ReplacesObjects("the store ignores `If-None-Match: *`: it would replace objects")
        if (found := await self._store.get(MARKER)) != FORMAT:
            raise StoreError(f"{MARKER} in the lake has an unknown format: {found[:60]!r}")

    async def next_start(self, partition: PartitionRef) -> tuple[int, int | None]:
        """Return the offset at which the partition's next file begins, and its day, if that is
        claimed."""
        starts = await self._claimed(partition)
        if not starts:
            return 0, None
        start = max(starts)
        day = await self._day(partition, start)
        end = await self.end_of(partition, day, start)
        if len(starts) >= HEAD_EVERY:
            await self._store.put(partition.head_key, str(start).encode())
        return (start, day) if end is None else (end, None)

    async def claim(self, partition: PartitionRef, start: int, day: int) -> int | None:
        """Claim the file that begins at `start` for `day`. Return None if it was not claimed
        before, else the day for which it is claimed."""
        text = f"{day_text(day)}\n".encode()
        if await self._store.put_new(partition.claim_key(start), text):
            return None
        return await self._day(partition, start)

    async def put(self, partition: PartitionRef, day: int, start: int, data: bytes) -> bool:
        """Store a file of the claimed day, unless there is one. Return whether it was stored."""
        return await self._store.put_new(partition.file_key(day, start), data)

    async def end_of(self, partition: PartitionRef, day: int, start: int) -> int | None:
        """Return the end offset in the footer of a file; None: there is no such file."""
        key = partition.file_key(day, start)
        try:
            found = await self._footer(key)
        except FileNotFoundError:
            return None
        except NotOurs as error:
            raise StoreError(f"{key}: {error}") from error
        if found.start != start:
            raise StoreError(f"{key} begins at offset {found.start}")
        return found.end

    async def _claimed(self, partition: PartitionRef) -> list[int]:
        """Return the starts of the files that were claimed, all of them or the latest ones."""
        after, found = None, []
        try:
            head = int(await self._store.get(partition.head_key))
        except FileNotFoundError:
            pass
        except ValueError as error:
            raise StoreError(f"{partition.head_key} is damaged: {error}") from error
        else:
            after, found = partition.claim_key(head), [head]
        async for key in self._store.list(partition.claims, after):
            if (start := start_of(key)) is not None:
                found.append(start)
        return found

    async def _day(self, partition: PartitionRef, start: int) -> int:
        key = partition.claim_key(start)
        try:
            return day_from((await self._store.get(key)).decode())
        except (ValueError, FileNotFoundError) as error:
            raise StoreError(f"{key} is damaged or deleted: {error}") from error

    async def _footer(self, key: str) -> Footer:
        size = await self._store.size(key)
        tail = await self._store.get_range(key, max(0, size - TAIL_BYTES), size)
        if (length := footer_length(tail)) > len(tail):
            tail = await self._store.get_range(key, max(0, size - length), size)
        return footer(tail)
