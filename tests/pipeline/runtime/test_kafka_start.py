"""The wait for topics that are on their way, and the end of waiting for those that are wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from pipeline.cluster.view import ClusterView, PartitionView, TopicView
from pipeline.runtime import kafka_start, kafka_topics
from pipeline.runtime.kafka_cluster import Cluster
from pipeline.runtime.kafka_start import NotYet, Preparation, needs_of, principal_of
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
