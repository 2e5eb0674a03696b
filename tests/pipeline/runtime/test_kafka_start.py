"""The wait for topics that are on their way, and the end of waiting for those that are wrong."""

from typing import Any

import pytest

from pipeline.cluster.view import ClusterView
from pipeline.runtime import kafka_start
from pipeline.runtime.kafka_start import principal_of
from pipeline.runtime.settings import Settings, SettingsError
from tests.pipeline.runtime.fake_clusters import (
    WHOLE,
    FakeCluster,
    attempts,
    known,
    view,
    without_kafka,
)

__all__ = ["without_kafka"]  # a fixture

pytestmark = pytest.mark.usefixtures("without_kafka")


async def test_ready_at_once() -> None:
    """There is no wait if every broker knows every topic."""
    count, preparation, _ = await attempts(FakeCluster(view(WHOLE, WHOLE)))
    assert 0 == count
    assert {"calls": 1, "media": 1} == preparation.needs.min_in_sync


async def test_a_topic_in_the_making_is_waited_for() -> None:
    """One that has no partitions yet, anywhere, is not one with a wrong number of them."""
    making = [view(known(0, 24), known(0, 24)), view(known(24, 24), known(0, 24))]
    count, _, reasons = await attempts(FakeCluster(*making * 20, view(WHOLE, WHOLE)))
    assert 40 == count
    assert {"not every broker knows the topics yet: calls"} == set(reasons)


async def test_a_wrong_number_of_partitions_is_refused_once_it_is_certain() -> None:
    """A few looks may show it while brokers learn; ten in a row are believed."""
    wrong = view(known(3, 24), known(3, 24))
    await attempts(FakeCluster(*[wrong] * 9, view(WHOLE, WHOLE)))
    with pytest.raises(SettingsError, match="calls has 3 partitions, must have 24"):
        await attempts(FakeCluster(wrong))


async def test_a_partition_without_a_leader_does_not_hold_a_role_up_for_ever() -> None:
    """Its calls wait, the others do not; nor does a broker that is listed and does not answer."""
    headless = known(24, 24, leader=-1)
    for cluster in (FakeCluster(view(headless, headless)), FakeCluster(view(WHOLE))):
        count, _, reasons = await attempts(cluster)
        assert kafka_start._SETTLING_S / kafka_start._SOON_S == pytest.approx(count, abs=2)
        assert all("leader" in why or "do not answer: 2" in why for why in reasons)


async def test_refused_credentials_end_the_wait_and_silence_does_not() -> None:
    """Refused credentials will not become valid, but a broker that does not answer may come
    back."""
    silent = ClusterView(trouble="Kafka does not answer at x:1: refused")
    count, _, reasons = await attempts(FakeCluster(*[silent] * 100, view(WHOLE, WHOLE)))
    assert (100, {silent.trouble}) == (count, set(reasons))
    with pytest.raises(SettingsError, match="PASSWORD"):
        await attempts(FakeCluster(silent, refusal="PASSWORD"))


@pytest.mark.parametrize(
    ("settings", "principal"),
    [
        ({}, "User:ANONYMOUS"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "app"}, "User:app"),
        ({"security_protocol": "SSL"}, ""),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}, ""),
    ],
)
def test_the_principal_is_named_where_it_is_known(settings: Any, principal: str) -> None:
    """Of a certificate or a token it is not."""
    assert principal == principal_of(Settings(**{f"kafka_{k}": v for k, v in settings.items()}))
