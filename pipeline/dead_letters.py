"""Dead letters: a record for `cti.dead-letters` with the unchanged bytes and the reason. It has the
headers of Kafka Connect's dead letters (KIP-298), so that tools for those can read ours. Pure: the
caller sends it."""

from pipeline.twilio.sids import SidKind, only_sid_in
from schemas.codec import encode
from schemas.records import DeadLetter

Headers = list[tuple[str, bytes]]

TASK_SID_HEADER = "flexcapture.task_sid"
"""The header with the call that a dead letter belongs to, if its key or its bytes name one."""

_HEADER_PREFIX = "__connect.errors."
_MAX_DETAIL_CHARACTERS = 2_000
_MAX_ORIGINAL_BYTES = 4 * 1024 * 1024 - 64 * 1024


def dead_letter(
    *,
    reason: str,
    detail: str,
    role: str,
    origin: str,
    part: str,
    position: str,
    at: int,
    key: bytes | None,
    original: bytes,
    stage: str = "VALUE_CONVERTER",
    exception: str = "",
    task_sid: str | None = None,
) -> tuple[bytes, Headers]:
    """Return the value and the headers of a record for `DEAD_LETTERS`. Send it with `key`.

    - `reason`: a short fixed word; `detail`: text for a person, cut if it is long
    - `origin`, `part`, `position`: the source: topic, partition and offset, or Kinesis stream,
      shard and sequence number
    - `at`: when the record was given up (ms)
    - `original`: its bytes, cut if they would not fit a Kafka record of 4 MB; the detail then ends
      with their number
    - `stage`: the step that failed, in Connect's words (VALUE_CONVERTER, KEY_CONVERTER,
      TRANSFORMATION, TASK_PUT, KAFKA_PRODUCE)
    - `exception`: the class of the error, by default the reason
    - `task_sid`: the call that the record belongs to, by default the result of `task_of`
    """
    task_sid = task_sid or task_of(key, original)
    text = detail[:_MAX_DETAIL_CHARACTERS]
    if len(original) > _MAX_ORIGINAL_BYTES:
        text += f" [{len(original)} bytes, cut]"
    value = encode(
        DeadLetter(
            reason=reason,
            detail=text,
            role=role,
            origin=origin,
            part=part,
            position=position,
            at=at,
            key=key,
            original=original[:_MAX_ORIGINAL_BYTES],
            task_sid=task_sid,
        )
    )
    headers = {
        "topic": origin,
        "partition": part,
        "offset": position,
        "connector.name": role,
        "stage": stage,
        "exception.class.name": exception or reason,
        "exception.message": text,
    }
    named = [] if task_sid is None else [(TASK_SID_HEADER, task_sid.encode())]
    return value, [
        *((_HEADER_PREFIX + n, t.encode(errors="replace")) for n, t in headers.items()),
        *named,
    ]


def task_of(key: bytes | None, original: bytes) -> str | None:
    """Return the task SID of a dead letter: the only one in its key, or else the only one that is
    visible in its bytes, readable or not."""
    return only_sid_in(SidKind.TASK, key or b"") or only_sid_in(SidKind.TASK, original)
