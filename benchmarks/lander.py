"""How many records a lander writes to the lake: it decodes, makes columns, claims and writes."""

import asyncio
import itertools
import time

from benchmarks.local import Local, child, role
from benchmarks.rows import Row
from benchmarks.versions import call_versions
from pipeline.runtime.kafka import ensure_topics, producer
from pipeline.runtime.settings import Role
from schemas.topics import CALLS

_PREFIX = "lander."
_EVENTS = 4_000


def run(here: Local, quick: bool) -> list[Row]:
    """Measure the lander, and a consumer that writes Parquet with pyarrow."""
    records = 30_000 if quick else 120_000
    asyncio.run(_fill(here, records))
    bare, product = _bare(here, records), _product(here, records)
    return [
        Row(
            "lander: versions of calls, each once in the lake",
            "records/CPU-s",
            product,
            bare,
            "aiokafka consumer, fastavro, bare pyarrow writer",
            ratio=0.5,
        )
    ]


async def _fill(here: Local, records: int) -> None:
    settings = here.settings(_PREFIX)
    await ensure_topics(settings, [CALLS])
    versions = call_versions(_EVENTS, time.time_ns() // 1_000_000)
    writer = producer(settings)
    await writer.start()
    try:
        for key, value in itertools.islice(itertools.cycle(versions), records):
            await writer.send(settings.prefixed(CALLS.name), value, key)
    finally:
        await writer.stop()


def _product(here: Local, records: int) -> float:
    settings = here.plain(_PREFIX, lake_url=f"file://{here.directory}/lake")
    with role(here, Role.LANDER, settings) as lander:
        lander.wait_ready()
        return lander.per_cpu_second(
            lambda: lander.counted("flexcapture_lander_landed_records_total"), records
        )


def _bare(here: Local, records: int) -> float:
    arguments = {
        "servers": here.bootstrap_servers,
        "topic": here.settings(_PREFIX).prefixed(CALLS.name),
        "records": records,
        "directory": str(here.directory),
    }
    with child(here, "bare_parquet", arguments, {}) as bare:
        return float(bare.line()["rate"])
