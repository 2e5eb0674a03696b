"""Regular batches, read from their bytes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.batch import source_key
from pipeline.media.regular import RegularBatch, RegularReader, written
from schemas.codec import decode, encode
from schemas.records import MediaBatch, Run, SequenceBreak, TrackBatch

longs = st.integers(-(2**40), 2**40)
sids = st.text("MZCAWT0123456789abcdefé", min_size=1, max_size=40)
numbers = st.none() | longs


@st.composite
def tracks(draw, name: str) -> TrackBatch:
    """Mostly regular ones."""
    frames = draw(st.integers(1, 51))
    step = draw(st.sampled_from([20, 20, 20, 20, 0, 10]))
    size = draw(st.sampled_from([160, 160, 160, 160, 80]))
    run = Run(draw(longs), frames, step, size)
    runs = draw(st.sampled_from([(run,), (run,), (run,), (run, run), ()]))
    invalid = draw(st.sampled_from([0, 0, 0, 1]))
    right = sum(r.frames * r.size for r in runs)
    length = draw(st.sampled_from([right, right, right, right, 0]))
    return TrackBatch(name, runs, invalid, draw(st.binary(min_size=4, max_size=4)) * (length // 4))


@st.composite
def batches(draw) -> MediaBatch:
    """Of both tracks, of one, of none."""
    inbound, outbound = draw(tracks("inbound")), draw(tracks("outbound"))
    both = (inbound, outbound)
    held = draw(st.sampled_from([both, both, both, both, (inbound,), (outbound, inbound), ()]))
    sid, call, task, gateway = (draw(sids) for _ in range(4))
    epoch, number, at = (draw(longs) for _ in range(3))
    first, last = draw(numbers), draw(numbers)
    return MediaBatch(sid, call, task, gateway, epoch, number, at, first, last, held)


def is_regular(track: TrackBatch) -> bool:
    """By the words of `RegularBatch`."""
    if len(track.runs) != 1 or track.invalid or track.breaks:
        return False
    (run,) = track.runs
    regular = run.frames > 1 and run.frames <= 50 and run.step == 20 and run.size == 160
    return regular and len(track.audio) == 160 * run.frames


@given(st.lists(batches(), max_size=4))
def test_what_is_read_is_what_decoding_gives(some):
    """All of a regular batch, whichever was read before; nothing of any other."""
    reader = RegularReader()
    for batch in some:
        names = [track.track for track in batch.tracks]
        expected = None
        if names == ["inbound", "outbound"] and all(map(is_regular, batch.tracks)):
            inbound, outbound = batch.tracks
            expected = RegularBatch(
                source_key(batch.task_sid, batch.stream_sid, batch.gateway, batch.epoch),
                *(batch.number, batch.at),
                *(inbound.runs[0].timestamp, memoryview(inbound.audio)),
                *(outbound.runs[0].timestamp, memoryview(outbound.audio)),
            )
        data = encode(batch)
        assert batch == decode(data)
        assert expected == reader.read(data) == reader.read(data)


@given(st.binary(max_size=40), batches(), st.data())
def test_bytes_that_are_cut_off_or_anything_else(rubbish, batch, data):
    """They are nothing regular, and no error."""
    encoded = encode(batch)
    reader = RegularReader()
    assert None is reader.read(rubbish)
    assert None is reader.read(encoded[:5] + rubbish)
    assert None is reader.read(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    assert None is reader.read(encoded + b"\0")


def test_two_streams_whose_sids_begin_alike():
    """The state of one media stream is not used for another."""
    run = (Run(0, 2, 20, 160),)
    held = tuple(TrackBatch(name, run, 0, bytes(320)) for name in ("inbound", "outbound"))
    reader = RegularReader()
    for sid, call in (("MZ1", "CA1"), ("MZ12", "CA1"), ("MZ1", "CA2")):
        batch = MediaBatch(sid, call, "WT1", "gateway-0", 1, 1, 1, None, None, held)
        found = reader.read(encode(batch))
        assert found is None or found.source == source_key("WT1", sid, "gateway-0", 1)


REGULAR = TrackBatch("inbound", (Run(0, 2, 20, 160),), 0, bytes(320))


def batch_with(inbound: TrackBatch = REGULAR, number: int = 1) -> MediaBatch:
    """Return a batch; its second track is regular."""
    held = (inbound, replace(REGULAR, track="outbound"))
    return MediaBatch("MZ1", "CA1", "WT1", "gateway-0", 1, number, 1, None, None, held)


@pytest.mark.parametrize(
    "changes",
    [
        {"track": "outbound"},
        {"runs": ()},
        {"runs": (Run(0, 2, 20, 160), Run(40, 2, 20, 160)), "audio": bytes(640)},
        {"invalid": 1},
        {"breaks": (SequenceBreak(0, "gap"),)},
        {"runs": (Run(0, 2, 10, 160),)},
        {"runs": (Run(0, 2, 20, 80),), "audio": bytes(160)},
        {"runs": (Run(-20, 2, 20, 160),)},
        {"runs": (Run(0, 1, 0, 160),), "audio": bytes(160)},
        {"runs": (Run(0, 51, 20, 160),), "audio": bytes(51 * 160)},
        {"audio": bytes(319)},
    ],
)
def test_a_batch_with_an_irregular_track_is_left_to_the_codec(changes):
    """One difference is enough."""
    assert None is written(batch_with(replace(REGULAR, **changes)))


@pytest.mark.parametrize("number", [0, 63, 64, 8_127, 8_128, 8_191, 8_192, 2**62])
def test_a_number_is_written_as_the_codec_writes_it(number):
    """In as few bytes as it needs."""
    assert encode(batch_with(number=number)) == written(batch_with(number=number))


@given(batches())
def test_a_regular_batch_is_written_as_any_other_is(batch):
    """And one that is not regular is left to the codec."""
    data = written(batch)
    if data is None:
        numbers = (batch.number, batch.at, *(run.timestamp for t in batch.tracks for run in t.runs))
        names = [track.track for track in batch.tracks]
        both = names == ["inbound", "outbound"] and all(map(is_regular, batch.tracks))
        assert not both or min(numbers) < 0
    else:
        assert encode(batch) == data
