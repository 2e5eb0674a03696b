"""Whether the reasons of a contact's gaps are true: whether the fault that each names occurred.

Pure; times are milliseconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.twilio_rest import ApiRefusal, ApiTrouble
from simulator.world import MediaStream
from tests.system.chaos.uptime import Span

TWILIO_REFUSED = "twilio-refused"
ANY_TIME = frozenset({"late-start", "late-events", "no-leg"})
"""Reasons that name no fault which the run would know of."""
UNKNOWN = "unknown"
UNREACHABLE = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that may explain the gaps of a call. `is_refused`: Twilio refused every start;
    `refusals`, `troubles`: requests about its legs, or look-ups, that were refused, or failed;
    `gateway_died`, `was_cut_off`: a gateway was killed, or a broker was away, in the run; `down`:
    when a process that decides or starts was not there, for which there is no reason of its own."""

    is_refused: bool
    refusals: Sequence[ApiRefusal]
    troubles: Sequence[ApiTrouble]
    ran: Sequence[MediaStream]
    gateway_died: bool
    was_cut_off: bool
    down: Sequence[Span] = ()

    def possible(self) -> frozenset[str]:
        """Return the reasons that a gap may have."""
        refused = any(map(_is_genuine, self.refusals))
        dropped = any(stream.trouble for stream in self.ran)
        unreached = self.is_refused or any(stream.began_at is None for stream in self.ran)
        found = {
            TWILIO_REFUSED: refused,
            "twilio-unreachable": bool(self.troubles),
            "gateway-died": self.gateway_died,
            "gateway-cut-off": self.was_cut_off or self.gateway_died,
            "socket-dropped": dropped,
            "never-reached-gateway": unreached or self.gateway_died,
        }
        return ANY_TIME | {reason for reason, occurred in found.items() if occurred}


def untrue(contact: Mapping[str, Any], faults: Faults) -> list[str]:
    """Return the wrong reasons of a contact's gaps."""
    possible = faults.possible()
    wrong = [
        f"a gap for {gap['reason']}, which did not occur"
        for gap in contact["gaps"]
        if gap["reason"] not in possible and not _was_down(gap, faults.down)
    ]
    if not faults.is_refused:
        return wrong
    wrong += [
        f"a gap for {gap['reason']}, in which Twilio refused a start"
        for gap in contact["gaps"]
        if gap["reason"] != TWILIO_REFUSED and _was_refused(gap, faults.refusals)
    ]
    if contact["captured_ms"] or (contact["gaps"] and contact["capture"] != "missing"):
        wrong.append(f"capture is {contact['capture']}, though Twilio refused every start")
    return wrong


def _was_refused(gap: Mapping[str, Any], refusals: Iterable[ApiRefusal]) -> bool:
    """Whether Twilio refused a start within the gap."""
    span = _span(gap)
    return any(_is_genuine(r) and span.begin <= r.at < span.end for r in refusals)


def _is_genuine(refusal: ApiRefusal) -> bool:
    """Whether Twilio did not want to, rather than could not."""
    return 400 <= refusal.status < 500 and refusal.status not in UNREACHABLE


def _was_down(gap: Mapping[str, Any], down: Sequence[Span]) -> bool:
    """Whether the gap has no reason, and falls into a time in which a process was not there."""
    if gap["reason"] != UNKNOWN:
        return False
    return any(span.meets(_span(gap)) for span in down)


def _span(gap: Mapping[str, Any]) -> Span:
    begin, end = (datetime.fromisoformat(gap[edge]).timestamp() * 1000 for edge in ("from", "to"))
    return Span(round(begin), round(end))
