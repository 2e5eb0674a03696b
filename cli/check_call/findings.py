"""Derive from a test call which assumptions about Twilio hold. Pure.

docs/assumptions.md has the names, and how the product behaves in each case.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.check_call.judging_media import MEDIA, first_tracks
from cli.check_call.judging_requests import REQUESTS
from cli.check_call.observations import Observations
from cli.check_call.verdicts import Judged, Status

JUDGES: Mapping[str, Callable[[Observations], Judged]] = {**MEDIA, **REQUESTS}
"""By the name of the assumption."""

NOT_SHOWN: tuple[str, ...] = (
    "participant-status",
    "labels",
    "conference-callbacks",
    "callback-order",
    "event-times",
    "event-envelope",
    "event-arrays",
    "conference-attribute",
    "held-customer",
)
"""Assumptions about Flex's tasks, conferences and events, which a test call does not have."""

NOTHING_OF_IT = "a test call has none of it"
REPORT = "report it: flexcapture expects another answer here, and calls may be lost"
REMEDIES: Mapping[str, str] = {
    "tracks": "left and right of all recordings are exchanged: the left channel is the agent's",
    "start-while-ringing": REPORT,
    "same-name": REPORT,
    "stop-after-end": REPORT,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One assumption: the observation, and the change to make if any."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def findings(seen: Observations) -> tuple[Finding, ...]:
    """Return a finding for each assumption."""
    judged = [_finding(name, seen, judge) for name, judge in JUDGES.items()]
    others = [Finding(name, Status.NOT_SHOWN, NOTHING_OF_IT) for name in NOT_SHOWN]
    return (*judged, *others)


def _finding(name: str, seen: Observations, judge: Callable[[Observations], Judged]) -> Finding:
    status, found = judge(seen)
    if status is not Status.CHANGE:
        return Finding(name, status, found)
    return Finding(name, status, found, REMEDIES.get(name) or _signature_remedy(seen))


def _signature_remedy(seen: Observations) -> str:
    form = next((each.detail for each in seen.refused if each.detail), "")
    if not form:
        return "set FLEXCAPTURE_GATEWAY_PUBLIC_URL to the URL at which Twilio reaches the gateway"
    return f"set FLEXCAPTURE_GATEWAY_SIGNED_URL={form} for every gateway"


def needs_change(found: tuple[Finding, ...]) -> bool:
    """Return whether an assumption that requires a change does not hold."""
    return any(finding.status is Status.CHANGE for finding in found)


def problem_of(seen: Observations) -> str | None:
    """Return why no audio arrived that could be judged; None if it arrived."""
    if seen.first is None:
        return "no media stream was started"
    if not seen.first.is_success:
        return f"Twilio refused to start the media stream: {seen.first}"
    if seen.opened_first() is None:
        reasons = sorted({each.reason for each in seen.refused})
        why = f"the gateway refused it: {', '.join(reasons)}" if reasons else _UNREACHED
        return f"Twilio started the media stream, and it reached no gateway: {why}"
    if not any(track.frames for track in first_tracks(seen).values()):
        return "the media stream brought no audio"
    return None


_UNREACHED = (
    "check FLEXCAPTURE_GATEWAY_PUBLIC_URL, the load balancer and its certificate, and the firewall"
)
