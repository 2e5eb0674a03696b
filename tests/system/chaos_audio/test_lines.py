"""What the media of the calls go through is drawn as the options say."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.script import Line
from tests.system.chaos_audio.lines import FIRST_TURN, MOST_LOST, TURNS_IN_A_SECOND, lines
from tests.system.chaos_audio.options import AudioOptions


@given(st.integers(0, 10_000), st.floats(20, 200))
def test_silences_and_losses_lie_within_the_call(seed: int, seconds: float) -> None:
    """A silence lasts 6 to 20 s, and begins and ends while frames are sent."""
    options = AudioOptions(calls=20, seconds=seconds, silent=1, lossy=1, stubborn=1, seed=seed)
    for line in lines(options):
        assert 6 <= len(line.silent) / TURNS_IN_A_SECOND <= 20
        assert 1 <= len(line.lost) <= MOST_LOST
        assert line.silent.start >= FIRST_TURN
        assert line.silent.stop <= seconds * TURNS_IN_A_SECOND
        assert line.stays_on_ms


def test_shares_of_nothing_leave_the_calls_alone() -> None:
    """And the same seed gives the same lines."""
    untouched = AudioOptions(calls=20, silent=0, lossy=0, stubborn=0)
    assert lines(untouched) == [Line()] * 20
    assert lines(AudioOptions(calls=20, seed=3)) == lines(AudioOptions(calls=20, seed=3))
