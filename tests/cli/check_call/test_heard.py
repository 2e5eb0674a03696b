"""The sound and silence in batches, however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from cli.check_call.heard import HeardTrack, heard
from tests.cli.check_call.usual import LOUD, QUIET, batch, part


@given(
    st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=60),
    st.lists(st.integers(1, 20), min_size=1),
    st.integers(0, 3),
)
def test_audio_is_heard_however_it_is_cut(
    frames: list[tuple[int, bool]], sizes: list[int], again: int
) -> None:
    """Batches of any size, some of them delivered twice, give the same; sound, silence and holes
    are found."""
    at, placed = 0, []
    for steps, is_loud in frames:
        at += 20 * steps
        placed.append((at, LOUD if is_loud else QUIET))
    batches, rest = [], placed
    while rest:
        size = sizes[len(batches) % len(sizes)]
        batches.append(batch(len(batches) + 1, part("inbound", rest[:size])))
        rest = rest[size:]
    found = heard([*batches, *batches[:again]]).get("inbound", HeardTrack())
    assert (len(placed), sum(is_loud for _, is_loud in frames)) == (found.frames, found.loud_frames)
    assert found.longest_hole_ms == max([0, *(20 * (s - 1) for s, _ in frames[1:])])
    if placed:
        assert found == heard([batch(1, part("inbound", placed))])["inbound"]
