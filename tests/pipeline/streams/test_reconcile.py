"""The reconciler against a world that does what it likes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pipeline.streams.reconcile import START_EXPIRY_MS, reconcile
from schemas.records import StartDuplicateStream, StopDuplicateStream
from tests.pipeline.streams.world import UNWANTED, WANTED, World

SETTLING_SECONDS = 60


def _wanted(seconds: int = 0) -> World:
    world = World(demand=WANTED)
    world.look()
    if seconds:
        world.behave(seconds)
    return world


class AnythingGoes(RuleBasedStateMachine):
    """Whatever the adapter, Twilio and the gateways did before: once they behave, exactly one media
    stream runs where one is wanted, and none where none is."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(wanted=st.sampled_from([True, True, False]), seconds=st.integers(0, 12))
    def begin(self, wanted: bool, seconds: int) -> None:
        self.decide(wanted)
        self.world.behave(seconds)

    @rule(seconds=st.integers(1, 3))
    def all_goes_well(self, seconds: int) -> None:
        self.world.behave(seconds)

    @rule(wanted=st.booleans())
    def decide(self, wanted: bool) -> None:
        self.world.demand = WANTED if wanted else UNWANTED
        self.world.look()

    @rule(ms=st.sampled_from([50, 1_000, 6_000, 40_000]))
    def time_passes(self, ms: int) -> None:
        self.world.tick(ms)

    @rule(
        outcome=st.sampled_from(["done", "done", "failed", "expired", "superseded"]),
        answer=st.booleans(),
        socket=st.booleans(),
    )
    def carry_out(self, outcome: str, answer: bool, socket: bool) -> None:
        self.world.carry_out(outcome, answer=answer, socket=socket)

    @rule()
    def lose_a_command(self) -> None:
        if self.world.commands:
            self.world.commands.popleft()

    @rule()
    def hear(self) -> None:
        self.world.hear()

    @rule()
    def hear_twice(self) -> None:
        if self.world.events:
            self.world.apply(self.world.events[0][1])
            self.world.hear()

    @rule(generation=st.integers(0, 4), gateway=st.sampled_from(["g1", "g2"]))
    def a_stranger_opens(self, generation: int, gateway: str) -> None:
        self.world.open_socket(generation, gateway=gateway)

    @rule(reason=st.sampled_from(["stop", "dropped"]), which=st.integers(0, 3))
    def a_socket_closes(self, reason: str, which: int) -> None:
        if len(self.world.sockets) > which:
            self.world.close(list(self.world.sockets)[which], reason)

    @rule(gateway=st.sampled_from(["g1", "g2"]))
    def a_gateway_dies(self, gateway: str) -> None:
        self.world.kill_gateway(gateway)

    def teardown(self) -> None:
        world = self.world
        world.behave(SETTLING_SECONDS)
        expected = 1 if world.demand.desired else 0
        assert expected == len(world.sockets), (world.sockets, world.state.media_streams)
        assert list(world.sockets) == world.of_state("running")
        # At rest nothing moves any more.
        assert (world.state, ()) == reconcile(world.state, world.demand, world.now)


AnythingGoes.TestCase.settings = settings(max_examples=250, stateful_step_count=12, deadline=None)
TestAnythingGoes = AnythingGoes.TestCase


def test_a_wanted_stream_is_started_once_and_then_left_alone() -> None:
    """One start command, one running media stream, and nothing more as time goes by."""
    world = _wanted(seconds=100)

    assert ["start:" + world.state.task_sid + ":1:1"] == [c.command_id for c in world.issued]
    assert ["starting", "running"] == list(dict.fromkeys(t.state for t in world.told))


def test_an_unwanted_stream_is_stopped_by_its_sid() -> None:
    """The stop names the media stream that a gateway reported, and its end is told."""
    world = _wanted(seconds=1)
    running = world.of_state("running")
    world.demand = UNWANTED
    world.look()
    stop = world.issued[-1]
    world.behave(1)

    assert isinstance(stop, StopDuplicateStream)
    assert running == [stop.stream_sid]
    assert ["stopping", "stopped"] == [t.state for t in world.told[-2:]]
    assert "stopped: last monitored agent left" == world.told[-1].reason


def test_a_dropped_socket_is_followed_at_once_by_the_next_generation() -> None:
    """No waiting for a tick: the report of the drop itself starts the next media stream."""
    world = _wanted(seconds=20)
    world.close(next(iter(world.sockets)), "dropped")
    world.hear()

    start = world.issued[-1]
    assert isinstance(start, StartDuplicateStream)
    assert 2 == start.generation


def test_streams_of_a_dead_gateway_are_started_again_at_once() -> None:
    """A gateway that announces a new epoch has none of its earlier media streams."""
    world = _wanted(seconds=20)
    world.kill_gateway("g1")
    world.hear()

    assert 2 == world.issued[-1].generation
    assert ["stopped", "starting"] == [m.state for m in world.state.media_streams]


def test_a_ringing_leg_goes_on_being_asked_for() -> None:
    """Each command that expires is followed by the next attempt, for as long as it rings, and none
    of them makes a new generation."""
    world = _wanted()
    for _ in range(10):
        world.tick(START_EXPIRY_MS)
        while world.commands:
            world.carry_out("expired")
        while world.events:
            world.hear()

    assert {1} == {c.generation for c in world.issued}
    assert 11 == len({c.command_id for c in world.issued})


def test_a_start_that_never_reaches_a_gateway_fails_and_is_stopped_by_name() -> None:
    """Twilio said yes, no gateway has it 5 s later: stop it, start the next."""
    world = _wanted()
    world.carry_out(socket=False)
    world.hear()
    world.tick(5_000)

    stop, start = world.issued[-2:]
    assert isinstance(stop, StopDuplicateStream)
    assert stop.name is not None
    assert 2 == start.generation
    assert "failed" == world.state.media_streams[0].state


def test_a_second_socket_of_one_generation_is_stopped_by_its_sid() -> None:
    """The first one reported is the one; the other is a media stream too many."""
    world = _wanted(seconds=1)
    extra = world.open_socket(1)
    world.hear()

    stop = world.issued[-1]
    assert isinstance(stop, StopDuplicateStream)
    assert (0, extra) == (stop.generation, stop.stream_sid)


def test_a_leg_that_becomes_known_is_asked_for_at_once() -> None:
    """A start sent without a call SID is followed by one with it as soon as an event tells it."""
    world = World(demand=WANTED.__class__(desired=True, reason="r", policy_version=1))
    world.look()
    world.demand = WANTED
    world.look()

    first, second = world.issued
    assert isinstance(second, StartDuplicateStream)
    assert (None, WANTED.call_sid) == (first.call_sid, second.call_sid)
    assert first.command_id != second.command_id
