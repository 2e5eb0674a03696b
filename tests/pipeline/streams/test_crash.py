"""The manager is killed after Kafka has its outputs, and before its table has the state: its
successor publishes the same once more, and nothing else."""

import random
from dataclasses import dataclass
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.monitored_list import PolicyHistory
from schemas.records import RecordingPolicy
from tests.examples import examples
from tests.pipeline.streams.calls import ANN
from tests.pipeline.streams.surroundings import Deed
from tests.pipeline.streams.world import SOURCES, World

TICKS = 10
LIST_CHANGES = st.lists(st.integers(1, TICKS), max_size=5, unique=True)
COMINGS = st.lists(st.sampled_from(["comes", "leaves", None, None]), max_size=TICKS)


@dataclass
class Killing:
    """Kills the manager of a world after its step `at`, counted from now. Its table lacks the last
    `lost` steps. From then on it reads its topics in the order that `chance` has, and with `late`
    finds itself in a backlog until the next tick."""

    at: int
    chance: random.Random
    late: bool
    lost: int = 1
    done: bool = False

    def stepped(self, world: World) -> None:
        """The manager did something."""
        self.at -= 1
        if self.at == 0:
            self.done = True
            world.crash(self.lost, calls_first=self.chance.random() < 0.5)
            world.hurried.on = self.late

    def source(self, waiting: list[str]) -> str | None:
        """Which of them is read next; None: in the order of time."""
        return self.chance.choice(waiting) if self.done else None


def _history(changes: list[int]) -> PolicyHistory:
    """The list, which Ann is put on and taken from at these ticks, in turn."""
    begun = World().now
    versions = [
        RecordingPolicy(n + 2, 0, begun + 1_000 * tick - 500, (ANN,) * (n % 2 == 0), True, True)
        for n, tick in enumerate(sorted(changes))
    ]
    return PolicyHistory.of([RecordingPolicy(1, 0, 0, (), True, True), *versions])


def _lived(changes: list[int], comings: list[str | None], killing: Killing) -> World:
    """A world in which Ann comes to a call and leaves it, and all is done between two ticks."""
    world = World(history=_history(changes))
    for coming in ["comes", *comings]:
        if coming is not None:
            (world.want if coming == "comes" else world.unwant)()
        _drain(world, killing)
        world.hurried.on = False
        world.tick(1_000 - world.now % 1_000)
        killing.stepped(world)
        _drain(world, killing)
    world.hurried.on = False
    world.behave(8)
    return world


def _drain(world: World, killing: Killing) -> None:
    """Until nothing waits any more. A command that was published twice is carried out once, as by
    the adapter."""
    while True:
        waiting = [source for source in SOURCES if world.coming[source]]
        if waiting:
            world.deliver(killing.source(waiting))
            killing.stepped(world)
        elif world.commands:
            world.now += 50
            commands = tuple(dict.fromkeys(world.commands))
            world.commands.clear()
            for command in commands:
                world.do(command, Deed())
        else:
            return


@settings(max_examples=examples(500))
@given(
    changes=LIST_CHANGES,
    comings=COMINGS,
    at=st.integers(1, 60),
    chance=st.randoms(use_true_random=False),
    late=st.booleans(),
)
def test_a_kill_changes_nothing(
    changes: list[int],
    comings: list[str | None],
    at: int,
    chance: random.Random,
    late: bool,
) -> None:
    """Whether a record or a tick was the last step, and in whatever order the topics are read
    again: the same decisions, the same media streams, none in two pieces. (Nothing is started out
    of a backlog: a media stream wanted for a shorter time is then never started.)"""
    calm, killed = (_lived(changes, comings, Killing(when, chance, late)) for when in (0, at))

    assert _decisions(calm) == _decisions(killed)
    assert len(calm.sockets) == len(killed.sockets)
    if late and _ran(killed) < _ran(calm):
        return  # the media streams have other SIDs
    assert _ran(killed) == _ran(calm)
    assert list(calm.sockets) == list(killed.sockets)


@settings(max_examples=examples(500))
@given(
    changes=LIST_CHANGES,
    comings=COMINGS,
    at=st.integers(1, 60),
    lost=st.integers(2, 9),
    chance=st.randoms(use_true_random=False),
)
def test_a_kill_during_an_outage_of_the_changelog_splits_no_media_stream(
    changes: list[int], comings: list[str | None], at: int, lost: int, chance: random.Random
) -> None:
    """All records are published, and the table lacks several steps: its partition had no leader.
    The same media streams run. A decision of a tick may be published twice, with another time."""
    calm, killed = (
        _lived(changes, comings, Killing(when, chance, late=False, lost=lost)) for when in (0, at)
    )

    assert _decisions(calm) == [decision for decision, _ in groupby(_decisions(killed))]
    assert _ran(killed) == _ran(calm)
    assert list(calm.sockets) == list(killed.sockets)


def _decisions(world: World) -> list[str]:
    """Return the decisions in order. One that was published twice occurs once."""
    decisions = {(decided.at, decided.decision) for decided in world.decided}
    return [decision for _, decision in sorted(decisions)]


def _ran(world: World) -> set[int]:
    return {changed.generation for changed in world.changes if changed.state == "running"}


def test_a_start_of_which_nothing_else_came_out_is_taken_on() -> None:
    """Killed when Kafka had the command only: the media stream that comes of it runs on, and is
    decided then."""
    world = World(history=_history([1]))
    world.want()
    world.deliver_all()
    world.tick()
    world.crash(1, calls_first=False)
    world.coming["manager"].clear()
    world.decided.clear()
    world.behave(3)

    assert world.of_state("running") == list(world.sockets) != []
    (running,) = world.media_streams
    (decided,) = world.decided
    assert (1, "record", decided.reason) == (running.generation, decided.decision, running.reason)
