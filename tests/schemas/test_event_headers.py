"""Every record has the headers of a CloudEvent."""

import re
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.times import rfc3339
from schemas import codec, event_headers, topics
from schemas.codec import SCHEMA_IDS, encode
from schemas.event_headers import source_of
from schemas.records import Call, CtiEvent, FetchLeg, MediaBatch, RecordingDecided, Tick
from tests.examples import examples
from tests.schemas.avro_values import values_of

NOON = 1_769_860_800_123
SOURCE = source_of("tracker")
ON_TOPICS = sorted({name for topic in topics.ALL for name in topic.records})
EVENT = CtiEvent("EV1", "s", "t", NOON, NOON + 5, "WT1", None, "{}", "k", "shard-0", "1")


def headers(record: Any) -> dict[str, bytes]:
    """Return the headers of a record; no name occurs twice."""
    found = event_headers.event_headers(encode(record), SOURCE)
    assert len(found) == len(dict(found))
    return dict(found)


def test_the_headers_of_a_batch_of_audio() -> None:
    """All of them. The id has the call, the stream and the batch."""
    batch = MediaBatch("MZ1", "CA1", "WT1", "gateway-1", 3, 42, NOON, 1, 9, ())
    assert {
        "ce_specversion": b"1.0",
        "ce_type": b"flexcapture.MediaBatch",
        "ce_source": b"/flexcapture/tracker",
        "ce_id": b"WT1/MZ1/gateway-1/3/42",
        "ce_time": b"2026-01-31T12:00:00.123Z",
        "content-type": b"application/avro",
    } == headers(batch)


@pytest.mark.parametrize("name", ON_TOPICS)
@given(data=st.data())
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_record_has_the_attributes_of_a_cloud_event(name: str, data: st.DataObject) -> None:
    """Required ones, in the characters that CloudEvents allows; the same again for the same
    record. The time is there, as RFC 3339, if it can be written so."""
    record = codec._FROM_PLAIN[name](data.draw(values_of(name)))
    found = headers(record)
    assert found == headers(record)
    assert f"flexcapture.{name}".encode() == found["ce_type"]
    assert re.fullmatch(rb"[ -~]{1,200}", found["ce_id"])
    times = [getattr(record, field) for field in event_headers._TIME_FIELDS.get(name, ("at",))]
    at = next((each for each in times if each is not None), None)
    assert at is not None
    assert _written(at) == found.get("ce_time")


def _written(at: int) -> bytes | None:
    try:
        return rfc3339(at).encode()
    except OverflowError:
        return None


@pytest.mark.parametrize("name", ON_TOPICS)
def test_identity_and_time_are_fields_of_the_record(name: str) -> None:
    """Every record on a topic has a time; no field is named that does not exist."""
    known = {field.name for field in fields(codec._CLASSES[name])}
    assert set(event_headers._TIME_FIELDS.get(name, ("at",))) <= known
    assert set(event_headers._ID_FIELDS.get(name, ())) <= known
    others = {*event_headers._TIME_FIELDS, *event_headers._ID_FIELDS} - set(SCHEMA_IDS)
    assert set() == others


def test_an_event_has_the_id_of_twilio() -> None:
    """A command has its own; any other record that of its content."""
    assert b"EV1" == headers(EVENT)["ce_id"]
    fetch = FetchLeg("command-1", "WT1", "CA1", 1, NOON, NOON + 9, ())
    assert b"command-1" == headers(fetch)["ce_id"]
    decided = RecordingDecided("WT1", NOON, "record", "monitored", 1)
    expected = sha256(encode(decided)).hexdigest()[:32].encode()
    assert expected == headers(decided)["ce_id"]
    assert expected != headers(replace(decided, decision="stop"))["ce_id"]


@pytest.mark.parametrize("event_id", ["", "a\nb", "\u00e9", "x" * 201])
def test_an_id_that_is_none(event_id: str) -> None:
    """An id that is empty, too long or has other characters is replaced by that of the content."""
    event = replace(EVENT, event_id=event_id)
    assert sha256(encode(event)).hexdigest()[:32].encode() == headers(event)["ce_id"]


def test_an_event_without_a_time_has_that_of_its_arrival() -> None:
    """Kinesis gives one to every record."""
    event = replace(EVENT, time=None)
    assert b"2026-01-31T12:00:00.128Z" == headers(event)["ce_time"]


def test_the_time_of_a_call_is_that_of_the_event_behind_it() -> None:
    """Not the earliest or latest one that is known."""
    plain = dict.fromkeys((field.name for field in fields(Call)), ()) | {
        "task_sid": "WT1", "revision": 2, "cause_event_id": "EV1", "cause_type": "t",
        "cause_at": NOON, "first_event_at": 1, "latest_event_at": 2, "latest_arrival_at": 3,
        "facts": {}, "milestones": {}, "direction": "", "state": "", "more_offers": False,
        "queue": None, "customer": None, "started_at": 4, "ended_at": 5,
    }  # fmt: skip
    assert b"2026-01-31T12:00:00.123Z" == headers(Call(**plain))["ce_time"]


@pytest.mark.parametrize("at", [-(2**63), 2**63 - 1, 253_402_300_800_000])
def test_a_time_that_has_no_date_is_left_out(at: int) -> None:
    """It must not keep a record from being sent."""
    found = headers(Tick(at))
    assert "ce_time" not in found
    assert b"flexcapture.Tick" == found["ce_type"]


@given(st.sampled_from([b"", b"\0", b"\1", *[b"\0" + n.to_bytes(4) for n in codec._NAMES]]),
       st.binary(max_size=40))  # fmt: skip
def test_rubbish_has_at_most_a_type(begin: bytes, rubbish: bytes) -> None:
    """No bytes raise an error, and those without a schema of ours get no headers."""
    found = event_headers.event_headers(begin + rubbish, SOURCE)
    known = len(begin + rubbish) >= 5 and int.from_bytes((begin + rubbish)[1:5]) in codec._NAMES
    assert bool(found) == (known and (begin + rubbish)[0] == 0)


@dataclass(frozen=True, slots=True)
class Sentiment:
    """A record of another project."""

    task_sid: str
    score: int


def test_a_record_of_another_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the name in its own namespace, and no time if it has no field `at`."""
    for table in ("_CLASSES", "_NAMES", "_READ_BY", "_WRITE_BY", "_FROM_PLAIN"):
        monkeypatch.setattr(codec, table, dict(getattr(codec, table)))
    monkeypatch.setattr(event_headers, "_forms", {})
    record = Sentiment("WT1", 7)
    schema = {
        "type": "record", "name": "Sentiment", "namespace": "com.example",
        "fields": [{"name": "task_sid", "type": "string"}, {"name": "score", "type": "int"}],
    }  # fmt: skip
    codec.add_record(Sentiment, 0x01020304, schema)
    found = headers(record)
    assert b"com.example.Sentiment" == found["ce_type"]
    assert "ce_time" not in found


def test_a_writer_without_a_name() -> None:
    """The source is the product."""
    assert b"/flexcapture" == source_of("")
