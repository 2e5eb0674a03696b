"""Epochs of a gateway."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.epoch import begin_epoch, next_epoch


@given(st.integers(0, 2**50), st.integers(0, 2**50) | st.none())
def test_an_epoch_is_the_clock_but_greater_than_the_last(now, last):
    """Also where the clock was set back."""
    epoch = next_epoch(now, last)
    assert epoch >= now
    assert last is None or epoch > last


def test_lives_in_the_same_directory_have_ascending_epochs(tmp_path):
    """A file that cannot be read counts as none."""
    directory = tmp_path / "gateway"
    assert begin_epoch(directory, "gateway-0", 100) == 100
    assert begin_epoch(directory, "gateway-0", 50) == 101
    assert begin_epoch(directory, "gateway-1", 50) == 50
    (directory / "gateway-0.epoch").write_text("rubbish")
    assert begin_epoch(directory, "gateway-0", 70) == 70
    assert begin_epoch(None, "gateway-0", 60) == 60
