"""Media streams that end too late, or too early, are found."""

from dataclasses import replace

from simulator.coded.sent import CodedStream
from simulator.world import MediaStream
from tests.system.chaos.uptime import Span
from tests.system.chaos_audio.ends import is_early, too_late

STREAM = MediaStream("MZ1", "CA1", "MZ1", "ws://x", "both_tracks", {}, 0)


def ended(at: int | None) -> CodedStream:
    """A media stream that ended then (ms)."""
    return CodedStream(1, replace(STREAM, ended_at=at))


def test_five_seconds_after_the_stop_a_socket_must_be_closed() -> None:
    """The time in which no broker was there is not counted."""
    assert too_late(ended(15_000), 10_000, []) == []
    assert len(too_late(ended(15_001), 10_000, [])) == 1
    assert too_late(ended(25_000), 10_000, [Span(12_000, 20_000)]) == []
    assert len(too_late(ended(None), 10_000, [])) == 1
    assert len(too_late(ended(15_000), None, [])) == 1


def test_a_socket_may_only_be_lost_with_its_gateway() -> None:
    """Or once the call is over."""
    assert is_early(ended(9_000), 10_000, [])
    assert not is_early(ended(10_000), 10_000, [])
    assert not is_early(ended(9_000), 10_000, [Span(8_000, 9_500)])
