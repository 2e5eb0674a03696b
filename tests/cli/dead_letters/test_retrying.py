"""What putting a dead letter back would write."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters.letter import Letter
from cli.dead_letters.retrying import NOTHING_TO_WRITE, LetterRetry, StillBad, retry_of
from pipeline.kinesis.messages import ARRIVED_AT_HEADER, KinesisRecord, SizeLimits
from pipeline.kinesis.messages import messages_of as bridged
from pipeline.kinesis.shard_ref import Place
from schemas.codec import decode, encode
from schemas.records import CtiEvent, Tick
from tests.cli.dead_letters.letters import EVENT, letter

LIMITS = SizeLimits()
PREFIX = "own."


def retried(from_topic: Letter) -> LetterRetry | StillBad:
    """What putting it back means."""
    return retry_of(from_topic, PREFIX, LIMITS, 5_000)


@given(st.integers(0, 2**41))
def test_what_can_be_read_now_is_written_as_the_bridge_would(arrived_at: int) -> None:
    """The very record that the bridge makes of it: same event id, same place, same arrival."""
    headers = {ARRIVED_AT_HEADER: str(arrived_at).encode()}
    found = retried(letter(EVENT, headers=headers))
    place = Place("flex-events", 0, "shardId-3")
    expected = bridged(place, KinesisRecord("17", arrived_at, EVENT), LIMITS, 5_000)
    assert isinstance(found, LetterRetry)
    assert [(message, None) for message in expected] == [
        (put.message, put.partition) for put in found.puts
    ]


def test_without_the_header_it_arrived_when_it_was_given_up() -> None:
    """Letters of earlier releases have no arrival time: the bridge rejected them on arrival."""
    found = retried(letter(EVENT))
    assert isinstance(found, LetterRetry)
    event: CtiEvent = decode(found.puts[0].message.value)
    assert ("EV1", 900, "17") == (event.event_id, event.arrived_at, event.sequence_number)


@given(st.binary(max_size=40))
def test_rubbish_stays_and_is_reported(rubbish: bytes) -> None:
    """No bytes raise an exception, and a record that is still unreadable gets no new dead
    letter."""
    found = retried(letter(rubbish))
    assert isinstance(found, StillBad) or decode(found.puts[0].message.value)


def test_a_test_event_says_nothing() -> None:
    """It is put back with nothing to write."""
    test_event = b'{"id":"EVt","type":"com.twilio.eventstreams.test-event","data":{}}'
    found = retried(letter(test_event))
    assert isinstance(found, LetterRetry)
    assert NOTHING_TO_WRITE == found.outcome


def test_of_an_array_the_bad_ones_are_dead_letters_of_their_own() -> None:
    """The readable ones are events; each other is a dead letter."""
    found = retried(letter(orjson.dumps([orjson.loads(EVENT), 7])))
    assert isinstance(found, LetterRetry)
    assert ["cti.events", "cti.dead-letters"] == [put.message.topic for put in found.puts]


def test_what_came_from_a_topic_goes_back_as_it_was() -> None:
    """Same bytes, same key, same partition."""
    value = encode(CtiEvent("EV1", "s", "t", 1, 2, "WT1", None, "{}", "k", "shard", "1"))
    where: dict[str, Any] = {"origin": "own.cti.events", "part": "7", "position": "3"}
    found = retried(letter(value, "flexcapture-tracker", **where))
    assert isinstance(found, LetterRetry)
    (put,) = found.puts
    assert ("cti.events", 7) == (put.message.topic, put.partition)
    assert (b"WT1", value) == (put.message.key, put.message.value)


@pytest.mark.parametrize(
    ("origin", "part", "value"),
    [
        ("own.cti.events", "7", b"rubbish"),
        ("own.cti.events", "7", encode(Tick(at=1))),
        ("own.cti.events", "24", encode(Tick(at=1))),
        ("own.cti.events", "x", encode(Tick(at=1))),
        ("own.cti.dead-letters", "1", encode(Tick(at=1))),
        ("cti.events", "1", encode(Tick(at=1))),
        ("own.somebody-elses", "1", encode(Tick(at=1))),
    ],
)
def test_what_a_role_could_not_read_either_stays(origin: str, part: str, value: bytes) -> None:
    """A record that is undecodable, of another topic's type, or of an unknown topic is reported,
    not written."""
    where: dict[str, Any] = {"origin": origin, "part": part, "position": "3"}
    assert isinstance(retried(letter(value, "flexcapture-tracker", **where)), StillBad)
