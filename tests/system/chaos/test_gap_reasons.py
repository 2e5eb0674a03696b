"""A gap's reason must name a fault that occurred."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.events import iso
from simulator.twilio_rest import ApiRefusal, ApiTrouble
from simulator.world import MediaStream
from tests.system.chaos.gap_reasons import Faults, untrue
from tests.system.chaos.uptime import Span

NOTHING = Faults(
    is_refused=False, refusals=(), troubles=(), ran=(), gateway_died=False, was_cut_off=False
)
STREAM = MediaStream("MZ1", "CA1", "MZ1", "ws://x", "both_tracks", {}, 0)


def contact(*reasons: str, **changes: Any) -> dict[str, Any]:
    """A contact with gaps for these reasons, each from 1 s to 5 s."""
    gaps = [{"reason": reason, "from": iso(1_000), "to": iso(5_000)} for reason in reasons]
    return {"gaps": gaps, "captured_ms": 0, "capture": "missing", **changes}


@pytest.mark.parametrize(
    ("reason", "occurred"),
    [
        ("twilio-refused", {"refusals": [ApiRefusal("POST", "/x", 400, 20001, 1)]}),
        ("twilio-unreachable", {"troubles": [ApiTrouble("POST", "/x", "500", 1, 2)]}),
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


def test_a_gap_without_a_reason_needs_a_process_that_was_not_there() -> None:
    """In that very time."""
    assert len(untrue(contact("unknown"), NOTHING)) == 1
    assert untrue(contact("unknown"), replace(NOTHING, down=[Span(4_000, 9_000)])) == []
    assert len(untrue(contact("unknown"), replace(NOTHING, down=[Span(5_000, 9_000)]))) == 1


def test_being_too_busy_is_no_refusal() -> None:
    """Status 429 means that Twilio could not be reached."""
    busy = replace(NOTHING, refusals=[ApiRefusal("POST", "/x", 429, 20429, 1)])
    assert len(untrue(contact("twilio-refused"), busy)) == 1


def test_a_call_that_twilio_refused_is_missing_for_that_reason() -> None:
    """No part of it is captured, and a gap in which a start was refused has no other reason. If the
    events came too late, no start was requested."""
    asked = [ApiRefusal("POST", "/x", 400, 20001, 3_000)]
    refused = replace(NOTHING, is_refused=True, refusals=asked)
    assert untrue(contact("twilio-refused"), refused) == []
    assert untrue(contact(capture="not-required"), refused) == []
    assert len(untrue(contact("twilio-refused", "late-start"), refused)) == 1
    assert len(untrue(contact("twilio-refused", captured_ms=20, capture="partial"), refused)) == 1
    assert untrue(contact("late-events"), replace(refused, refusals=[])) == []
