"""Breaks in a batch: holes in a track over which sequence numbers are missing."""

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.protocol import MediaSocket
from schemas.records import MediaBatch, MediaStreamClosed
from tests.examples import examples
from tests.gateway.dialogue import ACCOUNT, STREAM, media, start, stop

T0 = 1_700_000_000_000
TRACKS = ("inbound", "outbound")


def breaks_of(texts, starting=None, per_call: int = 1) -> dict[str, list[tuple[int, str]]]:
    """What the batches of a media stream say, by track."""
    protocol = MediaSocket("gateway-0", 7, ACCOUNT, T0)
    outputs = list(protocol.receive([starting or start()], T0))
    for number in range(0, len(texts), per_call):
        outputs += protocol.receive(texts[number : number + per_call], T0 + 10 * number)
    outputs += protocol.lost(T0 + 10 * len(texts), "dropped", "")
    found: dict[str, list[tuple[int, str]]] = {track: [] for track in TRACKS}
    for batch in outputs:
        if isinstance(batch, MediaBatch):
            for track in batch.tracks:
                places = [(each.timestamp, each.reason) for each in track.breaks]
                stamps = Counter(
                    run.timestamp + n * run.step for run in track.runs for n in range(run.frames)
                )
                assert not Counter(place for place, _ in places) - stamps
                found[track.track] += places
    return found


def mark(sequence) -> str:
    return json.dumps({"event": "mark", "sequenceNumber": sequence, "streamSid": STREAM})


def frame(track: str, timestamp: int, sequence) -> str:
    return media(track, str(timestamp), bytes(160), sequence)


# What Twilio sends: a frame of one track, a mark, or nothing for a while on that track. `lost`: it
# is sent, and does not arrive; `spoiled`: it arrives, and cannot be decoded, with its track or not.
sent = st.tuples(
    st.sampled_from(["inbound", "outbound", "inbound", "outbound", "mark", "silence"]),
    st.sampled_from(["arrives"] * 6 + ["lost", "lost", "spoiled", "spoiled-track"]),
    st.integers(1, 200),
)


@settings(max_examples=examples(200))
@given(st.lists(sent, max_size=80), st.integers(1, 5))
def test_breaks_are_at_the_frames_whose_hole_has_a_skipped_number(events, per_call):
    """There are no breaks if Twilio sent nothing, or if only the other track or a mark is missing
    and this track has no hole. The grouping of messages does not matter."""
    timestamps = dict.fromkeys(TRACKS, 100)
    texts: list[str] = []
    history: list[tuple[str, str, int]] = []  # kind, fate, timestamp
    sequence = 1
    for kind, given_fate, amount in events:
        if kind == "silence":
            timestamps[TRACKS[amount % 2]] += 20 * amount
            continue
        sequence += 1
        timestamp, fate = timestamps.get(kind, 0), given_fate
        if kind == "mark":
            fate = "lost" if given_fate == "lost" else "arrives"
            texts += [] if fate == "lost" else [mark(str(sequence))]
        else:
            timestamps[kind] += 20
            track = "sideways" if fate == "spoiled-track" else kind
            body = "%%%" if fate.startswith("spoiled") else bytes(160)
            texts += [] if fate == "lost" else [media(track, str(timestamp), body, str(sequence))]
        history.append((kind, fate, timestamp))
    assert expected_breaks(history) == breaks_of(texts, per_call=per_call)


def expected_breaks(history) -> dict[str, list[tuple[int, str]]]:
    """Return the breaks by the messages that were sent between each pair of neighbouring frames of
    a track."""
    expected: dict[str, list[tuple[int, str]]] = {track: [] for track in TRACKS}
    for track in TRACKS:
        places = [n for n, (k, fate, _) in enumerate(history) if (k, fate) == (track, "arrives")]
        for before, after in pairwise(places):
            between = history[before + 1 : after]
            lost = any(fate == "lost" for _, fate, _ in between)
            spoiled = any(
                fate == "spoiled-track" or (kind == track and fate == "spoiled")
                for kind, fate, _ in between
            )
            if history[after][2] - history[before][2] > 20 and (lost or spoiled):
                reason = "not-received" if lost else "undecodable"
                expected[track].append((history[after][2], reason))
    return expected


