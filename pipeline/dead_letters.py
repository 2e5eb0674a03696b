"""Dead letters: a record for `cti.dead-letters` with the unchanged bytes and the reason. It has the
headers that Kafka Connect gives its dead letters (KIP-298), so that tools for those can read ours.
Pure: the caller sends it."""

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

    `reason` is a short fixed word, `detail` is for a person, `origin`, `part` and `position` say
    where it came from (topic, partition, offset; or Kinesis stream, shard, sequence number), `at`
    is when it was given up (ms). `stage` is where it failed, in Connect's words (VALUE_CONVERTER,
    KEY_CONVERTER, TRANSFORMATION, TASK_PUT, KAFKA_PRODUCE); `exception` names the error's class,
    the reason if there was none. `task_sid` is the call that it belongs to, by default the result
    of `task_of`. A long detail is cut, and so are bytes that with all this would
    not fit a Kafka record of 4 MB (the detail then ends with how many they were).
    """
    task_sid = task_sid or task_of(key, original)
    told = detail[:_MAX_DETAIL_CHARACTERS]
    if len(original) > _MAX_ORIGINAL_BYTES:
        told += f" [{len(original)} bytes, cut]"
    value = encode(
        DeadLetter(
            reason=reason,
            detail=told,
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
        "exception.message": told,
    }
    named = [] if task_sid is None else [(TASK_SID_HEADER, task_sid.encode())]
    return value, [
        *((_HEADER_PREFIX + n, t.encode(errors="replace")) for n, t in headers.items()),
        *named,
    ]


def task_of(key: bytes | None, original: bytes) -> str | None:
    """Return the task SID of a dead letter: its key, or the only one that is visible in its bytes,
    be they readable or not."""
    return only_sid_in(SidKind.TASK, key or b"") or only_sid_in(SidKind.TASK, original)
