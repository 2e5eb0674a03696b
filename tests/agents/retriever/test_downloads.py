"""Downloads come in ranges, continue a part that exists, and are complete or fail."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from agents.retriever import downloads
from agents.retriever.downloads import Downloader, NoSuchChannels, sha256_of
from pipeline.recovery.wav_file import NotUsable
from pipeline.runtime.twilio_http import TwilioError

CONTENT = bytes(range(256)) * 40


@dataclass
class FileServer:
    """Serves a file with the given habits, and notes the ranges that were asked for."""

    content: bytes = CONTENT
    ranges: bool = True
    status: int = 0
    body: Any = None
    cut_at: int | None = None
    empty: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request.headers["Range"])
        assert request.headers["Authorization"].startswith("Basic ")
        if self.status and isinstance(self.body, bytes):
            return web.Response(body=self.body, status=self.status, content_type="application/json")
        if self.status:
            return web.json_response(self.body, status=self.status)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["Range"])
        assert wanted is not None
        first, last = int(wanted[1]), min(int(wanted[2]), len(self.content) - 1)
        if not self.ranges:
            return await self._sent(request, 200, self.content, {})
        if first >= len(self.content):
            headers = {"Content-Range": f"bytes */{len(self.content)}"}
            return web.Response(status=416, headers=headers)
        last = first - 1 if self.empty else last
        headers = {"Content-Range": f"bytes {first}-{last}/{len(self.content)}"}
        return await self._sent(request, 206, self.content[first : last + 1], headers)

    async def _sent(
        self, request: web.Request, status: int, body: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = len(body)
        await answer.prepare(request)
        cut, self.cut_at = self.cut_at, None
        if cut is not None:
            await answer.write(body[:cut])
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(body)
        return answer


@asynccontextmanager
async def serving(server: FileServer) -> AsyncIterator[Downloader]:
    """A downloader of that server's file."""

    async def carry_out(_: str, request: Callable[[], Awaitable[Any]]) -> Any:
        for _attempt in range(3):
            try:
                return await request()
            except TwilioError as error:
                if error.status != 0:
                    raise
                last = error
        raise last

    app = web.Application()
    app.router.add_get("/x.wav", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/x.wav"
    try:
        async with ClientSession() as session:
            yield Downloader(session, ("user", "password"), carry_out)
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "RANGE_BYTES", 4_000)


@pytest.mark.parametrize("ranges", [True, False])
async def test_the_file_is_the_servers(tmp_path: Path, ranges: bool) -> None:
    """In three ranges, or at once from a server that knows none."""
    server, path = FileServer(ranges=ranges), tmp_path / "x"
    async with serving(server) as downloader:
        assert len(CONTENT) == await downloader.fetch(server.url, {}, path)
    assert CONTENT == path.read_bytes()
    assert (3 if ranges else 1) == len(server.asked)
    assert 0o600 == path.stat().st_mode & 0o777
    assert 64 == len(sha256_of(path))


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_download_that_was_begun_is_continued(tmp_path: Path, ranges: bool) -> None:
    """Only the rest is asked for. A server without ranges sends all again, and the file has it
    once."""
    server, path = FileServer(ranges=ranges), tmp_path / "x"
    path.write_bytes(CONTENT[:9_000])
    async with serving(server) as downloader:
        await downloader.fetch(server.url, {}, path)
        assert CONTENT == path.read_bytes()
        assert ["bytes=9000-12999"] == server.asked
        await downloader.fetch(server.url, {}, path)  # it is complete already
    assert CONTENT == path.read_bytes()


async def test_a_file_of_another_length_is_begun_again(tmp_path: Path) -> None:
    """A file that is longer than the recording does not belong to it."""
    server, path = FileServer(), tmp_path / "x"
    path.write_bytes(b"?" * (len(CONTENT) + 1))
    async with serving(server) as downloader:
        await downloader.fetch(server.url, {}, path)
    assert CONTENT == path.read_bytes()


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_connection_that_breaks_loses_nothing(tmp_path: Path, ranges: bool) -> None:
    """An answer that ends early is asked for again."""
    server, path = FileServer(ranges=ranges, cut_at=1_000), tmp_path / "x"
    async with serving(server) as downloader:
        await downloader.fetch(server.url, {}, path)
    assert CONTENT == path.read_bytes()
    assert server.asked[0] == server.asked[1]


async def test_an_empty_range_is_a_failure(tmp_path: Path) -> None:
    """It would be asked for without end."""
    server, path = FileServer(empty=True), tmp_path / "x"
    path.write_bytes(CONTENT[:100])
    async with serving(server) as downloader:
        with pytest.raises(TwilioError, match="another range"):
            await downloader.fetch(server.url, {}, path)
    assert 3 == len(server.asked)


async def test_refusals_have_their_status_and_code(tmp_path: Path) -> None:
    """16113 is another error: the recording has one channel."""
    for status, body, kind in (
        (404, {"code": 20404, "message": "not found"}, TwilioError),
        (400, {"code": 16113, "message": "channels"}, NoSuchChannels),
        (302, None, TwilioError),
        (403, ["?"], TwilioError),
        (404, b"{", TwilioError),
        (404, b"{" * 300_000, TwilioError),
    ):
        server = FileServer(status=status, body=body)
        async with serving(server) as downloader:
            with pytest.raises(kind) as refused:
                await downloader.fetch(server.url, {}, tmp_path / "x")
        if isinstance(refused.value, TwilioError):
            assert status == refused.value.status


async def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not stay on the disk."""
    monkeypatch.setattr(downloads, "MAX_BYTES", 5_000)
    server, path = FileServer(), tmp_path / "x"
    async with serving(server) as downloader:
        with pytest.raises(NotUsable, match="10240 bytes, at most 5000"):
            await downloader.fetch(server.url, {}, path)
    assert not path.exists()
