"""Calls that Twilio does not stream, and records itself."""

from random import Random

import pytest

from simulator.cases import inbound_monitored, scripts
from simulator.events import Account
from simulator.recorded import RecordedConferences, RecordingStatus
from simulator.script import EventSent, Script, Sids
from simulator.unstreamed import (
    record_unstreamed_only,
    recovered,
    recovery_settings,
    undelivered,
)
from simulator.unusual_tasks import leg_of_another_call
from simulator.world import ApiError, World

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
LATER = BEGIN + 600_000


def played(*made: Script) -> World:
    """Return a world in which these calls, and those beside them, are over."""
    world = World(Sids(Random(1)))
    for script in made:
        for each in filter(None, (script, script.beside)):
            for step in each.steps:
                world.apply(step.action, step.at, seed=each.task_sid, line=each.line)
    return world


def test_every_media_stream_of_the_call_is_refused() -> None:
    """On each leg in progress, from the beginning to the end; other calls are streamed."""
    for case, is_refused in ((recovered, True), (inbound_monitored, False)):
        [script] = scripts([case], BEGIN, 0, ACCOUNT, 1)
        world, form = World(Sids(Random(1))), {"Url": "wss://example.com/media"}
        for step in script.steps:
            world.apply(step.action, step.at, seed=script.task_sid, line=script.line)
            leg = str(script.customer_call_sid)
            if leg not in world.legs or world.scene(leg) is None:
                continue
            if is_refused:
                with pytest.raises(ApiError, match="not allowed"):
                    world.start_media_stream(leg, form, step.at)
            else:
                world.start_media_stream(leg, form, step.at)
                break
        assert is_refused is (not world.legs[leg].media_streams)
        assert world.legs[leg].attempts
        assert is_refused is script.expectation.is_recovered


def test_no_event_of_the_call_is_delivered() -> None:
    """Its legs and its conference are there as those of any other call."""
    [script] = scripts([undelivered], BEGIN, 0, ACCOUNT, 1)
    events = [s.action for s in script.steps if isinstance(s.action, EventSent)]
    assert len(events) > 5
    assert all(event.is_lost for event in events)
    assert len(played(script).legs) == len(script.legs) == 2
    assert script.expectation.is_recovered
    assert script.expectation.is_undelivered


def test_recovery_is_set_up_for_such_calls_only() -> None:
    """Without one the pipeline has the settings that it had."""
    recovery = {"RECOVERY", "RECOVERY_DELAY_SECONDS"}
    reconciliation = {"RECONCILE_EVERY_SECONDS", "RECONCILE_SETTLING_SECONDS"}
    assert recovery == recovery_settings([recovered]).keys()
    assert recovery | reconciliation == recovery_settings([undelivered]).keys()
    assert {} == recovery_settings([inbound_monitored])


def test_twilio_records_such_calls_only() -> None:
    """Neither the other calls, nor a call that is beside one of them."""
    made = scripts([inbound_monitored, leg_of_another_call, recovered], BEGIN, 0, ACCOUNT, 1)
    recorded = RecordedConferences(played(*made))
    assert 4 == len(recorded.all(LATER))
    record_unstreamed_only(recorded, made)
    [recording] = recorded.all(LATER)
    assert RecordingStatus.COMPLETED is recording.status
    found = recorded.of_call(made[2].task_sid, made[2].customer_call_sid, LATER)
    assert found is not None
    assert recording == found.recording


def test_without_such_calls_twilio_records_all() -> None:
    """Nothing is changed."""
    made = scripts([inbound_monitored], BEGIN, 0, ACCOUNT, 1)
    recorded = RecordedConferences(played(*made))
    record_unstreamed_only(recorded, made)
    assert 1 == len(recorded.all(LATER))
