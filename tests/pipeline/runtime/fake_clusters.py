"""Clusters that show one view after another, and attempts to be ready on them."""

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
    """Shows one view after another, and then the last one repeatedly."""

    def __init__(self, *views: ClusterView, refusal: str = "") -> None:
        self._views = list(views)
        self._refusal = refusal
        self.alive = (1, 2)
        self.created: list[str] = []

    async def look(self, topics: Sequence[str], *, ask_all: bool, **_: float) -> ClusterView:
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


@pytest.fixture
def without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics have no settings, and are created in the cluster's list."""

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
