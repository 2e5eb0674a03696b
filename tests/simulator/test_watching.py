"""The live view follows the calls while they are played."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from rich.console import Console as Terminal

from simulator.cases import abandoned, inbound_monitored, scripts
from simulator.console import ConsoleError, Endpoints
from simulator.events import Account, iso
from simulator.player import CallProgress, Played
from simulator.script import Json, Sids
from simulator.watching import CONNECTIONS, FRAMES, watch
from simulator.world import World
from tests.virtual_time import virtually

BEGIN = 1_700_000_000_000
ENDPOINTS = Endpoints(1, "", "", "", "", "", ("one:1", "other:1", "silent:1"))


class FakeConsole:
    """Answers with these rows; None: it does not answer."""

    def __init__(self) -> None:
        self.playing: list[Json] | None = []
        self.contacts: list[Json] | None = []
        self.asked: list[str] = []
        self.metered: dict[str, dict[str, float]] = {}

    async def calls(self) -> list[Json]:
        return _answered(self.playing)

    async def contacts_since(self, at: str) -> list[Json]:
        self.asked.append(at)
        return _answered(self.contacts)

    async def metrics(self, address: str) -> dict[str, float]:
        return self.metered.get(address, {})


def _answered(rows: list[Json] | None) -> list[Json]:
    if rows is None:
        raise ConsoleError("no console")
    return rows


def played() -> list[Played]:
    """Two calls, the first of which begins first."""
    account = Account("AC1", "WS1")
    made = scripts([inbound_monitored, abandoned], BEGIN, 2000, account, 1)
    return [Played(script) for script in made]


def shown(
    calls: list[Played],
    action: Callable[[], Awaitable[None]],
    console: FakeConsole,
    **terminal: Any,
) -> str:
    """Return the output while `action` runs."""
    file = io.StringIO()

    async def main() -> None:
        screen: Any = Terminal(file=file, width=150, height=40, **terminal)
        world, asked = World(Sids(Random(1))), console
        async with watch(screen, calls, world, asked, ENDPOINTS):  # type: ignore[arg-type]
            await action()

    virtually(main())
    return file.getvalue()


def test_a_line_is_printed_for_each_stage() -> None:
    """Once, with the frames when they are known; the last one at the end of the block."""
    one, other = calls = played()

    async def action() -> None:
        await asyncio.sleep(1)
        one.progress = CallProgress.ON
        await asyncio.sleep(5)
        other.progress = CallProgress.CHECKING
        await asyncio.sleep(1)
        frames = {"received": 70, "lost": 2}
        one.contact = {"recordings": [{"state": "complete", "frames": frames}]}
        one.progress = CallProgress.RIGHT

    lines = shown(calls, action, FakeConsole()).splitlines()
    titles = [call.script.title for call in calls]
    assert [
        f"{'in progress':12} {titles[0]}",
        f"{'checking':12} {titles[1]}",
        f"{'right':12} {titles[0]} (70 frames, 2 lost)",
    ] == lines


def test_contacts_are_those_of_their_tasks() -> None:
    """They are asked for from the first call's begin on. A contact stays if the console does not
    answer or does not list it, and after the call was judged."""
    calls, console, seen = played(), FakeConsole(), []
    one, other = calls
    mine: Json = {"task_sid": one.script.task_sid, "recordings": []}

    async def action() -> None:
        console.contacts = [mine, {"task_sid": "WT0"}]
        await asyncio.sleep(1)
        seen.append((one.contact, other.contact))
        for contacts in (None, [], [{"no": "task"}]):
            console.contacts = contacts
            await asyncio.sleep(1)
            seen.append((one.contact, other.contact))
        one.progress = CallProgress.RIGHT
        console.contacts = [mine | {"new": 1}]
        await asyncio.sleep(1)
        seen.append((one.contact, other.contact))

    shown(calls, action, console)
    assert [(mine, None)] * 5 == seen
    assert {iso(calls[0].script.begins_at)} == set(console.asked)


def test_a_terminal_shows_a_table() -> None:
    """With the gateways' numbers, added up; a gateway that does not answer adds nothing."""
    one, other = calls = played()
    console = FakeConsole()
    console.playing = [{"task_sid": one.script.task_sid, "streams": [{"state": "streaming"}]}]
    console.metered = {
        "one:1": {CONNECTIONS: 2, FRAMES: 1000}, "other:1": {CONNECTIONS: 1, FRAMES: 234},
    }  # fmt: skip

    async def action() -> None:
        one.progress = CallProgress.ON
        await asyncio.sleep(1)
        other.progress = CallProgress.WRONG

    text = shown(calls, action, console, force_terminal=True)
    assert "0 calls to come, 1 done; gateway: 3 sockets, 1,234 frames" in text
    assert "streaming" in text
    assert other.script.title[:20] in text


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_error_of_the_block_is_raised(is_terminal: bool) -> None:
    """The view ends with it."""

    async def action() -> None:
        raise LookupError

    with pytest.raises(ExceptionGroup) as raised:
        shown(played(), action, FakeConsole(), force_terminal=is_terminal)
    assert raised.group_contains(LookupError)
