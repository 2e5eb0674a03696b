"""The API while the database is away, and its health."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import event

from console.database_health import check_database, watch_database
from tests.console.conftest import Console


@contextmanager
def database_away(console: Console) -> Iterator[None]:
    console.engine.dispose()
    path = Path(str(console.engine.url.database))
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    yield
    path.rmdir()
    path.with_suffix(".away").rename(path)


async def test_a_database_that_is_away_is_503(client: httpx.AsyncClient, console: Console) -> None:
    """`/healthz` says so; the API answers 503 in JSON, a page as a page; all recover."""
    with database_away(console):
        await check_database(console.repository, console.health)
        health = await client.get("/healthz")
        assert 503 == health.status_code
        assert "database" in health.text
        answer = await client.get("/api/contacts")
        assert 503 == answer.status_code
        assert "error" in answer.json()
        assert 503 == (await client.get("/search")).status_code
    await check_database(console.repository, console.health)
    assert 200 == (await client.get("/healthz")).status_code
    assert 200 == (await client.get("/api/contacts")).status_code


async def test_health_does_not_query_the_database(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """A stranger's requests reach no database; a loop looks at it every few seconds."""
    queries: list[str] = []
    event.listen(console.engine, "before_cursor_execute", lambda *a: queries.append(a[2]))
    for _ in range(20):
        await visitor.get("/healthz")
    assert [] == queries
    await check_database(console.repository, console.health)
    assert ["SELECT 1"] == queries


async def test_the_database_is_watched(console: Console) -> None:
    """The loop changes what health says, without a request."""
    stop = asyncio.Event()
    with database_away(console):
        watching = asyncio.create_task(watch_database(console.repository, console.health, stop))
        while not console.health.reasons:  # noqa: ASYNC110 - health has no event
            await asyncio.sleep(0.01)
    stop.set()
    await watching
    assert {"database"} == set(console.health.reasons)
