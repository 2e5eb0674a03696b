"""A recording of Twilio's is placed by comparing it with captured audio."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recovery.alignment import AlignmentResult, Confidence, compare, window
from pipeline.recovery.envelope import envelope, mixed
from tests.pipeline.recovery.speech import (
    RATE,
    Talk,
    mu_law,
    noisy,
    talk,
    with_lost_frames,
)

WINDOW_MS = 120_000
HOP_MS = 5


def compared(
    call: Talk,
    *,
    captured: tuple[int, int],
    recorded: tuple[int, int],
    off_ms: int,
    swapped: bool = False,
    mono: bool = False,
    noise: float = 0,
    lost: float = 0,
    seed: int = 0,
) -> AlignmentResult | None:
    """Compare parts of a call (ms each); their stated distance is off by `off_ms`."""
    sides = [cut_out(side, captured) for side in (call.customer, call.agent)]
    heard = np.array([envelope(with_lost_frames(mu_law(s), seed, lost)) for s in sides])
    channels = [
        envelope(mu_law(noisy(cut_out(s, recorded), seed, noise)))
        for s in (call.customer, call.agent)
    ]
    found = np.array(channels[::-1] if swapped else channels)
    if mono:
        found = np.array([mixed(found)])
    return compare(heard, found, captured[0] - recorded[0] + off_ms)


def cut_out(samples: np.ndarray, part: tuple[int, int]) -> np.ndarray:
    """Return the samples from one moment (ms) to another."""
    return samples[part[0] * RATE // 1000 : part[1] * RATE // 1000]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    off_ms=st.integers(-2_500, 2_500),
    swapped=st.booleans(),
    begins=st.integers(4_000, 12_000),
    length=st.integers(16_000, 25_000),
    noise=st.sampled_from([0, 30, 150]),
    lost=st.sampled_from([0, 0.02, 0.1]),
)
def test_the_shift_is_found_within_20_ms(  # noqa: PLR0917
    seed: int, off_ms: int, swapped: bool, begins: int, length: int, noise: float, lost: float
) -> None:
    """With at least 5 s of captured speech, in either order of channels, with noise and with lost
    frames, the shift and the customer's channel are found, with the confidence `high`."""
    found = compared(
        talk(seed, 50), captured=(begins, begins + length), recorded=(3_000, 45_000),
        off_ms=off_ms, swapped=swapped, noise=noise, lost=lost, seed=seed,
    )  # fmt: skip
    assert found is not None
    assert found.speech_ms >= 5_000
    assert Confidence.HIGH == found.confidence
    assert abs(found.shift_ms - off_ms) <= 20
    assert int(swapped) == found.customer


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), off_ms=st.integers(-2_500, 2_500))
def test_one_channel_is_placed_too(seed: int, off_ms: int) -> None:
    """The mix of both sides is compared; which channel is the customer has no answer."""
    found = compared(
        talk(seed, 50), captured=(9_000, 30_000), recorded=(3_000, 45_000), off_ms=off_ms, mono=True
    )
    assert found is not None
    assert Confidence.HIGH == found.confidence
    assert abs(found.shift_ms - off_ms) <= 20
    assert found.customer is None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_another_call_is_not_placed_with_confidence(seed: int, other: int) -> None:
    """Audio of two different calls has no clear shift: the start stays as Twilio stated it."""
    if seed == other:
        other += 1
    first, second = talk(seed, 40), talk(other, 40)
    mixed_up = Talk(first.customer, first.agent)
    captured = np.array([envelope(mu_law(s[: 20 * RATE])) for s in (first.customer, first.agent)])
    recorded = np.array([envelope(mu_law(s)) for s in (second.customer, second.agent)])
    found = compare(captured, recorded, 5_000)
    assert mixed_up.customer is first.customer
    assert found is not None
    assert Confidence.LOW == found.confidence
    assert 0 == found.shift_ms


def test_little_speech_gives_low_confidence() -> None:
    """Two seconds of captured audio are too little, however well they fit."""
    found = compared(talk(1, 30), captured=(9_000, 11_000), recorded=(3_000, 25_000), off_ms=400)
    assert found is not None
    assert Confidence.LOW == found.confidence


def test_without_a_common_time_there_is_nothing_to_compare() -> None:
    """The captured audio ends before the recording begins; silence has no shift either."""
    call = talk(2, 60)
    assert compared(call, captured=(0, 9_000), recorded=(30_000, 50_000), off_ms=0) is None
    silent = Talk(np.zeros(RATE * 30, np.int16), np.zeros(RATE * 30, np.int16))
    assert compared(silent, captured=(5_000, 20_000), recorded=(0, 30_000), off_ms=0) is None


def test_the_window_has_the_liveliest_part() -> None:
    """Of a long capture, two minutes are compared: those in which something is said."""
    call = talk(3, 100)
    quiet = np.full(RATE * 200, 0xFF, np.uint8)
    sides = [np.concatenate([quiet, mu_law(s), quiet]) for s in (call.customer, call.agent)]
    at, part = window(np.array([envelope(s) for s in sides]))
    assert part.shape[1] * HOP_MS == WINDOW_MS
    assert 180_000 <= at <= 200_000
