"""A call in the world that does or does not want its media stream, for tests."""

from schemas.records import StartDuplicateStream, StopDuplicateStream
from tests.pipeline.streams.world import World


def wanted_call(seconds: int = 0, direction: str = "inbound") -> World:
    """A monitored agent has accepted; all behave for so many seconds."""
    world = World(direction=direction)
    world.want()
    world.deliver_all()
    if seconds:
        world.behave(seconds)
    return world


def unwanted_call(world: World) -> World:
    """The agent leaves."""
    world.unwant()
    world.deliver_all()
    return world


def attempt_of(command: StartDuplicateStream | StopDuplicateStream) -> int:
    """Return the number of the attempt that a command is."""
    return int(command.command_id.rsplit(":", 1)[1])
