"""The leases of a bridge: the partitions of the checkpoint topic that its group assigned to it."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from bridge import leases as module
from bridge.leases import Leases, group_of
from pipeline.runtime.settings import Settings
from schemas.topics import BRIDGE_CHECKPOINTS
from tests.bridge.tables import place


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Leases, Any]:
    """Leases, and the arguments of their consumer; `paused` and `changes` are noted there."""
    noted: Any = SimpleNamespace(paused=[], changes=0)

    def consumer(_: Settings, **arguments: Any) -> Any:
        noted.arguments = arguments
        return SimpleNamespace(pause=lambda *tps: noted.paused.extend(tps))

    def change() -> None:
        noted.changes += 1

    monkeypatch.setattr(module, "consumer", consumer)
    return Leases(Settings(topic_prefix="p."), "flex-events", "replay", change), noted


def partitions(*numbers: int) -> set[TopicPartition]:
    """Return partitions of the checkpoint topic."""
    return {TopicPartition("p.bridge.checkpoints", number) for number in numbers}


def test_each_stream_and_name_has_its_own_group(made: tuple[Leases, Any]) -> None:
    """The live bridges have that of the stream."""
    assert "bridge-flex-events" == group_of("flex-events", "live")
    _, noted = made
    assert "p.bridge-flex-events-replay" == noted.arguments["group_id"]


def test_a_process_has_the_places_of_its_partitions(made: tuple[Leases, Any]) -> None:
    """Each place has exactly one lease. The records of the topic are not read for that."""
    leases, noted = made
    places = [place(f"shardId-{n:012}") for n in range(BRIDGE_CHECKPOINTS.partitions)]
    assert not any(map(leases.has, places))
    leases.on_partitions_assigned(partitions(3, 7))
    assert [places[3], places[7]] == [each for each in places if leases.has(each)]
    assert partitions(3, 7) == set(noted.paused)


def test_leases_are_kept_during_a_rebalance(made: tuple[Leases, Any]) -> None:
    """Most of them keep their process. Take-overs wait until it has ended."""
    leases, noted = made
    assert not leases.settled.is_set()
    leases.on_partitions_assigned(partitions(3, 7))
    assert leases.settled.is_set()
    leases.on_partitions_revoked(partitions(3, 7))
    assert (False, {3, 7}) == (leases.settled.is_set(), leases.owned)
    leases.on_partitions_assigned(partitions(7, 8))
    assert (True, {7, 8}, 2) == (leases.settled.is_set(), leases.owned, noted.changes)
