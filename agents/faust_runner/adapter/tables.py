"""Faust's tables, corrected; transport.py lists the corrections and their tests."""

from functools import partial
from typing import Any

import faust
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery

from pipeline.runtime.kafka_answers import until_answered


class TableRecovery(FaustRecovery):  # type: ignore[misc]
    """Restores the table. It waits until Kafka has answered each question.

    Faust's own gives each step the request time-out. If the step fails first, the app crashes. If
    the limit is over first, Faust takes this for the end of the service: nothing is restored, and
    nothing is read any more.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ARG002
        """Wait without a limit, until `coro` is done, the service stops, or partitions move."""
        await super()._wait(coro, None)

    async def _build_highwaters(
        self, consumer: Any, tps: Any, destination: Any, title: str
    ) -> None:
        step = partial(super()._build_highwaters, consumer, tps, destination, title)
        await until_answered(step, "the ends of the table's changelog", self.app.health)

    async def _build_offsets(self, consumer: Any, tps: Any, destination: Any, title: str) -> None:
        step = partial(super()._build_offsets, consumer, tps, destination, title)
        await until_answered(step, "the first offsets of the table's changelog", self.app.health)

    async def _seek_offsets(self, consumer: Any, tps: Any, offsets: Any, title: str) -> None:
        step = partial(super()._seek_offsets, consumer, tps, offsets, title)
        await until_answered(step, "positions in the table's changelog", self.app.health)


class TableManager(FaustTableManager):  # type: ignore[misc]
    """Starts at once. Faust's own sleeps for a second, in case tables are declared late; ours is
    declared before."""

    _recovery: TableRecovery | None = None

    @property
    def recovery(self) -> TableRecovery:
        """The service that restores the tables."""
        if self._recovery is None:
            self._recovery = TableRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

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
