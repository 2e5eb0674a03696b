"""Fetch one of Twilio's recordings, and store its required time as a recording of its own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from agents.retriever.audio import DeliveredFile, RecoveredFile, captured_sides, opened
from agents.retriever.downloads import sha256_of
from agents.retriever.steps import WorkSteps
from agents.retriever.twilio import TwilioRecordings
from pipeline.contacts.spans import Span, common, total
from pipeline.media.runs import SAMPLES_PER_MS
from pipeline.recovery.alignment import (
    SEARCH_MS,
    TRUNCATED_MS,
    AlignmentResult,
    Confidence,
    Sides,
    compare_all,
)
from pipeline.recovery.cutting import cut
from pipeline.recovery.sides import CustomerChannel, customer_channel
from pipeline.recovery.sources import SourceRecording
from pipeline.recovery.stored import (
    Download,
    Recovered,
    announcement,
    audio_key,
    confidence,
    manifest,
    manifest_key,
    manifest_key_of,
)
from pipeline.recovery.wav_file import NotUsable
from pipeline.store.audio import AudioStore
from schemas.records import Contact, ContactRecording, RecordingCompleted
from schemas.states import RecordingSource

log = structlog.get_logger(__name__)

PIECE_BYTES = 8 << 20
READING = "reading the recordings store"
MAX_COMPARED = 5
"""Twilio's recording is compared with at most this many recordings of the call, the longest."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request to fetch one of Twilio's recordings for a call, with the time to keep."""

    contact: Contact
    source: SourceRecording
    part: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A stored recording to announce, and the confidence of its alignment. `is_new`: it was stored
    by this order, and not by an earlier one with a lost result."""

    announcement: RecordingCompleted
    confidence: str
    is_new: bool


