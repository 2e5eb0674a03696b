"""The lander's baseline: an aiokafka consumer, configured as ours are, that decodes the records of
`calls` with fastavro, makes tables of them with pyarrow and writes these into one Parquet file. It
prints `{"rate"}`: records per second of its CPU time."""

import asyncio
import io
import json
import sys
import time
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import uvloop

from pipeline.lake.columns import fields_of
from pipeline.runtime.kafka import consumer
from pipeline.runtime.settings import load
from schemas.codec import schema_text
from schemas.topics import CALLS

POLL_RECORDS = 5_000


async def main(servers: str, topic: str, records: int, directory: str) -> None:
    """Write `records` records of type `Call`, and print the rate."""
    settings = load(None, kafka_bootstrap_servers=servers, kafka_security_protocol="PLAINTEXT")
    reader = consumer(settings, topic)
    await reader.start()
    avro = fastavro.parse_schema(_without_times(json.loads(schema_text("Call"))))
    columns = pa.schema(fields_of(CALLS))
    read, began = 0, time.process_time()
    writer = pq.ParquetWriter(Path(directory) / "bare.parquet", columns, compression="zstd")
    async with asyncio.timeout(110):
        with writer:
            while read < records:
                batches = await reader.getmany(timeout_ms=200, max_records=POLL_RECORDS)
                rows = [
                    fastavro.schemaless_reader(io.BytesIO(message.value[5:]), avro, None)
                    for batch in batches.values()
                    for message in batch
                ]
                if rows:
                    writer.write_table(pa.Table.from_pylist(rows, columns))
                read += len(rows)
    rate = read / (time.process_time() - began)
    print(json.dumps({"rate": rate}), flush=True)
    await reader.stop()


def _without_times(schema: object) -> object:
    """Return the schema with times as numbers, which Arrow takes as they are."""
    if isinstance(schema, dict):
        return {k: _without_times(v) for k, v in schema.items() if k != "logicalType"}
    return [_without_times(each) for each in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    uvloop.run(main(**json.loads(sys.argv[1])))
