"""Serve recordings from the store in pieces, never whole in memory, and their waveforms."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from console.peaks import HEADER_BYTES, Peaks, find_samples
from console.ranges import ByteRange, UnsatisfiableError, none_match_fails, wanted_span
from schemas.records import ContactRecording

PIECE_BYTES = 256 * 1024
BUCKETS = 800
_KEPT_WAVEFORMS = 256
_AT_ONCE = 2


class Objects(Protocol):
    """The methods of the recordings store that are used (`pipeline.store.audio.AudioStore`)."""

    async def get(self, key: str) -> bytes:
        """Return the whole object."""
        ...

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, not including, `end`."""
        ...

    async def size(self, key: str) -> int:
        """Return the object's size in bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Waveform:
    """The peaks of each side, 0 to 1. Left is the customer, right is the audio that the customer
    hears."""

    left: list[float]
    right: list[float]


async def audio_response(
    request: Request, objects: Objects, key: str, recording: ContactRecording
) -> Response:
    """Return a response with the object at `key`, or with the part that the request's `Range` asks
    for. Raise `FileNotFoundError` if there is no such object."""
    size = await objects.size(key)
    etag = f'"{recording.recording_id}-{size}"'  # a complete recording never changes
    disposition = "attachment" if "download" in request.query_params else "inline"
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'{disposition}; filename="{recording.inum}.wav"',
        "ETag": etag,
    }
    if none_match_fails(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    unchanged = request.headers.get("if-range", etag) == etag
    try:
        span = wanted_span(request.headers.get("range"), size) if unchanged else None
    except UnsatisfiableError:
        headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        return JSONResponse({"error": "the range lies outside of the audio"}, 416, headers)
    part = span or ByteRange(0, size)
    headers["Content-Length"] = str(part.end - part.start)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return Response(None, status, headers, "audio/wav")
    return StreamingResponse(_pieces(objects, key, part), status, headers, "audio/wav")


async def _pieces(objects: Objects, key: str, span: ByteRange) -> AsyncIterator[bytes]:
    for at in range(span.start, span.end, PIECE_BYTES):
        yield await objects.get_range(key, at, min(at + PIECE_BYTES, span.end))


class Waveforms:
    """Computes waveforms, and caches the ones requested last."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._kept: OrderedDict[str, Waveform] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def of(self, key: str) -> Waveform:
        """Return the waveform of the WAV file at `key`. Raise `FileNotFoundError` or
        `NotAWavError`."""
        async with self._slots:
            found = self._kept.get(key) or await self._computed(key)
        self._kept[key] = found
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT_WAVEFORMS:
            self._kept.popitem(last=False)
        return found

    async def _computed(self, key: str) -> Waveform:
        size = await self._objects.size(key)
        samples = find_samples(await self._objects.get_range(key, 0, min(size, HEADER_BYTES)), size)
        peaks = Peaks((samples.end - samples.start) // 2, BUCKETS)
        async for piece in _pieces(self._objects, key, ByteRange(samples.start, samples.end)):
            # In a thread, because the audio of a day takes half a minute of CPU time.
            await asyncio.to_thread(peaks.feed, piece)
        return Waveform(peaks.left, peaks.right)
