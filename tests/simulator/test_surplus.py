"""Which media streams must result in a recording."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.expected import SentFrame
from simulator.surplus import counted, surplus
from simulator.world import MediaStream

FRAME = SentFrame("inbound", 0, b"")


def stream(sid: str, frames: int, begin: int, end: int | None, **more: Any) -> MediaStream:
    """A media stream that was asked for at `begin` and sent so many frames."""
    call, name, is_void = (more.get(k, d) for k, d in (("call", "CA"), ("name", "n"), ("void", 0)))
    return MediaStream(
        sid, call, name, "ws://x", "both_tracks", {}, begin,
        ended_at=end, is_void=bool(is_void), sent=[FRAME] * frames,
    )  # fmt: skip


def test_the_longest_of_those_at_one_time_counts() -> None:
    """Whichever began first; a media stream that has not ended runs at the same time as all after
    its begin."""
    short, long = stream("MZ1", 3, 0, None), stream("MZ2", 9, 100, 300)
    assert [short] == surplus([short, long])
    assert [long] == counted([short, long])
    assert [long] == counted([long, short])


@pytest.mark.parametrize("other", [{"call": "CB"}, {"name": "m"}])
def test_another_call_or_name_is_another_stream(other: dict[str, str]) -> None:
    """They count although they run at the same time."""
    both = [stream("MZ1", 3, 0, 100), stream("MZ2", 9, 0, 100, **other)]
    assert ([], both) == (surplus(both), counted(both))


def test_one_after_another_counts_too() -> None:
    """One that begins when the other ends does not run beside it."""
    first, second = stream("MZ1", 3, 0, 100), stream("MZ2", 9, 100, 200)
    assert [first, second] == counted([first, second])
    early = stream("MZ3", 2, 99, 150)
    assert [early] == surplus([first, early, second])


def test_a_leg_that_was_never_answered_has_no_recording() -> None:
    """Its media stream counts as little as a surplus one."""
    void, other = stream("MZ1", 9, 0, 50, void=1), stream("MZ2", 3, 60, 90)
    assert [other] == counted([void, other])
    assert [] == surplus([void, other])


SPANS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 9)), max_size=6)


@given(SPANS)
def test_no_two_at_one_time_count(spans: list[tuple[int, int, int]]) -> None:
    """And each surplus one ran at the time of a longer or equally long one that counts."""
    every = [stream(f"MZ{n}", frames, at, at + ms) for n, (frames, at, ms) in enumerate(spans)]
    kept, left = counted(every), surplus(every)
    assert [each for each in every if each not in left] == kept
    assert not any(_beside(a, b) for a in kept for b in kept if a is not b)
    for each in left:
        assert any(_beside(each, o) and len(o.sent) >= len(each.sent) for o in kept)


def _beside(one: MediaStream, other: MediaStream) -> bool:
    assert one.ended_at is not None
    assert other.ended_at is not None
    return max(one.requested_at, other.requested_at) < min(one.ended_at, other.ended_at)
