"""After any faults of Kafka, the adapter, Twilio, the gateways and the manager: once the faults
end, exactly one media stream runs if one is wanted, and none otherwise."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.streams.state import is_live
from pipeline.streams.transitions import STREAM_TRANSITIONS
from schemas.codec import decode, encode
from schemas.states import ReasonCode
from tests.examples import examples
from tests.pipeline.streams.surroundings import Deed
from tests.pipeline.streams.world import SOURCES, World

TRANSITIONS = {(t.before, t.after) for t in STREAM_TRANSITIONS}
SETTLING_TICKS = 75
"""Ticks until the state must have converged: the longest pause (60 s) and a few commands."""
REST_TICKS = 40

GATEWAYS = st.sampled_from(["g1", "g2"])
DEEDS = st.builds(
    Deed,
    done=st.sampled_from([True, True, False]),
    outcome=st.sampled_from(["done", "done", "failed", "expired", "superseded", None]),
    code=st.sampled_from([None, 21220, 503]),
    attempts=st.integers(0, 2),
    socket=st.sampled_from([True, True, False]),
)


class AnythingGoes(RuleBasedStateMachine):
    """Each rule is one fault, or one regular step."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(wanted=st.sampled_from([True, True, False]), seconds=st.integers(0, 12))
    def begin(self, wanted: bool, seconds: int) -> None:
        self.decide(wanted)
        self.world.behave(seconds)

    @rule(seconds=st.integers(1, 12))
    def all_goes_well(self, seconds: int) -> None:
        self.world.behave(seconds)

    @rule(wanted=st.booleans(), delivered=st.booleans())
    def decide(self, wanted: bool, delivered: bool = True) -> None:
        if wanted:
            self.world.want()
        else:
            self.world.unwant()
        if delivered:
            self.world.deliver_all()

    @rule(deed=DEEDS)
    def a_command_goes_wrong(self, deed: Deed) -> None:
        self.world.deliver_all()
        self.world.carry_out(deed)
        self.world.deliver_all()

    @rule(ms=st.sampled_from([50, 1_000, 6_000, 40_000]))
    def time_passes(self, ms: int) -> None:
        self.world.tick(ms)

    @rule(seconds=st.integers(2, 14))
    def only_ticks_come(self, seconds: int) -> None:
        for _ in range(seconds):
            self.world.tick()

    @rule(deed=DEEDS)
    def carry_out(self, deed: Deed) -> None:
        self.world.carry_out(deed)

    @rule()
    def lose_a_command(self) -> None:
        if self.world.commands:
            self.world.commands.popleft()

    @rule(which=st.integers(0, 5), deed=DEEDS)
    def carry_out_an_old_command_again(self, which: int, deed: Deed) -> None:
        if len(self.world.issued) > which:
            self.world.do(self.world.issued[-1 - which], deed)

    @rule(source=st.sampled_from(SOURCES))
    def deliver(self, source: str) -> None:
        self.world.deliver(source)

    @rule(which=st.integers(0, 3))
    def deliver_again(self, which: int) -> None:
        if len(self.world.handled) > which:
            self.world.handle(*self.world.handled[-1 - which])

    @rule(source=st.sampled_from(SOURCES))
    def lose_a_record(self, source: str) -> None:
        if source == "adapter" and self.world.coming[source]:
            self.world.coming[source].popleft()

    @rule(back=st.integers(0, 5), calls_first=st.booleans())
    def the_manager_crashes(self, back: int, calls_first: bool) -> None:
        self.world.crash(back, calls_first=calls_first)

    @rule(generation=st.integers(0, 4), gateway=GATEWAYS)
    def a_stranger_opens(self, generation: int, gateway: str) -> None:
        self.world.made += 1
        self.world.open_socket(f"MZ{self.world.made:032x}", generation, gateway)

    @rule(which=st.integers(0, 3), gateway=GATEWAYS)
    def a_socket_opens_late(self, which: int, gateway: str) -> None:
        if len(self.world.unopened) > which:
            self.world.open_socket(*self.world.unopened.pop(which), gateway)

    @rule(reason=st.sampled_from(["stop", "dropped", "drained"]), which=st.integers(0, 3))
    def a_socket_closes(self, reason: str, which: int) -> None:
        if len(self.world.sockets) > which:
            self.world.close(list(self.world.sockets)[which], reason)

    @rule(which=st.integers(0, 3))
    def a_socket_falls_silent(self, which: int) -> None:
        if len(self.world.sockets) > which:
            list(self.world.sockets.values())[which].mute_since = self.world.now

    @rule(which=st.integers(0, 3), milestone=st.sampled_from(["stopped", "error"]))
    def twilio_tells_of_an_end(self, which: int, milestone: str) -> None:
        if len(self.world.sockets) > which:  # whether it is true or not
            self.world.report(list(self.world.sockets)[which], milestone)

    @rule(which=st.integers(0, 3))
    def twilio_tells_that_it_could_not_connect(self, which: int) -> None:
        if len(self.world.unopened) > which:
            stream_sid, _ = self.world.unopened.pop(which)
            self.world.report(stream_sid, "error")

    @rule(gateway=GATEWAYS, back=st.booleans())
    def a_gateway_dies(self, gateway: str, back: bool) -> None:
        self.world.kill(gateway, back=back)

    @rule(gateway=GATEWAYS)
    def a_gateway_comes_up(self, gateway: str) -> None:
        self.world.come_up(gateway)

    @rule(on=st.booleans())
    def a_backlog_comes_or_goes(self, on: bool) -> None:
        self.world.hurried.on = on

    @rule(gateway=GATEWAYS, connected=st.booleans())
    def a_gateway_is_cut_off(self, gateway: str, connected: bool) -> None:
        self.world.gateways[gateway].connected = connected

    @invariant()
    def no_more_than_one_is_meant_to_run(self) -> None:
        state = self.world.state
        if state is not None and self.world.settled:
            assert sum(map(is_live, state.media_streams)) <= (1 if state.desired else 0)

    @invariant()
    def each_transition_is_in_the_table(self) -> None:
        assert self.world.transitions <= TRANSITIONS

    def teardown(self) -> None:
        world = self.world
        world.calm()
        world.behave(SETTLING_TICKS)
        expected = 1 if world.wanted else 0
        assert expected == len(world.sockets), (world.sockets, world.media_streams)
        assert list(world.sockets) == world.of_state("running")
        records = (*world.decided, *world.issued, *world.asked, *world.changes)
        assert {each.reason_code for each in records} <= set(ReasonCode)
        assert {each.cause_event_id for each in records} <= {"e", None}
        if world.state is not None:
            self._is_at_rest()

    def _is_at_rest(self) -> None:
        """No step is pending, and the known facts agree with their record."""
        world = self.world
        state, issued = world.state, len(world.issued)
        assert state == decode(encode(state))
        world.behave(REST_TICKS)
        assert world.state is state
        assert [] == world.issued[issued:]


AnythingGoes.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=20, deadline=None
)
TestAnythingGoes = AnythingGoes.TestCase
