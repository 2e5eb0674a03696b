"""Events that were added from Twilio's lists are never too late."""

from dataclasses import replace

from pipeline.calls.added import ADDED, SHARD, is_added
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS, Applied, TooLate, apply_event
from schemas.records import Call, CtiEvent, ForgottenCall
from tests.pipeline.calls.histories import T0, TASK, inbound

DAY = 24 * 3_600_000


def added(event: CtiEvent, at: int) -> CtiEvent:
    return replace(event, kinesis_stream="", shard_id=SHARD, arrived_at=at)


def story() -> list[CtiEvent]:
    accepted = inbound().reservation("created", 1_000, "ann").reservation("accepted", 2_000, "ann")
    return list(accepted.events)


def test_an_added_event_opens_a_call_that_is_not_known() -> None:
    """Days after it happened, when a delivered event would be refused."""
    accepted = story()[-1]
    at = T0 + 9 * DAY
    assert isinstance(apply_event(None, replace(accepted, arrived_at=at), at), TooLate)
    applied = apply_event(None, added(accepted, at), at)
    assert isinstance(applied, Applied)
    assert isinstance(applied.news, Call)
    assert {ADDED: at} == {k: v for k, v in applied.news.milestones.items() if k == ADDED}


def test_an_added_event_brings_a_forgotten_call_back() -> None:
    """A delivered one does not."""
    at = T0 + 2 * FORGOTTEN_AFTER_MS
    mark = ForgottenCall(TASK, T0 + 30_000, at - 1)
    accepted = story()[-1]
    assert isinstance(apply_event(mark, replace(accepted, arrived_at=at), at), TooLate)
    applied = apply_event(mark, added(accepted, at), at)
    assert isinstance(applied, Applied)
    assert isinstance(applied.state, Call)


def test_an_event_from_kinesis_is_not_added() -> None:
    """Whatever its shard is called."""
    event = story()[0]
    assert not is_added(event)
    assert not is_added(replace(event, kinesis_stream="flex-events", shard_id=SHARD))
    assert is_added(added(event, T0))


def test_order_and_repetition_of_added_events_do_not_matter() -> None:
    """Also beside delivered ones of the same content."""
    events = [*story(), *(added(event, T0 + DAY) for event in story())]
    results = []
    for order in (events, list(reversed(events)), [*events, *events]):
        state: object = None
        for event in order:
            applied = apply_event(state, event, T0 + DAY)  # type: ignore[arg-type]
            assert isinstance(applied, Applied)
            state = applied.state
        assert isinstance(state, Call)
        results.append(replace(state, revision=0, cause_event_id="", cause_type="", cause_at=0))
    assert results[0] == results[1] == results[2]
