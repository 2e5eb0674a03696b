"""A gap's reason must name a fault that occurred."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.twilio_rest import Refusal, Trouble
from simulator.world import MediaStream
from tests.chaos.gap_reasons import Faults, untrue

NOTHING = Faults(
    is_refused=False, refusals=(), troubles=(), ran=(), gateway_died=False, was_cut_off=False
)
STREAM = MediaStream("MZ1", "CA1", "MZ1", "ws://x", "both_tracks", {}, 0)


def contact(*reasons: str, **changes: Any) -> dict[str, Any]:
    """A contact with gaps for these reasons."""
    gaps = [{"reason": reason} for reason in reasons]
    return {"gaps": gaps, "captured_ms": 0, "capture": "missing", **changes}


@pytest.mark.parametrize(
    ("reason", "occurred"),
    [
        ("twilio-refused", {"refusals": [Refusal("POST", "/x", 400, 20001, 1)]}),
        ("twilio-unreachable", {"troubles": [Trouble("POST", "/x", "500", 1, 2)]}),
        ("gateway-died", {"gateway_died": True}),
        ("gateway-cut-off", {"was_cut_off": True}),
        ("socket-dropped", {"ran": [replace(STREAM, began_at=1, trouble="dropped")]}),
        ("never-reached-gateway", {"ran": [STREAM]}),
    ],
)
def test_a_reason_needs_its_fault(reason: str, occurred: dict[str, Any]) -> None:
    """Without it the reason is wrong; reasons that name no fault are always possible."""
    assert len(untrue(contact(reason), NOTHING)) == 1
    assert untrue(contact(reason, "late-start"), replace(NOTHING, **occurred)) == []


def test_being_too_busy_is_no_refusal() -> None:
    """Status 429 means that Twilio could not be reached."""
    busy = replace(NOTHING, refusals=[Refusal("POST", "/x", 429, 20429, 1)])
    assert len(untrue(contact("twilio-refused"), busy)) == 1


def test_a_call_that_twilio_refused_is_missing_for_that_reason() -> None:
    """For no other, and nothing of it is captured."""
    refused = replace(NOTHING, is_refused=True)
    assert untrue(contact("twilio-refused"), refused) == []
    assert untrue(contact(capture="not-required"), refused) == []
    assert len(untrue(contact("twilio-refused", "late-start"), refused)) == 1
    assert len(untrue(contact("twilio-refused", captured_ms=20, capture="partial"), refused)) == 1
