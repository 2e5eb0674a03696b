"""The table of a media stream's transitions: `test_convergence` shows that no other one happens."""

from pipeline.streams.transitions import STREAM_TRANSITIONS
from schemas.records import MediaStreamClosed
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK
from tests.pipeline.streams.surroundings import Deed
from tests.pipeline.streams.world import World


def _started(deed: Deed | None = None) -> World:
    """A start command is carried out, and its answer delivered."""
    world = World()
    world.want()
    world.deliver_all()
    if deed is not None:
        world.carry_out(deed)
        world.deliver_all()
    return world


def _running() -> World:
    return _started(Deed())


def _came_after_it_was_stopped() -> World:
    """Its socket opens only after Twilio said that there is nothing to stop."""
    world = _started(Deed(socket=False))
    world.unwant()
    world.behave(15)
    world.open_socket(*world.unopened.pop(0), "g1")
    world.deliver_all()
    return world


def _unwanted(world: World) -> World:
    world.unwant()
    world.deliver_all()
    return world


def _stopped() -> World:
    world = _unwanted(_running())
    world.behave(5)
    return world


def _dropped() -> World:
    world = _running()
    world.close(next(iter(world.sockets)), "dropped")
    world.deliver_all()
    return world


def _stranger() -> World:
    world = _running()
    world.open_socket("MZ" + "e" * 32, 0, "g2")
    world.deliver_all()
    return world


def _found() -> World:
    """A media stream that was started before a crash after which nothing is known of it; in a
    backlog the manager starts none."""
    world = World()
    world.hurried.on = True
    world.want()
    world.deliver_all()
    world.open_socket("MZ" + "e" * 32, 3, "g1")
    world.deliver_all()
    return world


def _only_its_end() -> World:
    """A media stream closes, and the record that it was opened is lost."""
    world = _started(Deed(socket=False))
    [(stream_sid, generation)] = world.unopened
    closed = MediaStreamClosed(
        stream_sid=stream_sid,
        call_sid=CUSTOMER_LEG,
        task_sid=TASK,
        name=None,
        generation=generation,
        gateway="g1",
        epoch=1,
        at=world.now,
        reason="dropped",
        detail="",
        batches=0,
        frames=0,
        invalid=0,
    )
    world.handle(world.now, closed)
    return world


def _refused() -> World:
    return _started(Deed(done=False, outcome="no-conference"))


def _came_after_it_failed() -> World:
    """No gateway has it within five seconds; then one does."""
    world = _started(Deed(socket=False))
    for _ in range(8):
        world.tick()
    late = world.unopened.pop(0)
    world.behave(15)
    world.open_socket(*late, "g1")
    world.deliver_all()
    return world


def _unwanted_while_it_starts() -> World:
    return _unwanted(_started())


def test_each_row_happens() -> None:
    """The table has no row that the core never makes."""
    worlds = (
        _stopped(),
        _dropped(),
        _stranger(),
        _found(),
        _only_its_end(),
        _refused(),
        _unwanted_while_it_starts(),
        _came_after_it_was_stopped(),
        _came_after_it_failed(),
    )
    made = {step for world in worlds for step in world.transitions}
    assert {(t.before, t.after) for t in STREAM_TRANSITIONS} == made
