"""What an event means for a call."""

import json
from dataclasses import replace

import pytest

from pipeline.calls.events import Silent, delta
from pipeline.calls.lifetime import apply_event
from schemas.records import Call, ForgottenCall
from tests.pipeline.calls.histories import T0, TASK, inbound


def test_an_event_without_task_says_nothing() -> None:
    """It waits for a resolver; the call is not touched."""
    [created] = inbound().events
    assert Silent("no-task") == delta(replace(created, task_sid=None))


def test_an_unknown_type_says_nothing() -> None:
    """Twilio may send new events at any time."""
    [created] = inbound().events
    odd = created.body.replace("task.created", "task.painted")
    assert Silent("unknown-type") == delta(
        replace(created, type="com.twilio.taskrouter.task.painted", body=odd)
    )


def test_what_says_nothing_is_never_too_late() -> None:
    """It is let go, as ever."""
    [created] = inbound().events
    nobodys = replace(created, task_sid=None)
    assert Silent("no-task") == apply_event(ForgottenCall(TASK, None, T0), nobodys, T0)


@pytest.mark.parametrize("name", ["client_call", "internal"])
@pytest.mark.parametrize("as_text", [True, False])
def test_no_flag_is_nested_too_deep(name: str, as_text: bool) -> None:
    """A list is no flag. It may have more levels than Python can print."""
    [created] = inbound().events
    for depth in range(900, 1_010):
        data = json.loads(created.body)["data"]
        attributes = {"direction": "inbound", name: "@"}
        data["payload"]["task_attributes"] = json.dumps(attributes) if as_text else attributes
        levels = "[" * depth + "]" * depth
        quoted = '\\"@\\"' if as_text else '"@"'
        body = json.dumps({"data": data}).replace(quoted, levels)
        call = delta(replace(created, body=body))
        assert isinstance(call, Call)
        assert "inbound" == call.facts["direction"].value
