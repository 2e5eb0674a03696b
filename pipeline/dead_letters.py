"""Dead letters: a record for `cti.dead-letters` with the unchanged bytes and the reason. It has the
headers that Kafka Connect gives its dead letters (KIP-298), so that tools for those can read ours.
Pure: the caller sends it."""

from schemas.codec import encode
from schemas.records import DeadLetter

Headers = list[tuple[str, bytes]]

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
) -> tuple[bytes, Headers]:
    """Return the value and the headers of a record for `DEAD_LETTERS`. Send it with `key`.

    `reason`: a short fixed word. `detail`: a text for people. `origin`, `part`, `position`: topic,
    partition and offset, or Kinesis stream, shard and sequence number. `at`: when it was given up
    (ms). `stage`: where it failed, in Connect's terms (VALUE_CONVERTER, KEY_CONVERTER,
    TRANSFORMATION, TASK_PUT, KAFKA_PRODUCE). `exception`: the error's class; if empty, the reason
    is used. A long detail is cut. So are bytes that would not fit a Kafka record of 4 MB; the
    detail then ends with their original number.
    """
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
    return value, [(_HEADER_PREFIX + n, t.encode(errors="replace")) for n, t in headers.items()]
