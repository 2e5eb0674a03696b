"""No timestamp lies more than 25 hours within a media stream."""

import pytest

from pipeline.media.batch import MalformedBatch
from pipeline.recordings.timestamps import LAST_REGULAR_MS, check_timestamps
from schemas.records import Run

MOST_FRAMES = 50
LAST = 25 * 60 * 60 * 1_000


@pytest.mark.parametrize(
    ("run", "is_valid"),
    [
        (Run(LAST, 1, 20, 160), True),
        (Run(LAST + 1, 1, 20, 160), False),
        (Run(LAST - 40, 3, 20, 160), True),
        (Run(LAST - 39, 3, 20, 160), False),
    ],
)
def test_the_last_frame_counts(run: Run, is_valid: bool) -> None:
    """Also of a later run; the last moment itself is valid."""
    if is_valid:
        check_timestamps((Run(0, 5, 20, 160), run))
        return
    with pytest.raises(MalformedBatch, match="25 h"):
        check_timestamps((Run(0, 5, 20, 160), run))


def test_a_regular_batch_that_begins_in_time_ends_in_time() -> None:
    """However many frames it has."""
    check_timestamps((Run(LAST_REGULAR_MS, MOST_FRAMES, 20, 160),))
