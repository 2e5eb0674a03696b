"""Records are noted in a call's state, and nothing is concluded from them."""

import pytest

from pipeline.streams.decided import seen_call
from pipeline.streams.noting import Seen, noted
from pipeline.streams.state import unknown_call
from schemas.records import GatewayStarted, MediaStreamClosed, MediaStreamOpened
from tests.pipeline.streams.calls import ANN, CUSTOMER_LEG, TASK, call, reservation

OPENED = MediaStreamOpened("MZ1", CUSTOMER_LEG, TASK, "name", 1, "g1", 1, 1_000)
CLOSED = MediaStreamClosed(
    "MZ1", CUSTOMER_LEG, TASK, "name", 1, "g1", 1, 2_000, "stop", "", 0, 0, 0
)


def test_the_newest_version_of_a_call_is_kept() -> None:
    """An older version changes nothing."""
    newer = call(reservation(ANN, created=1, accepted=2), revision=2)
    state = noted(unknown_call(TASK), newer, 1_000)
    assert state.call is not None
    assert (2, newer) == (state.revision, seen_call(state.call)[0])
    assert noted(state, call(reservation(ANN, created=1), revision=1), 3_000) is state


@pytest.mark.parametrize(
    ("record", "shown"),
    [(OPENED, "running"), (CLOSED, "stopped"), (GatewayStarted("g1", 2, 2_000), "stopped")],
)
def test_a_report_shows_the_state_of_a_media_stream(record: Seen, shown: str) -> None:
    """Its opening, its end, and a later start of its gateway. No decision is made, and the time of
    the state stays."""
    state = noted(unknown_call(TASK), OPENED, 1_000)
    after = noted(state, record, 2_000)
    assert [shown] == [media_stream.state for media_stream in after.media_streams]
    assert (None, 0) == (after.decision, after.seen_at)


def test_a_record_that_adds_nothing_leaves_the_same_object() -> None:
    """A gateway that holds no media stream of the call started."""
    state = noted(unknown_call(TASK), OPENED, 1_000)
    assert noted(state, GatewayStarted("g2", 2, 2_000), 2_000) is state
