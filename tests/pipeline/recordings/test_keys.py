"""The names of a recording, its files and its checkpoints."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordings import assembler, keys
from pipeline.recordings.beginnings import opened as begun
from pipeline.recordings.keys import checkpoint_key, inum, recording_id, recording_of
from pipeline.recordings.recording import Recording
from tests.pipeline.recordings.closing import decision
from tests.pipeline.recordings.logs import EPOCH, GATEWAY, T0, opened, opened_recording

FIRST = opened_recording("MZ1")
AT = int(datetime(2025, 11, 23, 6, 37, 42, 345_000, tzinfo=UTC).timestamp() * 1_000)


def hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100_000_000


@given(st.text(min_size=1, max_size=34), st.integers(0, 9_999_999_999_999))
def test_an_inum_is_second_and_hash(sid: str, at: int) -> None:
    """Ten digits of the second in which it began, eight of the stream SID's hash."""
    number = inum(replace(FIRST, stream_sid=sid, started_at=at))
    assert f"{at // 1_000:010d}{hashed(sid):08d}" == number
    assert 18 == len(number)


def test_the_inum_of_a_supplement_has_its_first_batch() -> None:
    """And the second in which that came, whether it came or was dropped."""
    late = replace(FIRST, part=7, named_at=T0 + 9_000)
    expected = f"{(T0 + 9_000) // 1_000:010d}{hashed('MZ1:7'):08d}"
    assert expected == inum(late) == inum(replace(late, part=-7))
    assert recording_id(late) != recording_id(replace(late, part=-7))


@pytest.mark.parametrize(
    "change",
    [{"task_sid": "WT2"}, {"stream_sid": "MZ2"}, {"gateway": "g"}, {"epoch": 1}, {"part": 1},
     {"started_at": T0 + 1_000}],
)  # fmt: skip
def test_recordings_with_another_identity_have_other_names(change: dict[str, object]) -> None:
    """Task, stream, gateway, its life, part, second."""
    other = replace(FIRST, **change)  # type: ignore[arg-type]
    for key in (recording_id, keys.audio_key, keys.manifest_key, keys.draft_key, keys.entries_key):
        assert key(FIRST) != key(other)


@pytest.mark.parametrize("change", [{"call_sid": "CA9"}, {"name": "x"}, {"first_offset": 9}])
def test_nothing_else_changes_the_names(change: dict[str, object]) -> None:
    """A recording that is made again elsewhere has the same files."""
    assert recording_id(FIRST) == recording_id(replace(FIRST, **change))  # type: ignore[arg-type]


def test_files_lie_in_directories_by_day() -> None:
    """UTC; WAV and manifest are named by the INUM in a directory of the recording."""
    recording = replace(FIRST, started_at=AT)
    name, number = recording_id(recording), inum(recording)
    assert f"2025/11/23/{name}/{number}.wav" == keys.audio_key(recording)
    assert f"2025/11/23/{name}/{number}.json" == keys.manifest_key(recording)
    assert f"{number}-" == name[:19]
    assert 16 == len(name[19:])


def test_files_of_open_recordings_are_in_one_directory() -> None:
    """Segments by number, in order of their names."""
    name = recording_id(FIRST)
    assert f"segments/{name}-000012" == keys.segment_key(FIRST, 12)
    assert f"segments/{name}-draft.wav" == keys.draft_key(FIRST)
    assert f"segments/{name}-entries.json" == keys.entries_key(FIRST)


def test_a_recording_of_an_earlier_version_keeps_its_names() -> None:
    """By stream SID alone; so is the key of its checkpoint."""
    earlier = replace(FIRST, by_task=False)
    assert recording_id(earlier) == recording_id(replace(earlier, task_sid="WT2", epoch=7))
    checkpoint = replace(begun(opened("MZ1"), 0).checkpoint(), by_task=False)
    assert b"MZ1" == checkpoint_key(checkpoint)


def test_a_checkpoint_is_under_the_name_of_its_recording() -> None:
    """Which it holds whole."""
    checkpoint = begun(opened("MZ1"), 0).checkpoint()
    assert FIRST == recording_of(checkpoint)
    assert recording_id(FIRST).encode() == checkpoint_key(checkpoint)
    late = replace(checkpoint, part=7, supplement_of="1", named_at=5)
    assert Recording(
        *("MZ1", "CAMZ1", "WT1", "name-MZ1", 1, FIRST.gateway, FIRST.epoch, T0, 0),
        part=7, supplement_of="1", by_task=True, named_at=5,
    ) == recording_of(late)  # fmt: skip


def test_each_decision_has_a_key() -> None:
    """Call, time and kind."""
    assert f"decision:WT1:{T0 + 5}:stop".encode() == checkpoint_key(decision(5, "stop"))


@pytest.fixture(autouse=True, scope="module")
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembler, "SEGMENT_BYTES", 1_000)
        yield


def _recording(stream_sid: str, started_at: int) -> Recording:
    return Recording(
        stream_sid, f"CA{stream_sid}", "WT1", None, 0, GATEWAY, EPOCH, started_at, first_offset=7
    )


def test_inum():
    """Second of the start, then the hash of the stream SID modulo 10^8, with leading zeros."""
    digest = hashlib.sha256(b"MZ0").hexdigest()
    assert f"1763879862{int(digest, 16) % 10**8:08d}" == inum(_recording("MZ0", T0))
    assert "000000000112345678"[:10] == inum(_recording("MZ0", 1_999))[:10]
