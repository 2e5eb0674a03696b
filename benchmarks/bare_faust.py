"""The tracker's baseline: a plain Faust agent with one table update and one send for each event.

It is configured like a role as far as possible, with Faust's own transport and producer. It prints
`{"rate"}`: events per second of its CPU time.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import faust

from pipeline.runtime.kafka import ensure_topics
from pipeline.runtime.settings import load
from schemas.topics import CTI_EVENTS, Topic

PARTITIONS = CTI_EVENTS.partitions
_BEGUN = 0.05


def make_app(name: str, servers: str, directory: str) -> Any:
    """Return the Faust app, not started."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    return faust.App(
        name,
        broker=f"kafka://{servers}",
        broker_max_poll_records=500,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1024 * 1024,
        datadir=directory,
        store="memory://",
        stream_buffer_maxsize=512,
        stream_wait_empty=True,
        table_standby_replicas=0,
        topic_allow_declare=True,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )


def declare(app: Any, prefix: str, events: int) -> "asyncio.Future[float]":
    """Add the agent. The result is the rate in events per CPU second, once all are handled."""
    raw = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }
    source, target = (app.topic(prefix + name, **raw) for name in ("cti.events", "bare-out"))
    table = app.Table("table", key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    rate: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def agent(stream: Any) -> None:
        handled, begun = 0, time.process_time()
        first = round(_BEGUN * events)
        async for event in stream.events():
            table[event.key] = event.value
            await target.send(key=event.key, value=event.value)
            handled += 1
            if handled == first:
                begun = time.process_time()
            if handled == events:
                rate.set_result((events - first) / (time.process_time() - begun))

    app.agent(source, name="agent", concurrency=1)(agent)
    return rate


async def main(servers: str, prefix: str, events: int, directory: str) -> None:
    """Handle `events` events, and print the rate."""
    logging.disable(logging.WARNING)
    name = f"{prefix}bare"
    settings = load(None, kafka_bootstrap_servers=servers, kafka_security_protocol="PLAINTEXT")
    changelog = Topic(f"{name}-table-changelog", "", (), retention_ms=None)
    await ensure_topics(settings, [Topic(f"{prefix}bare-out", "", ()), changelog])
    app = make_app(name, servers, directory)
    rate = declare(app, prefix, events)
    await app.start()
    async with asyncio.timeout(100):
        print(json.dumps({"rate": await rate}), flush=True)
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
