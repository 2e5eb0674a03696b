"""When the monitored list is published, held back or refused. The topic: tests/integration."""

from collections.abc import Callable

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from agents.policy_publisher import DIFFERS_S, PolicyPublisher
from pipeline.runtime.log_clock import machine_clock
from pipeline.runtime.settings import Settings
from tests.agents.policy_scene import ANN, BOB, Scene

TEN = [f"agent{n}@example.com" for n in range(10)]


@pytest.mark.parametrize("emptied", ["empty", "unset"])
async def test_an_emptied_list_is_held_back_and_taken_after_its_time(
    policy_scene: Callable[..., Scene], emptied: str
) -> None:
    """The entries stay in force; health is red and names what would be lost; unchanged for so long,
    it takes effect. A setting that is removed counts as an emptied file."""
    here = policy_scene(*TEN)
    here.write()
    if emptied == "unset":
        settings = Settings(instance="one", list_shrink_seconds=300)
        here.publisher = PolicyPublisher(
            settings,
            here.topic,
            here.health,
            machine_clock,
            clock=lambda: here.now,
            writer=here.topic,  # type: ignore[arg-type]
        )
    await here.passes(290)
    assert tuple(TEN) == here.in_force
    assert "would lose 10 of 10 entries (agent0@example.com, " in here.why
    assert "flexcapture policy accept" in here.why
    [held] = here.topic.held_back.values()
    assert (10, 1, tuple(TEN)) == (held.lost_entries, held.base, held.lost)
    await here.passes(15)

    assert ((), "", {}) == (here.in_force, here.why, here.topic.held_back)


async def test_a_change_of_the_held_back_list_restarts_the_delay(
    policy_scene: Callable[..., Scene],
) -> None:
    """So does a restart of the process."""
    here = policy_scene(*TEN)
    here.write(TEN[0])
    await here.passes(200)
    here.write(TEN[1])
    await here.passes(200)
    assert tuple(TEN) == here.in_force
    here.publisher = here.started()
    await here.passes(200)
    assert tuple(TEN) == here.in_force
    await here.passes(110)
    assert (TEN[1],) == here.in_force


async def test_a_held_back_list_can_be_accepted(policy_scene: Callable[..., Scene]) -> None:
    """It takes effect at once, and only it: the same loss later is held back again."""
    here = policy_scene(*TEN)
    here.write()
    await here.passes(3)
    here.topic.accept()
    await here.passes(1)
    assert ((), "") == (here.in_force, here.why)
    here.write(*TEN)
    await here.passes(3)
    assert tuple(TEN) == here.in_force
    here.write()
    await here.passes(30)
    assert tuple(TEN) == here.in_force


async def test_an_acceptance_of_another_list_does_not_count(
    policy_scene: Callable[..., Scene],
) -> None:
    """An acceptance applies only to the list that the operator saw."""
    here = policy_scene(*TEN)
    here.write(TEN[0])
    await here.passes(3)
    here.topic.accept()
    here.write()
    await here.passes(30)
    assert {*TEN} == {*here.in_force}


async def test_a_restored_list_ends_the_hold(policy_scene: Callable[..., Scene]) -> None:
    """Nothing is published; nothing can be accepted any more."""
    here = policy_scene(*TEN)
    here.write()
    await here.passes(3)
    here.write(*TEN)
    await here.passes(1)
    assert (0, "", {}) == (here.topic.published, here.why, here.topic.held_back)
    await here.passes(400)
    assert tuple(TEN) == here.in_force


async def test_entries_that_are_added_take_effect_at_once(
    policy_scene: Callable[..., Scene],
) -> None:
    """Also those of a list that is held back; the rest of it once its time is over."""
    here = policy_scene(*TEN)
    here.write(ANN)
    await here.passes(3)
    assert {*TEN, ANN} == {*here.in_force}
    assert "would lose 10 of " in here.why
    await here.passes(300)
    assert (ANN,) == here.in_force


async def test_a_small_loss_takes_effect_at_once(policy_scene: Callable[..., Scene]) -> None:
    """Half of the entries, and an excluded queue."""
    here = policy_scene(*TEN, "!queue:vip")
    here.write(*TEN[:5])
    await here.passes(2)
    assert (tuple(TEN[:5]), "") == (here.in_force, here.why)


async def test_publishing_that_fails_turns_health_red(policy_scene: Callable[..., Scene]) -> None:
    """The last list stays in force, the reason is named, and it is tried again."""
    here = policy_scene(ANN)
    here.topic.refuses = TopicAuthorizationFailedError("policy")
    here.write(ANN, BOB)
    await here.passes(DIFFERS_S + 3)
    assert "could not be published (TopicAuthorizationFailedError" in here.why
    assert (ANN,) == here.in_force
    here.topic.refuses = None
    await here.passes(3)
    assert ((ANN, BOB), "") == (here.in_force, here.why)
