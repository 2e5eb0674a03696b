"""The stream manager's core: from versions of calls to decisions, commands and states."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.monitored_list import PolicyHistory
from pipeline.recordings.decisions import Decisions
from pipeline.streams.manager import Next, on_own, on_record, on_tick
from schemas.codec import decode, encode
from schemas.records import (
    Call,
    CallStreams,
    FindConference,
    LegCheck,
    MediaStreamChanged,
    MediaStreamOpened,
    RecordingDecided,
    RecordingPolicy,
    Reservation,
    StartDuplicateStream,
    StopDuplicateStream,
)
from tests.pipeline.streams.calls import (
    ANN,
    BOB,
    CAROL,
    CUSTOMER_LEG,
    TASK,
    call,
    listed,
    reservation,
    transfer,
)

FORGET_MS = 5 * 60 * 60_000
T = 1_000_000
HISTORY = PolicyHistory.of([RecordingPolicy(1, 0, 0, (ANN, CAROL), True, True)])
ACTIVE = reservation(ANN, created=T, accepted=T)
GONE = reservation(ANN, created=T, accepted=T, wrapup=T + 5_000)


def _seen(state: CallStreams | None, version: Call, now: int) -> Next:
    return on_record(TASK, state, version, HISTORY, now)


def _running(version: Call) -> CallStreams:
    state = _seen(None, version, T).state
    opened = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, "name", 1, "g1", 1, T)
    state = on_record(TASK, state, opened, HISTORY, T + 10).state
    assert state is not None
    return replace(state, legs=(LegCheck(CUSTOMER_LEG, "confirmed", 1, T, None, ()),))


def test_an_accepted_call_is_decided_and_started_in_one_step() -> None:
    """Decision first, then the command with all evidence of the leg, then the stream's state."""
    outputs = _seen(None, call(ACTIVE, customer="+15550100"), T).outputs

    decided, start, changed = outputs
    assert isinstance(decided, RecordingDecided)
    assert isinstance(start, StartDuplicateStream)
    assert isinstance(changed, MediaStreamChanged)
    assert ("record", 1) == (decided.decision, decided.policy_version)
    assert (CUSTOMER_LEG, 1, "inbound") == (start.call_sid, start.generation, start.direction)
    assert {ANN, "wkann", "wrann"} <= set(start.worker_marks)
    assert {"customer", CUSTOMER_LEG.lower()} <= set(start.customer_marks)
    assert (("tel:15550100",), (f"client:{ANN}",)) == (start.customer_ends, start.worker_ends)
    assert ("starting", decided.reason) == (changed.state, changed.reason)


def test_an_outbound_call_is_started_without_a_leg() -> None:
    """Once Twilio lists a conference: the adapter searches it for the leg."""
    step = _seen(None, call(ACTIVE, direction="outbound", customer_call_sid=None), T)
    assert not [t for t in step.outputs if isinstance(t, StartDuplicateStream | MediaStreamChanged)]
    [find] = [t for t in step.outputs if isinstance(t, FindConference)]
    outputs = on_record(TASK, step.state, listed(find, T + 50), HISTORY, T + 50).outputs

    start = next(t for t in outputs if isinstance(t, StartDuplicateStream))
    assert (None, "outbound") == (start.call_sid, start.direction)


def test_the_leaving_of_the_last_agent_stops_the_stream() -> None:
    """One stop, with the reason that the decision has."""
    outputs = _seen(_running(call(ACTIVE)), call(GONE, revision=2), T + 5_100).outputs

    decided, stop, _ = outputs
    assert isinstance(stop, StopDuplicateStream)
    assert "stopped: last monitored agent left" == decided.reason == stop.reason
    assert "MZ1" == stop.stream_sid


def test_a_transfer_between_monitored_agents_keeps_the_one_stream() -> None:
    """Neither the leaving nor the second acceptance sends a command or a decision."""
    carol = reservation(CAROL, created=T + 4_000)
    there = reservation(CAROL, created=T + 4_000, accepted=T + 9_000)
    state = _running(call(ACTIVE))
    outputs: list[object] = []
    begun = (transfer(initiated=T + 3_900),)
    for revision, parties in enumerate([(ACTIVE, carol), (GONE, carol), (GONE, there)], 2):
        version = call(*parties, revision=revision, transfers=begun)
        step = _seen(state, version, T + 3_000 * revision)
        assert step.state is not None
        state, outputs = step.state, [*outputs, *step.outputs]

    assert [] == outputs


