"""Kinesis records become events, dead letters or nothing, in their order."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of, portions
from pipeline.kinesis.shard_ref import Place
from schemas.codec import decode
from schemas.records import CtiEvent, DeadLetter
from schemas.topics import CTI_EVENTS, DEAD_LETTERS
from tests.bridge.outside import event

PLACE = Place("flex-events", 1_700_000_000_000, "shardId-000000000000")
NOW = 1_700_000_100_000
TEST_EVENT = b'{"id":"EVt","type":"com.twilio.eventstreams.test-event"}'


def record(number: int, data: bytes) -> KinesisRecord:
    """A record at that sequence number."""
    return KinesisRecord(str(number), 1_700_000_000_000 + number, data)


def numbered(data: list[bytes]) -> list[KinesisRecord]:
    """Records in a row."""
    return [record(n + 1, each) for n, each in enumerate(data)]


payloads = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "type", "source", "time", "data", "payload"]), inner
            )
        ),
    ).map(orjson.dumps),
    st.integers(0, 9).map(lambda n: event(n, "a", padding=n * 30)),
    st.just(TEST_EVENT),
)
limits = st.builds(
    SizeLimits,
    event_bytes=st.integers(1_000, 2_000),
    dead_letter_bytes=st.integers(17_000, 20_000),
    portion_bytes=st.integers(1, 2_000),
    portion_messages=st.integers(1, 5),
)


@settings(deadline=None)
@given(st.lists(payloads, max_size=20), limits)
def test_portions_hold_everything_in_order(data: list[bytes], limits: SizeLimits) -> None:
    """Cut however small, the messages are those of each record, in order; the last portion ends
    with the last record; no portion is bigger than allowed unless it is one message."""
    records = numbered(data)
    cut = list(portions(PLACE, records, limits, NOW))
    each = [m for r in records for m in messages_of(PLACE, r, limits, NOW)]
    assert each == [m for p in cut for m in p.messages]
    assert records[-1:] == [p.last for p in cut][-1:]
    for portion in cut:
        if len(portion.messages) > 1:
            assert len(portion.messages) <= limits.portion_messages
            assert sum(len(m.value) for m in portion.messages) <= limits.portion_bytes


@settings(deadline=None)
@given(st.lists(payloads, min_size=1, max_size=12), limits, st.data())
def test_portions_go_on_where_one_ended(
    data: list[bytes], limits: SizeLimits, chosen: st.DataObject
) -> None:
    """After any portion the rest can be divided in another way: exactly the remaining messages
    follow."""
    records = numbered(data)
    cut = list(portions(PLACE, records, limits, NOW))
    n = chosen.draw(st.integers(0, len(cut) - 1))
    reached = max((int(p.last.sequence_number) for p in cut[: n + 1] if p.last), default=0)
    other = SizeLimits(limits.event_bytes, limits.dead_letter_bytes, portion_messages=3)
    rest = portions(PLACE, records[reached:], other, NOW, cut[n].elements)
    assert [m for p in cut[n + 1 :] for m in p.messages] == [m for p in rest for m in p.messages]


@settings(deadline=None)
@given(st.lists(payloads, max_size=20), limits)
def test_every_message_fits_its_topic(data: list[bytes], limits: SizeLimits) -> None:
    """Whatever comes in: no message is too big for Kafka, and each can be decoded."""
    for each in numbered(data):
        for message in messages_of(PLACE, each, limits, NOW):
            headers = sum(len(name) + len(value) for name, value in message.headers)
            size = len(message.value) + len(message.key or b"") + headers
            if message.topic == CTI_EVENTS.name:
                assert size <= limits.event_bytes
                assert isinstance(decode(message.value), CtiEvent)
            else:
                assert DEAD_LETTERS.name == message.topic
                assert size <= limits.dead_letter_bytes
                assert isinstance(decode(message.value), DeadLetter)


def test_an_event_carries_its_place() -> None:
    """Stream, shard, sequence number and arrival are the record's; the body is all of it."""
    (message,) = messages_of(PLACE, record(7, event(1, "a")), SizeLimits(), NOW)
    found = decode(message.value)
    assert (b"/test/a", CTI_EVENTS.name) == (message.key, message.topic)
    assert ("flex-events", "shardId-000000000000", "7", 1_700_000_000_007) == (
        found.kinesis_stream,
        found.shard_id,
        found.sequence_number,
        found.arrived_at,
    )
    assert orjson.loads(event(1, "a")) == orjson.loads(found.body)


def test_what_kafka_does_not_take_is_dead_lettered_with_its_size() -> None:
    """An event above the topic's limit becomes a dead letter with its size, and with as much of the
    original as fits."""
    body = event(1, "a", padding=900_000)
    small = SizeLimits(event_bytes=800_000, dead_letter_bytes=600_000)
    (message,) = messages_of(PLACE, record(1, body), small, NOW)
    letter = decode(message.value)
    assert ("too-large", DEAD_LETTERS.name) == (letter.reason, message.topic)
    assert str(len(body)) in letter.detail
    assert body.startswith(letter.original)
    assert 500_000 < len(letter.original) < 600_000


def test_the_test_event_leaves_nothing_but_is_passed() -> None:
    """Twilio's test event has no message; the portion still ends behind it."""
    (portion,) = portions(PLACE, [record(4, TEST_EVENT)], SizeLimits(), NOW)
    assert ((), record(4, TEST_EVENT)) == (portion.messages, portion.last)


def test_a_long_array_is_cut_between_its_events() -> None:
    """A record of very many events is several transactions, none of them too big to go through."""
    array = b"[" + b",".join(event(n, "a") for n in range(10)) + b"]"
    cut = list(portions(PLACE, [record(1, array)], SizeLimits(portion_messages=4), NOW))
    assert [4, 4, 2] == [len(portion.messages) for portion in cut]
    assert [(None, 4), (None, 8), (record(1, array), 0)] == [(p.last, p.elements) for p in cut]


def test_rubbish_by_the_thousand_is_not_dead_lettered_by_the_thousand() -> None:
    """Of an array's unreadable elements the first hundred have a dead letter each, the rest share
    one, which can be put back as an array; its readable events are events."""
    array = b"[" + b"7," * 5_000 + event(1, "a") + b"]"
    *letters, last = messages_of(PLACE, record(1, array), SizeLimits(), NOW)
    assert [CTI_EVENTS.name] == [m.topic for m in letters if m.reason is None]
    assert 101 == len(letters)
    found = decode(last.value)
    assert ("wrong-type", [7] * 4_900) == (found.reason, orjson.loads(found.original))
    assert found.detail.startswith("4900 more elements")


def test_aggregated_records_say_so() -> None:
    """What the Kinesis Producer Library packs is dead-lettered with what to do about it."""
    (message,) = messages_of(PLACE, record(1, b"\xf3\x89\x9a\xc2\x0a\x01k"), SizeLimits(), NOW)
    letter = decode(message.value)
    assert "aggregated" == letter.reason
    assert "AggregationEnabled" in letter.detail


def test_a_portion_is_filled_up_to_its_limit() -> None:
    """The message that does not fit begins the next one."""
    records = numbered([event(n, "a") for n in range(4)])
    size = len(messages_of(PLACE, records[0], SizeLimits(), NOW)[0].value)
    for limit, filled in ((2 * size, [2, 2]), (2 * size - 1, [1, 1, 1, 1])):
        cut = portions(PLACE, records, SizeLimits(portion_bytes=limit), NOW)
        assert filled == [len(portion.messages) for portion in cut]
