"""A recording of Twilio's becomes a recording of its own, whole or not at all, and once."""

from asyncio import Barrier, gather
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.media.wav import HEADER_SIZE, header
from pipeline.recovery.sources import SourceRecording
from pipeline.recovery.stored import manifest_key
from pipeline.recovery.wav_file import NotUsable
from pipeline.store.audio import StoreError
from schemas.records import Contact, RequiredSpan
from simulator.recorded import RecordingQuirk
from tests.agents.retriever.scene import Scene, missed, scene
from tests.pipeline.recovery.contacts_made import AT, TASK

OFF_MS = 370
"""The conference began this much later than the second that Twilio states."""


async def audio_of(at: Scene, key: str) -> tuple[bytes, bytes]:
    """Return left and right of a stored recording."""
    data = (await at.store.get(key))[HEADER_SIZE:]
    return data[::2], data[1::2]


async def manifest_of(at: Scene, contact: Contact) -> dict[str, object]:
    """Return the stored manifest."""
    key = manifest_key(contact.task_sid, await at.source(), 0)
    found: dict[str, object] = orjson.loads(await at.store.get(key))
    return found


@pytest.mark.parametrize("customer_first", [True, False])
async def test_a_missed_call_is_stored_sample_by_sample(
    tmp_path: Path, customer_first: bool
) -> None:
    """The customer is on the left, for either order of joining. The confidence is low, as nothing
    was captured."""
    async with scene(tmp_path, customer_first=customer_first) as at:
        contact = missed()
        stored = await at.retrieval.carry_out(await at.order(contact))
        assert "low" == stored.confidence
        found = stored.announcement
        assert at.sides() == await audio_of(at, found.audio)
        assert (AT + 500, 40_000) == (found.started_at, found.duration_ms)
        manifest = await manifest_of(at, contact)
        expected = {"channel": 1 if customer_first else 2, "mixed": False}
        assert expected | {"determined_by": "joined-first"} == manifest["customer"]
        assert await at.retrieval.verify(stored)
        assert [] == list(at.directory.iterdir())


@pytest.mark.parametrize("customer_first", [True, False])
@pytest.mark.parametrize("late_ms", [-900, 0, 1_400])
async def test_captured_audio_shows_start_and_customer(
    tmp_path: Path, customer_first: bool, late_ms: int
) -> None:
    """The start is right within 20 ms by the gateway's clock, however far that is off."""
    async with scene(tmp_path, customer_first=customer_first) as at:
        captured = await at.capture(3_000, 22_000, late_ms)
        contact = replace(missed(), recordings=(captured,))
        stored = await at.retrieval.carry_out(await at.order(contact))
        assert "high" == stored.confidence
        found = stored.announcement
        assert abs(found.started_at - (AT + OFF_MS + late_ms)) <= 20
        manifest = await manifest_of(at, contact)
        assert "audio" == manifest["customer"]["determined_by"]  # type: ignore[index]
        left, right = await audio_of(at, found.audio)
        customer, agent = at.sides()
        assert left in customer
        assert right in agent
        assert "captured.wav" != found.audio


async def test_only_required_time_is_kept(tmp_path: Path) -> None:
    """Time outside of it is cut away, time between becomes silence."""
    async with scene(tmp_path) as at:
        spans = ((5_000, 15_000), (25_000, 35_000))
        required = tuple(RequiredSpan(AT + start, AT + end) for start, end in spans)
        order = await at.order(replace(missed(), required=required))
        found = (await at.retrieval.carry_out(order)).announcement
        left, _ = await audio_of(at, found.audio)
        assert (AT + 5_500, 29_000) == (found.started_at, found.duration_ms)
        # By its own statements the recording began at AT + 500: sample 5,000 ms is kept first.
        customer = at.sides()[0]
        assert customer[5_000 * 8 : 14_000 * 8] == left[: 9_000 * 8]
        assert {0xFF} == set(left[9_000 * 8 : 20_000 * 8])
        assert customer[25_000 * 8 : 34_000 * 8] == left[20_000 * 8 :]
        assert 11_000 == found.withheld_ms


async def test_nothing_is_fetched_twice(tmp_path: Path) -> None:
    """A retriever that was killed after the manifest was stored announces the same, without a
    request for audio."""
    async with scene(tmp_path) as at:
        order = await at.order(missed())
        first = await at.retrieval.carry_out(order)
        requests = len(at.rest.recordings.media_requests)
        again = replace(first, is_new=False)
        assert again == await at.retrieval.carry_out(order)
        assert requests == len(at.rest.recordings.media_requests)


async def test_the_first_manifest_counts(tmp_path: Path) -> None:
    """Another retriever stores the recording with another cut meanwhile: both announce that one,
    and the other audio is deleted."""
    async with scene(tmp_path) as at:
        order = await at.order(missed())
        other = await at.retrieval.carry_out(replace(order, spans=((AT + 9_000, AT + 19_000),)))
        late = at.retrieval

        async def unknown(_: object) -> None:
            return None

        late.stored_before = unknown  # type: ignore[assignment, method-assign]
        assert replace(other, is_new=False) == await late.carry_out(order)
        files = list((tmp_path / "recordings").rglob("*.wav"))
        assert [other.announcement.audio] == [
            str(path.relative_to(tmp_path / "recordings")) for path in files
        ]


