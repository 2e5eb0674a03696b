"""Events in the usual form of a Twilio account, or in the other."""

from simulator.cases import inbound_monitored, scripts
from simulator.envelopes import as_written
from simulator.events import Account
from simulator.script import EventSent, Json
from simulator.unlike import NONE, Unlike

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)


def _events() -> list[Json]:
    (script,) = scripts([inbound_monitored], 1_700_000_000_000, 0, ACCOUNT, 3)
    return [step.action.event for step in script.steps if isinstance(step.action, EventSent)]


def test_events_are_written_both_ways() -> None:
    """Times as text or as epoch seconds, the envelope with or without `time`."""
    event = next(event for event in _events() if "payload" in event["data"])
    assert event == as_written(event, NONE)
    other = as_written(event, frozenset({Unlike.EVENT_TIMES, Unlike.EVENT_ENVELOPE}))
    assert not {"time", "datacontenttype"} & other.keys()
    times = {other["data"]["timestamp"], other["data"]["payload"]["timestamp"]}
    assert {1_700_000_000} == {at // 10 * 10 for at in times}
