"""Which tasks are voice, and which of the others have calls."""

from itertools import permutations
from typing import Any

import pytest

from agents.tracker import TrackerCore
from agents.tracker_metrics import TrackerMetrics
from cli.rebuild.comparison import Folding
from pipeline.calls.channels import VOICE_CHANNELS
from pipeline.calls.view import view
from pipeline.policy.decide import decide
from pipeline.policy.monitored_list import PolicyHistory
from schemas.codec import decode, encode
from schemas.records import Call, RecordingPolicy
from schemas.states import CallState
from tests.pipeline.calls.histories import CUSTOMER_LEG, TASK, Story

EVERYBODY = PolicyHistory.of([RecordingPolicy(1, 0, 0, ("*",), True, True)])
CALL = {"direction": "inbound", "call_sid": CUSTOMER_LEG, "from": "+1555"}


def story(channel: str | None, attributes: dict[str, Any]) -> Story:
    """An agent accepts a task."""
    fields = {"task_channel_unique_name": channel, "task_attributes": attributes}
    found = Story()
    for at, step in enumerate(("created", "accepted")):
        found.reservation(step, at * 1_000, "ann", **fields)
    return found


def tracked(found: Story, channels: frozenset[str], reported: list[str] | None = None) -> Call:
    """The call after its events; `reported`: takes the channels that are reported."""
    noted = [] if reported is None else reported
    core, metrics, state = TrackerCore(channels), TrackerMetrics(noted.append), None
    for event in found.events:
        step = core.on_record(TASK, state, event, event.arrived_at)
        metrics.observe(TASK, state, event, step, event.arrived_at)
        state = step.state
    assert isinstance(state, Call)
    return state


@pytest.mark.parametrize(
    ("channels", "channel", "is_call"),
    [
        ({"voice"}, "voice", True),
        ({"voice"}, "Voice", True),
        ({"voice"}, None, True),
        ({"voice"}, "custom1", False),
        ({"voice", "custom1"}, "custom1", True),
        ({"voice", "custom1"}, "CUSTOM1", True),
        ({"voice", "custom1"}, "voice", True),
        ({"custom1"}, "voice", False),
        ({"custom1"}, "custom1", True),
        ({"custom1"}, None, True),
        ({"default"}, "chat", False),
    ],
)
def test_a_call_is_a_task_of_a_voice_channel(
    channels: set[str], channel: str | None, is_call: bool
) -> None:
    """What the tracker decides, every later reader of the record sees and decides by."""
    call = decode(encode(tracked(story(channel, CALL), frozenset(channels))))
    assert (CallState.ACTIVE if is_call else CallState.IGNORED) == call.state == view(call).state
    decision = decide(view(call), EVERYBODY, call.latest_event_at)
    assert is_call == decision.record


def test_the_order_of_events_does_not_matter() -> None:
    """The state stays a function of the set of events."""
    found = story("custom1", CALL)
    found.task("updated", 2_000, task_channel_unique_name="custom1")
    for channels in (VOICE_CHANNELS, frozenset({"custom1"})):
        states = []
        for events in permutations(found.events):
            other = Story()
            other.events[:] = events
            states.append(tracked(other, channels).state)
        assert 1 == len(set(states))


@pytest.mark.parametrize(
    ("attributes", "is_reported"),
    [
        (CALL, True),
        ({"direction": "outbound", "outbound_to": "+1555", "call_sid": CUSTOMER_LEG}, True),
        ({"direction": "outbound", "outbound_to": "+1555"}, False),
        ({"conference": {"sid": "CF" + "a" * 32}}, True),
        ({"conference": {"sid": "none"}}, False),
        ({"conference": {"participants": {"worker": CUSTOMER_LEG}}}, True),
        ({"call_sid": "CA123"}, False),
        ({"channelType": "web", "from": "somebody"}, False),
        ({}, False),
    ],
)
def test_a_call_in_another_channel_is_reported_once(
    attributes: dict[str, Any], is_reported: bool
) -> None:
    """If the task has a call or a conference."""
    reported: list[str] = []
    tracked(story("custom1", attributes).task("updated", 2_000), VOICE_CHANNELS, reported)
    assert ["custom1"] * is_reported == reported
    assert tracked(story("voice", attributes), VOICE_CHANNELS, reported).state != CallState.IGNORED
    assert ["custom1"] * is_reported == reported


def test_a_conference_that_a_callback_names_counts() -> None:
    """Its friendly name is the task."""
    reported: list[str] = []
    found = story("custom1", {}).participant("join", 3_000, CUSTOMER_LEG)
    tracked(found, VOICE_CHANNELS, reported)
    assert ["custom1"] == reported


def test_a_rebuilt_state_knows_the_channels() -> None:
    """It is the tracker's."""
    folding, channels = Folding(frozenset({"custom1"})), frozenset({"custom1"})
    found = story("custom1", CALL)
    for event in found.events:
        folding.take(TASK.encode(), encode(event), event.arrived_at)
    assert tracked(found, channels) == folding.states[TASK] == folding.ahead().states[TASK]
    assert CallState.ACTIVE == tracked(found, channels).state
