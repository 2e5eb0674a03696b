"""Sessions: their cookies, their limits, their list."""

import httpx
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from console.sessions import ABSOLUTE_MS, IDLE_MS, expires_at, is_valid
from pipeline.store.sessions import ConsoleSession
from tests.console.conftest import Console
from tests.console.visits import COOKIE, signed_in


@given(st.integers(0, 10**6), st.integers(0, ABSOLUTE_MS), st.integers(0, 2 * ABSOLUTE_MS))
def test_a_session_is_valid_until_it_expires(begun: int, active: int, later: int) -> None:
    """Idle and absolute limit, whichever comes first."""
    session = ConsoleSession("x", begun, begun + active, "", "")
    now = begun + later
    assert is_valid(session, now) == (now < expires_at(session))
    assert is_valid(session, now) == (later - active < IDLE_MS and later < ABSOLUTE_MS)


async def test_each_session_has_a_cookie_of_its_own(
    visitor: httpx.AsyncClient, other: httpx.AsyncClient, console: Console
) -> None:
    """Two sign-ins in one millisecond give different cookies, of which the database has neither,
    nor anything that a guess of the token could be checked against."""
    await signed_in(visitor)
    await signed_in(other)
    cookies = [client.cookies[COOKIE] for client in (visitor, other)]
    assert cookies[0] != cookies[1]
    with console.engine.connect() as connection:
        rows = str(connection.execute(text("SELECT * FROM console_sessions")).all())
    assert not [cookie for cookie in cookies if cookie in rows]
    await visitor.post("/sign-out")
    assert 200 == (await other.get("/api/contacts")).status_code


async def test_signing_in_again_ends_the_session_before(
    visitor: httpx.AsyncClient, console: Console
) -> None:
    """The cookie that the browser had opens nothing any more."""
    await signed_in(visitor)
    before = visitor.cookies[COOKIE]
    await signed_in(visitor)
    visitor.cookies.clear()
    answer = await visitor.get("/api/calls", headers={"Cookie": f"{COOKIE}={before}"})
    assert 401 == answer.status_code


async def test_a_session_ends_when_it_is_idle(visitor: httpx.AsyncClient, console: Console) -> None:
    """30 minutes after the last request; each request restarts the time."""
    await signed_in(visitor)
    for _ in range(3):
        console.clock.now += IDLE_MS - 60_000
        assert 200 == (await visitor.get("/search")).status_code
    console.clock.now += IDLE_MS
    assert 401 == (await visitor.get("/api/contacts")).status_code


async def test_a_session_ends_after_12_hours(visitor: httpx.AsyncClient, console: Console) -> None:
    """However busy it is."""
    await signed_in(visitor)
    for _ in range(ABSOLUTE_MS // 600_000 - 1):
        console.clock.now += 600_000
        assert 200 == (await visitor.get("/api/contacts?limit=1")).status_code
    console.clock.now += 600_000
    assert 401 == (await visitor.get("/api/contacts")).status_code
