"""What a gateway observes of the media streams of test calls, and of no others."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.observation import StreamObserver
from gateway.media.protocol import CloseSocket, MediaSocket
from gateway.media.socket_state import SocketState
from pipeline.twilio.check_tasks import check_task_sid
from pipeline.twilio.tickets import Ticket
from schemas.codec import decode, encode
from schemas.records import MediaStreamClosed, ObservedTrack

FIRST_PING_MS = 1_000
IDLE_MS = 12_000
LONGEST_MS = 180_000
PING_EVERY_MS = 3_000
TEST = check_task_sid(b"12345678")
ACCOUNT, CALL, STREAM = "AC" + "0" * 32, "CA" + "1" * 32, "MZ" + "2" * 32
CLOSED = MediaStreamClosed(
    STREAM, CALL, TEST, "n", 1, "g", 1, 9_000, "stop", "", 1, 2, 0, True
)  # fmt: skip


def _frame(number: int, track: str, timestamp: int, chunk: object) -> str:
    media = {"track": track, "timestamp": str(timestamp), "chunk": chunk, "payload": "//8="}
    return json.dumps({"event": "media", "sequenceNumber": str(number), "media": media})


def _start(task_sid: str) -> str:
    start = {
        "accountSid": ACCOUNT,
        "streamSid": STREAM,
        "callSid": CALL,
        "customParameters": {"taskSid": task_sid, "generation": "1"},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": start})


def test_tracks_are_counted():
    """Of each track: frames, first and last timestamp and chunk, and steps that are not 20 ms."""
    observer = StreamObserver(0)
    observer.receive(
        [_start(TEST), _frame(2, "inbound", 99, "1"), _frame(3, "outbound", 99, "2")], 0
    )
    observer.receive([_frame(4, "inbound", 117, 3), _frame(5, "outbound", 138, "4"), "no JSON"], 0)
    assert not observer.observed(CLOSED).stop_seen
    observer.receive([_frame(8, "inbound", 157, None), '{"event":"stop","sequenceNumber":"9"}'], 0)
    observed = observer.observed(CLOSED)
    assert (
        ObservedTrack("inbound", 3, 99, 157, 0, 1, 0),
        ObservedTrack("outbound", 2, 99, 138, 1, 2, 4),
    ) == observed.tracks
    assert observed.stop_seen
    assert observed == decode(encode(observed))


@given(st.lists(st.booleans(), max_size=30))
def test_pings_are_sent_in_time_and_their_answers_counted(answers):
    """A ping a second after the beginning, and then every three seconds; a second sign of life is
    no second answer."""
    observer, now = StreamObserver(0), FIRST_PING_MS
    assert not observer.wants_ping(now - 1)
    observer.received_control()
    for is_answered in answers:
        assert observer.wants_ping(now)
        assert not observer.wants_ping(now + PING_EVERY_MS - 1)
        now += PING_EVERY_MS
        for _ in range(2 * is_answered):
            observer.received_control()
    observed = observer.observed(CLOSED)
    assert (len(answers), sum(answers)) == (observed.pings, observed.pongs)


def test_a_test_call_has_an_end():
    """It ends if it is too long, also after a clock was set back, or if nothing comes any more."""
    observer = StreamObserver(10)
    assert [None, None, "the test call is over"] == [
        observer.why_over(now) for now in (10, 9 + IDLE_MS, 10 + IDLE_MS)
    ]
    observer.receive([], 10 + LONGEST_MS)
    assert [None, "the test call is too long", "the test call is too long"] == [
        observer.why_over(now) for now in (10 + LONGEST_MS, 11 + LONGEST_MS, 9)
    ]


def test_only_a_ticket_opens_the_media_stream_of_a_test_call():
    """On the bare URL, which a flow of the customer's may know, it is a violation: nothing would
    record that call."""
    without = MediaSocket("g", 1, ACCOUNT, 0)
    outputs = without.receive([_start(TEST)], 1)
    assert CloseSocket(1008, "test call without a ticket") == outputs[-1]
    ticket = Ticket(ACCOUNT, CALL, TEST, 1, 60, "00")
    allowed = MediaSocket("g", 1, ACCOUNT, 0, ticket=ticket)
    allowed.receive([_start(TEST)], 1)
    assert SocketState.RUNNING is allowed.state
