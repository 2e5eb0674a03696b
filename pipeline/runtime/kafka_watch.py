"""Report in a role's health whether Kafka can be used, before the role starts and while it runs."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from prometheus_client import REGISTRY

from pipeline.cluster.view import Needs, denied, impaired, unusable
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_start import Preparation, needs_of
from pipeline.runtime.metrics import KAFKA_USABLE
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from pipeline.runtime.telemetry import Health
from schemas.topics import Topic

REGISTRY.register(KAFKA_USABLE)
KAFKA_USABLE.set(1)  # until a problem is known

REASON = "brokers"
"""The name of the reason, and of the warning, in a role's health."""
LOOK_EVERY_S = 2.5
_AGAIN_S = 1.0
RED_AFTER_S = 5.0
_RED_AFTER_LOOKS = 2


class Usability:
    """Turns single checks into a verdict. A check may fail because this process was delayed. So
    only the second failure in a row counts, and only 5 s after the last successful check."""

    def __init__(self, now: float) -> None:
        self._good_at = now
        self.failed = 0
        """The number of failed checks in a row."""

    def see(self, now: float, problem: str | None) -> str | None:
        """Return why Kafka cannot be used; None while it can be used, or may be usable."""
        if problem is None:
            self._good_at, self.failed = now, 0
            return None
        self.failed += 1
        lasting = now - self._good_at >= RED_AFTER_S and self.failed >= _RED_AFTER_LOOKS
        return problem if lasting else None


@asynccontextmanager
async def using_kafka(
    settings: Settings,
    health: Health,
    *,
    reads: Iterable[Topic] = (),
    writes: Iterable[Topic] = (),
    groups: Iterable[str] = (),
    transactional_ids: Iterable[str] = (),
) -> AsyncIterator[None]:
    """Wait until Kafka can be used with these arguments, and watch it while the block runs.

    Missing topics are created. While Kafka cannot be used, `health` has the reason `brokers`, and
    there is one log line a minute. Raise `SettingsError` for a problem that waiting does not solve
    (see `Preparation`). Otherwise the wait ends only when Kafka is usable, or by cancellation.
    """
    needs, topics = needs_of(
        settings, reads=reads, writes=writes, groups=groups, transactional_ids=transactional_ids
    )
    async with Cluster(settings) as cluster:
        needs = await _waited_for(cluster, settings, health, needs, topics)
        watching = asyncio.create_task(_watch(cluster, health, needs), name="kafka watch")
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def until_usable(
    settings: Settings,
    health: Health,
    *,
    reads: Iterable[Topic] = (),
    writes: Iterable[Topic] = (),
    transactional_ids: Iterable[str] = (),
) -> None:
    """Wait as `using_kafka` does, without watching afterwards."""
    needs, wanted = needs_of(
        settings, reads=reads, writes=writes, transactional_ids=transactional_ids
    )
    async with Cluster(settings) as cluster:
        await _waited_for(cluster, settings, health, needs, wanted)


async def keep_using_kafka(
    settings: Settings,
    health: Health,
    *,
    reads: Iterable[Topic] = (),
    writes: Iterable[Topic] = (),
) -> None:
    """Wait as `using_kafka` does, then watch until cancelled: for a role that works meanwhile."""
    async with using_kafka(settings, health, reads=reads, writes=writes):
        await asyncio.get_running_loop().create_future()


async def _waited_for(
    cluster: Cluster,
    settings: Settings,
    health: Health,
    needs: Needs,
    topics: Mapping[str, Topic],
) -> Needs:
    loop = asyncio.get_running_loop()
    preparation = Preparation(settings, needs, topics)
    said = Lasting("waiting for Kafka", "Kafka can be used")
    while (why := await preparation.attempt(cluster)) is not None:
        health.bad(REASON, why.reason)
        KAFKA_USABLE.set(0)
        if why.pause >= _AGAIN_S:  # a short pause means that it is over in a moment
            said.lasts(loop.time(), why.reason)
        await asyncio.sleep(why.pause)
    said.ends()
    health.good(REASON)
    KAFKA_USABLE.set(1)
    return preparation.needs


async def _watch(cluster: Cluster, health: Health, needs: Needs) -> None:
    loop = asyncio.get_running_loop()
    usability = Usability(loop.time())
    said = Lasting("Kafka cannot be used", "Kafka can be used again")
    while True:
        await asyncio.sleep(LOOK_EVERY_S if usability.failed == 0 else _AGAIN_S)
        view = await cluster.look(sorted(needs.partitions), ask_all=False)
        lacking = denied(view, needs)
        problem = "; ".join(lacking) if lacking else unusable(view, needs)
        verdict = usability.see(loop.time(), problem)
        KAFKA_USABLE.set(verdict is None)
        if verdict is not None:
            health.bad(REASON, verdict)
            said.lasts(loop.time(), verdict)
        elif problem is None:
            health.good(REASON)
            said.ends()
        _warn_of(health, impaired(view, needs) if problem is None else None)


def _warn_of(health: Health, warning: str | None) -> None:
    if warning is None:
        health.clear_warning(REASON)
    else:
        health.warn(REASON, warning)
