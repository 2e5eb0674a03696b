"""Dialogues in which frames become batches."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.protocol import MediaSocket
from pipeline.media.batch import frames
from schemas.records import MediaBatch, MediaStreamClosed, Run
from tests.examples import examples
from tests.gateway.dialogue import ACCOUNT, STREAM, TASK, media, start, stop
from tests.gateway.media.sockets import T0, closed, running


def test_a_bad_payload_is_counted_and_the_socket_stays():
    """The count is on the batch of its track, and the frames beside it are there."""
    protocol = running()
    for text in (
        media("inbound", "20", b"\x01" * 160),
        media("inbound", "40", "@@@"),
        media("inbound", "60", b"\x03" * 160),
        media("nowhere", "60", b"\x03" * 160),
        media("outbound", "99999999999", b"\x03" * 160),
    ):
        assert [] == list(protocol.receive([text], T0))
    batch, end = protocol.lost(T0, "dropped", "connection lost")
    assert [("inbound", 1, b"\x01" * 160 + b"\x03" * 160), ("outbound", 1, b"")] == [
        (track.track, track.invalid, track.audio) for track in batch.tracks
    ]
    detail = "connection lost; 1 frames of unknown tracks"
    assert closed("dropped", detail, batches=1, frames=2, invalid=2) == end
    assert {"payload": 1, "track": 1, "timestamp": 1} == protocol.unusable


def test_a_batch_bears_the_time_at_which_its_last_frame_came():
    """For every cause of a cut: time, a frame that no longer fits, the 25th frame, or the end."""
    protocol = running()
    protocol.receive([media("inbound", "20", bytes(160))], T0 + 1)
    protocol.receive([media("inbound", "40", bytes(160))], T0 + 40)
    by_time = list(protocol.tick(T0 + 700))
    protocol.receive([media("inbound", "60", bytes(160))], T0 + 701)
    far = [media("inbound", str(5_000 + 20 * n), bytes(160)) for n in range(26)]
    by_frames = list(protocol.receive(far, T0 + 1_000))
    *by_end, _ = protocol.lost(T0 + 1_300, "dropped", "")
    batches = [*by_time, *by_frames, *by_end]
    assert [T0 + 40, T0 + 701, T0 + 1_000, T0 + 1_000] == [batch.at for batch in batches]


def test_a_stream_that_comes_again_continues_its_batch_numbers():
    """So that a number never means two batches; under another task it begins at 1."""
    for task, first in ((TASK, 13), ("WT" + "f" * 32, 1)):
        numbers = {(task, STREAM): 12} if task == TASK else {(TASK, "MZ" + "f" * 32): 12}
        protocol = MediaSocket("gateway-0", 7, ACCOUNT, T0, last_numbers=numbers)
        protocol.receive([start(), media("inbound", "20", bytes(160))], T0)
        batch, end = protocol.lost(T0, "dropped", "")
        assert (first, first, 1) == (batch.number, end.batches, end.frames)


def test_what_waits_is_cut_after_half_a_second():
    """Though nothing more comes."""
    protocol = running()
    protocol.receive([media("inbound", "20", b"\x00" * 160)], T0)
    assert [] == list(protocol.tick(T0 + 499))
    assert [(1, T0)] == [(batch.number, batch.at) for batch in protocol.tick(T0 + 500)]
    assert [] == list(protocol.tick(T0 + 1_500))


def test_a_clock_set_back_cuts_the_batch():
    """Rather than leaving it open until the clock has caught up."""
    protocol = running()
    protocol.receive([media("inbound", "20", b"\x00" * 160)], T0)
    assert 1 == len(protocol.tick(T0 - 5_000))


def test_25_frames_of_both_tracks_are_one_batch_of_two_runs():
    """The usual case: cut with the 25th frame of either track."""
    protocol = running()
    batches = []
    for number in range(49):
        for track in ("inbound", "outbound"):
            text = media(track, str(99 + 20 * number), bytes(160))
            batches += protocol.receive([text], T0 + 20 * number)
    assert [
        (Run(99, 25, 20, 160), Run(99, 24, 20, 160)),
        (Run(599, 24, 20, 160), Run(579, 25, 20, 160)),
    ] == [tuple(run for track in batch.tracks for run in track.runs) for batch in batches]


frame_texts = st.lists(
    st.tuples(
        st.sampled_from(["inbound", "outbound"]),
        st.one_of(st.integers(0, 2_000), st.integers(0, 200).map(lambda n: 20 * n)),
        st.binary(min_size=1, max_size=200) | st.just(b"\x55" * 160) | st.just(b"\x66" * 5_000),
        st.sampled_from(["good", "good", "good", "good", "bad payload", "bad time", "bad track"]),
        st.integers(-5, 300),
    ),
    max_size=120,
)


def text_of(track, timestamp, payload, kind) -> str:
    match kind:
        case "bad payload":
            return media(track, str(timestamp), "%%%")
        case "bad time":
            return media(track, "-20", payload)
        case "bad track":
            return media("sideways", str(timestamp), payload)
        case _:
            return media(track, str(timestamp), payload)


@settings(max_examples=examples(60))
@given(frame_texts, st.sampled_from(["stop", "lost", "violation"]), st.data())
def test_batches_hold_exactly_the_valid_frames(given_frames, ending, data):
    """For any input, any times of ticks, and any end: no frame is missing, none is there twice,
    each is in its track's order, in batches of half a second at most."""
    protocol, now = running(), T0
    outputs = []
    for track, timestamp, payload, kind, pause in given_frames:
        outputs += protocol.receive([text_of(track, timestamp, payload, kind)], now)
        now += pause
        if pause > 150:
            outputs += protocol.tick(now)
    match ending:
        case "stop":
            outputs += protocol.receive([stop()], now)
        case "lost":
            outputs += protocol.lost(now, "dropped", "")
        case _:
            outputs += protocol.receive(["{"], now)
    batches = [output for output in outputs if isinstance(output, MediaBatch)]
    check_frames(given_frames, batches)
    check_limits(batches)
    [end] = [output for output in outputs if isinstance(output, MediaStreamClosed)]
    good = sum(kind == "good" for *_, kind, _ in given_frames)
    invalid = sum(kind in ("bad payload", "bad time") for *_, kind, _ in given_frames)
    assert (len(batches), good, invalid) == (end.batches, end.frames, end.invalid)


def check_frames(given_frames, batches) -> None:
    for track in ("inbound", "outbound"):
        expected = [
            (t, p) for name, t, p, kind, _ in given_frames if (name, kind) == (track, "good")
        ]
        actual = [
            (frame.timestamp, frame.payload)
            for batch in batches
            for frame in frames(batch)
            if frame.track == track
        ]
        assert expected == actual


def check_limits(batches) -> None:
    assert list(range(1, len(batches) + 1)) == [batch.number for batch in batches]
    for batch in batches:
        assert batch.tracks
        for track in batch.tracks:
            stamps = [f.timestamp for f in frames(batch) if f.track == track.track]
            assert len(stamps) <= 25
            assert not stamps or max(stamps) - stamps[0] < 500
            assert len(track.audio) <= 4_000 or len(stamps) == 1


def test_key_order_and_unknown_fields_do_not_matter():
    """Twilio's vary."""
    text = json.dumps(
        {
            "media": {"payload": "AAAA", "timestamp": "20", "track": "inbound", "new": 1},
            "streamSid": STREAM,
            "extra": {},
            "event": "media",
        }
    )
    protocol = running()
    protocol.receive([text], T0)
    batch, _ = protocol.lost(T0, "dropped", "")
    assert b"\x00\x00\x00" == batch.tracks[0].audio
