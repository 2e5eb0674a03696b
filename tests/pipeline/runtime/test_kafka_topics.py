"""Topics that are created at the start."""

from typing import Any

import pytest

from pipeline.cluster.view import TopicView
from pipeline.runtime import kafka_topics
from pipeline.runtime.settings import SettingsError
from tests.pipeline.runtime.fake_clusters import (
    WHOLE,
    FakeCluster,
    attempts,
    view,
    without_kafka,
)

__all__ = ["without_kafka"]  # a fixture

pytestmark = pytest.mark.usefixtures("without_kafka")


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
