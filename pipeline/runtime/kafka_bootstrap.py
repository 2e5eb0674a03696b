"""Find a Kafka server that answers, among the configured ones.

They are asked in turn, the next one after half a second, and the first answer is taken. A process
starts several clients, and each one would lose this time with a server that hangs. So its later
clients ask such a server last.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

log = logging.getLogger("aiokafka.client")

SETUP_SECONDS = 3.0
STAGGER_SECONDS = 0.5
SILENT_SECONDS = 10.0
"""For this long (s), a server that did not answer is asked last."""

Server = tuple[str, int]
Answer = tuple[AIOKafkaConnection, Any]

_silent_until: dict[Server, float] = {}
"""By server: time of the loops' clock (s)."""


async def first_answer(
    servers: Sequence[Server], connect: Callable[[str, int], Awaitable[AIOKafkaConnection]]
) -> Answer:
    """Return a connection to the first server that answers, and the metadata received over it.
    Raise `KafkaConnectionError` if none does."""
    now = asyncio.get_running_loop().time
    servers = sorted(servers, key=lambda server: _silent_until.get(server, 0.0) > now())
    answered: asyncio.Queue[Answer | None] = asyncio.Queue()
    asked: list[asyncio.Task[None]] = []
    outstanding = len(servers)
    try:
        while outstanding:
            if len(asked) < len(servers):
                asking = _ask(servers[len(asked)], connect, answered)
                asked.append(asyncio.create_task(asking))
            patience = STAGGER_SECONDS if len(asked) < len(servers) else None
            with contextlib.suppress(TimeoutError):
                answer = await asyncio.wait_for(answered.get(), patience)
                if answer is not None:
                    return answer
                outstanding -= 1
    finally:
        for server, task in zip(servers, asked, strict=False):
            if not task.done():  # the next server was asked because this one was silent
                _silent_until[server] = now() + SILENT_SECONDS
            task.cancel()
        while not answered.empty():
            if (late := answered.get_nowait()) is not None:
                late[0].close()
    raise KafkaConnectionError(f"no answer from any of {servers}")


async def _ask(
    server: Server,
    connect: Callable[[str, int], Awaitable[AIOKafkaConnection]],
    answered: "asyncio.Queue[Answer | None]",
) -> None:
    """Put a connection and the metadata received over it into the queue; None on failure."""
    try:
        async with asyncio.timeout(SETUP_SECONDS):
            connection = await connect(*server)
            try:
                metadata = await connection.send(MetadataRequest([]))
            except BaseException:
                connection.close()
                raise
    except (OSError, TimeoutError, KafkaError) as error:
        log.warning("Kafka server %s:%s cannot be used: %r", *server, error)
        answered.put_nowait(None)
    else:
        answered.put_nowait((connection, metadata))
