"""A recording of Twilio's is placed by comparing it with captured audio."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.recovery.alignment import Confidence, compare, compare_all, windows
from pipeline.recovery.envelope import envelope
from tests.pipeline.recovery.compared import Comparison, cut_out, speech_ms
from tests.pipeline.recovery.speech import RATE, Talk, mu_law, noisy, repeated, singing, talk

WINDOW_MS = 120_000
HOP_MS = 5
SEEDS = st.integers(0, 10**6)
WITHIN_REACH = st.integers(-2_500, 2_500)


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    off_ms=WITHIN_REACH,
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
    made = Comparison(
        talk(seed, 50), (begins, begins + length), (3_000, 45_000), off_ms,
        swapped=swapped, noise=noise, lost=lost, seed=seed,
    )  # fmt: skip
    assume(speech_ms(made.heard()) >= 5_000)
    assert made.is_exact()
    found = made.result()
    assert found is not None
    assert int(swapped) == found.customer


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, off_ms=WITHIN_REACH)
def test_one_channel_is_placed_too(seed: int, off_ms: int) -> None:
    """The mix of both sides is compared; which channel is the customer has no answer."""
    made = Comparison(talk(seed, 50), (9_000, 30_000), (3_000, 45_000), off_ms, mono=True)
    assert made.is_exact()
    found = made.result()
    assert found is not None
    assert found.customer is None


@settings(max_examples=20, deadline=None)
@given(
    seed=SEEDS,
    off_ms=WITHIN_REACH,
    captured=st.sampled_from([(0, 24_000), (26_000, 50_000), (0, 50_000)]),
)
def test_clipped_ends_do_no_harm(seed: int, off_ms: int, captured: tuple[int, int]) -> None:
    """The captured audio begins before the recording, or ends after it, or both."""
    assert Comparison(talk(seed, 50), captured, (10_000, 40_000), off_ms).is_exact()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, off_ms=WITHIN_REACH, begins=st.integers(5_000, 14_000), is_singing=st.booleans())
def test_hold_does_no_harm(seed: int, off_ms: int, begins: int, is_singing: bool) -> None:
    """The captured audio has hold music for 10 s, the recording what the agents say. The speech
    before and after shows the start, also if the voices are periodic."""
    call = singing(seed, 50) if is_singing else talk(seed, 50)
    hold = (begins, begins + 10_000)
    assert Comparison(call, (5_000, 38_000), (3_000, 45_000), off_ms, hold, seed=seed).is_exact()


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    off_ms=st.integers(-5_500, 5_500),
    is_singing=st.booleans(),
    begins=st.integers(0, 25_000),
    length=st.integers(500, 15_000),
    hold=st.tuples(st.integers(0, 40_000), st.integers(0, 15_000)),
    mono=st.booleans(),
    lost=st.sampled_from([0, 0.1]),
)
def test_the_confidence_is_never_high_for_a_wrong_start(  # noqa: PLR0917
    seed: int,
    off_ms: int,
    is_singing: bool,
    begins: int,
    length: int,
    hold: tuple[int, int],
    mono: bool,
    lost: float,
) -> None:
    """For any parts captured, cut off or replaced by music: the start is exact, or it stays as
    stated with the confidence `low`."""
    call = singing(seed, 40) if is_singing else talk(seed, 40)
    made = Comparison(
        call, (begins, begins + length), (4_000, 36_000), off_ms, (hold[0], sum(hold)),
        mono=mono, lost=lost, seed=seed,
    )  # fmt: skip
    assert made.is_exact() or made.is_low()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, off_ms=st.integers(-500, 500))
def test_hold_that_leaves_little_speech_gives_low_confidence(seed: int, off_ms: int) -> None:
    """Voices with a cycle of 3 s look alike a cycle earlier or later. If there is too little common
    speech at the right shift, such a shift is not taken in its place."""
    made = Comparison(
        singing(seed, 40), (7_500, 15_000), (3_000, 36_000), off_ms, (9_500, 15_000), seed=seed
    )
    assert made.is_low()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, off_ms=st.integers(3_000, 5_500), sign=st.sampled_from([-1, 1]))
def test_a_start_out_of_reach_gives_low_confidence(seed: int, off_ms: int, sign: int) -> None:
    """At the border of the search and beyond, however well the audio agrees there."""
    call = talk(seed, 50)
    assert Comparison(call, (12_000, 30_000), (3_000, 45_000), sign * off_ms).is_low()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, off_ms=st.integers(-500, 500), every_ms=st.integers(400, 3_000))
def test_exact_repetition_gives_low_confidence(seed: int, off_ms: int, every_ms: int) -> None:
    """An announcement that repeats agrees at two shifts equally well."""
    call = repeated(talk(seed, 50), every_ms)
    assert Comparison(call, (12_000, 30_000), (3_000, 45_000), off_ms).is_low()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, other=SEEDS)
def test_another_call_is_not_placed_with_confidence(seed: int, other: int) -> None:
    """Audio of two different calls has no clear shift: the start stays as Twilio stated it."""
    assume(seed != other)
    captured = Comparison(talk(seed, 40), (0, 20_000), (0, 40_000)).heard()
    recorded = Comparison(talk(other, 40), (0, 20_000), (0, 40_000)).channels()
    found = compare(captured, recorded, 5_000)
    assert found is not None
    assert Confidence.LOW == found.confidence
    assert 0 == found.shift_ms
    assert found.customer is None


@pytest.mark.parametrize("length", [2_000, 4_000])
def test_little_speech_gives_low_confidence(length: int) -> None:
    """Less than 3 s of captured speech is too little, however well it fits."""
    made = Comparison(talk(1, 30), (9_000, 9_000 + length), (3_000, 25_000), 400)
    assert 0 < speech_ms(made.heard()) < 3_000
    found = made.result()
    assert found is not None
    assert found.correlation > 0.9
    assert made.is_low()


def test_equal_channels_do_not_show_the_customer() -> None:
    """The same audio on both channels: the start is known, the customer's channel is not."""
    call = talk(4, 50)
    both = Talk(call.customer, call.customer)
    made = Comparison(both, (9_000, 30_000), (3_000, 45_000), 700)
    assert made.is_exact()
    found = made.result()
    assert found is not None
    assert found.customer is None


