"""Dialogues with one socket's protocol."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.protocol import CloseSocket, MediaSocket, SendPing
from gateway.media.socket_state import SocketState
from pipeline.media.batch import frames
from pipeline.twilio.tickets import Ticket
from schemas.records import MediaBatch, MediaStreamClosed, MediaStreamOpened, Run
from tests.examples import examples
from tests.gateway.dialogue import ACCOUNT, CALL, STREAM, TASK, connected, media, start, stop

T0 = 1_700_000_000_000


def fresh(account: str | None = ACCOUNT) -> MediaSocket:
    return MediaSocket("gateway-0", 7, account, T0)


def running() -> MediaSocket:
    protocol = fresh()
    protocol.receive([start()], T0)
    return protocol


def closed(reason: str, detail: str = "", **counts: int) -> MediaStreamClosed:
    counted = {"at": T0, "batches": 0, "frames": 0, "invalid": 0} | counts
    return MediaStreamClosed(
        STREAM, CALL, TASK, "fc-1", 2, "gateway-0", 7, reason=reason, detail=detail, **counted
    )


def test_a_whole_stream():
    """A media stream opens at start, its frames form a batch, and it closes at stop with the
    counts."""
    protocol = fresh()
    assert [] == list(protocol.receive([connected()], T0))
    assert [MediaStreamOpened(STREAM, CALL, TASK, "fc-1", 2, "gateway-0", 7, T0)] == list(
        protocol.receive([start()], T0)
    )
    assert SocketState.RUNNING is protocol.state
    for number in range(3):
        frame = media("inbound", str(119 + 20 * number), bytes([number]) * 160, str(4 + number))
        assert [] == list(protocol.receive([frame], T0 + 20 * number))
    batch, end, close = protocol.receive([stop()], T0 + 60)
    assert [(1, 4, 6, T0 + 40)] == [
        (batch.number, batch.first_sequence, batch.last_sequence, batch.at)
    ]
    assert (Run(119, 3, 20, 160),) == batch.tracks[0].runs
    assert closed("stop", at=T0 + 60, batches=1, frames=3) == end
    assert CloseSocket(1000, "stop") == close
    assert [] == list(protocol.receive([media("inbound", "179", b"\x00" * 160)], T0 + 61))
    assert [] == list(protocol.lost(T0 + 62, "dropped", ""))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (["{"], "not JSON"),
        (["[]"], "not a JSON object"),
        ([media("inbound", "20", b"\x00")], "media before start"),
        ([connected(), media("inbound", "20", "!")], "media before start"),
        ([start(parameters={})], "start without taskSid parameter"),
        ([start(accountSid="AC" + "f" * 32)], "another account"),
        ([start(accountSid=None)], "another account"),
    ],
)
def test_what_is_no_stream_of_ours_is_closed_with_1008(messages, reason):
    """And leaves nothing on any topic."""
    protocol = fresh()
    outputs = [output for text in messages for output in protocol.receive([text], T0)]
    assert [CloseSocket(1008, reason)] == outputs
    assert SocketState.DONE is protocol.state
    assert [] == list(protocol.lost(T0, "dropped", ""))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        (start(stream="MZ" + "4" * 32), "second start"),
        (media("inbound", "40", b"\x00", stream="MZ" + "4" * 32), "media of another stream"),
    ],
)
def test_a_violation_while_running_ends_the_stream_with_its_audio(text, reason):
    """The earlier audio is published, then the end with its reason; then the socket is closed."""
    protocol = running()
    protocol.receive([media("inbound", "20", b"\x00")], T0)
    batch, end, close = protocol.receive([text], T0)
    assert isinstance(batch, MediaBatch)
    assert closed("protocol-error", reason, batches=1, frames=1) == end
    assert CloseSocket(1008, reason) == close


def test_what_is_odd_but_harmless_is_tolerated():
    """A repeated start, unknown events, and frames without a stream SID or sequence number."""
    protocol = fresh()
    assert 1 == len(protocol.receive([start()], T0))
    assert [] == list(protocol.receive([start()], T0))
    assert [] == list(protocol.receive(['{"event": "mark"}'], T0))
    assert [] == list(
        protocol.receive([media("inbound", 20, b"\x00", sequence=None, stream=None)], T0)
    )
    batch, _ = protocol.lost(T0, "dropped", "")
    assert (None, None) == (batch.first_sequence, batch.last_sequence)


@pytest.mark.parametrize("together", [True, False])
def test_nothing_comes_out_after_the_close(together):
    """No batch, and no second close, whatever follows the stop in the same read or later."""
    protocol = running()
    later = [media("inbound", str(100 + 20 * n), bytes(160)) for n in range(30)]
    texts = [stop(), *later, "{"]
    reads = [texts] if together else [[text] for text in texts]
    outputs = [output for read in reads for output in protocol.receive(read, T0)]
    outputs += [*protocol.tick(T0 + 20_000), *protocol.lost(T0 + 20_000, "dropped", "")]
    assert [closed("stop", unbroken=True), CloseSocket(1000, "stop")] == outputs


def test_any_account_is_taken_where_none_is_configured():
    """The signature is proof enough."""
    for account in ("AC" + "f" * 32, None):
        assert 1 == len(fresh(None).receive([start(accountSid=account)], T0))


TICKET = Ticket(ACCOUNT, CALL, TASK, 2, T0 // 1000 + 60, "00")


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        (replace(TICKET, account_sid="AC" + "f" * 32), "another account"),
        (replace(TICKET, call_sid="CA" + "f" * 32), "another call"),
        (replace(TICKET, task_sid="WT" + "f" * 32), "another task"),
        (replace(TICKET, generation=3), "another task"),
    ],
)
def test_a_start_must_be_what_the_ticket_was_made_for(ticket, reason):
    """Account, leg, task and generation."""
    protocol = MediaSocket("gateway-0", 7, None, T0, ticket=ticket)
    assert [CloseSocket(1008, reason)] == list(protocol.receive([start()], T0))
    protocol = MediaSocket("gateway-0", 7, None, T0, ticket=TICKET)
    assert [MediaStreamOpened] == [type(output) for output in protocol.receive([start()], T0)]


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


def test_a_socket_that_never_starts_is_closed():
    """After ten seconds."""
    protocol = fresh()
    protocol.receive([connected()], T0)
    assert [] == list(protocol.tick(T0 + 10_000))
    assert [CloseSocket(1008, "no start")] == list(protocol.tick(T0 + 10_001))
    assert [] == list(protocol.tick(T0 + 10_002))


def test_a_clock_that_is_corrected_does_not_keep_a_silent_socket():
    """The gateway's clock was an hour ahead until it was measured."""
    protocol = fresh()
    assert [CloseSocket(1008, "no start")] == list(protocol.tick(T0 - 3_600_000))


