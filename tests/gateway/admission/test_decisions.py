"""Which media streams the gateway ends because their calls are not to be recorded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission.decisions import RecordingDecisions
from schemas.records import RecordingDecided
from tests.examples import examples

T0 = 1_700_000_000_000


def decided(decision: str, at: int, task: str = "WT1", reason: str = "why") -> RecordingDecided:
    return RecordingDecided(task, at, decision, reason, 1)


def test_a_stop_ends_a_stream_three_seconds_after_it():
    """A stop ends a media stream after three seconds, with its reason. It does not end twice."""
    decisions: RecordingDecisions[str] = RecordingDecisions()
    decisions.opened("s1", "WT1", T0)
    decisions.opened("s2", "WT2", T0)
    decisions.decided(decided("stop", T0 + 1_000), 5, T0 + 1_100)
    assert [] == decisions.overdue(T0 + 3_999)
    assert [("s1", "why")] == decisions.overdue(T0 + 4_000)
    decisions.ended("s1", "WT1")
    decisions.ended("s1", "WT1")
    assert [] == decisions.overdue(T0 + 4_100)


def test_a_later_record_cancels_it():
    """Whichever of the two is read first."""
    stop, record = decided("stop", T0), decided("record", T0 + 500)
    for order in ((stop, record), (record, stop)):
        decisions: RecordingDecisions[str] = RecordingDecisions()
        decisions.opened("s1", "WT1", T0)
        for each in order:
            decisions.decided(each, 5, T0 + 600)
        assert [] == decisions.overdue(T0 + 60_000)


def test_a_decision_from_a_clock_that_is_ahead_does_not_wait():
    """It takes effect three seconds after it was read, at the latest."""
    decisions: RecordingDecisions[str] = RecordingDecisions()
    decisions.opened("s1", "WT1", T0)
    decisions.decided(decided("do-not-record", T0 + 600_000), 5, T0)
    assert [] == decisions.overdue(T0 + 2_999)
    assert [("s1", "why")] == decisions.overdue(T0 + 3_000)


def test_a_stream_that_opens_later_is_ended_once_nothing_newer_can_be_unread():
    """A decision to record it may have been written and not been read yet."""
    decisions: RecordingDecisions[str] = RecordingDecisions()
    decisions.decided(decided("stop", T0), 5, T0)
    decisions.opened("s1", "WT1", T0 + 60_000)
    decisions.read_up_to(5, T0 + 59_999)
    decisions.read_up_to(6, T0 + 90_000)
    assert [] == decisions.overdue(T0 + 70_000)
    decisions.read_up_to(5, T0 + 60_000)
    decisions.read_up_to(5, T0)
    assert [("s1", "why")] == decisions.overdue(T0 + 70_000)
    decisions.decided(decided("record", T0 + 50_000), 5, T0 + 70_000)
    assert [] == decisions.overdue(T0 + 70_001)


def test_the_partition_must_be_read_on_as_long_as_something_newer_may_be_unread():
    """Of a media stream that opened after its call was stopped. Not of one that was open before,
    nor of one that is recorded again, nor of one that is over."""
    decisions: RecordingDecisions[str] = RecordingDecisions()
    decisions.opened("early", "WT1", T0)
    decisions.decided(decided("stop", T0, "WT1"), 5, T0)
    decisions.decided(decided("record", T0, "WT2"), 6, T0)
    decisions.opened("recorded", "WT2", T0 + 9_000)
    assert frozenset() == decisions.unread()
    for task, partition in (("WT3", 7), ("WT4", 8), ("WT5", 9)):
        decisions.decided(decided("stop", T0, task), partition, T0)
        decisions.opened(task, task, T0 + 9_000)
    assert {7, 8, 9} == decisions.unread()
    decisions.read_up_to(7, T0 + 9_000)
    decisions.decided(decided("record", T0 + 8_000, "WT4"), 8, T0 + 9_100)
    decisions.ended("WT5", "WT5")
    assert frozenset() == decisions.unread()


def test_old_decisions_are_forgotten():
    """The most recently renewed ones are kept; a stream that is due is ended nevertheless."""
    decisions: RecordingDecisions[str] = RecordingDecisions(max_tasks=2)
    decisions.opened("s0", "WT0", T0)
    for number in range(3):
        decisions.decided(decided("stop", T0, f"WT{number}"), 5, T0)
    assert [("s0", "why")] == decisions.overdue(T0 + 3_000)
    decisions.read_up_to(5, T0 + 9_000)
    for number in range(3):
        decisions.opened(f"later-{number}", f"WT{number}", T0 + 4_000)
    assert {"s0", "later-1", "later-2"} == {stream for stream, _ in decisions.overdue(T0 + 9_000)}


steps = st.one_of(
    st.tuples(
        st.just("decide"),
        st.sampled_from(["WT1", "WT2"]),
        st.sampled_from(["record", "stop", "do-not-record"]),
        st.integers(-6_000, 6_000),
    ),
    st.tuples(st.just("open"), st.sampled_from(["WT1", "WT2"])),
    st.tuples(st.just("end"), st.integers(0, 20)),
    st.tuples(st.just("read"), st.integers(-3_000, 0)),
)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(steps, st.integers(0, 4_000)), max_size=40))
def test_exactly_the_streams_of_calls_not_to_be_recorded_are_ended(given_steps):
    """Against the whole history, in any order, with a clock that goes forward."""
    decisions: RecordingDecisions[int] = RecordingDecisions()
    history: list[tuple[int, RecordingDecided, int]] = []
    streams: dict[int, tuple[str, int]] = {}
    read, now = 0, T0
    for number, (step, pause) in enumerate(given_steps):
        now += pause
        match step:
            case ("decide", task, decision, shift):
                record = decided(decision, now + shift, task, f"reason {number}")
                history.append((record.at, record, now))
                decisions.decided(record, 5, now)
            case ("open", task):
                streams[number] = task, now
                decisions.opened(number, task, now)
            case ("end", which):
                task, _ = streams.pop(which, ("WT1", 0))
                decisions.ended(which, task)
            case ("read", shift):
                read = max(read, now + shift)
                decisions.read_up_to(5, now + shift)
        expected = {
            stream: reason
            for stream, (task, opened_at) in streams.items()
            if (reason := due(history, task, opened_at, read, now)) is not None
        }
        assert expected == dict(decisions.overdue(now))


def due(history, task, opened_at, read, now) -> str | None:
    """The reason to end a stream of the task, from all that was decided."""
    latest = None
    for at, record, known_at in history:
        if record.task_sid == task and (latest is None or at >= latest[0].at):
            repeated = latest is not None and (at, record.decision) == (
                latest[0].at,
                latest[0].decision,
            )
            latest = latest if repeated else (record, known_at)
    if latest is None or latest[0].decision == "record":
        return None
    record, known_at = latest
    if now < min(record.at, known_at) + 3_000:
        return None
    if opened_at > known_at and read < opened_at:
        return None
    return record.reason


def test_a_corrected_clock_keeps_the_order_of_sockets_and_records():
    """The gateway began with its machine's clock, an hour ahead; then it measured the log's."""
    decisions: RecordingDecisions[str] = RecordingDecisions()
    hour = 3_600_000
    decisions.decided(decided("stop", T0), 5, T0 + hour)
    decisions.opened("s1", "WT1", T0 + hour + 10)
    decisions.clock_jumped(-hour)
    decisions.read_up_to(5, T0 + 9)
    assert [] == decisions.overdue(T0 + 4_000)
    decisions.read_up_to(5, T0 + 10)
    assert [("s1", "why")] == decisions.overdue(T0 + 4_000)
