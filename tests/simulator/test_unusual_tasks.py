"""Unusual tasks."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from simulator import unusual_tasks
from simulator.cases import scripts
from simulator.events import Account
from simulator.script import EventSent, Json, Script

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000


def _script(case: Any, seed: int = 1) -> Script:
    return scripts([case], BEGIN, 0, ACCOUNT, seed)[0]


def _actions(script: Script, kind: type) -> Sequence[Any]:
    return [step.action for step in script.steps if isinstance(step.action, kind)]


def _attributes(script: Script) -> list[Json]:
    payloads = [sent.event["data"].get("payload") for sent in _actions(script, EventSent)]
    return [json.loads(p["task_attributes"]) for p in payloads if p]


@pytest.mark.parametrize("case", [unusual_tasks.callback, unusual_tasks.voicemail])
def test_a_task_without_a_call_has_no_legs(case: Any) -> None:
    """And few requests are allowed, none of which finds anything."""
    script = _script(case)
    assert ((), None) == (script.legs, script.customer_call_sid)
    assert (8, "unanswered") == (
        script.expectation.most_requests,
        script.expectation.outcome,
    )
    assert not any("call_sid" in attributes for attributes in _attributes(script))


def test_direction_and_channel_are_as_stated() -> None:
    """Inbound with `outbound_to` is outbound; the channel is the events'."""
    script = _script(unusual_tasks.inbound_with_outbound_to)
    attributes = _attributes(script)[0]
    assert ("inbound", "outbound") == (attributes["direction"], script.expectation.direction)
    assert attributes["outbound_to"] == script.expectation.customer
    for case, channel in ((unusual_tasks.configured_channel, "custom1"),
                          (unusual_tasks.other_channel, "default")):  # fmt: skip
        events = _actions(_script(case), EventSent)
        payloads = [sent.event["data"].get("payload") for sent in events]
        assert {channel} == {p["task_channel_unique_name"] for p in payloads if p}