async def test_one_channel_is_on_the_left(tmp_path: Path) -> None:
    """It has both sides; the right is silent, and the manifest says so."""
    async with scene(tmp_path) as at:
        at.recorded.quirks[TASK] = RecordingQuirk.MONO
        contact = missed()
        found = (await at.retrieval.carry_out(await at.order(contact))).announcement
        left, right = await audio_of(at, found.audio)
        assert {0xFF} == set(right)
        assert len(left) == len(at.sides()[0])
        assert {"channel": 1, "determined_by": "mono", "mixed": True} == (
            await manifest_of(at, contact)
        )["customer"]


async def test_an_encrypted_recording_needs_the_key(tmp_path: Path) -> None:
    """With it the audio is stored as any other; without it the reason says so."""
    key = rsa.generate_private_key(65537, 2048)
    async with scene(tmp_path, keys=(key,)) as at:
        at.rest.recordings.public_key = key.public_key()
        at.recorded.quirks[TASK] = RecordingQuirk.ENCRYPTED
        contact = missed()
        order = await at.order(contact)
        assert order.source.encryption is not None
        stored = await at.retrieval.carry_out(order)
        manifest = await manifest_of(at, contact)
        assert manifest["twilio"]["encrypted"]  # type: ignore[index]
        assert len((await audio_of(at, stored.announcement.audio))[0]) == len(at.sides()[0])
        assert [] == list(at.directory.iterdir())
    async with scene(tmp_path / "again", keys=()) as at:
        at.rest.recordings.public_key = key.public_key()
        at.recorded.quirks[TASK] = RecordingQuirk.ENCRYPTED
        with pytest.raises(NotUsable, match="no private key is set"):
            await at.retrieval.carry_out(await at.order(missed()))


async def test_decrypted_audio_does_not_stay_if_the_store_fails(tmp_path: Path) -> None:
    """Only the file as Twilio delivered it, to continue with; after any number of attempts."""
    key = rsa.generate_private_key(65537, 2048)
    async with scene(tmp_path, keys=(key,)) as at:
        at.rest.recordings.public_key = key.public_key()
        at.recorded.quirks[TASK] = RecordingQuirk.ENCRYPTED
        order = await at.order(missed())

        async def full(*_: object) -> None:
            raise StoreError("no space left")

        at.store.put_chunks = full  # type: ignore[assignment, method-assign]
        for _ in range(2):
            with pytest.raises(StoreError):
                await at.retrieval.carry_out(order)
            assert [f"{TASK}-{order.source.sid}.wav"] == [p.name for p in at.directory.iterdir()]


async def test_two_calls_with_one_recording_are_fetched_at_the_same_time(tmp_path: Path) -> None:
    """A customer's leg may belong to two tasks. Each has its own download: neither continues,
    shortens or deletes that of the other."""
    async with scene(tmp_path) as at:
        orders = [
            await at.order(missed(task_sid=task, contact_id=task))
            for task in (TASK, "WT" + "9" * 32)
        ]
        together = Barrier(2)
        download = at.twilio.download

        async def begun_together(source: SourceRecording, path: Path) -> int:
            paths.add(path)
            await together.wait()
            size = await download(source, path)
            await together.wait()
            return size

        paths: set[Path] = set()
        at.twilio.download = begun_together  # type: ignore[method-assign]
        stored = await gather(*map(at.retrieval.carry_out, orders))
        assert 2 == len(paths)
        for each in stored:
            assert at.sides() == await audio_of(at, each.announcement.audio)
        assert [] == list(at.directory.iterdir())


async def test_what_had_not_to_be_recorded_is_not_stored(tmp_path: Path) -> None:
    """No audio, no manifest, and nothing left on the disk."""
    async with scene(tmp_path) as at:
        order = replace(await at.order(missed()), spans=((AT + 90_000, AT + 99_000),))
        with pytest.raises(NotUsable, match="nothing of it had to be recorded"):
            await at.retrieval.carry_out(order)
        assert [] == list((tmp_path / "recordings").rglob("*.*"))
        assert [] == list(at.directory.iterdir())


async def test_damage_in_the_store_is_noticed(tmp_path: Path) -> None:
    """Before anything is deleted at Twilio."""
    async with scene(tmp_path) as at:
        stored = await at.retrieval.carry_out(await at.order(missed()))
        path = tmp_path / "recordings" / stored.announcement.audio
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        assert not await at.retrieval.verify(stored)
        path.unlink()
        assert not await at.retrieval.verify(stored)


async def test_another_capture_helps_if_the_longest_does_not(tmp_path: Path) -> None:
    """The longest has been deleted from the store, or has silence only."""
    async with scene(tmp_path) as at:
        captured = await at.capture(3_000, 22_000)
        silent = replace(
            captured, audio="silent.wav", duration_ms=40_000, started_at=AT, recording_id="2-b"
        )
        await at.store.put("silent.wav", header(40_000 * 8) + b"\xff" * 2 * 40_000 * 8)
        gone = replace(silent, audio="gone.wav", recording_id="3-c")
        contact = replace(missed(), recordings=(gone, silent, captured))
        stored = await at.retrieval.carry_out(await at.order(contact))
        assert "high" == stored.confidence
        assert abs(stored.announcement.started_at - (AT + OFF_MS)) <= 20
