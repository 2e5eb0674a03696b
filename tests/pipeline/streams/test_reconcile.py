"""The stream manager against the world, one misfortune at a time."""

from itertools import pairwise

import pytest

from pipeline.streams.gateway_reports import ATTENTIVE_MS
from pipeline.streams.manager import is_at_rest
from pipeline.streams.names import stream_name
from pipeline.streams.reconcile import PROBE_EXPIRY_MS, START_EXPIRY_MS
from schemas.records import StartDuplicateStream, StopDuplicateStream
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK
from tests.pipeline.streams.world import Deed, World


def _wanted(seconds: int = 0, direction: str = "inbound") -> World:
    world = World(direction=direction)
    world.want()
    world.hear_all()
    if seconds:
        world.behave(seconds)
    return world


def _unwanted(world: World) -> World:
    world.unwant()
    world.hear_all()
    return world


def test_a_wanted_stream_is_started_once_and_then_left_alone() -> None:
    """One start command without any tick, one running media stream, and nothing more as time goes
    by."""
    world = _wanted()
    [start] = world.issued
    world.behave(100)

    assert isinstance(start, StartDuplicateStream)
    assert [start] == world.issued
    assert ["starting", "starting", "running"] == [t.state for t in world.told]
    assert [None, "MZ", "MZ"] == [t.stream_sid and t.stream_sid[:2] for t in world.told]


def test_an_unwanted_stream_is_stopped_once_by_its_sid() -> None:
    """The stop names the media stream that a gateway reported; it is over once the gateway says so;
    however long that was ago, nothing more is sent."""
    world = _wanted(seconds=1)
    running = world.of_state("running")
    _unwanted(world)
    stop = world.issued[-1]
    world.behave(60)

    assert isinstance(stop, StopDuplicateStream)
    assert running == [stop.stream_sid]
    assert 2 == len(world.issued)
    assert ["stopping", "stopped"] == [t.state for t in world.told[-2:]]
    assert "stopped: last monitored agent left" == world.told[-1].reason


def test_a_stop_that_has_no_effect_is_sent_again() -> None:
    """Twilio says that it stopped it, the gateway goes on receiving it: two seconds later it is
    asked again."""
    world = _unwanted(_wanted(seconds=1))
    world.carry_out(Deed(done=False))
    world.behave(4)

    assert [1, 2] == [_attempt(c) for c in world.issued if isinstance(c, StopDuplicateStream)]
    assert {} == world.sockets


def test_a_lost_stop_is_repeated() -> None:
    """Unanswered for three seconds: the same command again."""
    world = _unwanted(_wanted(seconds=1))
    world.commands.clear()
    world.behave(5)

    first, second = (c for c in world.issued if isinstance(c, StopDuplicateStream))
    assert first == second
    assert {} == world.sockets


