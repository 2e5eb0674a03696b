"""The shell around the protocol: topics, keys, counts of dropped batches, one socket for each
stream SID."""

from typing import Any

from gateway import sessions as sessions_module
from gateway.media.protocol import CloseSocket, SendPing
from gateway.sessions import MediaSessions
from pipeline.runtime.metrics import INVALID_SIDS
from pipeline.twilio.sids import SidKind
from schemas.records import (
    DroppedTrack,
    MediaBatch,
    MediaDropped,
    MediaStreamClosed,
    MediaStreamOpened,
    RecordingDecided,
    Run,
)
from tests.gateway.dialogue import ACCOUNT, STREAM, TASK, media, start, stop

T0 = 1_700_000_000_000


class FakePublisher:
    """Keeps the records that it is given, and refuses batches if `full`."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, Any]] = []
        self.full = self.nearly_full = False

    why_full = "buffer-full"

    def has_room(self, _topic: str, _key: bytes) -> bool:
        return not self.full and not self.nearly_full

    def publish(self, topic, key, record, *, partition=None, droppable=False) -> bool:
        if droppable and self.full:
            return False
        self.records.append((topic, key, record))
        return True


def sessions_on(publisher: FakePublisher) -> MediaSessions:
    return MediaSessions(
        publisher,
        publisher,
        media_topic="p.media",
        events_topic="p.stream.events",
        instance="gateway-0",
        epoch=7,
        account_sid=ACCOUNT,
        correction=lambda: 250,
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
    assert 250 == publisher.records[0][2].clock_correction_ms


def test_dropped_batches_are_reported_in_their_place_and_in_the_close():
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
    published = [record for topic, _, record in publisher.records if topic == "p.media"]
    kinds = [MediaBatch, MediaDropped, MediaBatch, MediaDropped, MediaStreamClosed]
    assert [MediaStreamOpened, *kinds] == [type(record) for record in published]
    first, second = published[2], published[4]
    assert ("buffer-full", 2, 3) == (first.reason, first.first_number, first.last_number)
    assert (DroppedTrack("inbound", (Run(500, 50, 20, 160),)),) == first.tracks
    assert (5, 6) == (second.first_number, second.last_number)
    assert published[-1].detail == "connection lost; 4 batches dropped: buffer-full"
    assert (6, 135) == (published[-1].batches, published[-1].frames)


def test_a_small_batch_does_not_pass_what_was_dropped_before_it():
    """Even if the buffer has space for the batch, the record of the dropped ones must come
    first."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    session = sessions.open(T0)
    sessions.receive(session, [start()], T0)
    for number in range(75):
        publisher.full = number < 25
        publisher.nearly_full = number < 50
        sessions.receive(session, [media("inbound", str(20 * number), bytes(160))], T0)
    published = [record for topic, _, record in publisher.records if topic == "p.media"]
    assert [MediaStreamOpened, MediaDropped, MediaBatch] == [type(record) for record in published]
    assert (1, 2, 3) == (published[1].first_number, published[1].last_number, published[2].number)


def test_a_second_socket_with_the_same_stream_sid_is_refused():
    """The first socket stays open; after it has closed, the SID may be used again."""
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


OTHER_TASK = "WT" + "9" * 32


def test_the_same_stream_sid_under_another_task_is_another_stream():
    """Both run, each with its own batch numbers."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    for task in (TASK, OTHER_TASK):
        session = sessions.open(T0)
        parameters = {"taskSid": task}
        assert sessions.receive(session, [start(parameters=parameters)], T0) is None
        sessions.receive(session, [media("inbound", "20", bytes(160))], T0)
        sessions.tick(session, T0 + 600)
    found = [record for _, _, record in publisher.records if isinstance(record, MediaBatch)]
    assert [(TASK, 1), (OTHER_TASK, 1)] == [(batch.task_sid, batch.number) for batch in found]


def test_a_stream_that_comes_again_continues_its_numbers(monkeypatch):
    """Also the third time; as many streams are remembered as there is room for."""
    monkeypatch.setattr(sessions_module, "MAX_ENDED", 2)
    publisher = FakePublisher()
    sessions = sessions_on(publisher)

    def play(stream: str, frames: int) -> list[int]:
        before = len(publisher.records)
        session = sessions.open(T0)
        texts = [media("inbound", str(500 * n), bytes(160), stream=stream) for n in range(frames)]
        sessions.receive(session, [start(stream=stream), *texts, stop(stream=stream)], T0)
        sessions.lost(session, T0, "dropped", "")
        records = [record for _, _, record in publisher.records[before:]]
        numbers = [record.number for record in records if isinstance(record, MediaBatch)]
        assert {numbers[-1]} == {r.batches for r in records if isinstance(r, MediaStreamClosed)}
        return numbers

    assert [1, 2] == play(STREAM, 2)
    assert [3] == play(STREAM, 1)
    assert [1] == play("MZ" + "a" * 32, 1)
    assert [4, 5, 6] == play(STREAM, 3)
    assert [1] == play("MZ" + "b" * 32, 1), "no room for three"
    assert [1] == play("MZ" + "a" * 32, 1)


def test_sids_of_the_wrong_form_are_counted():
    """Once the socket is gone, by kind; a stream that began without an account SID too."""
    counts = {kind: INVALID_SIDS.labels(kind.value)._value.get() for kind in SidKind}
    sessions = sessions_on(FakePublisher())
    for message in (start(accountSid="AC1", parameters={"taskSid": "../x"}), start(callSid="CA1")):
        session = sessions.open(T0)
        sessions.receive(session, [message], T0)
        sessions.lost(session, T0, "dropped", "")
    after = {kind: INVALID_SIDS.labels(kind.value)._value.get() for kind in SidKind}

    one_more = {SidKind.ACCOUNT, SidKind.TASK, SidKind.CALL}
    assert {kind: float(kind in one_more) for kind in SidKind} == {
        kind: after[kind] - counts[kind] for kind in SidKind
    }


def test_a_silent_stream_is_pinged():
    """The shell returns what to do with the socket."""
    sessions = sessions_on(FakePublisher())
    session = sessions.open(T0)
    sessions.receive(session, [start()], T0)
    answers = [sessions.tick(session, T0 + after) for after in range(0, 5_001, 500)]
    assert [None] * 10 + [SendPing()] == answers


def test_streams_of_calls_that_are_not_to_be_recorded_are_ended():
    """Those alone; the record says why."""
    publisher = FakePublisher()
    sessions = sessions_on(publisher)
    running = {}
    for task in (TASK, OTHER_TASK):
        session = running[task] = sessions.open(T0)
        sessions.receive(session, [start(parameters={"taskSid": task})], T0)
    stopped = RecordingDecided(TASK, T0, "stop", "the last agent left", 1)
    sessions.decisions.decided(stopped, 0, T0)
    assert {} == sessions.end_not_to_be_recorded(T0 + 2_999)
    ended = sessions.end_not_to_be_recorded(T0 + 3_000)
    assert {running[TASK]: CloseSocket(1000, "not to be recorded")} == ended
    assert {} == sessions.end_not_to_be_recorded(T0 + 3_100)
    [_, (_, _, closed)] = [r for r in publisher.records if isinstance(r[2], MediaStreamClosed)]
    assert (TASK, "not-to-be-recorded") == (closed.task_sid, closed.reason)
    assert closed.detail == "the last agent left"
