"""Nothing is started for a call that Twilio's lists show only hours later."""

from dataclasses import replace

import pytest

from pipeline.calls.added import ADDED
from pipeline.calls.lifetime import FORGOTTEN_AFTER_MS
from pipeline.calls.view import view
from pipeline.streams import manager
from pipeline.streams.stale import is_stale
from pipeline.streams.state import unknown_call
from schemas.records import Call, FindConference, StartDuplicateStream
from tests.pipeline.streams.calls import ANN, BOB, TASK, call, reservation
from tests.pipeline.streams.world import HISTORY

HOUR = 3_600_000
ACCEPTED = 1_000


def running(*, added: bool) -> Call:
    """A call of which no end is known."""
    made = call(reservation(ANN, created=0, accepted=ACCEPTED))
    more = {ADDED: ACCEPTED + HOUR} if added else {}
    return replace(made, milestones={**made.milestones, **more})


@pytest.mark.parametrize(
    ("added", "age", "starts"),
    [
        (False, 5 * HOUR, True),
        (True, HOUR // 2, True),
        (True, FORGOTTEN_AFTER_MS - 1, True),
        (True, FORGOTTEN_AFTER_MS, False),
        (True, 30 * HOUR, False),
    ],
)
def test_starts(added: bool, age: int, starts: bool) -> None:
    """Event Streams delivers within 4 hours. A call of which events were added later, and of which
    no end is known, starts nothing and asks Twilio nothing."""
    outputs = manager.on_record(TASK, None, running(added=added), HISTORY, ACCEPTED + age).outputs
    asked = [each for each in outputs if isinstance(each, StartDuplicateStream | FindConference)]
    assert starts == bool(asked)


def test_a_call_that_was_streamed_goes_on() -> None:
    """Its media stream may have to be started again, however old the call is."""
    state = manager.on_record(TASK, None, running(added=False), HISTORY, ACCEPTED + 10).state
    assert state is not None
    assert state.media_streams
    version = running(added=True)
    at = ACCEPTED + 9 * HOUR
    assert not is_stale(state, version, view(version), at)
    assert is_stale(unknown_call(TASK), version, view(version), at)


def test_an_agent_that_has_left_does_not_make_a_call_recent() -> None:
    """Only agents that are on the call count, however late one of the others accepted."""
    gone = reservation(BOB, created=0, accepted=4 * HOUR, wrapup=4 * HOUR + 1_000)
    made = call(reservation(ANN, created=0, accepted=ACCEPTED), gone)
    version = replace(made, milestones={**made.milestones, ADDED: 5 * HOUR})
    assert is_stale(unknown_call(TASK), version, view(version), 5 * HOUR)
