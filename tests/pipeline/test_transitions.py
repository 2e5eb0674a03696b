"""Tables of transitions."""

import pytest

from pipeline.transitions import Transition, may_follow
from schemas.states import RecordingState

RECORDING, COMPLETE = RecordingState.RECORDING, RecordingState.COMPLETE
TABLE = (Transition(None, RECORDING, "begun"), Transition(RECORDING, COMPLETE, "closed"))


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        (None, RECORDING, True),
        (RECORDING, RECORDING, True),
        (RECORDING, COMPLETE, True),
        (COMPLETE, COMPLETE, True),
        (None, COMPLETE, False),
        (COMPLETE, RECORDING, False),
    ],
)
def test_a_state_follows_if_the_table_says_so_or_if_it_stays(
    before: RecordingState | None, after: RecordingState, may: bool
) -> None:
    """Staying needs no row."""
    assert may == may_follow(TABLE, before, after)
