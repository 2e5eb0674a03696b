"""The judge of coded audio finds every mistake."""

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.coded.frames import FRAME_BYTES, payload
from simulator.coded.judging import strangers, without_recording
from simulator.expected import INBOUND, OUTBOUND, TRACKS
from simulator.script import Line
from tests.simulator.coded.recorded import ALL, TURNS, Recorded


def test_all_recorded() -> None:
    """Nothing is lost, nothing strange, nothing wrong."""
    judgement = Recorded(ALL, []).judged()
    assert ([], 2 * TURNS, 0, 0) == (
        judgement.wrong,
        judgement.recorded,
        judgement.lost.total(),
        judgement.unaccounted,
    )


@given(st.sets(st.integers(1, TURNS - 2)), st.sets(st.integers(1, TURNS - 2)))
def test_frames_listed_as_lost_are_accounted_for(lost: set[int], away: set[int]) -> None:
    """All reported losses are accounted for; frames dropped before they were sent are not
    missed."""
    judgement = Recorded(ALL - lost, sorted(away)).judged()
    assert [] == judgement.wrong
    assert 2 * len(lost - away) == judgement.lost["not-received"] == judgement.lost.total()
    assert judgement.sent == judgement.recorded + judgement.lost.total()


def test_the_end_may_be_described_track_by_track() -> None:
    """Then only what lies in its holes is accounted for, each with its own reason."""
    recorded = Recorded(set(range(30)), [], until_ms=10_000)
    ends = {name: len(_side(recorded, number)) for number, name in enumerate(TRACKS)}
    holes = {
        name: [{"at": at, "samples": 30 * 160, "frames": 30, "reason": f"{name} gone"}]
        for name, at in ends.items()
    }
    end = {"frames": 100, "until_ms": 10_000, "reason": "any", "tracks": holes}
    judgement = recorded.judged(lost_at_end=end)
    assert ([], {"inbound gone": 30, "outbound gone": 30}) == (judgement.wrong, judgement.lost)
    del holes["outbound"]
    assert 30 == recorded.judged(lost_at_end=end).unaccounted


def _side(recorded: Recorded, number: int) -> bytes:
    return recorded.expected.samples[number::2]


def test_reasons_must_add_up() -> None:
    """To the frames that are lost."""
    recorded = Recorded(ALL - {5}, [])
    assert [] == recorded.judged(lost_for={"not-received": 2}).wrong
    assert recorded.judged(lost_for={"not-received": 1}).wrong


def test_a_frame_that_was_sent_must_not_count_as_silence() -> None:
    """And silence must, if no number is missing."""
    recorded = Recorded(ALL - {5, 6}, [])
    holes = [one for track in recorded.tracks.values() for one in track["ranges"]
             if one["kind"] == "lost"]  # fmt: skip
    for hole in holes:
        hole["reason"] = "not-sent"
    assert any("lost as not-sent" in text for text in recorded.judged().wrong)
    recorded.coded.line = Line(silent=range(5, 7))
    judgement = recorded.judged()
    assert (judgement.wrong, judgement.silent) == ([], {"not-sent": 4})
    holes[0]["reason"] = "not-received"
    assert recorded.judged().wrong


def test_what_a_gateway_took_with_it_may_be_in_a_gap_of_the_contact() -> None:
    """If the gateway died, and as far as the gap goes."""
    recorded = Recorded(set(range(30)), [])
    recorded.coded.began_at = 1_000
    recorded.gaps = [{"from": "1970-01-01T00:00:01.600Z", "to": "1970-01-01T00:00:01.990Z"}]
    died = {"ended": {"reason": "gateway-died"}}
    judgement = recorded.judged(**died)
    assert (judgement.in_gap, judgement.unaccounted) == (40, 20)
    assert recorded.judged().unaccounted == 60


def test_what_a_gateway_took_with_it_after_the_call_is_in_no_gap() -> None:
    """The contact lists no gap there: that time need not be recorded."""
    recorded = Recorded(set(range(30)), [])
    recorded.coded.began_at = 1_000
    recorded.ended_at = "1970-01-01T00:00:01.400Z"
    judgement = recorded.judged(ended={"reason": "gateway-died"})
    assert (judgement.in_gap, judgement.unaccounted) == (60, 0)
    assert recorded.judged().unaccounted == 60


