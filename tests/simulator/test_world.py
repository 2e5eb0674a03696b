"""The world takes every step of a script."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cases import CASES, Case, scripts
from simulator.events import Account
from simulator.script import Script, Sids
from simulator.world import World
from tests.examples import examples

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
SEEDS = st.integers(0, 2**63)


def _script(case: Case, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@given(seed=SEEDS)
@settings(max_examples=examples(5))
def test_world_can_be_played(case: Case, seed: int) -> None:
    """The world takes every step, has no conference left in progress, and no leg alive."""
    script, world = _script(case, seed), World(Sids(Random(0)))
    for step in script.steps:
        world.apply(step.action, step.at)
    assert not any(conference.ended_at is None for conference in world.conferences.values())
    assert all(world.scene(sid) is None for sid in script.legs)
