"""Find out when one of Twilio's recordings began, and which channel is the customer's. Pure.

Twilio states the start of a recording to the second. If a part of the call was also captured in
real time, the two are compared: at the right shift, and with the right channels, both are loud and
quiet at the same moments.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.recovery.envelope import HOP_MS, mixed, speech_ms

SEARCH_MS = 3_000
"""How far (ms) the stated start may be wrong: a second, and the difference of two clocks."""
MIN_CORRELATIONS = ((5_000, 0.5), (3_000, 0.65))
"""The correlation required for the confidence `high`, and the least captured speech (ms, without
the pauses between words). None of 150 pairs of different calls reached it, and all of 300
comparisons within a call did."""
MIN_OVERLAP_MS = 1_000
MIN_LEAD = 0.03
"""How much better the right shift, and the right order of channels, must correlate than others."""
WINDOW_MS = 120_000
"""The length (ms) of the captured audio that is compared, at most."""
NEAR_MS = 250
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

    `shift_ms`: the recording began this much later than stated. `correlation`: from -1 to 1.
    `speech_ms`: the captured speech that was compared. `customer`: the channel of the customer,
    from 0; None: a recording with one channel, or the comparison does not show it.
    """

    shift_ms: int
    confidence: Confidence
    correlation: float
    speech_ms: int
    customer: int | None


def window(captured: Sides) -> tuple[int, Sides]:
    """Return the part of the captured audio to compare: `WINDOW_MS` with the most changes, and its
    start in ms."""
    columns = WINDOW_MS // HOP_MS
    if captured.shape[1] <= columns:
        return 0, captured
    changes = np.abs(np.diff(captured, axis=1)).sum(axis=0)
    sums = np.concatenate(([0.0], np.cumsum(changes)))
    first = int((sums[columns:] - sums[:-columns]).argmax())
    return first * HOP_MS, captured[:, first : first + columns]


def compare(captured: Sides, recording: Sides, offset_ms: int) -> AlignmentResult | None:
    """Compare captured audio with one of Twilio's recordings; None: they have too little time in
    common.

    `captured`: inbound, outbound; `recording`: its one or two channels; `offset_ms`: the captured
    audio began this much later than the recording, by the stated start.
    """
    is_mono = len(recording) == 1
    rows = [np.array([mixed(captured)])] if is_mono else [captured, captured[::-1]]
    steps = SEARCH_MS // HOP_MS
    lags = np.arange(-steps, steps + 1)
    begin = round(offset_ms / HOP_MS)
    scores = np.array([[_score(row, recording, begin - int(lag)) for lag in lags] for row in rows])
    if not (scores > -1).any():
        return None
    order, best = divmod(int(scores.argmax()), len(lags))
    peak = float(scores[order, best])
    speech = speech_ms(_overlap(captured, recording, begin - int(lags[best]))[0])
    rivals = scores[order][np.abs(lags - lags[best]) * HOP_MS > NEAR_MS]
    is_clear = peak - float(rivals.max(initial=-1)) >= MIN_LEAD
    is_high = is_clear and any(speech >= ms and peak >= least for ms, least in MIN_CORRELATIONS)
    other = float(scores[1 - order].max()) if len(rows) == 2 else -1.0
    is_told = len(rows) == 2 and is_high and peak - other >= MIN_LEAD
    return AlignmentResult(
        shift_ms=int(lags[best]) * HOP_MS if is_high else 0,
        confidence=Confidence.HIGH if is_high else Confidence.LOW,
        correlation=round(peak, 4),
        speech_ms=speech,
        customer=order if is_told else None,
    )


def _overlap(captured: Sides, recording: Sides, begin: int) -> tuple[Sides, Sides]:
    """Return the part that both have, if the captured audio begins at column `begin` of the
    recording."""
    first, last = max(0, begin), min(recording.shape[1], begin + captured.shape[1])
    last = max(first, last)
    return captured[:, first - begin : last - begin], recording[:, first:last]


def _score(captured: Sides, recording: Sides, begin: int) -> float:
    """Return the correlation of all rows together, each about its own mean; -1: there is none."""
    a, b = _overlap(captured, recording, begin)
    if a.shape[1] * HOP_MS < MIN_OVERLAP_MS:
        return -1.0
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    power = float((a * a).sum() * (b * b).sum())
    return float((a * b).sum()) / power**0.5 if power > 0 else -1.0
