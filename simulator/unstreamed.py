"""Calls that are not streamed, and of which Twilio has a recording of its own: Twilio refuses to
stream one, and delivers no event of another."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator.openings import conversation_begins, dialled
from simulator.people import ANN
from simulator.recorded import RecordedConferences, RecordingQuirk
from simulator.script import Script
from simulator.unusual import UnusualCall


def recovered(call: UnusualCall) -> None:
    """Outbound, not streamed: recovered from Twilio's recording"""
    call.is_not_streamed()
    dialled(call)
    call.wait(500)
    call.rings(listed=False)
    call.wait(2500)
    call.answered()
    call.records(ANN)
    call.wait(5500)
    call.hang_up()


def undelivered(call: UnusualCall) -> None:
    """Inbound, no event delivered: found in TaskRouter's list, recovered"""
    call.is_not_delivered()
    conversation_begins(call)
    call.wait(5500)
    call.hang_up()


UNSTREAMED = (recovered, undelivered)
RECOVERY = {"RECOVERY": "missing", "RECOVERY_DELAY_SECONDS": "1"}
RECONCILIATION = {"RECONCILE_EVERY_SECONDS": "5", "RECONCILE_SETTLING_SECONDS": "8"}
"""Events of the demo are at most a second late."""


def recovery_settings(cases: Iterable[Callable[[UnusualCall], None]]) -> Mapping[str, str]:
    """Return the settings, without the prefix of their names, with which a pipeline finds and
    recovers the calls that are not streamed. They are empty if no case has such a call."""
    chosen = set(UNSTREAMED).intersection(cases)
    return (RECOVERY if chosen else {}) | (RECONCILIATION if undelivered in chosen else {})


def record_unstreamed_only(recorded: RecordedConferences, scripts: Sequence[Script]) -> None:
    """Let Twilio record only the calls of these scripts that must be recovered. If there is none,
    change nothing."""
    if not any(script.expectation.is_recovered for script in scripts):
        return
    every = [*scripts, *(script.beside for script in scripts if script.beside is not None)]
    for script in every:
        if not script.expectation.is_recovered:
            recorded.quirks[script.task_sid] = RecordingQuirk.NONE
