"""A task that names the leg of another call: which results are right."""

import pytest

from simulator.cases import scripts
from simulator.events import Account
from simulator.expected import SentFrame
from simulator.foreign_leg import MOST_STREAMED_MS, foreign_leg_differences, streams_of
from simulator.script import EventSent, Json, LegStatus, Line, Script
from simulator.unusual_tasks import leg_of_another_call
from simulator.world import MediaStream, StreamStatus, WorldLeg

ACCOUNT = Account("AC" + "0" * 32, "WS" + "1" * 32)
BEGIN = 1_700_000_000_000
LEG = "CA" + "f" * 32
WITHHELD: Json = {
    "stream_sid": "MZ1", "withheld_because": "leg-contradicted", "audio_url": None,
}  # fmt: skip
CONTACT: Json = {"recordings": [], "capture": "missing", "captured_ms": 0}


def stream(task_sid: str = "WT1", lasted_ms: int = 900, leg: str = LEG) -> MediaStream:
    """A media stream that was stopped."""
    made = MediaStream(
        "MZ1", leg, "name", "ws://127.0.0.1/media", "both_tracks", {"taskSid": task_sid}, BEGIN,
        status=StreamStatus.STOPPED, ended_at=BEGIN + lasted_ms,
    )  # fmt: skip
    made.sent.append(SentFrame("inbound", 0, b"x" * 160))
    return made


def test_a_media_stream_that_was_stopped_and_withheld_is_right() -> None:
    """So is having no leg at all."""
    assert foreign_leg_differences(LEG, [stream()], CONTACT, [WITHHELD]) == []
    assert foreign_leg_differences(LEG, [], CONTACT, []) == []


@pytest.mark.parametrize(
    ("streams", "changes", "withheld"),
    [
        ([stream(lasted_ms=MOST_STREAMED_MS + 1)], {}, [WITHHELD]),
        ([stream(leg="CA1")], {}, [WITHHELD]),
        ([stream()], {}, []),
        ([stream()], {}, [WITHHELD | {"withheld_because": None}]),
        ([stream()], {}, [WITHHELD | {"audio_url": "/audio"}]),
        ([stream()], {"recordings": [{}]}, [WITHHELD]),
        ([stream()], {"capture": "partial"}, [WITHHELD]),
        ([stream()], {"captured_ms": 400}, [WITHHELD]),
    ],
)
def test_what_can_be_heard_is_wrong(
    streams: list[MediaStream], changes: Json, withheld: list[Json]
) -> None:
    """A media stream that runs on, or on another leg, and a recording that is not withheld."""
    assert len(foreign_leg_differences(LEG, streams, CONTACT | changes, withheld)) == 1


def script() -> Script:
    """The task, with the call that has the leg beside it."""
    [made] = scripts([leg_of_another_call], BEGIN, 0, ACCOUNT, 1)
    return made


def test_each_of_the_two_calls_has_its_own_media_streams() -> None:
    """They are on the same leg."""
    made = script()
    assert made.beside is not None
    own, other = stream(made.task_sid), stream(made.beside.task_sid)
    legs = [WorldLeg(LEG, LegStatus.IN_PROGRESS, "seed", Line(), BEGIN, media_streams=[other, own])]
    assert streams_of(made, legs) == [own]
    assert streams_of(made.beside, legs) == [other]


def test_only_twilios_list_shows_the_leg_of_the_other_call() -> None:
    """None of its events has the leg, and it is in progress as long as the task is there."""
    made = script()
    assert made.beside is not None
    leg = made.beside.customer_call_sid
    assert leg == made.expectation.foreign_leg
    assert leg not in made.legs
    events = [s.action.event for s in made.beside.steps if isinstance(s.action, EventSent)]
    assert events
    assert not any(str(leg) in str(event) for event in events)
    assert made.beside.begins_at <= made.begins_at < made.ends_at < made.beside.ends_at