class Retrieval:
    """Carries out orders. `directory`: for files that are being downloaded; `steps`: shows the work
    under way."""

    def __init__(
        self,
        store: AudioStore,
        twilio: TwilioRecordings,
        directory: Path,
        keys: Sequence[RSAPrivateKey],
        steps: WorkSteps,
    ) -> None:
        self._store = store
        self._twilio = twilio
        self._directory = directory
        self._keys = tuple(keys)
        self.steps = steps

    async def stored_before(self, order: Order) -> StoredAudio | None:
        """Return the recording if another retriever, or this one before it was killed, has stored
        it. Raise `StoreError`."""
        return await self._with_manifest(
            manifest_key(order.contact.task_sid, order.source, order.part)
        )

    async def stored_as(self, recording_id: str) -> StoredAudio | None:
        """Return the recording with this unique name; None if the store does not have it. Raise
        `StoreError`."""
        return await self._with_manifest(manifest_key_of(recording_id))

    async def _with_manifest(self, key: str) -> StoredAudio | None:
        try:
            with self.steps.step(READING):
                found = orjson.loads(await self._store.get(key))
        except FileNotFoundError:
            return None
        return _stored(found, key, is_new=False)

    async def carry_out(self, order: Order) -> StoredAudio:
        """Fetch, decode, align, cut and store; return the recording to announce. Raise `NotUsable`
        if the recording can never be used, `TwilioError` or `StoreError` if a later attempt may
        succeed.

        1. The audio is stored. 2. The manifest is stored, unless there is one already: the first
        one counts. 3. Only then is the downloaded file deleted. After a failure that may pass, it
        is kept and continued later. Decrypted audio is never kept.
        """
        if (before := await self.stored_before(order)) is not None:
            self._clean_up(order)
            return before
        try:
            stored = await self._fetched(order)
        except NotUsable:
            self._clean_up(order)
            raise
        finally:
            self._clean_up(order, "*.plain")
        self._clean_up(order)
        return stored

    async def _fetched(self, order: Order) -> StoredAudio:
        path = self._path(order)
        size = await self._twilio.download(order.source, path)
        encryption = order.source.encryption
        with self.steps.step("reading a downloaded file"):
            digest = await asyncio.to_thread(sha256_of, path)
            delivered = await asyncio.to_thread(opened, path, encryption, self._keys)
        download = Download(size, digest, encryption is not None)
        return await self._store_recording(order, delivered, download)

    async def verify(self, stored: StoredAudio) -> bool:
        """Return whether the store has the recording's audio, byte for byte. Raise `StoreError`."""
        found = stored.announcement
        digest = hashlib.sha256()
        with self.steps.step(READING) as moved:
            for at in range(0, found.audio_bytes, PIECE_BYTES):
                until = min(at + PIECE_BYTES, found.audio_bytes)
                try:
                    digest.update(await self._store.get_range(found.audio, at, until))
                except FileNotFoundError:
                    return False
                moved()
        return digest.hexdigest() == found.audio_sha256

    async def _store_recording(
        self, order: Order, delivered: DeliveredFile, download: Download
    ) -> StoredAudio:
        recovered = await self._aligned(order, delivered, download)
        file = RecoveredFile(delivered, recovered.cut, recovered.channel)
        of_manifest = manifest_key(order.contact.task_sid, order.source, order.part)
        with self.steps.step("writing the recordings store") as moved:
            # The name of the audio contains its hash, so the audio is made twice: once to compute
            # the hash, once to store it.
            async for _ in file.chunks():
                moved()
            key = audio_key(recovered, file.sha256)
            await self._store.put_chunks(key, _noting(file.chunks(), moved))
            made = manifest(recovered, file.size, file.sha256)
            await self._store.put_new(of_manifest, made)
            found = orjson.loads(await self._store.get(of_manifest))
            if not (is_new := found["audio"]["key"] == key):
                await self._store.delete([key])
        log.info(
            "recording recovered",
            task_sid=order.contact.task_sid,
            recording_sid=order.source.sid,
            confidence=str(confidence(recovered)),
            shift_ms=recovered.started_at - order.source.started_at,
            customer=str(recovered.channel.determined_by),
        )
        return _stored(found, of_manifest, is_new=is_new)

    async def _aligned(
        self, order: Order, delivered: DeliveredFile, download: Download
    ) -> Recovered:
        compared = await self._compared(order, delivered)
        is_exact = compared is not None and compared.confidence is Confidence.HIGH
        shift = compared.shift_ms if compared is not None and is_exact else TRUNCATED_MS
        started_at = order.source.started_at + shift
        kept = cut(
            started_at,
            delivered.layout.samples,
            order.spans,
            0 if is_exact else TRUNCATED_MS,
        )
        if kept is None:
            raise NotUsable("nothing of it had to be recorded")
        channel = await self._channel(order, delivered, compared)
        return Recovered(
            order.contact.task_sid, order.source, order.part, delivered.layout, download,
            started_at, compared, channel, kept,
        )  # fmt: skip

    async def _channel(
        self, order: Order, delivered: DeliveredFile, compared: AlignmentResult | None
    ) -> CustomerChannel:
        customer = None if compared is None else compared.customer
        conference, first = order.source.conference_sid, frozenset[str]()
        if customer is None and conference is not None and delivered.layout.channels == 2:
            first = await self._twilio.first_joined(conference)
        return customer_channel(
            order.contact, order.source, delivered.layout.channels, customer, first
        )

    async def _compared(self, order: Order, delivered: DeliveredFile) -> AlignmentResult | None:
        source = order.source
        ends_at = source.started_at + delivered.layout.samples // SAMPLES_PER_MS
        around = (source.started_at - SEARCH_MS, ends_at + SEARCH_MS)
        captured = [r for r in order.contact.recordings if _is_captured(r) and _overlap(r, around)]
        captured.sort(key=lambda r: (_overlap(r, around), r.recording_id), reverse=True)
        if not captured:
            return None
        found: list[AlignmentResult] = []
        with self.steps.step("comparing with captured audio") as moved:
            envelopes = await asyncio.to_thread(delivered.envelopes, moved)
            for recording in captured[:MAX_COMPARED]:
                result = await self._compared_with(recording, envelopes, source, around)
                moved()
                if result is not None:
                    found.append(result)
                if result is not None and result.confidence is Confidence.HIGH:
                    break
        return max(
            found, key=lambda r: (r.confidence is Confidence.HIGH, r.correlation), default=None
        )

    async def _compared_with(
        self, recording: ContactRecording, envelopes: Sides, source: SourceRecording, around: Span
    ) -> AlignmentResult | None:
        try:
            captured = await captured_sides(self._store, recording, *around)
        except FileNotFoundError:
            return None  # deleted: there is nothing to compare with
        if captured is None:
            return None
        begins_at, sides = captured
        return await asyncio.to_thread(compare_all, sides, envelopes, begins_at - source.started_at)

    def _path(self, order: Order) -> Path:
        """Return the path of the download. Calls that share a recording use separate files, because
        their attempts may run at the same time."""
        return self._directory / f"{order.contact.task_sid}-{order.source.sid}.wav"

    def _clean_up(self, order: Order, which: str = "*") -> None:
        """Delete the order's files, or those that end like `which`."""
        for path in self._directory.glob(self._path(order).stem + which):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _stored(found: Mapping[str, Any], key: str, *, is_new: bool) -> StoredAudio:
    return StoredAudio(announcement(found, key), found["alignment"]["confidence"], is_new)


async def _noting(chunks: AsyncIterator[bytes], moved: Callable[[], None]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        moved()
        yield chunk


def _is_captured(recording: ContactRecording) -> bool:
    return (
        recording.source == RecordingSource.STREAM
        and recording.audio is not None
        and bool(recording.duration_ms)
        and not recording.withheld_because
    )


def _overlap(recording: ContactRecording, around: Span) -> int:
    span = (recording.started_at, recording.started_at + (recording.duration_ms or 0))
    return total(common((span,), (around,)))
