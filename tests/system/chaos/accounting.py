"""Whether a contact accounts for all the time that had to be recorded, by the model.

Pure; times are milliseconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from simulator.world import MediaStream
from tests.system.chaos.judging import span_of
from tests.system.chaos.uptime import Span, overlap, without

REASONS = frozenset({
    "twilio-refused", "twilio-unreachable", "no-leg", "never-reached-gateway", "handshake-refused",
    "gateway-died", "gateway-cut-off", "socket-dropped", "late-start", "late-events", "expired",
    "unknown",
})  # fmt: skip
FRAME_MS = 20
EDGE_MS = 1_000
"""A shorter time (ms) at an edge of required time is no gap."""
UNSEEN_MS = 1_500
"""A time without a media stream that is shorter may be no gap: less than a second at an edge is
none, and Twilio's clock is not the gateway's."""


def accounting(
    required: Iterable[tuple[int, int]], ran: Sequence[MediaStream], contact: Mapping[str, Any]
) -> list[str]:
    """What the contact says wrongly of its required time. `required`: the model's spans; `ran`: the
    media streams of the customer's leg."""
    spans = [Span(start, end) for start, end in required]
    wanted = sum(span.end - span.begin for span in spans)
    wrong = []
    if contact["required_ms"] != wanted:
        wrong.append(f"required_ms is {contact['required_ms']}, expected {wanted}")
    if not 0 <= contact["captured_ms"] <= wanted:
        wrong.append(f"captured_ms is {contact['captured_ms']} of {wanted}")
    gaps = [Span(_at(gap["from"]), _at(gap["to"])) for gap in contact["gaps"]]
    wrong += [
        f"nothing ran from {hole.begin} to {hole.end}, and there is no gap"
        for hole in without(spans, map(span_of, ran))
        if hole.end - hole.begin >= UNSEEN_MS and not overlap([hole], gaps)
    ]
    wrong += [f"a gap outside required time: {g}" for g in without(gaps, spans)]
    reasons = {gap["reason"] for gap in contact["gaps"]}
    wrong += [f"a gap for the reason {reason!r}" for reason in reasons - REASONS]
    wrong += unexplained(contact, len(spans))
    allowed = _captures(wanted, contact)
    if contact["capture"] not in allowed:
        wrong.append(f"capture is {contact['capture']}, expected {' or '.join(allowed)}")
    return wrong


def unexplained(contact: Mapping[str, Any], spans: int = 1) -> list[str]:
    """Whether required time is captured, in a gap, or lost in a recording. `spans`: how many spans
    of time had to be recorded, at most."""
    recordings = contact["recordings"]
    if contact["capture"] in ("pending", "not-required") or any(
        recording["state"] != "complete" for recording in recordings
    ):
        return []
    missing = contact["required_ms"] - contact["captured_ms"]
    missing -= sum(gap["duration_ms"] for gap in contact["gaps"])
    lost = sum(r["frames"]["lost"] - r["lost_for"].get("not-sent", 0) for r in recordings)
    withheld = sum(recording["frames"]["withheld"] for recording in recordings)
    most = FRAME_MS * (lost + withheld) // 2 + 2 * EDGE_MS * spans
    most += FRAME_MS * (len(recordings) + 1)
    if 0 <= missing <= most:
        return []
    return [f"{missing} ms are neither captured nor in a gap, expected 0 to {most}"]


def _captures(wanted: int, contact: Mapping[str, Any]) -> tuple[str, ...]:
    if not wanted:
        return ("not-required",)
    if contact["state"] != "ended" or any(r["state"] != "complete" for r in contact["recordings"]):
        return ("pending",)
    if not contact["gaps"]:
        return ("complete",)
    return ("partial",) if contact["captured_ms"] else ("missing",)


def _at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