def test_a_killed_gateway_may_have_received_more_than_real_time() -> None:
    """From a sender that was 100 ms late, and sent the last frames at once to make up for it."""
    recorded = Recorded(set(range(30)), [])
    timestamps = [timestamp for _, timestamp, _ in recorded.coded.fates()]
    recorded.until_ms, recorded.coded.began_at = timestamps[55], 1_000
    died = {"ended": {"reason": "gateway-died"}}
    assert 10 == recorded.judged(**died).unaccounted
    late = [0.02 * number + (0.1 if number < 55 else 0.0) for number in range(TURNS)]
    recorded.coded.turned_at[:] = array("d", late)
    judgement = recorded.judged(**died)
    assert (10, 0) == (judgement.in_burst, judgement.unaccounted)
    assert 10 == recorded.judged().unaccounted


def test_losses_of_a_killed_gateway_are_accounted_for_only_as_far_as_stated() -> None:
    """Frames after the last one that was received, until the media time that the manifest names."""
    arrived = set(range(30))
    judgement = Recorded(arrived, [], until_ms=10_000).judged()
    assert ([], 60) == (judgement.wrong, judgement.lost["gateway-died"])
    in_part = Recorded(arrived, [], until_ms=1_000).judged()
    assert 0 < in_part.unaccounted < 60
    assert 60 == Recorded(arrived, []).judged().unaccounted


@pytest.mark.parametrize(
    ("strange", "expected"),
    [
        (payload(4, INBOUND, 10), "of another media stream"),
        (payload(3, OUTBOUND, 10), "on the wrong side"),
        (payload(3, INBOUND, 9), "twice"),
        (payload(3, INBOUND, 2**30), None),
    ],
)
def test_a_frame_that_does_not_belong_there_is_seen(strange: bytes, expected: str | None) -> None:
    """In place of the inbound frame 10: of another call, of the other side, there before."""
    recorded = Recorded(ALL, [])
    samples = bytearray(recorded.expected.samples)
    at = samples[0::2].index(payload(3, INBOUND, 10))
    samples[2 * at : 2 * (at + FRAME_BYTES) : 2] = strange
    judgement = recorded.judged(recorded.wav(bytes(samples)))
    assert judgement.wrong
    assert expected is None or 1 == judgement.strange[expected]


@given(st.integers(0, 2**32), st.integers(1, 255))
def test_no_sample_may_be_another(place: int, flipped: int) -> None:
    """One byte anywhere in the audio."""
    recorded = Recorded(ALL - {5, 6}, [])
    samples = bytearray(recorded.expected.samples)
    samples[place % len(samples)] ^= flipped
    assert recorded.judged(recorded.wav(bytes(samples))).wrong


def test_audio_may_not_be_moved() -> None:
    """All frames are there, a sample late."""
    recorded = Recorded(ALL, [])
    assert recorded.judged(recorded.wav(b"\xff\xff" + recorded.expected.samples)).wrong


@pytest.mark.parametrize(
    "changed",
    [
        {"stream_sid": "MZ2"},
        {"call_sid": "CA2"},
        {"inum": "2"},
        {"audio": {"sha256": "0"}},
        {"segments": []},
        {"segments": None},
        {"frames": {"received": 1, "lost": 0, "duplicate": 0, "invalid": 0, "withheld": 0}},
        {"withheld": [{"at": 0, "samples": 9, "frames": {"inbound": 1, "outbound": 0}}]},
    ],
)
def test_a_manifest_that_says_something_else_is_wrong(changed: dict[str, Any]) -> None:
    """Of another call, of other bytes, of other frames, of none."""
    assert Recorded(ALL, []).judged(**changed).wrong


def test_frames_in_the_wrong_order_are_found() -> None:
    """Frames in a wrong order, and a side on which all frames are misplaced, are reported."""
    side = payload(3, INBOUND, 2) + payload(3, INBOUND, 1)
    assert {"out of order": 1} == strangers(3, INBOUND, side)
    assert {"out of place": 1} == strangers(3, INBOUND, payload(3, INBOUND, 1))


def test_without_a_recording_nothing_is_accounted_for() -> None:
    """However much was sent."""
    judgement = without_recording(Recorded(ALL, []).coded)
    assert (2 * TURNS, 0) == (judgement.unaccounted, judgement.recorded)
    assert judgement.wrong
