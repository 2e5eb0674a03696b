"""docs/walkthrough.md: functions exist, and its records are what the code makes of one another."""

import ast
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pipeline.calls.events import delta
from pipeline.kinesis.messages import KinesisRecord, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place
from pipeline.recordings.keys import audio_key, inum, recording_id
from pipeline.recordings.recording import Recording
from pipeline.runtime.kafka import partition_of
from pipeline.streams.names import start_command_id, stream_name
from schemas import records
from schemas.codec import decode
from schemas.records import Call, CtiEvent
from schemas.topics import CALL_PARTITIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "walkthrough.md").read_text()
BLOCKS = [
    (name, json.loads(body))
    for name, body in re.findall(r"```json (\w+)\n(.*?)```", TEXT, re.DOTALL)
]
RECORDS = [(name, block) for name, block in BLOCKS if hasattr(records, name)]
FUNCTIONS = sorted(set(re.findall(r"`([\w/]+\.py)`:\s+`([\w.]+)`", TEXT)))


def _block(wanted: str) -> dict[str, Any]:
    return next(block for name, block in BLOCKS if name == wanted)


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in inner}
    return names


def test_it_names_functions() -> None:
    """Enough of them that the pattern must have found them."""
    assert len(FUNCTIONS) > 25
    assert len(RECORDS) > 8


@pytest.mark.parametrize(("path", "name"), FUNCTIONS)
def test_each_function_that_is_named_exists(path: str, name: str) -> None:
    """In the file that the page names."""
    assert name in _defined(ast.parse((ROOT / path).read_text()))


@pytest.mark.parametrize(("name", "block"), RECORDS)
def test_each_field_that_is_shown_exists(name: str, block: dict[str, Any]) -> None:
    """A record may be shown in part."""
    assert set() == block.keys() - {field.name for field in fields(getattr(records, name))}


def _event() -> CtiEvent:
    shown = _block("CtiEvent")
    place = Place(shown["kinesis_stream"], 0, shown["shard_id"])
    raw = json.dumps(_block("CloudEvent")).encode()
    record = KinesisRecord(shown["sequence_number"], shown["arrived_at"], raw)
    (message,) = messages_of(place, record, SizeLimits(), 0)
    decoded: CtiEvent = decode(message.value)
    assert decoded.body.encode() == raw
    return decoded


def test_the_bridge_makes_the_event_of_the_json() -> None:
    """All fields are those that are shown; `body` is shown in part."""
    shown = _block("CtiEvent")
    event = _event()
    assert {name: getattr(event, name) for name in shown} == shown | {"body": event.body}
    assert {field.name for field in fields(CtiEvent)} == shown.keys()
    assert event.body.startswith(shown["body"].removesuffix("..."))


def test_the_event_makes_the_change_that_the_call_shows() -> None:
    """Ann's reservation was accepted at the time at which the connection began."""
    change = delta(_event())
    assert isinstance(change, Call)
    (connection,) = _block("Call")["connections"]
    (reservation,) = change.reservations
    assert reservation.sid == connection["reservation_sid"]
    assert reservation.milestones["accepted"] == connection["started_at"]


def test_names_are_those_that_the_code_makes() -> None:
    """Partition, command, media stream, INUM, recording and its file."""
    opened, started, manifest = (
        _block("MediaStreamOpened"),
        _block("RecordingStarted"),
        _block("manifest"),
    )
    task_sid, call_sid, number = opened["task_sid"], opened["call_sid"], opened["generation"]
    assert stream_name(task_sid, call_sid, number) == opened["name"]
    assert start_command_id(task_sid, 1, 1) == _block("StartDuplicateStream")["command_id"]
    partition = partition_of(task_sid.encode(), CALL_PARTITIONS)
    assert f"on partition {partition} of" in TEXT
    assert partition == manifest["kafka"]["partition"]
    recording = Recording(
        opened["stream_sid"], call_sid, task_sid, opened["name"], number, opened["gateway"],
        opened["epoch"], opened["at"], manifest["kafka"]["first_offset"],
    )  # fmt: skip
    assert inum(recording) == started["inum"] == manifest["inum"]
    assert recording_id(recording) == started["recording_id"]
    assert audio_key(recording) == manifest["audio"]["key"]
