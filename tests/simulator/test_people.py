"""The agents of the simulated contact center are monitored as its list says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.ends import decoded
from pipeline.policy.monitored_list import NOBODY, is_excluded, is_monitored, parse_list
from simulator.people import (
    ANN,
    BEN,
    CLAIMS,
    CLEO,
    LEGAL,
    MONITORED_LIST,
    SID,
    SUE,
    SUPPORT,
    TESS,
    UGO,
    UMA,
    Agent,
    in_queue,
    newcomer,
)

AGENTS = (ANN, BEN, CLEO, UMA, UGO, SUE, TESS, SID)


@pytest.mark.parametrize("queue", [SUPPORT, CLAIMS, LEGAL])
@pytest.mark.parametrize("agent", [*AGENTS, newcomer(1)], ids=lambda agent: agent.name)
def test_the_expectation_is_the_lists(agent: Agent, queue: str) -> None:
    """Each agent is monitored in each queue if the product reads the list so."""
    found = parse_list(MONITORED_LIST)
    assert () == found.bad
    policy = replace(NOBODY, entries=found.entries)
    monitored = is_monitored(policy, agent.email, agent.team, queue)
    assert in_queue(agent, queue) == (monitored and not is_excluded(policy, queue))


@given(st.sampled_from(AGENTS))
def test_a_softphone_has_the_encoded_address(agent: Agent) -> None:
    """`@` and `.` are encoded as Flex does; another address is used as it is."""
    assert agent.email == decoded(agent.user)
    assert agent.contact_uri == (agent.address or f"client:{agent.user}")
    assert not set(agent.user) & set("@.")


def test_newcomers_are_different_people() -> None:
    """Each number is another agent, and none is on the list."""
    one, other = newcomer(1), newcomer(2)
    assert 2 == len({one.email, other.email, UMA.email} - {UMA.email})
    assert one.name != other.name
    assert "nia" not in MONITORED_LIST
    assert one == newcomer(1)