def test_no_time_passes_while_a_partition_is_read_again() -> None:
    """After a crash the manager's own record of 9 s is read before the call's version of 6 s. By
    that version the transfer is over, and nothing stops."""
    begun = (transfer(initiated=T + 3_900),)
    state = _running(call(ACTIVE))
    state = _seen(state, call(GONE, revision=2, transfers=begun), T + 5_100).state
    assert state is not None
    own = MediaStreamChanged(TASK, 2, None, None, None, "starting", "", T + 9_000)

    assert () != on_tick(state, HISTORY, own.at).outputs
    assert Next(state) == on_own(state, own, HISTORY)


def test_a_leaving_during_a_transfer_that_is_learned_late_gets_its_second() -> None:
    """The second in which a reservation may follow begins when the leaving is known, and ends."""
    begun = (transfer(initiated=T + 3_900),)
    state = _running(call(ACTIVE, transfers=begun))
    late = _seen(state, call(GONE, revision=2, transfers=begun), T + 10_000)
    assert [] == [t for t in late.outputs if isinstance(t, RecordingDecided | StopDuplicateStream)]
    assert late.state is not None
    early = on_tick(late.state, HISTORY, T + 10_999)
    assert [] == [t for t in early.outputs if isinstance(t, RecordingDecided | StopDuplicateStream)]
    decided, stop, _ = on_tick(late.state, HISTORY, T + 11_000).outputs
    assert isinstance(decided, RecordingDecided)
    assert isinstance(stop, StopDuplicateStream)


def test_the_second_of_a_transfer_begins_anew_after_each_agent() -> None:
    """If an agent joined in between, the time without a worker on the call is over."""
    carol = reservation(CAROL, created=T + 20_000, accepted=T + 21_000)
    carol_left = reservation(CAROL, created=T + 20_000, accepted=T + 21_000, wrapup=T + 30_000)
    second = transfer("TT2", initiated=T + 29_000)
    state: CallStreams | None = _running(call(ACTIVE))
    for now, version in [
        (T + 5_100, call(GONE, revision=2)),
        (T + 21_100, call(GONE, carol, revision=3)),
        (T + 36_000, call(GONE, carol_left, revision=4, transfers=(second,))),
    ]:
        step = _seen(state, version, now)
        state = step.state
    assert [] == [t for t in step.outputs if isinstance(t, RecordingDecided)]


def test_a_recording_that_began_before_a_crash_is_stopped_for_its_readers() -> None:
    """A tick decided to record; after the crash the call's last version is read before that
    decision: readers of decisions must learn that the recording is over."""
    state = _seen(None, call(GONE, revision=2), T + 6_000).state
    assert state is not None
    begun = RecordingDecided(TASK, T + 4_000, "record", "monitored agent is active", 1)

    [stopped] = [
        t for t in on_own(state, begun, HISTORY).outputs if isinstance(t, RecordingDecided)
    ]
    assert "stop" == stopped.decision
    ended = replace(begun, decision="stop")
    assert Next(state) == on_own(state, ended, HISTORY)


def test_an_outbound_call_without_a_leg_is_not_started_on_a_stray_stream() -> None:
    """A gateway reported a media stream of another leg of the call: no start uses this leg."""
    stray = MediaStreamOpened("MZ9", "CAstray", TASK, None, 0, "g1", 1, T)
    version = call(ACTIVE, direction="outbound", customer_call_sid=None)
    state = on_record(TASK, None, stray, HISTORY, T).state
    step = _seen(state, version, T + 100)

    [find] = [t for t in step.outputs if isinstance(t, FindConference)]
    outputs = on_record(TASK, step.state, listed(find, T + 150), HISTORY, T + 150).outputs
    assert [None] == [t.call_sid for t in outputs if isinstance(t, StartDuplicateStream)]


def test_an_older_version_changes_nothing() -> None:
    """It is read again after a crash: the state stays the same, and no output follows."""
    state = _running(call(GONE, revision=2))
    step = _seen(state, call(ACTIVE, revision=1), T + 6_000)

    assert step.state is state
    assert () == step.outputs


