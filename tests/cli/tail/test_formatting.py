"""A record as a line and as JSON."""

import base64
import json
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.tail.decoding import decoded
from cli.tail.formatting import as_json, as_line
from cli.tail.main_fields import MAIN_FIELDS
from schemas import codec, records, topics
from schemas.codec import SCHEMA_IDS, encode
from schemas.records import DeadLetter, RecordingDecided
from tests.examples import examples
from tests.schemas.avro_values import values_of

NOON = 1_769_860_800_000
TASK = "WT" + "a" * 32
DECIDED = RecordingDecided(TASK, NOON, "record", "started: ann@example.com", 3)
GENERATED = st.sampled_from(sorted(SCHEMA_IDS)).flatmap(
    lambda name: values_of(name).map(codec._FROM_PLAIN[name])
)


def consumed(value: bytes | None, key: bytes | None = TASK.encode()) -> Any:
    """A record as a consumer gives it."""
    return SimpleNamespace(
        topic="stream.events", partition=3, offset=17, timestamp=NOON + 5, key=key, value=value
    )


def test_a_line_has_time_place_key_type_and_main_fields() -> None:
    """Columns are apart by two spaces; a value with spaces is in quotes."""
    assert (
        f"2026-01-31T12:00:00.005Z  stream.events 3-17  {TASK}  RecordingDecided  "
        'decision=record reason="started: ann@example.com" policy_version=3'
    ) == str(as_line(decoded(consumed(encode(DECIDED)))))


def test_json_has_every_field() -> None:
    """One object a line, with the keys that scripts rely on, in this order."""
    text = as_json(decoded(consumed(encode(DECIDED))))
    parsed = json.loads(text)
    assert text.endswith(b"\n")
    assert 1 == text.count(b"\n")
    assert ["topic", "partition", "offset", "timestamp", "key", "type", "value"] == list(parsed)
    assert ["stream.events", 3, 17, NOON + 5, TASK, "RecordingDecided"] == list(parsed.values())[:6]
    assert {f.name: getattr(DECIDED, f.name) for f in fields(DECIDED)} == parsed["value"]


def test_bytes_are_base64_in_json_and_counted_in_a_line() -> None:
    """Audio and original records do not fill the terminal, and are whole in JSON."""
    letter = DeadLetter("not-json", "why", "r", "o", "p", "9", NOON, b"\xff", b"\x00\xfe\x01", None)
    shown = decoded(consumed(encode(letter)))
    assert base64.b64decode(json.loads(as_json(shown))["value"]["original"]) == b"\x00\xfe\x01"
    assert "not-json" in str(as_line(shown))


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x00\x07abc", b"\xff junk", b"{}"])
def test_a_record_that_cannot_be_decoded_is_shown_as_such(value: bytes) -> None:
    """Its bytes are in the JSON, its size and the error in the line."""
    shown = decoded(consumed(value))
    parsed = json.loads(as_json(shown))
    assert (None, value) == (parsed["type"], base64.b64decode(parsed["value"]))
    assert parsed["error"]
    line = as_line(shown)
    assert ("undecodable", True) == (line.type, line.is_error)
    assert line.detail.endswith(f"{len(value)} bytes")


def test_a_tombstone_is_a_deletion() -> None:
    """A record without a value deletes its key from a compacted topic."""
    shown = decoded(consumed(None))
    parsed = json.loads(as_json(shown))
    assert (None, None) == (parsed["type"], parsed["value"])
    assert "error" not in parsed
    assert str(as_line(shown)).endswith(f"{TASK}  -  deleted")


@settings(max_examples=examples(30))
@given(record=GENERATED, key=st.none() | st.binary(max_size=12))
def test_any_record_is_one_line(record: Any, key: bytes | None) -> None:
    """For any record, the line has nothing that a terminal would execute, and the JSON can be
    read."""
    shown = decoded(consumed(encode(record), key))
    assert str(as_line(shown)).isprintable()
    parsed = json.loads(as_json(shown))
    assert parsed["value"].keys() == {field.name for field in fields(record)}


@given(value=st.binary(max_size=40))
def test_any_bytes_are_one_line(value: bytes) -> None:
    """A record of another producer may hold anything."""
    shown = decoded(consumed(value))
    assert str(as_line(shown)).isprintable()
    assert json.loads(as_json(shown))["partition"] == 3


def test_each_record_on_a_topic_has_main_fields() -> None:
    """A new record type says what its line shows; all names are fields."""
    assert {name for topic in topics.ALL for name in topic.records} == MAIN_FIELDS.keys()
    for name, shown in MAIN_FIELDS.items():
        assert set(shown) <= {field.name for field in fields(getattr(records, name))}
