"""Judgements of media streams and their sockets, from the observations of a test call."""

from dataclasses import replace

import pytest

from cli.check_call.judging_media import (
    LATE_FIRST_MS,
    LEAST_FRAMES,
    LOUD_FRAMES,
    MEDIA,
    SOCKET_STAYS_MS,
    first_tracks,
)
from cli.check_call.observations import Observations
from cli.check_call.verdicts import Status
from schemas.records import HandshakeRefused, MediaStreamObserved, ObservedTrack
from tests.cli.check_call.usual import (
    CALL,
    CLOSED,
    LOUD,
    QUIET,
    SWAPPED,
    TASK,
    TRACK,
    batch,
    document,
    part,
    usual,
)

REFUSED = HandshakeRefused(TASK, CALL, 1, "g", 1, 1_000, "wrong-url", "wss://h/media")
UNKNOWN_FORM = replace(REFUSED, detail="")


def observed(**changes: object) -> list[MediaStreamObserved]:
    """Return the usual media stream, observed with these changes."""
    (observed,) = usual().observed
    return [replace(observed, **changes)]  # type: ignore[arg-type]


D, C, N = Status.DIFFERS, Status.CHANGE, Status.NOT_SEEN
OVERALL = (
    ObservedTrack("inbound", 900, 120, 18_100, 0, 1, 1799),
    ObservedTrack("outbound", 900, 120, 18_100, 0, 2, 1800),
)
NO_SILENCE = [batch(1, part("outbound", [(20 * n, LOUD) for n in range(50)]))]
HOLE = [batch(1, part("outbound", document(silent=False)))]
BROKEN = [batch(1, part("outbound", document(silent=False), (9_000,)))]


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("silence", {"batches": HOLE}, D),
        ("silence", {"batches": BROKEN}, N),
        ("silence", {"batches": NO_SILENCE}, N),
        ("silence", {"opened": []}, N),
        ("tracks", {"batches": SWAPPED}, C),
        ("tracks", {"batches": [batch(1, part("outbound", [(0, QUIET)]))]}, N),
        (
            "first-timestamp",
            {"observed": observed(tracks=(replace(TRACK, first_timestamp=0),))},
            D,
        ),
        ("first-timestamp", {"observed": []}, N),
        ("timestamp-steps", {"observed": observed(tracks=(replace(TRACK, uneven_steps=1),))}, D),
        ("chunk", {"observed": observed(tracks=OVERALL)}, D),
        ("chunk", {"observed": observed(tracks=(TRACK,))}, N),
        ("chunk", {"observed": observed(tracks=(TRACK, replace(TRACK, last_chunk=0)))}, D),
        ("ping", {"observed": observed(pongs=0)}, D),
        ("ping", {"observed": observed(pings=0, pongs=0)}, N),
        (
            "stop-message",
            {"observed": observed(stop_seen=False), "closed": [replace(CLOSED, reason="dropped")]},
            D,
        ),
        ("stop-message", {"observed": []}, N),
        ("socket-after-call", {"closed": [replace(CLOSED, at=36_000)]}, D),
        ("socket-after-call", {"closed": []}, D),
        ("second-socket", {"refused": [replace(REFUSED, reason="ticket-used")]}, D),
        ("signature-url", {"refused": [REFUSED], "opened": []}, C),
        ("signature-url", {"refused": [UNKNOWN_FORM], "opened": []}, C),
    ],
)
def test_what_a_call_shows_of_media_streams(
    name: str, changes: dict[str, object], status: Status
) -> None:
    """Each assumption, if Twilio does otherwise, and if the call does not show it."""
    seen = usual(**changes)
    found = MEDIA[name](seen)
    assert status is found[0], found
    assert found[1]


@pytest.mark.parametrize("name", MEDIA)
def test_a_usual_call_shows_what_is_assumed(name: str) -> None:
    """A call without any observation shows nothing."""
    assert Status.HOLDS is MEDIA[name](usual())[0]
    nothing = {Status.NOT_SEEN}
    assert nothing == {MEDIA[name](Observations())[0]}


def speech(frames: int) -> list[tuple[int, bytes]]:
    """Return so many loud frames."""
    return [(20 * n, LOUD) for n in range(frames)]


@pytest.mark.parametrize(
    ("name", "at_the_limit", "beyond"),
    [
        (
            "tracks",
            {"batches": [batch(1, part("outbound", speech(LOUD_FRAMES)))]},
            {"batches": [batch(1, part("outbound", speech(LOUD_FRAMES - 1)))]},
        ),
        (
            "first-timestamp",
            {"observed": observed(tracks=(replace(TRACK, first_timestamp=LATE_FIRST_MS),))},
            {"observed": observed(tracks=(replace(TRACK, first_timestamp=LATE_FIRST_MS + 1),))},
        ),
        (
            "chunk",
            {
                "observed": observed(
                    tracks=(replace(TRACK, frames=LEAST_FRAMES, last_chunk=50),) * 2
                )
            },
            {"observed": observed(tracks=(replace(TRACK, frames=LEAST_FRAMES - 1),) * 2)},
        ),
        (
            "socket-after-call",
            {"closed": [replace(CLOSED, at=30_000 + SOCKET_STAYS_MS)]},
            {"closed": [replace(CLOSED, at=30_001 + SOCKET_STAYS_MS)]},
        ),
    ],
)
def test_the_limits_of_the_usual(
    name: str, at_the_limit: dict[str, object], beyond: dict[str, object]
) -> None:
    """The limit itself still holds."""
    assert Status.HOLDS is MEDIA[name](usual(**at_the_limit))[0]
    assert Status.HOLDS is not MEDIA[name](usual(**beyond))[0]


def test_tracks_are_those_of_the_first_media_stream() -> None:
    """Audio of another one does not count."""
    other = replace(batch(1, part("inbound", speech(99))), stream_sid="MZ" + "9" * 32)
    seen = usual(batches=[other])
    assert {} == {name: t.frames for name, t in first_tracks(seen).items() if t.frames}
    assert {} == first_tracks(Observations())