def ticked(protocol, first, last) -> list:
    """Return the outputs of a tick every 100 ms, from the first time to the last."""
    ticks = range(first, last + 1, 100)
    return [output for now in ticks for output in protocol.tick(now)]


def no_media(silence: int, **counts: int) -> MediaStreamClosed:
    return closed("no-media", f"nothing for {silence} s, and no answer to a ping", **counts)


def test_a_stream_without_frames_is_pinged_and_closed_if_nothing_answers():
    """From its start on; the end says why, and it is no violation."""
    protocol = running()
    assert [] == ticked(protocol, T0, T0 + 4_900)
    assert [SendPing()] == ticked(protocol, T0 + 5_000, T0 + 9_900)
    assert [no_media(10, at=T0 + 10_000), CloseSocket(1011, "no media")] == ticked(
        protocol, T0 + 10_000, T0 + 11_000
    )


@pytest.mark.parametrize("sign", ["pong", "frame", "useless frame", "mark"])
def test_a_silent_stream_stays_while_there_are_signs_of_life(sign):
    """An answer to the ping, or anything else that comes; it is pinged again every 5 s."""
    protocol = running()
    texts = {
        "frame": media("inbound", "20", bytes(160)),
        "useless frame": media("inbound", "20", "%%%"),
        "mark": '{"event": "mark"}',
    }
    for start_at in range(T0, T0 + 120_000, 6_000):
        pings = [o for o in ticked(protocol, start_at, start_at + 5_900) if type(o) is SendPing]
        assert [SendPing()] == pings
        if sign == "pong":
            protocol.heard(start_at + 5_950)
        else:
            protocol.receive([texts[sign]], start_at + 5_950)
    assert SocketState.RUNNING is protocol.state
    protocol.receive([media("inbound", "120000", bytes(160))], T0 + 120_000)
    assert 120_000 == list(frames(protocol.lost(T0 + 120_000, "dropped", "")[0]))[-1].timestamp