def test_a_pending_break_outlives_a_batch():
    """The hole may be longer than a batch, and frames of the other track may come in it."""
    texts = [frame("inbound", 20, "2"), frame("outbound", 20, "3")]
    texts += [frame("outbound", 40 + 20 * n, str(5 + n)) for n in range(60)]
    texts += [frame("inbound", 1_240, "65")]
    assert {"inbound": [(1_240, "not-received")], "outbound": []} == breaks_of(texts)


def test_a_message_without_a_number_counts_as_one():
    """A message without a number counts as one, although others may be missing before it. The count
    continues after it."""
    texts = [
        frame("inbound", 20, "2"),
        frame("inbound", 80, None),
        frame("inbound", 140, "4"),
        frame("inbound", 200, "6"),
        frame("inbound", 260, "7"),
    ]
    expected = [(80, "not-received"), (200, "not-received")]
    assert expected == breaks_of(texts)["inbound"]


def test_a_connection_without_numbers_has_breaks_at_its_holes_only():
    """Else every batch would be an unusual one."""
    plain = start()
    unnumbered = json.dumps({k: v for k, v in json.loads(plain).items() if k != "sequenceNumber"})
    stamps = [20, 40, 58, 80, 180, 200]
    texts = [frame(track, stamp, None) for stamp in stamps for track in TRACKS]
    expected = {track: [(180, "not-received")] for track in TRACKS}
    assert expected == breaks_of(texts, unnumbered)


def test_numbers_that_go_back_or_repeat_are_no_gap():
    """The count continues from them."""
    numbers = ["2", "2", "9", "3", "4", "6"]
    texts = [frame("inbound", 20 + 60 * n, number) for n, number in enumerate(numbers)]
    expected = [(140, "not-received"), (320, "not-received")]
    assert expected == breaks_of(texts)["inbound"]


def test_numbers_may_begin_late():
    """The first known one is no gap."""
    plain = json.loads(start())
    del plain["sequenceNumber"]
    texts = [frame("inbound", 20, "500"), frame("inbound", 80, "501")]
    assert [] == breaks_of(texts, json.dumps(plain))["inbound"]


def test_a_repeated_start_is_a_message_like_any_other():
    """Its number is no gap."""
    again = json.loads(start()) | {"sequenceNumber": "3"}
    texts = [frame("inbound", 20, "2"), json.dumps(again), frame("inbound", 120, "4")]
    assert [] == breaks_of(texts)["inbound"]


def test_the_usual_batch_has_no_breaks_though_numbers_are_missing():
    """The missing numbers are not frames of this track."""
    texts = [frame("inbound", 20 * n, str(2 + 3 * n)) for n in range(50)]
    assert [] == breaks_of(texts)["inbound"]


@pytest.mark.parametrize(
    ("texts", "is_unbroken"),
    [
        ([stop(sequence="4")], True),
        ([mark("4"), stop(sequence="5")], True),
        ([stop(sequence="5")], False),
        ([stop(sequence=None)], False),
        ([frame("inbound", 200, "9"), stop(sequence="10")], False),
        ([frame("inbound", 200, "9"), frame("outbound", 200, "10"), stop(sequence="11")], True),
        ([], False),
    ],
)
def test_the_end_says_whether_anything_is_missing_before_it(texts, is_unbroken):
    """Only if the end was announced, and no number is missing since either track's last frame."""
    protocol = MediaSocket("gateway-0", 7, ACCOUNT, T0)
    begun = [start(), frame("inbound", 100, "2"), frame("outbound", 100, "3")]
    outputs = [*protocol.receive([*begun, *texts], T0), *protocol.lost(T0, "dropped", "")]
    (closed,) = [each for each in outputs if isinstance(each, MediaStreamClosed)]
    assert is_unbroken == closed.unbroken
