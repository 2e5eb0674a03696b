"""Names of media streams, ids of commands."""

from pipeline.streams.names import stop_command_id, stream_name


def test_names_and_ids_tell_media_streams_apart() -> None:
    """By task, leg and generation; strangers by their SID."""
    assert stream_name("WT", "CA", 1) != stream_name("WT", "CA", 2)
    assert stop_command_id("WT", 0, "MZ1", 1) != stop_command_id("WT", 0, "MZ2", 1)
    assert stop_command_id("WT", 2, None, 1) == stop_command_id("WT", 2, "MZ2", 1)
