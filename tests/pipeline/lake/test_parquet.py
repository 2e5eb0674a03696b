"""Parquet files of a lake."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake.columns import LakeTable
from pipeline.lake.layout import PartitionRef
from pipeline.lake.parquet import NotOurs, encoded, footer, footer_length
from pipeline.lake.partition import NextFile
from schemas.codec import encode
from schemas.records import CtiEvent
from schemas.topics import CTI_EVENTS
from tests.pipeline.lake.landers import Record


def test_the_footer_has_the_offsets() -> None:
    """The end of the file is enough to read them; anything else is refused."""
    value = encode(CtiEvent("e", "s", "t", 1, 2, None, None, "{}", "k", "0", "1"))
    file = NextFile(7, 99, 0, [Record(7, 0, None, value)])
    data = encoded(LakeTable(CTI_EVENTS, "cti.events"), PartitionRef("cti.events", 0), file).data
    length = footer_length(data[-8:])
    assert length < len(data)
    assert (7, 99) == (footer(data[-length:]).start, footer(data[-length:]).end)
    for wrong in (b"", data[:-1], b"\0" * 12 + b"PAR1"):
        with pytest.raises(NotOurs):
            footer(wrong[-footer_length(wrong) :])
    other = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), other)
    with pytest.raises(NotOurs):
        footer(other.getvalue())


def test_the_length_of_the_footer_is_in_the_last_8_bytes() -> None:
    """However many bytes of the end are given. Another end is no Parquet file's."""
    for end in (b"\x02\x01\0\0PAR1", b"more\x02\x01\0\0PAR1"):
        assert 0x102 + 8 == footer_length(end)
    for wrong in (b"", b"\0\0\0PAR1", b"\x02\x01\0\0PAR2"):
        with pytest.raises(NotOurs):
            footer_length(wrong)
