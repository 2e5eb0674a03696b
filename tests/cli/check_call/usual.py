"""A test call on an account on which all is as usual."""

from dataclasses import replace

from cli.check_call.observations import Answer, Observations
from pipeline.media.runs import runs_of
from pipeline.twilio.check_tasks import check_task_sid
from schemas.records import (
    MediaBatch,
    MediaStreamClosed,
    MediaStreamObserved,
    MediaStreamOpened,
    ObservedTrack,
    SequenceBreak,
    TrackBatch,
)

TASK = check_task_sid(b"12345678")
CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32
LOUD, QUIET = bytes([0x20]) * 160, b"\xff" * 160
WHO = {"stream_sid": STREAM, "call_sid": CALL, "task_sid": TASK, "gateway": "g", "epoch": 1}


def part(track: str, frames: list[tuple[int, bytes]], breaks: tuple[int, ...] = ()) -> TrackBatch:
    runs = tuple(runs_of([(at, len(payload)) for at, payload in frames]))
    audio = b"".join(payload for _, payload in frames)
    return TrackBatch(track, runs, 0, audio, tuple(SequenceBreak(at, "x") for at in breaks))


def batch(number: int, *parts: TrackBatch) -> MediaBatch:
    return MediaBatch(
        **WHO, number=number, at=1, first_sequence=None, last_sequence=None, tracks=parts
    )


TRACK = ObservedTrack("inbound", 900, 120, 18_100, 0, 1, 900)
CLOSED = MediaStreamClosed(
    **WHO, name="n", generation=1, at=30_100, reason="stop", detail="", batches=1, frames=0,
    invalid=0, unbroken=True,
)  # fmt: skip


def document(silent: bool = True) -> list[tuple[int, bytes]]:
    """A second of speech, 8 s of silence, a second of speech."""
    pause = [(1_000 + 20 * n, QUIET) for n in range(400)] if silent else []
    speech = [(20 * n, LOUD) for n in range(50)]
    return [*speech, *pause, *((9_000 + at, LOUD) for at, _ in speech)]


def usual(**changes: object) -> Observations:
    """A test call on an account on which all is as usual."""
    seen = Observations(
        while_ringing=Answer(400, 21220, "not in progress"),
        first=Answer(200, sid=STREAM, at=1_000),
        same_name=Answer(409, 21299, "exists"),
        second=Answer(200, sid="MZ" + "3" * 32),
        third=Answer(400, 21298, "too many"),
        stop_after_end=Answer(404, 20404, "not found"),
        next_page_uri="/2010-04-01/x",
        ended_at=30_000,
        opened=[MediaStreamOpened(**WHO, name="n", generation=1, at=1_010)],
        closed=[CLOSED],
        observed=[
            MediaStreamObserved(
                **WHO, generation=1, at=30_100, pings=5, pongs=5, stop_seen=True,
                tracks=(TRACK, replace(TRACK, track="outbound")),
            )
        ],
        batches=[batch(1, part("inbound", []), part("outbound", document()))],
    )  # fmt: skip
    for name, value in changes.items():
        setattr(seen, name, value)
    return seen


SWAPPED = [batch(1, part("inbound", document()), part("outbound", [(0, QUIET)]))]
