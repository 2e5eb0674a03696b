"""The recorder's baseline: an aiokafka consumer, configured as ours are, that drops the bytes. It
prints `{"rate"}`: records per second of its CPU time."""

import asyncio
import json
import sys
import time

import uvloop

from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import load

POLL_RECORDS = 2_000


async def main(servers: str, topic: str, records: int) -> None:
    """Read `records` records, and print the rate."""
    settings = load(None, kafka_bootstrap_servers=servers, kafka_security_protocol="PLAINTEXT")
    reader = consumer(settings, topic)
    await reader.start()
    read, began = 0, time.process_time()
    async with asyncio.timeout(60):
        while read < records:
            batches = await reader.getmany(timeout_ms=200, max_records=POLL_RECORDS)
            read += sum(map(len, batches.values()))
    rate = read / (time.process_time() - began)
    print(json.dumps({"rate": rate}), flush=True)
    await reader.stop()


if __name__ == "__main__":
    uvloop.run(main(**json.loads(sys.argv[1])))
