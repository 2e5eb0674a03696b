"""What a recorder stores and reports, from the beginning of a recording to its end."""

import hashlib
import json

from obstore.store import MemoryStore

from agents.recorder.work import Work
from pipeline.media.wav import HEADER_SIZE
from pipeline.recordings.effects import Refused, SegmentCut
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from schemas.records import RecordingCompleted, RecordingStarted
from tests.agents.recorder.parts import (
    FRAMES,
    FakeMessage,
    FakeProducer,
    effects_on,
    of_kind,
    story,
)
from tests.pipeline.recordings.logs import T0, by_the_contract


async def test_a_recording_from_begin_to_end(store):
    """Audio and manifest are stored and agree with the reports, in this order: started, a
    checkpoint after each segment, complete, the closing checkpoint. No segment remains."""
    producer, health = FakeProducer(), Health()
    effects = effects_on(store, producer, health)
    for work in story():
        await effects.carry_out([work])
        await effects.settle()
    topics = [topic for topic, _ in producer.sent]
    count = len(of_kind(story(), SegmentCut))
    assert count > 2
    between = ["t.recorder.checkpoints"] * count
    assert ["t.recordings", *between, "t.recordings", "t.recorder.checkpoints"] == topics
    started, done, last = producer.sent[0][1], producer.sent[-2][1], producer.sent[-1][1]
    assert isinstance(started, RecordingStarted)
    assert isinstance(done, RecordingCompleted)
    assert T0 == last.closed_at
    audio = await store.get(done.audio)
    manifest = json.loads(await store.get(done.manifest))
    expected = by_the_contract(FRAMES)
    assert expected.samples == audio[HEADER_SIZE:]
    assert len(audio) == done.audio_bytes == manifest["audio"]["bytes"]
    assert hashlib.sha256(audio).hexdigest() == done.audio_sha256 == manifest["audio"]["sha256"]
    assert {done.audio, done.manifest} == {key async for key in store.list("")}


async def test_the_manifest_s_hashes_are_those_of_the_received_samples(store):
    """Each segment's SHA-256 can be checked against the audio."""
    producer = FakeProducer()
    await effects_on(store, producer, Health()).carry_out(story())
    done = producer.sent[-2][1]
    left = (await store.get(done.audio))[HEADER_SIZE::2]
    for segment in json.loads(await store.get(done.manifest))["segments"]:
        received = b"".join(
            left[piece["at"] : piece["at"] + piece["frames"] * piece["size"]]
            for piece in segment["tracks"]["inbound"]["ranges"]
            if piece["kind"] == "received"
        )
        assert hashlib.sha256(received).hexdigest() == segment["sha256"]


async def test_a_refused_record_is_a_dead_letter():
    """The dead letter has the reason and the position, but not the bytes, which may be audio."""
    producer = FakeProducer()
    effects = effects_on(AudioStore(MemoryStore()), producer, Health())
    await effects.carry_out([Work(Refused("undecodable", "no header"), FakeMessage())])
    ((topic, letter),) = producer.sent
    assert ("t.cti.dead-letters", "undecodable", b"") == (
        topic,
        letter.reason,
        letter.original,
    )
    assert ("media", "3", "7") == (letter.origin, letter.part, letter.position)
