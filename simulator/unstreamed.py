"""Calls that Twilio does not stream, and of which Twilio has a recording of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator.openings import dialled
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


UNSTREAMED = (recovered,)


def recovery_settings(cases: Iterable[Callable[[UnusualCall], None]]) -> Mapping[str, str]:
    """Return the settings, without the prefix of their names, with which a pipeline recovers the
    calls that are not streamed. They are empty if no case has such a call."""
    if not set(UNSTREAMED).intersection(cases):
        return {}
    return {"RECOVERY": "missing", "RECOVERY_DELAY_SECONDS": "1"}


def record_unstreamed_only(recorded: RecordedConferences, scripts: Sequence[Script]) -> None:
    """Let Twilio record only the calls of these scripts that must be recovered. If there is none,
    change nothing."""
    if not any(script.expectation.is_recovered for script in scripts):
        return
    every = [*scripts, *(script.beside for script in scripts if script.beside is not None)]
    for script in every:
        if not script.expectation.is_recovered:
            recorded.quirks[script.task_sid] = RecordingQuirk.NONE
