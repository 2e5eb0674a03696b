"""Find out when one of Twilio's recordings began, and which channel is the customer's. Pure.

Twilio states the start of a recording to the second. If a part of the call was also captured in
real time, the two are compared: at the right shift, and with the right channels, both are loud and
quiet at the same moments. A part of the captured audio may be missing in the recording, and the
voices may be periodic, so a shift is used only if enough speech agrees and no other shift is
nearly as good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.recovery.blocks import block_correlations, evidence, match, smoothed
from pipeline.recovery.envelope import HOP_MS, Envelope, mixed

SEARCH_MS = 3_000
"""How far (ms) the stated start may be wrong: a second, and the difference of two clocks."""
LOOK_MS = 2 * SEARCH_MS
"""How far (ms) shifts are compared. A better shift out of reach shows that the best one within
reach is wrong."""
MIN_SPEECH_MS = 3_000
"""The least common speech (ms, without the pauses between words) for the confidence `high`."""
MAX_RIVALS = ((0.95, 0.7), (0.0, 0.4))
"""The correlation of the common speech, and the evidence for any other shift that is allowed then,
as a share of the evidence for the best one. Periodic voices reach the first limit only if the
recordings are almost equal."""
MAX_OTHER = 0.7
"""The same for the other order of channels, if the comparison shows the customer's channel."""
WINDOW_MS = 120_000
"""The length (ms) of the captured audio that is compared at once."""
MAX_WINDOWS = 10
"""How many windows are compared at most: each costs 0.1 s of processor time."""
NEAR_MS = 100
"""Shifts nearer than this (ms) to the best one do not compete with it, because speech changes
slowly."""
TRUNCATED_MS = 500
"""The values without a comparison (ms): the middle of the second that Twilio states, and the
uncertainty."""

Sides = NDArray[np.float64]
"""Envelopes: a row for each side or channel, a column for each `HOP_MS`."""


class Confidence(StrEnum):
    """How precisely the start of a recording is known: to about 5 ms, or to a second."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class AlignmentResult:
    """The result of a comparison.

    `shift_ms`: the recording began this much later than stated; 0 with the confidence `low`.
    `speech_ms`: the common speech at the best shift; `correlation`: of this speech, from 0 to 1.
    `customer`: the channel of the customer, from 0; None: a recording with one channel, or the
    comparison does not show it.
    """

    shift_ms: int
    confidence: Confidence
    correlation: float
    speech_ms: int
    customer: int | None


def windows(captured: Sides) -> Iterator[tuple[int, Sides]]:
    """Yield parts of `WINDOW_MS` of the captured audio, each with its start in ms: the
    `MAX_WINDOWS` parts with the most changes, in this order."""
    columns = WINDOW_MS // HOP_MS
    parts = [
        (first * HOP_MS, captured[:, first : first + columns])
        for first in range(0, captured.shape[1], columns)
    ]
    parts.sort(key=lambda part: float(np.abs(np.diff(part[1], axis=1)).sum()), reverse=True)
    yield from parts[:MAX_WINDOWS]


def compare_all(captured: Sides, recording: Sides, offset_ms: int) -> AlignmentResult | None:
    """Compare long captured audio part by part until a part shows the start, as `compare` does.
    Otherwise return the result of the part with the most common speech."""
    best: AlignmentResult | None = None
    for first, part in windows(captured):
        found = compare(part, recording, offset_ms + first)
        if found is None:
            continue
        if found.confidence is Confidence.HIGH:
            return found
        if best is None or found.speech_ms > best.speech_ms:
            best = found
    return best


def compare(captured: Sides, recording: Sides, offset_ms: int) -> AlignmentResult | None:
    """Compare captured audio with one of Twilio's recordings; None: they have too little time in
    common, or no speech at the same time at any shift.

    `captured`: inbound, outbound; `recording`: its one or two channels; `offset_ms`: the captured
    audio began this much later than the recording, by the stated start.
    """
    orders = _orders(captured, recording)
    steps = LOOK_MS // HOP_MS
    first, places = round(offset_ms / HOP_MS) - steps, 2 * steps + 1
    found = [[block_correlations(a, b, first, places) for a, b in pairs] for pairs in orders]
    scores = np.array([sum(evidence(each) for each in of_order) for of_order in found])
    order, best = divmod(int(scores.argmax()), places)
    peak = float(scores[order, best])
    if peak <= 0:
        return None
    shift_ms = (steps - best) * HOP_MS
    common = match(orders[order], [each[:, best] for each in found[order]], first + best)
    is_far = np.abs(np.arange(places) - best) * HOP_MS > NEAR_MS
    rival = float(scores[:, is_far].max()) / peak
    is_high = (
        abs(shift_ms) < SEARCH_MS
        and common.speech_ms >= MIN_SPEECH_MS
        and any(common.correlation >= least and rival <= most for least, most in MAX_RIVALS)
    )
    is_clear = len(orders) == 2 and float(scores[1 - order].max()) <= MAX_OTHER * peak
    return AlignmentResult(
        shift_ms=shift_ms if is_high else 0,
        confidence=Confidence.HIGH if is_high else Confidence.LOW,
        correlation=round(common.correlation, 4),
        speech_ms=common.speech_ms,
        customer=order if is_high and is_clear else None,
    )


def _orders(captured: Sides, recording: Sides) -> list[list[tuple[Envelope, Envelope]]]:
    """Return the captured sides with their channels, in each possible order of channels."""
    channels = [smoothed(channel) for channel in recording]
    if len(channels) == 1:
        return [[(smoothed(mixed(captured)), channels[0])]]
    sides = [smoothed(side) for side in captured]
    return [list(zip(each, channels, strict=True)) for each in (sides, sides[::-1])]