def test_a_ping_does_not_hold_back_audio():
    """Collected audio is published in time, also while the answer to a ping is outstanding."""
    protocol = running()
    ticked(protocol, T0, T0 + 2_950)
    protocol.receive([media("inbound", "20", bytes(160))], T0 + 3_000)
    outputs = ticked(protocol, T0 + 3_050, T0 + 13_050)
    kinds = [MediaBatch, SendPing, MediaStreamClosed, CloseSocket]
    assert kinds == [type(output) for output in outputs]


@given(
    st.lists(
        st.tuples(st.sampled_from(["frame", "pong", "tick", "tick"]), st.integers(-3_000, 7_000))
    )
)
def test_time_in_which_the_sockets_were_not_read_is_no_silence(steps):
    """Ticks that are further apart than a second, or a clock that is set: the five seconds until
    the ping and those after it begin anew, as after every sign of life."""
    protocol, now, ticked_at, heard_at = running(), T0, T0, T0
    pinged_at = None
    for kind, pause in [*steps, *[("tick", 500)] * 40]:
        now += pause
        if kind != "tick":
            if kind == "frame":
                protocol.receive([media("inbound", "20", b"\x00" * 160)], now)
            else:
                protocol.heard(now)
            heard_at, pinged_at = now, None
            continue
        if not 0 <= now - ticked_at <= 1_000:
            heard_at, pinged_at = now, None
        ticked_at = now
        found = {type(output) for output in protocol.tick(now)} - {MediaBatch}
        if pinged_at is None:
            must_ping = now - heard_at >= 5_000
            assert ({SendPing} if must_ping else set()) == found
            pinged_at = now if must_ping else None
        else:
            over = now - pinged_at >= 5_000
            assert ({MediaStreamClosed, CloseSocket} if over else set()) == found
            if over:
                return
    raise AssertionError("never closed")


def test_a_stream_that_is_not_to_be_recorded_ends_with_the_decisions_reason():
    """Its audio so far goes out, and the socket is closed regularly; nothing comes after it."""
    protocol = running()
    protocol.receive([media("inbound", "20", bytes(160))], T0)
    batch, end, close = protocol.not_to_be_recorded(T0 + 100, "no monitored agent is left")
    assert isinstance(batch, MediaBatch)
    reason = "not-to-be-recorded"
    assert end == closed(reason, "no monitored agent is left", at=T0 + 100, batches=1, frames=1)
    assert close == CloseSocket(1000, "not to be recorded")
    assert [] == list(protocol.receive([media("inbound", "40", bytes(160))], T0 + 120))
    assert [] == list(protocol.lost(T0 + 130, "dropped", ""))


def test_a_batch_bears_the_time_at_which_its_last_frame_came():
    """Whatever cuts it: time, a frame that no longer fits, the 25th frame, or the end."""
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
    """Whatever comes, whenever time is looked at, and however it ends: no frame is missing, none
    twice, each in its track's order, in batches of half a second at the most."""
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
