"""The stream manager and its surroundings, one fault at a time."""

from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.streams.reasons import Reason
from pipeline.streams.reconcile import Demand, reconcile
from pipeline.streams.state import new_stream, unknown_call
from schemas.records import StartDuplicateStream, StopDuplicateStream
from schemas.states import StreamPhase, StreamState
from tests.pipeline.streams.calls import CUSTOMER_LEG, TASK
from tests.pipeline.streams.reconciled import attempt_of, unwanted_call, wanted_call
from tests.pipeline.streams.surroundings import Deed
from tests.pipeline.streams.world import World

PROBE_EXPIRY_MS = 5_000
START_EXPIRY_MS = 30_000


def test_a_wanted_stream_is_started_once_and_then_left_alone() -> None:
    """One start command without any tick and one running media stream; later ticks add nothing."""
    world = wanted_call()
    [start] = world.issued
    world.behave(100)

    assert isinstance(start, StartDuplicateStream)
    assert [start] == world.issued
    assert ["starting", "starting", "running"] == [t.state for t in world.changes]
    assert [None, "MZ", "MZ"] == [t.stream_sid and t.stream_sid[:2] for t in world.changes]


@pytest.mark.parametrize(("wanted", "expiry_ms"), [(True, 30_000), (False, 15_000)])
def test_a_command_that_is_never_answered_is_replaced_after_its_expiry(
    wanted: bool, expiry_ms: int
) -> None:
    """Repeated once after 3 s; the next attempt follows 2 s after the command has expired."""
    world = wanted_call(seconds=0 if wanted else 1)
    if not wanted:
        unwanted_call(world)
    begun, before = world.now, len(world.issued) - 1
    found = []
    for _ in range(2 * expiry_ms // 500):
        world.tick(500)
        while len(world.issued) - before > len(found) + 1:
            found.append((world.now - begun, attempt_of(world.issued[before + len(found) + 1])))
    expires_at = expiry_ms + 2_000
    assert [(3_000, 1), (expires_at, 2), (expires_at + 3_000, 2)] == found[:3]
    assert expiry_ms == world.issued[before].expires_at - world.issued[before].issued_at


@pytest.mark.parametrize("reason", ["dropped", "drained", "no-media", "not-to-be-recorded"])
def test_a_lost_stream_is_followed_at_once_by_the_next_generation(reason: str) -> None:
    """The report of the end starts the next media stream, without a tick."""
    world = wanted_call(seconds=20)
    world.close(next(iter(world.sockets)), reason)
    world.deliver_all()

    start = world.issued[-1]
    assert isinstance(start, StartDuplicateStream)
    assert 2 == start.generation


def test_streams_that_end_again_and_again_are_started_ever_more_slowly() -> None:
    """At once, then after 1, 2, 4, ... seconds, at most 15."""
    world = wanted_call()
    starts: list[int] = []
    for _ in range(100):
        is_start = bool(world.commands) and isinstance(world.commands[0], StartDuplicateStream)
        starts += [world.now] if is_start else []
        world.carry_out()
        world.deliver_all()
        for stream_sid in list(world.sockets):
            world.close(stream_sid, "dropped")
        world.deliver_all()
        if not world.commands:
            world.tick()

    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert [0, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] == pauses[:7]


def test_twilios_report_that_a_stream_ended_is_enough() -> None:
    """The gateway's socket may hang, and is not waited for. The next generation starts after a
    second, because most such ends are the end of the call."""
    world = wanted_call(seconds=20)
    [socket] = world.sockets.values()
    socket.mute_since = world.now
    world.report(socket.stream_sid, "stopped")
    world.deliver_all()
    before = len(world.issued)
    world.behave(8)

    assert (1, 2) == (before, world.issued[-1].generation)
    assert "ended: Twilio reports that it stopped" == world.changes[3].reason
    assert world.of_state("running") == list(world.sockets)


def test_an_error_that_twilio_reports_starts_the_next_stream_at_once() -> None:
    """The one in error is stopped, in case it continues."""
    world = wanted_call(seconds=20)
    world.report(next(iter(world.sockets)), "error")
    world.deliver_all()

    stop, start = world.issued[1:]
    assert isinstance(stop, StopDuplicateStream)
    assert (1, 2) == (stop.generation, start.generation)
    assert "ended: Twilio reports an error" == stop.reason


def test_starts_on_a_ringing_leg_are_repeated() -> None:
    """Each command that expires is followed at once by the next attempt, for as long as it rings,
    and none of them makes a new generation."""
    world = wanted_call(direction="outbound")
    for _ in range(10):
        world.now += START_EXPIRY_MS
        world.carry_out(Deed(done=False, outcome="expired", code=21220, attempts=30))
        world.deliver_all()

    assert {1} == {c.generation for c in world.issued}
    assert list(range(1, 12)) == [attempt_of(c) for c in world.issued]


def test_starts_on_a_leg_that_hung_up_become_rarer() -> None:
    """Its end event never arrived: commands expire earlier, pauses grow to a minute, and the starts
    never end."""
    world = wanted_call(seconds=20)
    world.hang_up()
    world.behave(600)
    since = len(world.issued)
    world.behave(650)

    last = world.issued[-1]
    assert isinstance(last, StartDuplicateStream)
    assert PROBE_EXPIRY_MS == last.expires_at - last.issued_at
    assert 10 <= len(world.issued) - since <= 11
    assert {1, 2} == {c.generation for c in world.issued}


def test_an_overload_is_not_taken_for_a_hang_up() -> None:
    """A command that expired while Twilio answered 503 is followed by the next at once."""
    world = wanted_call(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.deliver_all()
    for _ in range(5):
        world.carry_out(Deed(done=False, outcome="expired", code=503, attempts=9))
        world.deliver_all()

    assert [1, 2, 3, 4, 5, 6] == [attempt_of(c) for c in world.issued if c.generation == 2]


def test_a_start_that_never_reaches_a_gateway_fails_and_is_stopped_by_its_sid() -> None:
    """Twilio confirmed the start, and no gateway has the media stream 5 s later: it is stopped, and
    the next one is started."""
    world = wanted_call(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.deliver_all()
    world.carry_out(Deed(socket=False))
    world.deliver_all()
    for _ in range(5):
        world.tick()

    stop, start = world.issued[-2:]
    assert isinstance(stop, StopDuplicateStream)
    assert world.unopened[0][0] == stop.stream_sid
    assert (2, 3) == (stop.generation, start.generation)
    assert ["stopped", "failed", "starting"] == [m.state for m in world.media_streams]


def test_starts_that_never_reach_a_gateway_are_tried_ever_more_slowly() -> None:
    """Twilio confirms each start, and no gateway has the media stream: after each 5 s the next
    start is delayed, longer with each failure in a row."""
    world = wanted_call()
    starts: list[int] = []
    for _ in range(100):
        if world.commands:
            starts += [world.now] if isinstance(world.commands[0], StartDuplicateStream) else []
            world.carry_out(Deed(socket=False))
            world.deliver_all()
        else:
            world.tick()

    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert [6_000, 6_000, 7_000, 9_000, 13_000, 20_000, 20_000] == pauses[:7]


def test_a_stream_that_a_crash_removed_from_the_state_is_adopted() -> None:
    """Its generation was requested before the crash, and is still wanted."""
    world = wanted_call(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.open_socket("MZ2", 2, "g1")
    world.deliver("g1")
    world.commands.clear()
    world.crash(1, calls_first=True)
    world.behave(10)

    assert ["MZ2"] == world.of_state("running") == list(world.sockets)


def test_a_later_generation_that_is_not_wanted_is_stopped_and_counted_on_from() -> None:
    """The next one must not have its name."""
    world = wanted_call(seconds=1)
    world.open_socket("MZ7", 7, "g1")
    world.behave(3)
    world.close(next(iter(world.sockets)), "dropped")
    world.deliver_all()

    assert 8 == world.issued[-1].generation


def test_a_leg_that_becomes_known_is_started_at_once() -> None:
    """A start sent without a call SID is followed by one with it as soon as an event names it; and
    by another if an event corrects it."""
    world = World(leg=None)
    world.want()
    world.deliver_all()
    world.carry_out()
    world.deliver_all()
    for leg in (CUSTOMER_LEG, "CAother"):
        world.leg = leg
        world.publish_call()
        world.deliver_all()

    assert [None, CUSTOMER_LEG, "CAother"] == [c.call_sid for c in world.issued]
    assert [1, 2, 3] == [attempt_of(c) for c in world.issued]


def test_delivering_everything_again_changes_nothing() -> None:
    """Every record of a call is delivered again, in order: no command and no report follows."""
    world = unwanted_call(wanted_call(seconds=20))
    world.behave(5)
    state, issued, changes = world.state, list(world.issued), list(world.changes)
    for at, record in list(world.handled):
        world.handle(at, record)

    assert (state, issued, changes) == (world.state, world.issued, world.changes)


def test_a_running_stream_keeps_the_reason_that_started_it() -> None:
    """The decision may get another reason meanwhile; one without a reason gets the present one."""
    running = replace(
        new_stream(1, StreamState.RUNNING, Reason("started: first", "first"), 0),
        call_sid=CUSTOMER_LEG,
    )
    found = replace(running, generation=0, reason="", reason_code="")
    state = replace(unknown_call(TASK), desired=True, media_streams=(running, found))
    demand = Demand(True, Reason("started: second", "second"), 1, call_sid=CUSTOMER_LEG)

    after, commands = reconcile(state, demand, 1_000)

    assert (running, replace(found, reason="started: second", reason_code="second")) == (
        after.media_streams
    )
    assert () == commands


def test_a_stream_that_twilio_has_started_is_not_started_on_another_leg() -> None:
    """Neither before it reaches a gateway nor afterwards."""
    reason = Reason("started: first", "first")
    running = replace(new_stream(1, StreamState.RUNNING, reason, 0), call_sid=CUSTOMER_LEG)
    answered = replace(
        running, state=StreamState.STARTING, phase=StreamPhase.ANSWERED, due_at=9_000
    )
    for media_stream in (running, answered):
        state = replace(unknown_call(TASK), desired=True, media_streams=(media_stream,))
        demand = Demand(True, reason, 1, call_sid="CAother")
        assert (state, ()) == reconcile(state, demand, 1_000)


def test_only_a_repeated_attempt_on_a_leg_that_was_streamed_expires_early() -> None:
    """A ringing leg has half a minute each time; so has the first start after a lost stream."""
    ringing = wanted_call(direction="outbound")
    ringing.now += START_EXPIRY_MS
    ringing.carry_out(Deed(done=False, outcome="expired", code=21220, attempts=30))
    ringing.deliver_all()
    lost = wanted_call(seconds=20)
    lost.close(next(iter(lost.sockets)), "dropped")
    lost.deliver_all()

    lasting = [[c.expires_at - c.issued_at for c in world.issued] for world in (ringing, lost)]
    assert [[START_EXPIRY_MS, START_EXPIRY_MS]] * 2 == lasting


def test_the_second_attempt_on_a_leg_that_was_streamed_expires_early() -> None:
    """The leg has most likely hung up."""
    world = wanted_call(seconds=20)
    world.hang_up()
    world.behave(60)
    of_second = [c for c in world.issued if c.generation == 2]
    lasting = {attempt_of(c): c.expires_at - c.issued_at for c in of_second}
    assert (START_EXPIRY_MS, PROBE_EXPIRY_MS) == (lasting[1], lasting[2])


def test_a_demand_begins_a_media_stream_unless_it_states_otherwise() -> None:
    """One that must not begin starts nothing."""
    demand = Demand(True, Reason("started: first", "first"), 1, call_sid=CUSTOMER_LEG)
    _, commands = reconcile(unknown_call(TASK), demand, 1_000)
    _, none = reconcile(unknown_call(TASK), replace(demand, begins=False), 1_000)
    assert ([1], ()) == ([command.generation for command in commands], none)
