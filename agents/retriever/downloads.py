"""Download one of Twilio's recordings to a local file, in ranges; continue a partial file.

A range holds one of the installation's few request permits for a short time only. The file is kept
until it is stored, so that a retriever that was killed can continue it.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BasicAuth, ClientError, ClientResponse, ClientSession, ClientTimeout

from agents.retriever.metrics import BYTES
from pipeline.error_text import typed_error_text
from pipeline.lenient_json import Unreadable, loads
from pipeline.recovery.wav_file import NotUsable
from pipeline.runtime.twilio_http import TwilioError

RANGE_BYTES = 2 * 1024 * 1024
MAX_BYTES = 8 * 1024**3
"""A larger file is refused: 24 hours of two channels are 2.8 GB."""
REQUEST_S = 9.0
PIECE_BYTES = 64 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")

CarryOut = Callable[[str, Callable[[], Awaitable["DownloadedPart"]]], Awaitable["DownloadedPart"]]
"""Sends a request with a permit, and repeats it if that may help."""


@dataclass(frozen=True, slots=True)
class DownloadedPart:
    """The result of one request: the number of bytes in the file now, and the size of the whole
    recording (None if the server does not state it)."""

    written: int
    total: int | None


class NoSuchChannels(Exception):
    """The recording has one channel only (error 16113)."""


class Downloader:
    """Downloads with one account's credentials, one file at a time for each path."""

    def __init__(
        self, session: ClientSession, credentials: tuple[str, str], carry_out: CarryOut
    ) -> None:
        self._session = session
        self._auth = BasicAuth(*credentials)
        self._carry_out = carry_out

    async def fetch(self, url: str, query: Mapping[str, str], path: Path) -> int:
        """Download to `path`, which may already hold the beginning; return the size. Raise
        `TwilioError`, `NotUsable` or `NoSuchChannels`."""
        part = DownloadedPart(await asyncio.to_thread(_size, path), None)
        while part.total is None or part.written < part.total:
            at = part.written

            async def request(at: int = at) -> DownloadedPart:
                return await self._part(url, query, path, at)

            part = await self._carry_out("recording-media", request)
            if part.total is not None and part.total > MAX_BYTES:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                raise NotUsable(f"{part.total} bytes, at most {MAX_BYTES}")
            if part.total is None:
                return part.written
        return part.written

    async def _part(
        self, url: str, query: Mapping[str, str], path: Path, at: int
    ) -> DownloadedPart:
        headers = {"Range": f"bytes={at}-{at + RANGE_BYTES - 1}", "Accept-Encoding": "identity"}
        try:
            async with self._session.get(
                url,
                params=dict(query),
                headers=headers,
                auth=self._auth,
                allow_redirects=False,
                timeout=ClientTimeout(total=REQUEST_S, sock_connect=3),
            ) as answer:
                return await _taken(answer, path, at)
        except TimeoutError:
            raise TwilioError(0, None, f"no answer within {REQUEST_S:g} s") from None
        except (ClientError, OSError) as error:
            raise TwilioError(0, None, typed_error_text(error)[:300]) from None


async def _taken(answer: ClientResponse, path: Path, at: int) -> DownloadedPart:
    if answer.status == 416 and at:
        # The partial file is already as long as the recording, or belongs to another one.
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if total.isdigit() and int(total) == at:
            return DownloadedPart(at, at)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return DownloadedPart(0, max(1, int(total)) if total.isdigit() else 1)
    if answer.status == 206:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != at or int(found[2]) < at:
            raise TwilioError(0, None, "the answer has another range than was asked for")
        await _append(answer, path, at, int(found[2]) + 1 - at)
        return DownloadedPart(int(found[2]) + 1, int(found[3]))
    if answer.status == 200:
        size = answer.content_length
        written = await _append(answer, path, 0, size)
        return DownloadedPart(written, size)
    raise await _refusal(answer)


async def _append(answer: ClientResponse, path: Path, at: int, size: int | None) -> int:
    """Write the body at position `at`, and truncate the file after it. Return the file's size."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.truncate(at)
        file.seek(at)
        written = 0
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            written += len(piece)
            if at + written > MAX_BYTES or (size is not None and written > size):
                raise NotUsable("the answer is longer than it states")
            file.write(piece)
            BYTES.inc(len(piece))
        if size is not None and written < size:
            file.truncate(at)
            raise TwilioError(0, None, f"the answer ended after {written} of {size} bytes")
    return at + written


async def _refusal(answer: ClientResponse) -> Exception:
    body: object = None
    if answer.content_type == "application/json":
        with suppress(Unreadable):
            body = loads(await _beginning(answer, MAX_REFUSAL_BYTES))
    code = body.get("code") if isinstance(body, dict) else None
    text = str(body.get("message", "no message")) if isinstance(body, dict) else "no message"
    if code == 16113:
        return NoSuchChannels(text)
    wait = answer.headers.get("Retry-After", "")
    seconds = float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0
    return TwilioError(answer.status, code if isinstance(code, int) else None, text[:300], seconds)


async def _beginning(answer: ClientResponse, size: int) -> bytes:
    """Return the first `size` bytes of the body, or all of it."""
    data = b""
    async for piece in answer.content.iter_chunked(size):
        data += piece
        if len(data) >= size:
            break
    return data[:size]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal. It blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
