"""Compare parts of a call as the retriever does."""

from dataclasses import dataclass

import numpy as np

from pipeline.recovery.alignment import AlignmentResult, Confidence, Sides, compare_all
from pipeline.recovery.envelope import SPEECH_LEVEL, envelope, mixed
from tests.pipeline.recovery.speech import (
    RATE,
    Samples,
    Talk,
    mu_law,
    noisy,
    replaced,
    silenced,
    talk,
    with_lost_frames,
)

EXACT_MS = 20


@dataclass(frozen=True)
class Comparison:
    """A comparison. `captured`, `recorded`: parts of the call (ms); `off_ms`: the recording
    began this much later than stated; `hold`: in this part (ms of the call) the customer hears
    music, and the recording has other words of the agent, and no customer."""

    call: Talk
    captured: tuple[int, int]
    recorded: tuple[int, int]
    off_ms: int = 0
    hold: tuple[int, int] = (0, 0)
    swapped: bool = False
    mono: bool = False
    noise: float = 0
    lost: float = 0
    seed: int = 0

    def heard(self) -> Sides:
        """Return the envelopes of the captured sides."""
        music = talk(self.seed + 5_000_001, len(self.call.agent) / RATE).agent
        sides = (self.call.customer, replaced(self.call.agent, self.hold, music))
        parts = [mu_law(cut_out(side, self.captured)) for side in sides]
        return np.array([envelope(with_lost_frames(p, self.seed, self.lost)) for p in parts])

    def channels(self) -> Sides:
        """Return the envelopes of the recording."""
        other = talk(self.seed + 6_000_001, len(self.call.agent) / RATE).agent
        sides = [silenced(self.call.customer, self.hold),
                 replaced(self.call.agent, self.hold, other)]  # fmt: skip
        parts = [noisy(cut_out(side, self.recorded), self.seed, self.noise) for side in sides]
        found = np.array([envelope(mu_law(p)) for p in parts])
        if self.mono:
            return np.array([mixed(found)])
        return found[::-1] if self.swapped else found

    def result(self) -> AlignmentResult | None:
        """Return the result of the comparison."""
        offset = self.captured[0] - self.recorded[0] + self.off_ms
        return compare_all(self.heard(), self.channels(), offset)

    def is_exact(self) -> bool:
        """Return whether the start was found, with the confidence `high`."""
        found = self.result()
        return (
            found is not None
            and found.confidence is Confidence.HIGH
            and abs(found.shift_ms - self.off_ms) <= EXACT_MS
        )

    def is_low(self) -> bool:
        """Return whether the start stays as stated."""
        found = self.result()
        return found is None or (found.confidence is Confidence.LOW and not found.shift_ms)


def cut_out(samples: Samples, part: tuple[int, int]) -> Samples:
    """Return the samples from one moment (ms) to another."""
    return samples[part[0] * RATE // 1000 : part[1] * RATE // 1000]


def speech_ms(sides: Sides) -> int:
    """Return for how long at least one side has speech."""
    return int((sides > SPEECH_LEVEL).any(axis=0).sum()) * 5
