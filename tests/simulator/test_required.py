"""The recordings that a call requires."""

import pytest

from simulator.people import ANN, BEN
from simulator.required import RequiredRecordings
from simulator.script import ExpectedRecording


def test_a_recording_is_complete_at_its_end() -> None:
    """With its times and the agents' addresses in lower case; then the next may begin."""
    required = RequiredRecordings()
    assert not required.is_open
    required.begin(100, 5, (ANN, BEN))
    assert (True, []) == (required.is_open, required.complete)
    required.end(300)
    required.begin(400, 7, ())
    required.end(500)
    assert not required.is_open
    agents = ("ann@example.com", "ben@example.com")
    expected = [ExpectedRecording(100, 300, 5, agents), ExpectedRecording(400, 500, 7, ())]
    assert expected == required.complete


def test_only_an_open_recording_ends() -> None:
    """A case that ends one twice is wrong."""
    with pytest.raises(AssertionError):
        RequiredRecordings().end(1)
