"""Damages of the monitored list remove most of it, and their effects are detected."""

from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from schemas.records import RecordingPolicy
from tests.system.chaos.list_faults import DamagedList, RealList, in_force, normal_form
from tests.system.chaos.uptime import Span


def policy(version: int, at: int, *entries: str) -> RecordingPolicy:
    """A version of the list that takes effect at once."""
    return RecordingPolicy(version, at, at, entries, record_inbound=True, record_outbound=True)


ANN, BEN = "ann@example.com", "ben@example.com"
HISTORY = [RealList(frozenset({ANN}), 0), RealList(frozenset({ANN, BEN}), 10_000)]
RIGHT = [policy(1, 100, ANN), policy(2, 6_000, ANN, "be"), policy(3, 12_000, ANN, BEN)]


def test_real_lists_are_in_force_from_their_first_version_on() -> None:
    """Entries that a damaged file adds are no matter."""
    found = in_force(HISTORY, RIGHT, [])
    assert found.wrong == []
    assert [(v.holds_from, set(v.lines)) for v in found.versions] == [
        (100, {ANN}),
        (12_000, {ANN, BEN}),
    ]


def test_a_version_that_lacks_an_entry_is_found() -> None:
    """Also if a later version has it again; and a list that came late, or never."""
    assert len(in_force(HISTORY, [*RIGHT, policy(4, 20_000, BEN)], []).wrong) == 1
    assert (
        len(in_force(HISTORY, [*RIGHT, policy(4, 20_000), policy(5, 21_000, ANN, BEN)], []).wrong)
        == 1
    )
    late = [*RIGHT[:2], replace(RIGHT[2], effective_at=15_001)]
    assert len(in_force(HISTORY, late, []).wrong) == 1
    assert in_force(HISTORY, late, [Span(11_000, 12_000)]).wrong == []
    assert len(in_force(HISTORY, RIGHT[:2], []).wrong) == 1


@given(st.integers(0, 10_000), st.integers(0, 12))
def test_a_damage_loses_more_than_half(tmp_path_factory: object, seed: int, more: int) -> None:
    """And no entry of the damaged text beyond its last line is a new one."""
    path = tmp_path_factory.mktemp("lists") / "list.txt"  # type: ignore[attr-defined]
    monitored = DamagedList(Path(path))
    for number in range(more):
        monitored.add(f"nia-{number}@example.com")
    real = {entry for entry in monitored.history[-1].entries if not entry.startswith("!")}
    _, text = monitored.damaged_text(Random(seed))
    left = normal_form(text)
    assert 2 * len(real & left) < len(real)
    assert len(left - monitored.history[-1].entries) <= 1


async def test_an_addition_to_a_damaged_list_comes_with_its_restoration(tmp_path: Path) -> None:
    """The file holds the damaged text meanwhile, and the real list afterwards."""
    monitored = DamagedList(tmp_path / "list.txt")
    real = monitored.path.read_text()
    await monitored.damage("", 0)
    assert monitored.path.read_text() == real
    damaging = monitored.damage("", 0.01)
    damaging.send(None)
    monitored.add("nia@example.com")
    assert monitored.path.read_text() == ""
    damaging.close()
    assert monitored.path.read_text() == real + "nia@example.com\n"
    assert ["nia@example.com" in each.entries for each in monitored.history] == [False, True]
    assert len(monitored.damages) == 2
