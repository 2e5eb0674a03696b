"""Audible frames after a stop, and sockets that stay open, are found."""

import struct
from array import array
from dataclasses import replace

from simulator.coded.withheld import WithheldPeriod, periods
from simulator.events import iso
from simulator.expected import TRACKS, SentFrame, expected_audio
from simulator.world import MediaStream
from tests.system.chaos.finality import Decided, audible, counts, from_log, known, open_sockets
from tests.system.chaos.uptime import Span

PERIODS = [WithheldPeriod(3_000, None)]


def stream(end: int, trouble: str | None = None) -> MediaStream:
    """A media stream from 0 to `end` (ms), a frame on each track every 20 ms."""
    made = MediaStream("MZ1", "CA1", "MZ1", "ws://x", "both_tracks", {}, 0)
    made.began_at, made.ended_at, made.trouble = 0, end, trouble
    made.sent = [SentFrame(t, at, b"\x01" * 160) for at in range(0, end, 20) for t in TRACKS]
    made.sent_at = array("q", [sent.timestamp for sent in made.sent])
    return made


def recording(received: int, withheld: int) -> dict[str, object]:
    """A recording with these counts of frames."""
    return {"frames": {"received": received, "withheld": withheld}}


def wav(ran: MediaStream, until: int) -> bytes:
    """The audio of the frames before `until` (ms)."""
    data = expected_audio([sent for sent in ran.sent if sent.timestamp < until]).samples
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 7, 2, 8000, 16000, 2, 8)
    body = head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_withheld_frames_must_be_those_sent_after_the_stop() -> None:
    """Neither less nor more, and together with the rest all that was sent."""
    ran = stream(6_000)
    assert counts(ran, recording(300, 300), PERIODS, PERIODS, may_lose=False) == []
    assert counts(ran, recording(600, 0), PERIODS, PERIODS, may_lose=False)
    assert counts(ran, recording(0, 600), PERIODS, PERIODS, may_lose=False)
    assert counts(ran, recording(200, 300), PERIODS, PERIODS, may_lose=False)
    assert counts(ran, recording(200, 250), PERIODS, PERIODS, may_lose=True) == []


def test_a_short_recording_after_a_late_decision_to_record_need_not_be_withheld() -> None:
    """It was complete within a second of the decision, so it is not certain that the decision was
    known. Without any decision to record, all of it must be withheld."""
    decided = [Decided(0, "do-not-record", 0), Decided(10_500, "record", 19_500)]
    ran = stream(1_000)
    ran.sent_at = array("q", [at + 11_000 for at in ran.sent_at])
    ran.began_at, ran.ended_at = 11_000, 12_000
    certainly = known(decided, 20_000)
    assert counts(ran, recording(0, 100), certainly, certainly, may_lose=False) == []
    assert counts(ran, recording(100, 0), certainly, certainly, may_lose=False)
    possibly = periods([{"at": iso(each.at), "decision": each.decision} for each in decided])
    assert counts(ran, recording(100, 0), certainly, possibly, may_lose=False) == []


def test_frames_that_a_closed_socket_did_not_take_are_excused() -> None:
    """Those of the last moments only."""
    ran = stream(6_000, trouble="closed")
    assert counts(ran, recording(300, 290), PERIODS, PERIODS, may_lose=False) == []
    assert counts(ran, recording(300, 100), PERIODS, PERIODS, may_lose=False)


def test_audible_frames_after_a_stop_are_found() -> None:
    """Such audio is found as far as the times of receipt are known."""
    ran = stream(6_000)
    assert audible(ran, wav(ran, 3_100), PERIODS) == []
    assert audible(ran, wav(ran, 4_000), PERIODS)
    assert audible(ran, b"no audio", PERIODS)


def test_a_socket_that_stays_open_is_found() -> None:
    """Five seconds after the stop, or after it opened, or after a broker was there again."""
    assert open_sockets([stream(6_000)], PERIODS, []) == []
    assert open_sockets([stream(6_001)], PERIODS, [])
    assert open_sockets([stream(9_000)], PERIODS, [Span(2_000, 4_000)]) == []
    late = replace(stream(9_000), began_at=4_000)
    assert open_sockets([late], PERIODS, []) == []
    assert open_sockets([stream(60_000)], [WithheldPeriod(3_000, 5_000)], []) == []


def test_a_decision_that_came_after_the_recording_was_complete_changes_nothing() -> None:
    """A complete recording never changes; the socket is to be closed once the decision is known."""
    decided = [Decided(500, "record", 600), Decided(1_000, "stop", 9_000)]
    assert known(decided, 20_000) == PERIODS
    assert known(decided, 9_500) == []
    assert from_log(decided) == [WithheldPeriod(11_000, None)]
    ran = stream(6_000)
    assert counts(ran, recording(600, 0), [], PERIODS, may_lose=False) == []
    assert counts(ran, recording(300, 300), [], PERIODS, may_lose=False) == []
