"""The leases and read phases of shards."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.kinesis.shard_ref import Place

LEASES = 24


def shard(number: int) -> Place:
    """The shard of that number, as Kinesis writes it."""
    return Place("flex-events", 1, f"shardId-{number:012}")


@given(st.integers(0, 10**9), st.integers(1, 4), st.integers(1, 6))
def test_neighbouring_shards_are_spread_evenly(first: int, each: int, processes: int) -> None:
    """Leases are dealt out in turn: of shards with neighbouring numbers every process that has the
    same number of leases as the others gets the same number."""
    if LEASES % processes:
        return
    owners = [shard(first + n).lease(LEASES) % processes for n in range(each * processes)]
    assert {each} == {owners.count(owner) for owner in range(processes)}


@given(st.text())
def test_any_name_has_a_lease_and_a_phase(name: str) -> None:
    """Also a shard that is not named as Kinesis does."""
    place = Place("flex-events", 1, name)
    assert place.lease(LEASES) in range(LEASES)
    assert 0 <= place.phase < 1


def test_shards_are_read_in_turn() -> None:
    """Two or four of them are not read all at once."""
    for shards in (2, 4):
        phases = sorted(shard(n).phase for n in range(shards))
        gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + 1], strict=True)]
        assert min(gaps) > 0.1


def test_the_names_of_a_shard_do_not_change() -> None:
    """Under other names a checkpoint would not be found, and an earlier process not fenced."""
    assert "live|flex-events|1|shardId-000000000007" == shard(7).key
    assert "bridge-flex-events-1-shardId-000000000007" == shard(7).transactional_id
    replay = replace(shard(7), name="again")
    assert "again|flex-events|1|shardId-000000000007" == replay.key
    assert "bridge-again-flex-events-1-shardId-000000000007" == replay.transactional_id


def test_the_phase_follows_from_the_number() -> None:
    """By the golden ratio, and the same again after a million shards."""
    assert [0.0, 0.618, 0.236] == [round(shard(n).phase, 3) for n in range(3)]
    assert shard(999_999).phase != shard(1).phase == shard(1_000_001).phase
    assert shard(500_001).phase != shard(1).phase