def test_a_tick_from_the_past_changes_nothing() -> None:
    """Ticks wait on their topic while a process is away: a list that was in force before the call
    must not decide about it."""
    history = PolicyHistory.of([RecordingPolicy(1, 0, T - 10, (ANN,), True, True)])
    state = on_record(TASK, None, call(ACTIVE), history, T).state
    assert state is not None

    assert Next(state) == on_tick(state, history, T - 100)


def test_a_call_is_forgotten_hours_after_its_end() -> None:
    """Not before, and never while a media stream of it is not over."""
    state = _seen(None, call(reservation(BOB, created=T, accepted=T, wrapup=T + 1)), T + 2).state
    assert state is not None

    assert on_tick(state, HISTORY, T + FORGET_MS).state is state
    assert on_tick(state, HISTORY, T + 2 + FORGET_MS).state is None


def test_a_stream_of_an_unknown_call_is_stopped() -> None:
    """A gateway accepted a media stream that was not requested here."""
    opened = MediaStreamOpened("MZ9", CUSTOMER_LEG, TASK, None, 3, "g1", 1, T)
    outputs = on_record(TASK, None, opened, HISTORY, T).outputs

    assert ["MZ9"] == [t.stream_sid for t in outputs if isinstance(t, StopDuplicateStream)]


@given(st.permutations([0, 1, 2, 3]), st.lists(st.integers(0, 3), max_size=4))
def test_versions_in_any_order_lead_to_the_latest_decision(
    order: list[int], again: list[int]
) -> None:
    """The newest version determines the state, in any order and with any repetition."""
    versions = [
        call(reservation(ANN, created=T)),
        call(ACTIVE, revision=2),
        call(ACTIVE, reservation(BOB, created=T + 100, accepted=T + 200), revision=3),
        call(GONE, reservation(BOB, created=T + 100, accepted=T + 200), revision=4),
    ]
    state: CallStreams | None = None
    for index in (*order, *again):
        state = _seen(state, versions[index], T + 6_000).state

    assert state is not None
    assert (4, False) == (state.revision, state.desired)
    assert state == decode(encode(state))


@given(st.lists(st.integers(0, 1), min_size=2, max_size=8))
def test_decisions_of_one_moment_are_distinguishable(steps: list[int]) -> None:
    """Kafka gives records that it appends together one timestamp: each decision that they bring has
    an `at` of its own, in order, and a record that comes again changes nothing."""
    agents = [f"agent{number}@example.com" for number in range(len(steps))]
    history = PolicyHistory.of([RecordingPolicy(1, 0, 0, tuple(agents), True, True)])
    gone: tuple[Reservation, ...] = ()
    state: CallStreams | None = None
    decided: list[RecordingDecided] = []
    for number, agent in enumerate(agents):
        now = T + sum(steps[:number])
        there = reservation(agent, created=T, accepted=T)
        here = call(*gone, there, revision=2 * number + 1)
        gone = (*gone, reservation(agent, created=T, accepted=T, wrapup=now))
        for version in (here, call(*gone, revision=2 * number + 2)):
            step = on_record(TASK, state, version, history, now)
            state = step.state
            decided += [t for t in step.outputs if isinstance(t, RecordingDecided)]
            assert on_record(TASK, state, version, history, now) == Next(state)
    times = [each.at for each in decided]
    assert len(decided) > 1
    assert times == sorted(set(times))
    known = Decisions()
    assert all(known.add(each, n, T) for n, each in enumerate(decided))


def test_a_stopped_stream_waits_for_the_next_agent_to_accept() -> None:
    """A called agent is not active yet: the stopped stream starts again once the agent accepts."""
    stopped = _seen(_running(call(ACTIVE)), call(GONE, revision=2), T + 5_100).state
    assert stopped is not None

    ringing = _seen(
        stopped, call(GONE, reservation(CAROL, created=T + 5_500), revision=3), T + 6_000
    )
    carol = reservation(CAROL, created=T + 5_500, accepted=T + 9_000)
    talking = _seen(ringing.state, call(GONE, carol, revision=4), T + 9_100)

    assert not [
        t for t in ringing.outputs if isinstance(t, StartDuplicateStream | RecordingDecided)
    ]
    assert [2] == [t.generation for t in talking.outputs if isinstance(t, StartDuplicateStream)]
