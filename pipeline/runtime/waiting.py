"""Wait for one of several events."""

import asyncio


async def first_of(*events: asyncio.Event) -> None:
    """Return once one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
