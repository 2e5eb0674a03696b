"""A console on a SQLite database and a directory of recordings, asked in process."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from starlette.types import ASGIApp

from console import body, wrong_tokens
from console.app import make_app
from console.safety import SAFETY_HEADERS
from infra.ports import chosen
from pipeline.media.wav import header, interleave
from pipeline.runtime.http_server import serving
from pipeline.runtime.telemetry import Health
from pipeline.store.audio import AudioStore
from pipeline.store.database import migrate, open_database
from pipeline.store.repository import Repository
from tests.pipeline.store.contacts import NOON, RECORDING

TOKEN = "a-token-for-tests-of-32-characters"
SAMPLES = 160_000
PROXY = "127.0.0.2"


def recorded() -> bytes:
    """20 s: the left side loud in its first half, the right in its second."""
    half = SAMPLES // 2
    loud, silent = b"\x20\xa0" * (half // 2), b"\xff" * half
    return header(SAMPLES) + bytes(interleave(loud + silent, silent + loud))


@dataclass(slots=True)
class Clock:
    """Ms since the epoch, as the console sees them."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class Console:
    """What a test needs of it."""

    app: ASGIApp
    repository: Repository
    engine: Engine
    recordings: Path
    health: Health
    wav: bytes
    clock: Clock


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "contacts.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong tokens are answered at once."""
    monkeypatch.setattr(wrong_tokens, "FIRST_DELAY_S", 0.0)


@pytest.fixture
def console(tmp_path: Path, migrated: Path, hurried: None) -> Iterator[Console]:
    """A console with one stored recording, and no contacts."""
    shutil.copy(migrated, tmp_path / "contacts.db")
    engine = open_database(f"sqlite:///{tmp_path}/contacts.db")
    recordings = tmp_path / "recordings"
    assert RECORDING.audio is not None
    assert RECORDING.manifest is not None
    path = recordings / RECORDING.audio
    path.parent.mkdir(parents=True)
    wav = recorded()
    path.write_bytes(wav)
    (recordings / RECORDING.manifest).write_text('{"inum": "178000000200000042"}')
    health = Health()
    objects = AudioStore.from_url(f"file://{recordings}")
    clock = Clock()
    app = make_app(engine, objects, health, [TOKEN], clock)
    yield Console(app, Repository(engine), engine, recordings, health, wav, clock)
    engine.dispose()


@pytest.fixture
async def visitor(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client without token or cookie."""
    transport = httpx.ASGITransport(console.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        yield client


@pytest.fixture
async def client(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """The bearer of the token."""
    visitor.headers["Authorization"] = f"Bearer {TOKEN}"
    return visitor


@pytest.fixture
async def other(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """A second browser, at another address, without a cookie."""
    transport = httpx.ASGITransport(console.app, client=("10.9.8.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        yield client


@pytest.fixture(scope="module")
def server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The console on a port, in a thread of its own."""
    directory = tmp_path_factory.mktemp("console")
    shutil.copy(migrated, directory / "contacts.db")
    engine = open_database(f"sqlite:///{directory}/contacts.db")
    app = make_app(engine, AudioStore.from_url(f"file://{directory}/audio"), Health(), [TOKEN])
    port = chosen(["console"], {}, [])["console"]
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        listen = f"127.0.0.1:{port}"
        async with serving(listen, app, trusted_proxies=[PROXY], error_headers=SAFETY_HEADERS):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrong_tokens, "FIRST_DELAY_S", 0.0)
        patch.setattr(body, "TIMEOUT_S", 0.1)
        thread.start()
        ready.wait()
        yield "127.0.0.1", port
        loop.call_soon_threadsafe(stop.set)
        thread.join()
    engine.dispose()
