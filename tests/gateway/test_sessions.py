"""What the shell adds to the protocol: topics, keys, counts of what was dropped, one socket for a
stream SID."""

from typing import Any

from gateway.protocol import CloseSocket
from gateway.sessions import Sessions
from schemas.records import (
    DroppedTrack,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    Run,
)
from tests.gateway.dialogue import ACCOUNT, TASK, media, start, stop

T0 = 1_700_000_000_000


class FakePublisher:
    """Keeps what it is given, and refuses batches when `full`."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, Any]] = []
        self.full = False

    why_full = "buffer-full"

    def has_room(self) -> bool:
        return not self.full

    def publish(self, topic, key, record, *, partition=None, droppable=False) -> bool:
        if droppable and self.full:
            return False
        self.records.append((topic, key, record))
        return True


def sessions_on(publisher: FakePublisher) -> Sessions:
    return Sessions(
        publisher,
        publisher,
        media_topic="p.media",
        events_topic="p.stream.events",
        instance="gateway-0",
        epoch=7,
        account_sid=ACCOUNT,
    )


def test_what_opens_and_closes_is_on_both_topics_and_audio_on_media():
    """All under the task SID."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    session = sessions.open(T0)
    assert sessions.receive(session, [start()], T0) is None
    sessions.receive(session, [media("inbound", "20", bytes(160))], T0)
    assert CloseSocket(1000, "stop") == sessions.receive(session, [stop()], T0)
    sessions.lost(session, T0, "dropped", "")
    assert [
        ("p.media", MediaStreamOpened),
        ("p.stream.events", MediaStreamOpened),
        ("p.media", MediaBatch),
        ("p.media", MediaStreamClosed),
        ("p.stream.events", MediaStreamClosed),
    ] == [(topic, type(record)) for topic, _, record in publisher.records]
    assert {TASK.encode()} == {key for _, key, _ in publisher.records}


def test_dropped_batches_are_told_in_their_place_and_in_the_close():
    """With their frames and the reason, before what went out after them; and at the end, if
    nothing did."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    session = sessions.open(T0)
    sessions.receive(session, [start()], T0)
    for number in range(135):
        publisher.full = 25 <= number < 75 or number >= 110
        sessions.receive(session, [media("inbound", str(20 * number), bytes(160))], T0)
    sessions.lost(session, T0, "dropped", "connection lost")
    told = [record for topic, _, record in publisher.records if topic == "p.media"]
    kinds = [MediaBatch, MediaDropped, MediaBatch, MediaDropped, MediaStreamClosed]
    assert [MediaStreamOpened, *kinds] == [type(record) for record in told]
    first, second = told[2], told[4]
    assert ("buffer-full", 2, 3) == (first.reason, first.first_number, first.last_number)
    assert (DroppedTrack("inbound", (Run(500, 50, 20, 160),)),) == first.tracks
    assert (5, 6) == (second.first_number, second.last_number)
    assert told[-1].detail == "connection lost; 4 batches dropped: buffer-full"
    assert (6, 135) == (told[-1].batches, told[-1].frames)


def test_a_second_socket_with_the_same_stream_sid_is_refused():
    """The first one goes on; once it is gone the SID is free."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    first, second = sessions.open(T0), sessions.open(T0)
    sessions.receive(first, [start()], T0)
    published = len(publisher.records)
    assert CloseSocket(1008, "stream runs already") == sessions.receive(second, [start()], T0)
    sessions.lost(second, T0, "dropped", "")
    assert published == len(publisher.records)
    assert sessions.receive(first, [media("inbound", "20", bytes(160))], T0) is None
    sessions.lost(first, T0, "dropped", "")
    third = sessions.open(T0)
    assert sessions.receive(third, [start()], T0) is None


def test_a_binary_message_ends_the_socket():
    """Twilio sends text."""
    sessions = sessions_on(FakePublisher())
    session = sessions.open(T0)
    assert CloseSocket(1008, "binary message") == sessions.received_binary(session, T0)
