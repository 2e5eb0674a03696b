"""The records on flexcapture's topics: their classes and Avro schemas, and the topics themselves.

The distribution `flexcapture-schemas` contains this package, without `registry`, under the name
`flexcapture_schemas`. So its modules import one another relatively (docs/decisions/0036).
"""

from . import records, topics
from .codec import Undecodable, decode, decode_as_written, encode, schema_text

__all__ = [
    "Undecodable",
    "decode",
    "decode_as_written",
    "encode",
    "records",
    "schema_text",
    "topics",
]
