"""Delays after wrong tokens."""

import asyncio

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from console import auditing, wrong_tokens
from console.wrong_tokens import (
    FORGET_MS,
    LONGEST_DELAY_S,
    MAX_ADDRESSES,
    MAX_DELAYED,
    MAX_DELAYED_OF_ADDRESS,
    WrongTokens,
    network_of,
)
from tests.console.visits import AUTHORIZED, signed_in


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * FORGET_MS), st.booleans())))
def test_delays_grow_and_are_few(steps: list[tuple[int, int, bool]]) -> None:
    """Attempts count up by address, until it was quiet for 15 minutes; few wait at once."""
    tokens, now, waiting = WrongTokens(), 0, []
    last: dict[str, tuple[int, int]] = {}
    for number, later, answers in steps:
        now += later
        address = f"10.0.0.{number}"
        refusal = tokens.refuse(address, now)
        at, attempt = last.get(address, (-FORGET_MS - 1, 0))
        assert refusal.attempt == (1 if now - at > FORGET_MS else attempt + 1)
        last[address] = now, refusal.attempt
        if refusal.delay_s is None:
            assert MAX_DELAYED_OF_ADDRESS == sum(r.network == address for r in waiting)
        else:
            assert 0 < refusal.delay_s <= LONGEST_DELAY_S
            waiting.append(refusal)
        if answers and waiting:
            tokens.answered(waiting.pop(0))
        assert len(waiting) <= MAX_DELAYED


def test_addresses_are_bounded() -> None:
    """A flood from many addresses does not fill the memory, nor block the places of others for
    ever."""
    tokens = WrongTokens()
    for number in range(MAX_ADDRESSES + 500):
        refusal = tokens.refuse(f"a{number}", number)
        assert (refusal.delay_s is None) == (number >= MAX_DELAYED)
    assert len(tokens._addresses) <= MAX_ADDRESSES


def test_what_counts_as_one_client() -> None:
    """An IPv4 address, however it is written, and the /64 of an IPv6 address."""
    assert "10.0.0.1" == network_of("10.0.0.1") == network_of("::ffff:10.0.0.1")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert "x" * 64 == network_of("x" * 99)


async def test_wrong_tokens_are_delayed_and_right_ones_are_not(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong token of an address waits longer, in form and header alike; the right one from the
    same address does not."""
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(wrong_tokens, "FIRST_DELAY_S", 0.25)
    monkeypatch.setattr("console.gate.asyncio.sleep", sleep)
    await visitor.post("/sign-in", data={"token": "wrong"})
    await visitor.get("/api/calls", headers={"Authorization": "Bearer wrong"})
    await visitor.post("/sign-in", data={"token": "wrong"})
    assert [0.25, 0.5, 1.0] == delays
    assert 200 == (await visitor.get("/api/calls", headers=AUTHORIZED)).status_code
    assert 303 == (await signed_in(visitor)).status_code
    assert [0.25, 0.5, 1.0] == delays


async def test_few_wrong_tokens_wait_at_once(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them is answered 429, holds no connection, and the right token still gets in."""
    release = asyncio.Event()

    async def sleep(_: float) -> None:
        await release.wait()

    monkeypatch.setattr("console.gate.asyncio.sleep", sleep)
    waiting = [
        asyncio.create_task(visitor.post("/sign-in", data={"token": f"wrong {n}"}))
        for n in range(wrong_tokens.MAX_DELAYED_OF_ADDRESS + 5)
    ]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert {429} == {task.result().status_code for task in done}
    assert all("retry-after" in task.result().headers for task in done)
    assert 200 == (await visitor.get("/api/calls", headers=AUTHORIZED)).status_code
    release.set()
    answers = [answer.status_code for answer in await asyncio.gather(*waiting)]
    assert (wrong_tokens.MAX_DELAYED_OF_ADDRESS, 5) == (answers.count(403), answers.count(429))


async def test_a_wrong_token_is_logged_without_it(
    visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the address and the number of attempts."""
    # Another test may have set up logs, and a logger keeps the setup that it was first used with.
    monkeypatch.setattr(auditing, "log", structlog.get_logger())
    with structlog.testing.capture_logs() as logged:
        await visitor.post("/sign-in", data={"token": "my-wrong-secret"})
    (entry,) = (each for each in logged if each["event"] == "wrong console token")
    assert ("127.0.0.1", 1) == (entry["address"], entry["attempt"])
    assert "my-wrong-secret" not in str(logged)
