"""Stops: sent until a gateway reports the end."""

from pipeline.streams.names import stream_name
from schemas.records import StopDuplicateStream
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK
from tests.pipeline.streams.reconciled import attempt_of, unwanted_call, wanted_call
from tests.pipeline.streams.surroundings import Deed


def test_an_unwanted_stream_is_stopped_once_by_its_sid() -> None:
    """The stop names the media stream that a gateway reported. The media stream is over once the
    gateway reports its end, and nothing more is sent at any later time."""
    world = wanted_call(seconds=1)
    running = world.of_state("running")
    unwanted_call(world)
    stop = world.issued[-1]
    world.behave(60)

    assert isinstance(stop, StopDuplicateStream)
    assert running == [stop.stream_sid]
    assert 2 == len(world.issued)
    assert ["stopping", "stopped"] == [t.state for t in world.changes[-2:]]
    assert "stopped: last monitored agent left" == world.changes[-1].reason


def test_a_stop_that_has_no_effect_is_sent_again() -> None:
    """Twilio confirms the stop, but the gateway still receives audio: two seconds later the stop is
    repeated."""
    world = unwanted_call(wanted_call(seconds=1))
    world.carry_out(Deed(done=False))
    world.behave(4)

    assert [1, 2] == [attempt_of(c) for c in world.issued if isinstance(c, StopDuplicateStream)]
    assert {} == world.sockets


def test_a_lost_stop_is_repeated() -> None:
    """Unanswered for three seconds: the same command again."""
    world = unwanted_call(wanted_call(seconds=1))
    world.commands.clear()
    world.behave(5)

    first, second = (c for c in world.issued if isinstance(c, StopDuplicateStream))
    assert first == second
    assert {} == world.sockets


def test_a_stop_that_fails_is_tried_again_after_half_a_second_or_more() -> None:
    """With another id, because the adapter repeats its answer to a command with the same id."""
    world = unwanted_call(wanted_call(seconds=1))
    world.carry_out(Deed(done=False, outcome="failed"))
    world.deliver_all()
    world.tick(499)
    before = len(world.issued)
    world.tick(1)

    assert (2, 3) == (before, len(world.issued))
    assert 2 == attempt_of(world.issued[-1])


def test_a_start_that_is_answered_after_the_stop_was_decided_is_stopped_by_its_sid() -> None:
    """The stop found nothing, because another adapter was still carrying out the start."""
    world = wanted_call()
    start = world.commands.popleft()
    unwanted_call(world)
    world.carry_out()
    world.deliver_all()
    world.do(start, Deed(socket=False))
    world.deliver("adapter")

    stop = world.issued[-1]
    assert isinstance(stop, StopDuplicateStream)
    assert world.unopened[0][0] == stop.stream_sid
    assert ["stopped", "stopping"] == [t.state for t in world.changes[-2:]]


def test_a_socket_that_opens_after_the_stop_is_stopped_at_once() -> None:
    """The result of the earlier stop makes no difference."""
    world = wanted_call()
    world.carry_out(Deed(socket=False))
    unwanted_call(world)
    world.carry_out()
    world.deliver_all()
    world.open_socket(*world.unopened.pop(), "g2")
    world.deliver_all()
    world.carry_out()

    assert {} == world.sockets


def test_a_gateway_that_ends_an_unwanted_stream_by_itself_has_carried_out_the_stop() -> None:
    """With or without a stop by Twilio, the media stream is over, for the reason that stopped it,
    and nothing follows it."""
    world = wanted_call(seconds=20)
    unwanted_call(world)
    reason = world.changes[-1].reason
    assert "stopping" == world.changes[-1].state
    world.close(next(iter(world.sockets)), "not-to-be-recorded")
    world.deliver_all()
    assert ("stopped", reason) == (world.changes[-1].state, world.changes[-1].reason)
    issued = len(world.issued)
    for _ in range(30):
        world.tick()
        world.deliver_all()
    assert issued == len(world.issued)


def test_a_stop_before_the_starts_answer_names_the_stream() -> None:
    """Its SID is not known yet, so Twilio finds it by its name."""
    world = unwanted_call(wanted_call())
    start, stop = world.issued

    assert isinstance(stop, StopDuplicateStream)
    assert (None, stream_name(TASK, CUSTOMER_LEG, start.generation)) == (stop.stream_sid, stop.name)


def test_a_second_socket_of_one_generation_is_stopped_by_its_sid() -> None:
    """The first reported one is kept; the other is a media stream too many."""
    world = wanted_call(seconds=1)
    world.open_socket("MZextra", 1, "g1")
    world.deliver_all()

    stop = world.issued[-1]
    assert isinstance(stop, StopDuplicateStream)
    assert (0, "MZextra") == (stop.generation, stop.stream_sid)
