"""Correlate captured audio with a channel in blocks of a second, at many places. Pure.

Only a part of a call may be on both sides: while the customer is on hold, a media stream has the
music, and the recording of the conference has what the agents say. Each block counts for
itself, so such a part adds nothing, and takes nothing away from the parts that agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.recovery.envelope import HOP_MS, SPEECH_LEVEL, Envelope

BLOCK = 1_000 // HOP_MS
"""The length of a block, in columns: long enough for the beginning or the end of a word."""
MATCH = 0.7
"""Blocks that correlate at least like this have the same sound."""
_VARIANCE = 0.01
"""Added to each variance, so that the noise of silence does not correlate."""
_EMPHASIS = 1.5
"""The evidence of a block is the logarithm of the likelihood with an unknown gain, to this power. A
few blocks that agree well then outweigh many that agree a little, as those of the cycle before do
if the voices are periodic. With 2, single blocks that agree by chance count too much in noise."""
_SMOOTHED = 3
"""Columns that are averaged: two recordings of one call do not divide time at the same samples."""

Correlations = NDArray[np.float64]
"""A row for each block of captured audio, a column for each place."""


@dataclass(frozen=True, slots=True)
class Match:
    """The parts that agree at a place. `speech_ms`: for how long both have speech there;
    `correlation`: of this speech, from `MATCH` to 1, or 0 without speech."""

    speech_ms: int
    correlation: float


def smoothed(envelope: Envelope) -> Envelope:
    """Return the average of each column and its neighbors."""
    if len(envelope) < _SMOOTHED:
        return envelope
    found: Envelope = np.convolve(envelope, np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    return found


def block_correlations(
    captured: Envelope, channel: Envelope, first: int, places: int
) -> Correlations:
    """Return the correlation of each block of `captured` with `channel`. At place p, from 0 up to
    `places`, column 0 of `captured` is column `first` + p of `channel`.

    It is 0 for a block that has no speech, or that is not completely within the channel.
    """
    blocks = len(captured) // BLOCK
    found = np.zeros((blocks, places))
    part, is_there = _padded(channel, first, places + blocks * BLOCK)
    sums, squares, present = (_running(each) for each in (part, part * part, is_there))
    for number in range(blocks):
        at = number * BLOCK
        block = captured[at : at + BLOCK]
        if not (block > SPEECH_LEVEL).any():
            continue
        block = block - block.mean()
        span = slice(at, at + places)
        variance = np.maximum(squares[span] / BLOCK - (sums[span] / BLOCK) ** 2, 0) + _VARIANCE
        products = np.correlate(part[at : at + places + BLOCK - 1], block, "valid") / BLOCK
        own = float((block * block).mean()) + _VARIANCE
        found[number] = products / np.sqrt(own * variance) * (present[span] > BLOCK - 0.5)
    return found


def evidence(correlations: Correlations) -> NDArray[np.float64]:
    """Return how much all blocks together speak for each place. A block that does not correlate
    adds nothing."""
    likelihoods = -np.log(1 - np.maximum(correlations, 0) ** 2)
    found: NDArray[np.float64] = (likelihoods**_EMPHASIS).sum(axis=0)
    return found


def match(
    pairs: Sequence[tuple[Envelope, Envelope]],
    correlations: Sequence[NDArray[np.float64]],
    place: int,
) -> Match:
    """Return the parts that agree. `pairs`: captured sides with their channels; `correlations`: of
    the blocks of each pair, at this place; `place`: the column of the channels at which the
    captured audio begins."""
    either = np.zeros(len(correlations[0]) * BLOCK, bool)
    columns_in_common, sum_of_correlations = 0, 0.0
    for (captured, channel), of_blocks in zip(pairs, correlations, strict=True):
        there, _ = _padded(channel, place, len(either))
        correlation = np.repeat(of_blocks, BLOCK)
        is_common = (
            (correlation >= MATCH)
            & (captured[: len(either)] > SPEECH_LEVEL)
            & (there > SPEECH_LEVEL)
        )
        either |= is_common
        columns_in_common += int(is_common.sum())
        sum_of_correlations += float(correlation[is_common].sum())
    average = sum_of_correlations / columns_in_common if columns_in_common else 0.0
    return Match(int(either.sum()) * HOP_MS, average)


def _padded(channel: Envelope, first: int, columns: int) -> tuple[Envelope, Envelope]:
    """Return columns of a channel, 0 before and after it, and for each whether it is there."""
    part, is_there = np.zeros(columns), np.zeros(columns)
    begin, end = max(first, 0), min(first + columns, len(channel))
    if end > begin:
        part[begin - first : end - first] = channel[begin:end]
        is_there[begin - first : end - first] = 1
    return part, is_there


def _running(values: Envelope) -> Envelope:
    """Return the sum of the `BLOCK` values from each one on."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    found: Envelope = sums[BLOCK:] - sums[:-BLOCK]
    return found
