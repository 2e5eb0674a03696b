"""The headers of every record: CloudEvents 1.0, "Kafka Protocol Binding", binary mode. Pure.

With them a reader can filter records without decoding them:

- `ce_type`: the full name of the record type, `flexcapture.MediaBatch`.
- `ce_source`: the role or command that wrote the record, `/flexcapture/gateway`.
- `ce_id`: an id that is the same each time the record is written. See `_ID_FIELDS`.
- `ce_time`: when the event happened, RFC 3339 in UTC with milliseconds. See `_TIME_FIELDS`. Absent
  if the record has no such time between the years 1 and 9999.
- `ce_specversion`: `1.0`.
- `content-type`: `application/avro`. The Avro data comes after the five bytes of the header of
  Confluent's wire format.
"""

import re
from binascii import hexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from .codec import HEADER_BYTES, writer_schema
from .first_fields import FirstFields, first_fields

EventHeaders = list[tuple[str, bytes]]
CONTENT_TYPE = "application/avro"

_ID_FIELDS: Mapping[str, tuple[str, ...]] = {
    "CtiEvent": ("event_id",),
    "Call": ("task_sid", "revision"),
    "StartDuplicateStream": ("command_id",),
    "StopDuplicateStream": ("command_id",),
    "FindConference": ("command_id",),
    "VerifyLeg": ("command_id",),
    "FetchLeg": ("command_id",),
    "MediaBatch": ("task_sid", "stream_sid", "gateway", "epoch", "number"),
}
"""The fields that identify a record of a type, joined by `/` as its id. The id of any other record
is the first 32 hexadecimal digits of the SHA-256 of its value. The same applies to a `CtiEvent`
with an id that `_ID` does not match.
"""
_TIME_FIELDS: Mapping[str, tuple[str, ...]] = {
    "CtiEvent": ("time", "arrived_at"),
    "Call": ("cause_at",),
    "StartDuplicateStream": ("issued_at",),
    "StopDuplicateStream": ("issued_at",),
    "FindConference": ("issued_at",),
    "VerifyLeg": ("issued_at",),
    "FetchLeg": ("issued_at",),
    "RecordingStarted": ("started_at",),
    "RecordingCompleted": ("ended_at",),
    "Contact": ("updated_at",),
    "RecordingPolicy": ("published_at",),
    "RecorderCheckpoint": ("last_at",),
    "RetrievalJob": ("updated_at",),
    "ReconciliationEvidence": ("checked_at",),
    "Reconciliation": ("updated_at",),
    "ReconciliationWindow": ("done_at",),
}
"""The fields with the time of a record (ms); the first one with a value is used. Other types have
the time in `at`."""
_ID = re.compile(rb"[ -~]{1,200}").fullmatch
"""Matches an id that readers can show: printable ASCII, not too long."""
_MOST_SECONDS = 4_096
_ENDS = tuple(b".%03dZ" % ms for ms in range(1000))


@dataclass(frozen=True, slots=True)
class _Form:
    """The values that records with a schema share: the constant headers, and the fields to read.

    `read` returns the `ids` fields of the identity, then those with a time.
    """

    constant: tuple[tuple[str, bytes], ...]
    read: FirstFields
    ids: int


_forms: dict[bytes, _Form] = {}
"""By the header of the wire format."""


def event_headers(value: bytes, source: bytes) -> EventHeaders:
    """Return the headers for a record with this value, or none if the value is not a record with a
    schema of `schemas.codec`. `source`: `ce_source`."""
    header = value[:HEADER_BYTES]
    form = _forms.get(header) or _form(header)
    if form is None:
        return []
    try:
        found = form.read(value)
    except Exception:  # noqa: BLE001 - of bytes that are no record, as in `FirstFields`
        found = ()
    event_id = form.ids and _id(found[: form.ids])
    if not event_id:
        event_id = hexlify(sha256(value).digest()[:16])
    headers = [*form.constant, ("ce_source", source), ("ce_id", event_id)]
    for at in found[form.ids :]:
        if at is not None:
            if (second := _second(at // 1000)) is not None:
                headers.append(("ce_time", second + _ENDS[at % 1000]))
            break
    return headers


def source_of(role: str) -> bytes:
    """Return `ce_source` for a role or command; "" is unknown."""
    return f"/flexcapture/{role}".rstrip("/").encode()


def _form(header: bytes) -> _Form | None:
    if len(header) < HEADER_BYTES or header[0] != 0:
        return None
    schema: Any = writer_schema(int.from_bytes(header[1:]))
    if schema is None:
        return None
    full_name: str = schema["name"]
    name = full_name.rpartition(".")[2]
    ids, times = _ID_FIELDS.get(name, ()), _TIME_FIELDS.get(name, ("at",))
    constant = {"ce_specversion": "1.0", "ce_type": full_name, "content-type": CONTENT_TYPE}
    form = _forms[header] = _Form(
        tuple((key, text.encode()) for key, text in constant.items()),
        first_fields(schema, (*ids, *times), HEADER_BYTES),
        len(ids),
    )
    return form


def _id(fields: Sequence[Any]) -> bytes | None:
    """Return the id that these fields make, None if they do not make one."""
    if not fields:  # the bytes are no record
        return None
    if len(fields) > 1:
        fields = [b"/".join([f if f.__class__ is bytes else b"%d" % f for f in fields])]
    event_id: bytes = fields[0]
    return event_id if _ID(event_id) else None


@lru_cache(maxsize=_MOST_SECONDS)
def _second(seconds: int) -> bytes | None:
    """Return the first characters of a time, up to the seconds."""
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return found.strftime("%Y-%m-%dT%H:%M:%S").encode()
