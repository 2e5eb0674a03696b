"""Unfinished recordings that lack files are found, and begun again."""

from dataclasses import replace
from typing import Any, Self, cast

import pytest
from aiokafka import TopicPartition

from cli.recordings import restart as module
from cli.recordings.restart import Broken, NoCheckpoints, find_broken, restart
from pipeline.recordings.beginnings import FirstKept
from pipeline.recordings.beginnings import opened as begun
from pipeline.recordings.keys import checkpoint_key
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from pipeline.store.audio import AudioStore
from schemas.codec import decode, encode
from schemas.records import RecorderCheckpoint
from tests.pipeline.recordings.closing import closing_checkpoint, decision
from tests.pipeline.recordings.logs import dropped, opened
from tests.pipeline.recordings.supplemented import batch
from tests.pipeline.runtime.log_consumers import Kafka

SETTINGS = Settings(topic_prefix="p.")
STORE = cast("AudioStore", None)
MEDIA_3 = TopicPartition("p.media", 3)


def unfinished(sid: str) -> RecorderCheckpoint:
    """Return the checkpoint of a recording that began at offset 2, and has two batches."""
    fold = begun(opened(sid), 2)
    fold.add(batch(1, sid=sid), 3)
    fold.add(batch(2, sid=sid), 4)
    return replace(fold.checkpoint(), offset=9)


class Keeping:
    """The files of recordings. `lacking`: the stream SIDs that lack some."""

    def __init__(self, *lacking: str) -> None:
        self.lacking = lacking
        self.cleared: list[str] = []

    async def is_intact(self, checkpoint: RecorderCheckpoint) -> bool:
        return checkpoint.stream_sid not in self.lacking

    async def clear(self, checkpoint: RecorderCheckpoint) -> None:
        self.cleared.append(checkpoint.stream_sid)


class Scene:
    """A partition with these checkpoints, and `media` with records at the offsets from 5 on."""

    def __init__(self, patch: pytest.MonkeyPatch, keeping: Keeping, *records: Any) -> None:
        self.keeping = keeping
        values = {(MEDIA_3, 5 + n): encode(r) if r else b"junk" for n, r in enumerate(records)}
        offsets = {offset: 1 for _, offset in values}
        self.kafka = Kafka({MEDIA_3: offsets}, values=values)  # type: ignore[arg-type]
        self.checkpoints: dict[int, list[Any]] = {3: []}
        patch.setattr(module, "keeping_of", lambda _: keeping)
        patch.setattr(module, "read_checkpoints", self._read)
        patch.setattr(kafka, "consumer", self.kafka.consumer)

    async def _read(self, _: Settings, partitions: list[int]) -> dict[int, list[Any]]:
        assert [3] == partitions
        return self.checkpoints


async def test_recordings_that_lack_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfinished ones only, each with its first audio that is still on the log: a batch, or a
    report of dropped ones. Records of others and unreadable ones are passed over."""
    gone = dropped([batch(5, sid="MZ2")])
    records = [batch(7, sid="MZ9"), None, batch(3, sid="MZ1"), gone, batch(4, sid="MZ1")]
    scene = Scene(monkeypatch, Keeping("MZ1", "MZ2", "MZ3"), *records)
    scene.checkpoints[3] = [
        unfinished("MZ1"), unfinished("MZ2"), unfinished("MZ4"), closing_checkpoint("MZ3"),
        decision(5, "stop"), replace(unfinished("MZ3"), closed_at=7),
    ]  # fmt: skip
    first, second = await find_broken(SETTINGS, STORE, 3)
    assert ("MZ1", FirstKept(3, {"inbound": 180, "outbound": 180})) == (
        first.checkpoint.stream_sid, first.kept,
    )  # fmt: skip
    assert ("MZ2", 5) == (second.checkpoint.stream_sid, second.kept and second.kept.number)
    assert not any(each.is_running for each in scene.kafka.consumers)


async def test_audio_that_has_expired_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has no record of the recording up to its checkpoint; later records are not read."""
    records = [*[batch(1, sid="MZ9")] * 4, batch(9, sid="MZ1")]
    scene = Scene(monkeypatch, Keeping("MZ1"), *records)
    scene.checkpoints[3] = [unfinished("MZ1")]
    [broken] = await find_broken(SETTINGS, STORE, 3)
    assert (None, 8) == (broken.kept, broken.frames_lost)


async def test_whole_recordings_need_no_look_at_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a partition without any."""
    scene = Scene(monkeypatch, Keeping())
    scene.checkpoints[3] = [unfinished("MZ1")]
    assert [] == await find_broken(SETTINGS, STORE, 3)
    assert [] == scene.kafka.consumers


async def test_checkpoints_that_cannot_be_read_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing must be given up because of a missing leader."""
    Scene(monkeypatch, Keeping()).checkpoints = {}
    with pytest.raises(NoCheckpoints, match="partition 3"):
        await find_broken(SETTINGS, STORE, 3)


class Producer:
    """Keeps the batches that are sent."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int, list[Any]]] = []
        self._records: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""

    def create_batch(self) -> Self:
        self._records = []
        return self

    def append(self, **record: Any) -> None:
        self._records.append(record)

    def close(self) -> None:
        """Nothing follows."""

    def headers_of(self, topic: str, _: bytes) -> list[tuple[str, bytes]]:
        return [("of", topic.encode())]

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        self.batches.append((topic, partition, batch._records))

        async def acknowledged() -> None:
            """At once."""

        return acknowledged()


async def test_a_recording_is_begun_again_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are deleted first. Then its checkpoint is deleted and written anew: both records or
    none, for of several checkpoints the one with the greatest offset counts."""
    keeping, producer = Keeping("MZ1"), Producer()
    Scene(monkeypatch, keeping)
    monkeypatch.setattr(kafka, "producer", lambda *_, **__: producer)
    old = unfinished("MZ1")
    await restart(SETTINGS, STORE, 3, [Broken(old, None)])
    assert ["MZ1"] == keeping.cleared
    [(topic, partition, (deleted, written))] = producer.batches
    assert ("p.recorder.checkpoints", 3) == (topic, partition)
    key = checkpoint_key(old)
    assert (key, None, key) == (deleted["key"], deleted["value"], written["key"])
    new = decode(written["value"])
    assert (0, old.stream_sid, old.started_at) == (new.segments, new.stream_sid, new.started_at)
    assert new.offset < old.offset
    assert [("of", b"p.recorder.checkpoints")] == written["headers"]
