"""Faust's tables, corrected; transport.py lists the corrections and their tests."""

import faust
from faust.tables.manager import TableManager as FaustTableManager


class TableManager(FaustTableManager):  # type: ignore[misc]
    """Starts at once. Faust's own sleeps for a second, in case tables are declared late; ours is
    declared before."""

    async def on_start(self) -> None:
        """Start the recovery at once."""
        await self._update_channels()
        await self.recovery.start()


class Table(faust.Table):  # type: ignore[misc]
    """A table with a changelog that is written by the outbox, not by Faust's producer."""

    def keep(self, key: bytes, value: bytes, partition: int) -> None:
        """Set a key and note its partition.

        Faust's store notes the partition only during a recovery, so a key would survive the loss of
        its partition. Faust would get the partition from the current event, but a coalesced step
        has none.
        """
        self[key] = value
        self.data._key_partition[key] = partition  # noqa: SLF001

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Do nothing: `keep` does all."""

    def on_key_del(self, key: bytes) -> None:
        """Forget the key's partition."""
        self.data._key_partition.pop(key, None)  # noqa: SLF001