def test_without_common_speech_there_is_nothing_to_compare() -> None:
    """The captured audio ends before the recording begins; silence and the noise of a line have no
    shift either."""
    call = talk(2, 60)
    assert Comparison(call, (0, 9_000), (30_000, 50_000)).result() is None
    silence = np.zeros(RATE * 30, np.int16)
    assert Comparison(Talk(silence, silence), (5_000, 20_000), (0, 30_000)).result() is None
    hiss = Talk(noisy(silence, 1, 40), noisy(silence, 2, 40))
    assert Comparison(hiss, (5_000, 20_000), (0, 30_000)).result() is None


def test_windows_are_all_of_the_audio_and_the_liveliest_comes_first() -> None:
    """Of a long capture, two minutes are compared at once: first those in which most is said."""
    call = talk(3, 100)
    quiet = np.full(RATE * 140, 0xFF, np.uint8)
    sides = [np.concatenate([quiet, mu_law(s), quiet]) for s in (call.customer, call.agent)]
    heard = np.array([envelope(s) for s in sides])
    found = list(windows(heard))
    assert WINDOW_MS == found[0][0]
    assert all(part.shape[1] * HOP_MS <= WINDOW_MS for _, part in found)
    ordered = sorted((first, part.shape[1] * HOP_MS) for first, part in found)
    assert all(first + length == later for (first, length), (later, _) in pairwise(ordered))
    assert (0, heard.shape[1] * HOP_MS) == (ordered[0][0], sum(ordered[-1]))


def test_the_number_of_windows_is_limited() -> None:
    """An hour of captured audio needs as much time as 20 minutes; quiet parts are left out."""
    minutes = 60_000 // HOP_MS
    heard = np.zeros((2, 60 * minutes))
    heard[0, 58 * minutes :: 2] = 5
    found = list(windows(heard))
    assert 10 == len(found)
    assert 58 * 60_000 == found[0][0]


def test_a_conversation_after_a_long_hold_is_found() -> None:
    """Four minutes of lively music come first. They do not hide the 40 s of conversation."""
    call, music, other = talk(5, 280), talk(6, 280), talk(7, 280)
    hold = (0, 240_000)
    heard = [mu_law(s) for s in (call.customer, np.concatenate(
        [cut_out(music.agent, hold), cut_out(call.agent, (hold[1], 280_000))]))]  # fmt: skip
    heard[0][: hold[1] * 8] = 0xFF
    spoken = [heard[0], mu_law(np.concatenate(
        [cut_out(other.agent, hold), cut_out(call.agent, (hold[1], 280_000))]))]  # fmt: skip
    found = compare_all(
        np.array([envelope(s) for s in heard]), np.array([envelope(s) for s in spoken]), 600
    )
    assert found is not None
    assert Confidence.HIGH == found.confidence
    assert abs(found.shift_ms - 600) <= 20


def test_the_part_with_the_most_common_speech_is_reported() -> None:
    """If no part shows the start, the manifest has the best comparison."""
    call = talk(9, 300)
    heard = Comparison(call, (0, 300_000), (0, 300_000)).heard()
    recorded = Comparison(talk(10, 300), (0, 300_000), (0, 300_000)).channels()
    every = [compare(part, recorded, first) for first, part in windows(heard)]
    found = compare_all(heard, recorded, 0)
    assert found is not None
    assert Confidence.LOW == found.confidence
    assert found.speech_ms == max(each.speech_ms for each in every if each is not None)
