"""Names of media streams, ids of commands."""

from pipeline.streams.gateway_reports import opened
from pipeline.streams.names import (
    fetch_command_id,
    find_command_id,
    start_command_id,
    stop_command_id,
    stream_name,
    verify_command_id,
)
from pipeline.streams.state import unknown_call
from schemas.records import MediaStreamOpened


def test_names_and_ids_tell_media_streams_apart() -> None:
    """By task, leg and generation; strangers by their SID."""
    assert stream_name("WT", "CA", 1) != stream_name("WT", "CA", 2)
    assert stop_command_id("WT", 0, "MZ1", 1) != stop_command_id("WT", 0, "MZ2", 1)
    assert stop_command_id("WT", 2, None, 1) == stop_command_id("WT", 2, "MZ2", 1)


def test_ids_of_commands_name_the_request_and_the_attempt() -> None:
    """The adapter answers a command that it knows without asking Twilio again."""
    assert "start:WT:1:2" == start_command_id("WT", 1, 2)
    assert "find:WT:2" == find_command_id("WT", 2)
    assert "verify:WT:CA:2" == verify_command_id("WT", "CA", 2)
    assert "fetch:WT:CA:2" == fetch_command_id("WT", "CA", 2)
    assert ["stop:WT:1:3", "stop:WT:MZ:3", "stop:WT:0:3"] == [
        stop_command_id("WT", 1, "MZ", 3),
        stop_command_id("WT", 0, "MZ", 3),
        stop_command_id("WT", 0, None, 3),
    ]


def test_generations_have_four_digits() -> None:
    """One that is reported with more is no generation of ours."""
    found = []
    for generation in (9_999, 10_000):
        event = MediaStreamOpened("MZ1", "CA1", "WT1", None, generation, "g1", 1, 0)
        found += opened(unknown_call("WT1"), event, 0).media_streams
    assert [9_999, 0] == [media_stream.generation for media_stream in found]
