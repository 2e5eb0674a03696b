"""The gateway's baseline: websockets' asyncio API, JSON and base64, and nothing else.

It uses the same event loop, parser and options as the gateway. It prints `{"frames", "cpu", "at"}`
every half second.
"""

import asyncio
import base64
import json
import sys
import time

import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, serve

TELL_S = 0.5


class Counter:
    """Receives and decodes messages, and counts frames."""

    def __init__(self) -> None:
        self.frames = 0

    async def handle(self, ws: ServerConnection) -> None:
        """Read one socket until its stop message or its end."""
        async for message in ws:
            data = orjson.loads(message)
            match data["event"]:
                case "media":
                    if base64.b64decode(data["media"]["payload"]):
                        self.frames += 1
                case "stop":
                    return


async def main(port: int) -> None:
    """Serve until the process is ended."""
    counter = Counter()
    async with serve(
        counter.handle,
        "127.0.0.1",
        port,
        compression=None,
        max_size=64 * 1024,
        max_queue=64,
        backlog=1024,
    ):
        while True:
            counts = {
                "frames": counter.frames,
                "cpu": time.process_time(),
                "at": time.monotonic(),
            }
            print(json.dumps(counts), flush=True)
            await asyncio.sleep(TELL_S)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])["port"]))
