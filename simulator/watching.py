"""Keep the live view up to date while the calls are played."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rich.console import Console as Terminal
from rich.live import Live

from simulator.console import Console, ConsoleError, Endpoints
from simulator.events import iso
from simulator.player import CallProgress, Played
from simulator.view import Board, frames, live_table
from simulator.world import World

REFRESH_S = 0.5
CONNECTIONS, FRAMES = "flexcapture_gateway_connections", "flexcapture_gateway_frames_total"


@asynccontextmanager
async def watch(
    terminal: Terminal,
    played: Sequence[Played],
    world: World,
    console: Console,
    endpoints: Endpoints,
) -> AsyncIterator[None]:
    """Show the progress of the calls while the block runs."""
    board = Board(played)
    showing = _redraw(terminal, board, world) if terminal.is_terminal else _lines(terminal, board)
    async with asyncio.TaskGroup() as group:
        refreshing = group.create_task(_refresh(board, console, endpoints))
        drawing = group.create_task(showing)
        yield
        refreshing.cancel()
        drawing.cancel()


async def _refresh(board: Board, console: Console, endpoints: Endpoints) -> None:
    began = iso(min(played.script.begins_at for played in board.played))
    while True:
        try:
            board.calls = {call["task_sid"]: call for call in await console.calls()}
            contacts = {c["task_sid"]: c for c in await console.contacts_since(began)}
        except (ConsoleError, KeyError, TypeError):
            contacts = {}
        for played in board.played:
            if not played.done:
                played.contact = contacts.get(played.script.task_sid, played.contact)
        metrics = [await console.metrics(address) for address in endpoints.gateway_metrics]
        board.connections = round(sum(m.get(CONNECTIONS, 0) for m in metrics))
        board.frames = round(sum(m.get(FRAMES, 0) for m in metrics))
        await asyncio.sleep(REFRESH_S)


async def _redraw(terminal: Terminal, board: Board, world: World) -> None:
    with Live(
        live_table(board, world, terminal.height), console=terminal, auto_refresh=False
    ) as live:
        try:
            while True:
                live.update(live_table(board, world, terminal.height), refresh=True)
                await asyncio.sleep(REFRESH_S)
        finally:
            live.update(live_table(board, world, terminal.height), refresh=True)


async def _lines(terminal: Terminal, board: Board) -> None:
    """Print a line whenever a call reaches its next stage."""
    shown: dict[str, CallProgress] = {}
    try:
        while True:
            _print_changes(terminal, board, shown)
            await asyncio.sleep(REFRESH_S)
    finally:
        _print_changes(terminal, board, shown)


def _print_changes(terminal: Terminal, board: Board, shown: dict[str, CallProgress]) -> None:
    for played in board.played:
        sid, progress = played.script.task_sid, played.progress
        if shown.get(sid, CallProgress.WAITING) is not progress:
            shown[sid] = progress
            received, lost = frames(played)
            counts = f" ({received} frames, {lost} lost)" if received else ""
            terminal.print(f"{progress.value:12} {played.script.title}{counts}", highlight=False)
