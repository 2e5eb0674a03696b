"""The manager is killed after Kafka has what it told, and before its table knows: its successor
tells the same once more, and nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calls.policy import PolicyHistory
from schemas.records import RecordingPolicy
from tests.examples import examples
from tests.pipeline.streams.calls import ANN
from tests.pipeline.streams.world import Deed, World

TICKS = 25


def _history(changes: list[int]) -> PolicyHistory:
    """The list, which Ann is put on and taken from at these ticks, in turn."""
    begun = World().now
    versions = [
        RecordingPolicy(n + 2, 0, begun + 1_000 * tick - 500, (ANN,) * (n % 2 == 0), True, True)
        for n, tick in enumerate(sorted(changes))
    ]
    return PolicyHistory.of([RecordingPolicy(1, 0, 0, (), True, True), *versions])


def _lived(
    history: PolicyHistory, killed_at: int | None = None, *, late: bool = False, ticks: int = TICKS
) -> World:
    """A world after an agent's call, each tick of which is followed by what came of it. `late`: the
    successor of who is killed finds a backlog."""
    world = World(history=history)
    world.want()
    world.hear_all()
    for tick in range(ticks):
        world.tick()
        if tick == killed_at:
            world.crash(1, calls_first=False)
            world.hurried.on = late
        _carry_out(world)
        world.hear_all()
        world.hurried.on = False
    return world


def _carry_out(world: World) -> None:
    """What was told twice is carried out once, as the adapter does."""
    commands = tuple(dict.fromkeys(world.commands))
    world.commands.clear()
    for command in commands:
        world.do(command, Deed())


@settings(max_examples=examples(300))
@given(
    changes=st.lists(st.integers(1, TICKS), max_size=6, unique=True),
    killed_at=st.integers(0, TICKS - 1),
    late=st.booleans(),
)
def test_what_a_tick_decided_comes_out_the_same(
    changes: list[int], killed_at: int, late: bool
) -> None:
    """The list changed, and media streams were started and stopped for it."""
    history = _history(changes)

    calm, killed = _lived(history), _lived(history, killed_at, late=late)

    assert set(calm.decided) == set(killed.decided)
    assert set(calm.issued) == set(killed.issued)
    assert set(calm.told) == set(killed.told)
    assert calm.state == killed.state


@given(put_on_at=st.integers(1, 5), late=st.booleans())
def test_who_leaves_before_it_is_read_again_is_told_to_have_left(
    put_on_at: int, late: bool
) -> None:
    """The version of the call without him is read before what the killed manager told."""
    worlds = []
    for killed in (False, True):
        world = _lived(_history([put_on_at]), ticks=put_on_at - 1)
        world.tick()
        if killed:
            world.crash(1, calls_first=False)
            world.hurried.on = late
        _carry_out(world)
        if not killed:
            world.hear_all()
        world.unwant()
        world.hear("calls")
        world.behave(5)
        worlds.append(world)
    calm, other = worlds

    assert ["record", "stop"] == [d.decision for d in calm.decided if d.decision != "do-not-record"]
    assert set(calm.decided) == set(other.decided)
    assert not other.sockets


def test_a_start_of_which_nothing_else_came_out_is_taken_on() -> None:
    """Killed when Kafka had the command only: the media stream that comes of it runs on, and is
    decided then."""
    world = World(history=_history([1]))
    world.want()
    world.hear_all()
    world.tick()
    world.crash(1, calls_first=False)
    world.coming["manager"].clear()
    world.decided.clear()
    world.behave(3)

    assert world.of_state("running") == list(world.sockets) != []
    (running,) = world.media_streams
    (decided,) = world.decided
    assert (1, "record", decided.reason) == (running.generation, decided.decision, running.reason)
