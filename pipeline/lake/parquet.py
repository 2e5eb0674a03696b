"""A file of the lake as bytes: Parquet, with its offsets in the footer. Pure."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.columns import LakeTable
from pipeline.lake.layout import PartitionRef
from pipeline.lake.partition import NextFile

TAIL_BYTES = 64 * 1024
"""How many bytes of a file's end are read first to find its footer."""

_CHUNK = 4_096
"""The number of records that are Python objects at the same time. As columns they take a tenth of
the memory."""
_MAGIC = b"PAR1"
_PREFIX = "flexcapture."
_VERSION = "1"


class NotOurs(ValueError):
    """An object is no file of a lander, or is damaged."""


@dataclass(frozen=True, slots=True)
class Footer:
    """The offsets of a file, from its footer."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file's bytes, and how many of its records no known schema could decode."""

    data: bytes
    undecoded: int


def encoded(table: LakeTable, partition: PartitionRef, file: NextFile) -> Encoded:
    """Return the file. It takes about 70 us of processor time a record of a large type."""
    out = pa.BufferOutputStream()
    facts = {
        "format": _VERSION,
        "topic": partition.topic,
        "partition": str(partition.number),
        "start_offset": str(file.start),
        "end_offset": str(file.end),
    }
    # Without the Arrow schema, which readers do not need and which would double a small file.
    writer = pq.ParquetWriter(out, table.schema, compression="zstd", store_schema=False)
    with writer:
        chunks = range(0, len(file.records), _CHUNK)
        batches = [table.batch(partition.number, file.records[n : n + _CHUNK]) for n in chunks]
        writer.write_table(pa.Table.from_batches(batches, table.schema))
        writer.add_key_value_metadata({_PREFIX + name: value for name, value in facts.items()})
    undecoded = sum(len(b) - b.column("_undecoded").null_count for b in batches)
    return Encoded(out.getvalue().to_pybytes(), undecoded)


def footer_length(tail: bytes) -> int:
    """Return how many bytes of the end of a file are its footer. `tail`: the last 8 bytes of the
    file, or more. Raise `NotOurs`."""
    if len(tail) < 8 or tail[-4:] != _MAGIC:
        raise NotOurs("no Parquet file")
    return int.from_bytes(tail[-8:-4], "little") + 8


def footer(tail: bytes) -> Footer:
    """Return the footer in the end of a file. `tail`: at least `footer_length` bytes. Raise
    `NotOurs`."""
    try:
        facts: Mapping[bytes, bytes] = pq.read_metadata(io.BytesIO(_MAGIC + tail)).metadata or {}
        start, end = (int(facts[f"{_PREFIX}{n}_offset".encode()]) for n in ("start", "end"))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise NotOurs(f"no footer of a lander: {error!r}") from error
    if end <= start:
        raise NotOurs(f"the file would begin at {start} and end at {end}")
    return Footer(start, end)