@pytest.mark.parametrize(("wanted", "expiry_ms"), [(True, 30_000), (False, 15_000)])
def test_a_command_that_is_never_answered_is_replaced_after_its_expiry(
    wanted: bool, expiry_ms: int
) -> None:
    """Repeated once after 3 s; the next attempt follows 2 s after the command has expired."""
    world = _wanted(seconds=0 if wanted else 1)
    if not wanted:
        _unwanted(world)
    begun, before = world.now, len(world.issued) - 1
    found = []
    for _ in range(2 * expiry_ms // 500):
        world.tick(500)
        while len(world.issued) - before > len(found) + 1:
            found.append((world.now - begun, _attempt(world.issued[before + len(found) + 1])))
    expires_at = expiry_ms + 2_000
    assert [(3_000, 1), (expires_at, 2), (expires_at + 3_000, 2)] == found[:3]
    assert expiry_ms == world.issued[before].expires_at - world.issued[before].issued_at


def test_a_stop_that_fails_is_tried_again_after_half_a_second_or_more() -> None:
    """With another id, for the adapter answers the same command the same."""
    world = _unwanted(_wanted(seconds=1))
    world.carry_out(Deed(done=False, outcome="failed"))
    world.hear_all()
    world.tick(499)
    before = len(world.issued)
    world.tick(1)

    assert (2, 3) == (before, len(world.issued))
    assert 2 == _attempt(world.issued[-1])


def test_a_start_that_is_answered_after_the_stop_was_decided_is_stopped_by_its_sid() -> None:
    """The stop found nothing, as another adapter had the start still under way."""
    world = _wanted()
    start = world.commands.popleft()
    _unwanted(world)
    world.carry_out()
    world.hear_all()
    world.do(start, Deed(socket=False))
    world.hear("adapter")

    stop = world.issued[-1]
    assert isinstance(stop, StopDuplicateStream)
    assert world.unopened[0][0] == stop.stream_sid
    assert ["stopped", "stopping"] == [t.state for t in world.told[-2:]]


def test_a_socket_that_opens_after_the_stop_is_stopped_at_once() -> None:
    """Whatever the stop before it found."""
    world = _wanted()
    world.carry_out(Deed(socket=False))
    _unwanted(world)
    world.carry_out()
    world.hear_all()
    world.open_socket(*world.unopened.pop(), "g2")
    world.hear_all()
    world.carry_out()

    assert {} == world.sockets


def test_a_gateway_that_ends_an_unwanted_stream_by_itself_has_carried_out_the_stop() -> None:
    """Whether Twilio ever does or not: the media stream is over, for the reason that stopped it,
    and nothing follows it."""
    world = _wanted(seconds=20)
    _unwanted(world)
    reason = world.told[-1].reason
    assert "stopping" == world.told[-1].state
    world.close(next(iter(world.sockets)), "not-to-be-recorded")
    world.hear_all()
    assert ("stopped", reason) == (world.told[-1].state, world.told[-1].reason)
    issued = len(world.issued)
    for _ in range(30):
        world.tick()
        world.hear_all()
    assert issued == len(world.issued)


@pytest.mark.parametrize("reason", ["dropped", "drained", "no-media", "not-to-be-recorded"])
def test_a_lost_stream_is_followed_at_once_by_the_next_generation(reason: str) -> None:
    """No waiting for a tick: the report of its end itself starts the next media stream."""
    world = _wanted(seconds=20)
    world.close(next(iter(world.sockets)), reason)
    world.hear_all()

    start = world.issued[-1]
    assert isinstance(start, StartDuplicateStream)
    assert 2 == start.generation


def test_streams_that_end_again_and_again_are_started_ever_more_slowly() -> None:
    """At once, then after 1, 2, 4, ... seconds, at most 15."""
    world = _wanted()
    starts: list[int] = []
    for _ in range(100):
        is_start = bool(world.commands) and isinstance(world.commands[0], StartDuplicateStream)
        starts += [world.now] if is_start else []
        world.carry_out()
        world.hear_all()
        for stream_sid in list(world.sockets):
            world.close(stream_sid, "dropped")
        world.hear_all()
        if not world.commands:
            world.tick()

    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert [0, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] == pauses[:7]


def test_streams_of_a_gateway_that_died_and_is_back_are_started_again_at_once() -> None:
    """A gateway that announces a new epoch has none of its earlier media streams."""
    world = _wanted(seconds=20)
    world.kill("g1")
    world.hear_all()

    assert 2 == world.issued[-1].generation
    assert "ended: its gateway died and started again" == world.told[-2].reason


def test_a_stream_that_was_on_its_way_to_a_dead_gateway_starts_anew_when_it_is_back() -> None:
    """The time-out of a media stream that never comes is not waited for."""
    world = _wanted(seconds=20)
    world.kill("g2", back=False)
    world.kill("g1", back=False)
    world.tell_call()
    world.report(world.of_state("running")[0] or "", "error")
    world.hear_all()
    world.behave(1)
    waiting = world.issued[-1]
    world.tick(500)
    world.come_up("g1")
    world.hear_all()

    assert (2, 3) == (waiting.generation, world.issued[-1].generation)


def test_one_that_was_started_a_moment_before_it_is_back_is_hoped_for_a_second() -> None:
    """It may come to the new gateway; if it does not, the next one is not kept waiting."""
    world = _wanted(seconds=20)
    world.kill("g2", back=False)
    world.kill("g1", back=False)
    world.tell_call()
    world.report(world.of_state("running")[0] or "", "error")
    world.hear_all()
    while world.commands:
        world.carry_out()
    world.hear_all()
    world.tick(300)
    world.come_up("g1")
    world.hear_all()
    hoping = world.issued[-1]
    world.tick(700)

    assert (2, 3) == (hoping.generation, world.issued[-1].generation)


def test_streams_of_a_gateway_that_never_comes_back_are_started_again() -> None:
    """It is not heard for ten seconds: its media streams are stopped, should it live on, and the
    next generation starts, both at once; on another gateway it runs."""
    world = _wanted(seconds=20)
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
    """While it could not be heard, what Twilio sent to it ran on; all it tells then is sorted out
    with a few commands: a report of a gateway is a sign of life."""
    world = _wanted(seconds=1)
    world.gateways["g1"].heard = False
    world.behave(40)
    before = len(world.issued)
    world.calm()
    world.behave(30)

    assert len(world.issued) - before <= 8
    assert list(world.sockets) == world.of_state("running")
    assert 1 == len(world.sockets)


def test_a_stream_that_was_given_up_with_its_gateway_is_stopped_again_when_that_is_back() -> None:
    """Twilio said that it stopped it, and did not; the gateway was only cut off."""
    world = _wanted(seconds=1)
    world.gateways["g1"].heard = False
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
    world = _wanted(seconds=1)
    world.gateways["g1"].heard = False
    world.made += 1
    world.open_socket(f"MZ{world.made:032x}", 2, "g2")
    world.report(next(iter(world.sockets)), "stopped")
    world.behave(10)
    world.unwant()
    world.hear_all()
    return world


def test_a_stream_on_a_silent_gateway_is_stopped_after_the_calls_end_too() -> None:
    """Its gateway is heard again once nothing else is left to do for the call."""
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
    world = _wanted(seconds=20)
    world.gateways["g1"].heard = False
    world.tick(60_000)
    world.tick()
    world.calm()
    world.behave(30)

    assert 1 == len(world.issued)


def test_a_manager_that_starts_gives_gateways_time_to_be_heard() -> None:
    """What an earlier process heard is not known to it."""
    world = _wanted(seconds=20)
    world.tick(60_000)
    world.crash(1, calls_first=True)
    world.gateways["g1"].heard = False
    for _ in range(8):
        world.tick()
    world.calm()
    world.behave(30)

    assert 1 == len(world.issued)


def test_a_start_that_was_answered_before_an_outage_is_not_given_up_after_it() -> None:
    """The gateway's report waited as everything else did; it comes a little after the ticks."""
    world = _wanted()
    world.carry_out()
    world.hear("adapter")
    world.tick(60_000)
    world.tick()
    world.hear("g1")
    world.behave(10)

    assert 1 == len(world.issued)


def test_twilios_word_that_a_stream_ended_is_enough() -> None:
    """The gateway's socket may hang; the next generation does not wait for it, but for a second:
    most likely it was the end of the call."""
    world = _wanted(seconds=20)
    [socket] = world.sockets.values()
    socket.mute_since = world.now
    world.report(socket.stream_sid, "stopped")
    world.hear_all()
    before = len(world.issued)
    world.behave(8)

    assert (1, 2) == (before, world.issued[-1].generation)
    assert "ended: Twilio reports that it stopped" == world.told[3].reason
    assert world.of_state("running") == list(world.sockets)


def test_an_error_that_twilio_reports_starts_the_next_stream_at_once() -> None:
    """The one in error is stopped, in case that it goes on."""
    world = _wanted(seconds=20)
    world.report(next(iter(world.sockets)), "error")
    world.hear_all()

    stop, start = world.issued[1:]
    assert isinstance(stop, StopDuplicateStream)
    assert (1, 2) == (stop.generation, start.generation)
    assert "ended: Twilio reports an error" == stop.reason


def test_a_ringing_leg_goes_on_being_asked_for() -> None:
    """Each command that expires is followed at once by the next attempt, for as long as it rings,
    and none of them makes a new generation."""
    world = _wanted(direction="outbound")
    for _ in range(10):
        world.now += START_EXPIRY_MS
        world.carry_out(Deed(done=False, outcome="expired", code=21220, attempts=30))
        world.hear_all()

    assert {1} == {c.generation for c in world.issued}
    assert list(range(1, 12)) == [_attempt(c) for c in world.issued]


def test_a_leg_that_hung_up_is_asked_for_ever_more_rarely() -> None:
    """Its end event never came: shorter commands, pauses that grow to a minute, no giving up."""
    world = _wanted(seconds=20)
    world.hang_up()
    world.behave(600)
    since = len(world.issued)
    world.behave(650)

    last = world.issued[-1]
    assert isinstance(last, StartDuplicateStream)
    assert PROBE_EXPIRY_MS == last.expires_at - last.issued_at
    assert 10 <= len(world.issued) - since <= 11
    assert {1, 2} == {c.generation for c in world.issued}


def test_overload_is_no_hanging_up() -> None:
    """A command that expired while Twilio answered 503 is followed by the next at once."""
    world = _wanted(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.hear_all()
    for _ in range(5):
        world.carry_out(Deed(done=False, outcome="expired", code=503, attempts=9))
        world.hear_all()

    assert [1, 2, 3, 4, 5, 6] == [_attempt(c) for c in world.issued if c.generation == 2]


def test_a_start_that_never_reaches_a_gateway_fails_and_is_stopped_by_its_sid() -> None:
    """Twilio said yes, no gateway has it 5 s later: stop it, start the next."""
    world = _wanted(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.hear_all()
    world.carry_out(Deed(socket=False))
    world.hear_all()
    for _ in range(5):
        world.tick()

    stop, start = world.issued[-2:]
    assert isinstance(stop, StopDuplicateStream)
    assert world.unopened[0][0] == stop.stream_sid
    assert (2, 3) == (stop.generation, start.generation)
    assert ["stopped", "failed", "starting"] == [m.state for m in world.media_streams]


def test_starts_that_never_reach_a_gateway_are_tried_ever_more_slowly() -> None:
    """Twilio says yes each time, and no gateway has it: after each 5 s the next start waits, the
    longer the more failed in a row."""
    world = _wanted()
    starts: list[int] = []
    for _ in range(100):
        if world.commands:
            starts += [world.now] if isinstance(world.commands[0], StartDuplicateStream) else []
            world.carry_out(Deed(socket=False))
            world.hear_all()
        else:
            world.tick()

    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert [6_000, 6_000, 7_000, 9_000, 13_000, 20_000, 20_000] == pauses[:7]


def test_a_stop_before_the_starts_answer_names_the_stream() -> None:
    """Its SID is not known yet, so Twilio finds it by its name."""
    world = _unwanted(_wanted())
    start, stop = world.issued

    assert isinstance(stop, StopDuplicateStream)
    assert (None, stream_name(TASK, CUSTOMER_LEG, start.generation)) == (stop.stream_sid, stop.name)


def test_a_second_socket_of_one_generation_is_stopped_by_its_sid() -> None:
    """The first one reported is the one; the other is a media stream too many."""
    world = _wanted(seconds=1)
    world.open_socket("MZextra", 1, "g1")
    world.hear_all()

    stop = world.issued[-1]
    assert isinstance(stop, StopDuplicateStream)
    assert (0, "MZextra") == (stop.generation, stop.stream_sid)


def test_a_stream_of_which_a_crash_took_the_memory_is_taken_on() -> None:
    """Its generation was asked for before the crash, and is wanted still."""
    world = _wanted(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.open_socket("MZ2", 2, "g1")
    world.hear("g1")
    world.commands.clear()
    world.crash(1, calls_first=True)
    world.behave(10)

    assert ["MZ2"] == world.of_state("running") == list(world.sockets)


def test_a_later_generation_that_is_not_wanted_is_stopped_and_counted_on_from() -> None:
    """The next one must not have its name."""
    world = _wanted(seconds=1)
    world.open_socket("MZ7", 7, "g1")
    world.behave(3)
    world.close(next(iter(world.sockets)), "dropped")
    world.hear_all()

    assert 8 == world.issued[-1].generation


def test_a_leg_that_becomes_known_is_asked_for_at_once() -> None:
    """A start sent without a call SID is followed by one with it as soon as an event tells it; and
    by another where an event corrects it."""
    world = World(leg=None)
    world.want()
    world.hear_all()
    world.carry_out()
    world.hear_all()
    for leg in (CUSTOMER_LEG, "CAother"):
        world.leg = leg
        world.tell_call()
        world.hear_all()

    assert [None, CUSTOMER_LEG, "CAother"] == [c.call_sid for c in world.issued]
    assert [1, 2, 3] == [_attempt(c) for c in world.issued]


def test_hearing_everything_again_changes_nothing() -> None:
    """Every record of a call, once more, in its order: not a command, not a report."""
    world = _unwanted(_wanted(seconds=20))
    world.behave(5)
    state, issued, told = world.state, list(world.issued), list(world.told)
    for at, record in list(world.handled):
        world.handle(at, record)

    assert (state, issued, told) == (world.state, world.issued, world.told)


def _attempt(command: StartDuplicateStream | StopDuplicateStream) -> int:
    return int(command.command_id.rsplit(":", 1)[1])
