"""Topics that are created at the start."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from pipeline.cluster.view import ClusterView, PartitionView, TopicView
from pipeline.runtime import kafka_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_start import NotYet, Preparation, needs_of
from pipeline.runtime.settings import Settings, SettingsError
from schemas.topics import CALLS, MEDIA, Topic

ALL = frozenset({1, 2})


def known(*counts: int, leader: int = 1, error: int = 0) -> Mapping[str, TopicView]:
    """`calls` and `media` with so many partitions each, as a broker knows them."""
    return {
        name: TopicView(error, {n: PartitionView(leader, 1, 1, ALL) for n in range(count)})
        for name, count in zip(("calls", "media"), counts, strict=True)
    }


def view(*brokers: Mapping[str, TopicView]) -> ClusterView:
    """What the brokers 1, 2, ... of two answer."""
    return ClusterView(ALL, dict(enumerate(brokers, 1)))


WHOLE = known(24, 24)


class FakeCluster:
    """Shows one view after another, the last one for ever."""

    def __init__(self, *views: ClusterView, refusal: str = "") -> None:
        self._views = list(views)
        self._refusal = refusal
        self.alive = (1, 2)
        self.created: list[str] = []

    async def look(self, topics: Sequence[str], *, ask_all: bool) -> ClusterView:
        assert ask_all
        return self._views.pop(0) if len(self._views) > 1 else self._views[0]

    def raise_refusal(self) -> None:
        if self._refusal:
            raise SettingsError(self._refusal)


class Clock:
    """A loop's clock."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    async def create(cluster: Any, _: Any, wanted: Mapping[str, Topic], __: str) -> None:
        cluster.created += sorted(wanted)

    monkeypatch.setattr(kafka_topics, "described", nothing)
    monkeypatch.setattr(kafka_topics, "create", create)


async def attempts(cluster: FakeCluster, most: int = 200) -> tuple[int, Preparation, list[str]]:
    """How often it takes to be ready, and why not before."""
    needs, topics = needs_of(Settings(), reads=[CALLS], writes=[MEDIA])
    preparation = Preparation(Settings(), needs, topics)
    clock = preparation._loop = cast("Any", Clock())
    reasons: list[str] = []
    for count in range(most):
        why = await preparation.attempt(cast("Cluster", cluster))
        if why is None:
            return count, preparation, reasons
        assert isinstance(why, NotYet)
        reasons.append(why.reason)
        clock.now += why.pause
    raise AssertionError(reasons[-1])


async def test_missing_topics_are_created() -> None:
    """Only those that no broker knows."""
    absent = {"calls": TopicView(0, WHOLE["calls"].partitions), "media": TopicView(3, {})}
    cluster = FakeCluster(view(absent, absent), view(absent, WHOLE), view(WHOLE, WHOLE))
    assert 2 == (await attempts(cluster))[0]
    assert ["media"] == cluster.created


async def test_too_few_brokers_are_waited_for_and_then_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Brokers may be about to start; a minute later the replication factor is refused."""

    async def create(*_: Any) -> None:
        raise kafka_topics.TooFewBrokers("3 replicas")

    monkeypatch.setattr(kafka_topics, "create", create)
    absent = {"calls": TopicView(3, {}), "media": TopicView(3, {})}
    count, *_ = await attempts(FakeCluster(*[view(absent, absent)] * 50, view(WHOLE, WHOLE)))
    assert 50 == count
    with pytest.raises(SettingsError, match="FLEXCAPTURE_KAFKA_REPLICATION_FACTOR"):
        await attempts(FakeCluster(view(absent, absent)))
