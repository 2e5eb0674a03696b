"""Tasks that are not ordinary calls, and events that strict parsers refuse."""

from simulator.openings import conversation_begins, dialled
from simulator.part import Part
from simulator.people import ANN, BEN, SUPPORT
from simulator.unusual import UnusualCall
from simulator.writing import odd_text, odd_times

CONFIGURED_CHANNEL = "custom1"
"""A task channel that the demo's pipeline is configured for, in addition to `voice`."""
OTHER_CHANNEL = "default"
FLOW = "FW" + "0" * 32


def callback(call: UnusualCall) -> None:
    """A callback task, never called"""
    _taken_callback(call)
    call.wait(9000)
    call.hang_up()


def voicemail(call: UnusualCall) -> None:
    """A voicemail task: no call at all"""
    caller = {"from": call.phone, "caller": call.phone, "recordingSid": "RE" + "0" * 32}
    call.task_without_call(SUPPORT, "inbound", taskType="voicemail", **caller)
    _taken(call)
    call.wait(9000)
    call.hang_up()


def callback_called(call: UnusualCall) -> None:
    """A callback task that becomes a call"""
    ann = _taken_callback(call)
    call.wait(3500)
    call.call_back(ann)
    call.wait(400)
    call.rings(listed=False)
    call.wait(1500)
    call.answered()
    call.records(ANN)
    call.wait(6000)
    call.hang_up()


def inbound_with_outbound_to(call: UnusualCall) -> None:
    """Outbound, though its attributes say inbound"""
    call.outbound(SUPPORT, direction="inbound")
    call.wait(200)
    ann = call.offer(ANN)
    call.wait(300)
    call.accept(ann)
    call.wait(400)
    call.rings(listed=False)
    call.wait(1500)
    call.answered()
    call.records(ANN)
    call.wait(5500)
    call.hang_up()


def configured_channel(call: UnusualCall) -> None:
    """Inbound, in another task channel that carries voice"""
    call.in_channel(CONFIGURED_CHANNEL, carries_voice=True)
    conversation_begins(call)
    call.wait(5500)
    call.hang_up()


def other_channel(call: UnusualCall) -> None:
    """Inbound, in a task channel that is not set up"""
    call.in_channel(OTHER_CHANNEL, carries_voice=False)
    call.inbound(SUPPORT)
    call.wait(400)
    ann = call.offer(ANN)
    call.wait(1000)
    call.accept(ann)
    call.wait(6000)
    call.hang_up()


def text_that_strict_parsers_refuse(call: UnusualCall) -> None:
    """Inbound, text that strict parsers refuse"""
    call.writes(odd_text(call.random))
    conversation_begins(call)
    call.wait(6000)
    call.hang_up()


def times_in_any_notation(call: UnusualCall) -> None:
    """Inbound, times in any notation"""
    call.writes(odd_times(call.random))
    conversation_begins(call)
    call.wait(6000)
    call.hang_up()


def leg_of_another_call(call: UnusualCall) -> None:
    """Names the leg of a call that only Twilio's list shows"""
    other = call.another_call()
    other.without_callbacks()
    other.without_call_callbacks()
    dialled(other)
    other.wait(400)
    other.rings(listed=False)
    other.wait(1000)
    other.answered()
    other.records(ANN)
    call.wait(3500)
    call.names_leg_of(other, SUPPORT)
    call.wait(300)
    ben = call.offer(BEN)
    call.wait(700)
    call.accept(ben)
    call.wait(6000)
    call.hang_up()
    other.wait(9000)
    other.hang_up()


def _taken_callback(call: UnusualCall) -> Part:
    call.task_without_call(
        SUPPORT,
        "outbound",
        taskType="callback",
        flow_execution_sid=FLOW,
        outbound_to=call.phone,
    )
    return _taken(call)


def _taken(call: UnusualCall) -> Part:
    call.wait(300)
    ann = call.offer(ANN)
    call.wait(700)
    call.take(ann)
    return ann


TASKS = (
    callback_called,
    leg_of_another_call,
    callback,
    voicemail,
    inbound_with_outbound_to,
    text_that_strict_parsers_refuse,
    times_in_any_notation,
    configured_channel,
    other_channel,
)
"""The longest first."""
