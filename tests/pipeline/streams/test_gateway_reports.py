"""Gateways that die, are cut off, or come back."""

from pipeline.streams.manager import is_at_rest
from schemas.records import StopDuplicateStream
from tests.pipeline.streams.reconciled import wanted_call
from tests.pipeline.streams.surroundings import Deed
from tests.pipeline.streams.world import World

ATTENTIVE_MS = 15 * 60_000


def test_streams_of_a_gateway_that_died_and_is_back_are_started_again_at_once() -> None:
    """A gateway that announces a new epoch has none of its earlier media streams."""
    world = wanted_call(seconds=20)
    world.kill("g1")
    world.deliver_all()

    assert 2 == world.issued[-1].generation
    assert "ended: its gateway died and started again" == world.changes[-2].reason


def test_a_stream_that_was_on_its_way_to_a_dead_gateway_starts_anew_when_it_is_back() -> None:
    """The time-out of a media stream that never comes is not waited for."""
    world = wanted_call(seconds=20)
    world.kill("g2", back=False)
    world.kill("g1", back=False)
    world.publish_call()
    world.report(world.of_state("running")[0] or "", "error")
    world.deliver_all()
    world.behave(1)
    waiting = world.issued[-1]
    world.tick(500)
    world.come_up("g1")
    world.deliver_all()

    assert (2, 3) == (waiting.generation, world.issued[-1].generation)


def test_one_that_was_started_a_moment_before_it_is_back_is_hoped_for_a_second() -> None:
    """It may come to the new gateway; if it does not, the next one is not kept waiting."""
    world = wanted_call(seconds=20)
    world.kill("g2", back=False)
    world.kill("g1", back=False)
    world.publish_call()
    world.report(world.of_state("running")[0] or "", "error")
    world.deliver_all()
    while world.commands:
        world.carry_out()
    world.deliver_all()
    world.tick(300)
    world.come_up("g1")
    world.deliver_all()
    hoping = world.issued[-1]
    world.tick(700)

    assert (2, 3) == (hoping.generation, world.issued[-1].generation)


def test_streams_of_a_gateway_that_never_comes_back_are_started_again() -> None:
    """It does not report for ten seconds. Its media streams are stopped, since it may still run,
    and the next generation starts at once, on another gateway."""
    world = wanted_call(seconds=20)
    world.kill("g1", back=False)
    world.behave(8)
    before = len(world.issued)
    world.behave(3)

    stop, start = world.issued[before:]
    assert isinstance(stop, StopDuplicateStream)
    assert (1, 2) == (stop.generation, start.generation)
    assert "ended: its gateway has not been heard for 10 s" == stop.reason
    assert ["g2"] == [socket.gateway for socket in world.sockets.values()]


def test_a_gateway_that_was_cut_off_and_is_back_holds_one_stream() -> None:
    """While it was cut off, its media streams continued; all that it reports later is handled with
    a few commands: a report of a gateway is a sign of life."""
    world = wanted_call(seconds=1)
    world.gateways["g1"].connected = False
    world.behave(40)
    before = len(world.issued)
    world.calm()
    world.behave(30)

    assert len(world.issued) - before <= 8
    assert list(world.sockets) == world.of_state("running")
    assert 1 == len(world.sockets)


def test_a_stream_that_was_given_up_with_its_gateway_is_stopped_again_when_that_is_back() -> None:
    """Twilio said that it stopped it, and did not; the gateway was only cut off."""
    world = wanted_call(seconds=1)
    world.gateways["g1"].connected = False
    for _ in range(11):
        world.tick()
    world.carry_out(Deed(done=False))
    world.behave(5)
    surplus = next(iter(world.sockets))
    world.calm()
    world.behave(10)

    assert surplus not in world.sockets
    assert list(world.sockets) == world.of_state("running")


def _ended_on_a_silent_gateway() -> World:
    """A call that ended while its gateway was cut off, and while Twilio had wrongly reported that
    the media stream stopped."""
    world = wanted_call(seconds=1)
    world.gateways["g1"].connected = False
    world.made += 1
    world.open_socket(f"MZ{world.made:032x}", 2, "g2")
    world.report(next(iter(world.sockets)), "stopped")
    world.behave(10)
    world.unwant()
    world.deliver_all()
    return world


def test_a_stream_on_a_silent_gateway_is_stopped_after_the_calls_end_too() -> None:
    """Its gateway reports again once nothing else is left to do for the call."""
    world = _ended_on_a_silent_gateway()
    world.behave(30)
    world.calm()
    world.behave(5)

    assert {} == world.sockets


def test_a_silent_gateway_is_not_waited_for_long_after_the_calls_end() -> None:
    """A gateway that was cut off for longer reads the decision, and closes the socket itself."""
    world = _ended_on_a_silent_gateway()
    world.behave(ATTENTIVE_MS // 1_000 + 1)
    assert world.state is not None

    assert is_at_rest(world.state)


def test_while_no_ticks_come_silence_proves_nothing() -> None:
    """Kafka was away for a minute: gateways and ticks are back, and nothing is started anew."""
    world = wanted_call(seconds=20)
    world.gateways["g1"].connected = False
    world.tick(60_000)
    world.tick()
    world.calm()
    world.behave(30)

    assert 1 == len(world.issued)


def test_a_manager_that_starts_gives_gateways_time_to_report() -> None:
    """It does not know the reports that an earlier process received."""
    world = wanted_call(seconds=20)
    world.tick(60_000)
    world.crash(1, calls_first=True)
    world.gateways["g1"].connected = False
    for _ in range(8):
        world.tick()
    world.calm()
    world.behave(30)

    assert 1 == len(world.issued)


def test_a_start_that_was_answered_before_an_outage_is_not_given_up_after_it() -> None:
    """The gateway's report waited as everything else did; it comes a little after the ticks."""
    world = wanted_call()
    world.carry_out()
    world.deliver("adapter")
    world.tick(60_000)
    world.tick()
    world.deliver("g1")
    world.behave(10)

    assert 1 == len(world.issued)


def test_the_next_stream_waits_a_second_after_twilio_stopped_one() -> None:
    """Most likely the call is over, and its event is on the way."""
    world = wanted_call(seconds=20)
    world.close(next(iter(world.sockets)), "stop")
    world.deliver_all()
    issued = []
    for ms in (999, 1):
        world.tick(ms)
        issued.append([command.generation for command in world.issued])

    assert [[1], [1, 2]] == issued
