"""A recovered recording has an INUM of its own, a manifest, and an announcement made of it."""

import hashlib

import orjson

from pipeline.recovery.alignment import AlignmentResult, Confidence
from pipeline.recovery.cutting import Cut
from pipeline.recovery.sides import CustomerChannel, DeterminedBy
from pipeline.recovery.stored import (
    Download,
    Recovered,
    announcement,
    audio_key,
    inum,
    manifest,
    manifest_key,
    manifest_key_of,
    recording_id,
)
from pipeline.recovery.wav_file import SampleFormat, WavLayout
from schemas.records import RecordingCompleted
from tests.pipeline.recovery.contacts_made import AT, CUSTOMER, TASK, source_at

SOURCE = source_at(0, 60_000, 7)


def recovered(by: DeterminedBy = DeterminedBy.AUDIO, part: int = 0) -> Recovered:
    """Return a recording that began 0.4 s later than stated, of which a minute is kept."""
    return Recovered(
        TASK, SOURCE, part,
        layout=WavLayout(SampleFormat.PCM16, 1 if by is DeterminedBy.MONO else 2, 44, 61 * 8_000),
        download=Download(1_000, "ab" * 32, encrypted=False),
        started_at=AT + 400,
        comparison=AlignmentResult(400, Confidence.HIGH, 0.93, 20_000, 0),
        channel=CustomerChannel(0, by),
        cut=Cut(8_000, 60 * 8_000, ((16_000, 24_000),)),
    )  # fmt: skip


def test_the_inum_is_of_twilios_start_and_sid() -> None:
    """18 digits: the second, and the hash of the recording's SID; a later part has its number in
    the hash. It does not depend on the alignment."""
    number = int.from_bytes(hashlib.sha256(SOURCE.sid.encode()).digest(), "big") % 10**8
    assert f"{AT // 1000}{number:08d}" == inum(SOURCE, 0)
    later = int.from_bytes(hashlib.sha256(f"{SOURCE.sid}:1".encode()).digest(), "big") % 10**8
    assert f"{AT // 1000}{later:08d}" == inum(SOURCE, 1)
    assert recording_id(TASK, SOURCE, 0).startswith(inum(SOURCE, 0) + "-")
    assert manifest_key(TASK, SOURCE, 1) == manifest_key_of(recording_id(TASK, SOURCE, 1))
    assert recording_id(TASK, SOURCE, 0) != recording_id("WT" + "2" * 32, SOURCE, 0)


def test_the_manifest_says_where_the_audio_comes_from() -> None:
    """Twilio's recording, its checksum, the channels, the alignment, and the cuts."""
    made = recovered()
    found = orjson.loads(manifest(made, 958_058, "cd" * 32))
    assert "twilio-recording" == found["source"]
    assert SOURCE.sid == found["twilio"]["recording_sid"]
    assert ("ab" * 32, 1_000) == (found["twilio"]["sha256"], found["twilio"]["bytes"])
    assert {"channel": 1, "determined_by": "audio", "mixed": False} == found["customer"]
    assert {
        "confidence": "high", "shift_ms": 400, "correlation": 0.93, "compared_speech_ms": 20_000,
    } == found["alignment"]  # fmt: skip
    assert [{"at": 8_000, "samples": 8_000}] == found["withheld"]
    assert audio_key(made, "cd" * 32) == found["audio"]["key"]
    assert (59_000, 59 * 8_000) == (found["audio"]["duration_ms"], found["audio"]["samples"])
    assert 2 * 59 * 50 == found["frames"]["received"]
    mono = orjson.loads(manifest(recovered(DeterminedBy.MONO), 1, "cd"))
    assert (True, 59 * 50) == (mono["customer"]["mixed"], mono["frames"]["received"])


def test_the_manifest_says_how_far_from_twilios_start_the_audio_begins() -> None:
    """In ms: the first 8,000 samples are cut away."""
    assert 1_000 == orjson.loads(manifest(recovered(), 1, "cd"))["audio"]["origin_ms"]


def test_the_announcement_is_made_of_the_manifest() -> None:
    """So a retriever that finds a stored manifest announces the same."""
    made = recovered()
    content = orjson.loads(manifest(made, 958_058, "cd" * 32))
    key = manifest_key(TASK, SOURCE, 0)
    assert RecordingCompleted(
        inum=inum(SOURCE, 0), stream_sid=SOURCE.sid, call_sid=CUSTOMER, task_sid=TASK,
        generation=0, started_at=AT + 1_400, ended_at=AT + 60_400, duration_ms=59_000,
        received=5_900, lost=0, duplicate=0, invalid=0, overlap=0,
        audio=audio_key(made, "cd" * 32), audio_bytes=958_058, audio_sha256="cd" * 32,
        manifest=key, reason="recovered", recording_id=recording_id(TASK, SOURCE, 0),
        withheld_ms=1_000, source="twilio-recording",
    ) == announcement(content, key)  # fmt: skip
