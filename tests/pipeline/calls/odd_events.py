"""Events with odd attributes."""

import json
from typing import Any

from pipeline.kinesis.messages import KinesisRecord, Message, SizeLimits, messages_of
from pipeline.kinesis.shard_ref import Place

TASK, LEG = "WT" + "a" * 32, "CA" + "b" * 32
RESERVATION, WORKER = "WR" + "c" * 32, "WK" + "d" * 32
AT = 1_795_415_820_000
PLACE = Place("flex-events", AT, "shardId-000000000000")


def attributes(odd: str, **known: Any) -> str:
    """Attributes as JSON, with an odd field before and after what matters."""
    return '{"odd":' + odd + "," + json.dumps(known)[1:-1] + ',"later":' + odd + "}"


def event(task_attributes: Any, worker_attributes: Any, **more: Any) -> dict[str, Any]:
    """A worker accepts a call."""
    payload = {
        "task_sid": TASK,
        "reservation_sid": RESERVATION,
        "worker_sid": WORKER,
        "worker_name": "ann",
        "task_channel_unique_name": "voice",
        "timestamp": AT // 1000,
        "task_attributes": task_attributes,
        "worker_attributes": worker_attributes,
        **more,
    }
    kind = "com.twilio.taskrouter.reservation.accepted"
    return {"specversion": "1.0", "id": "EV1", "source": "x", "type": kind,
            "data": {"payload": payload}}  # fmt: skip


def carried(raw: bytes, limits: SizeLimits = SizeLimits()) -> Message:  # noqa: B008 - a value
    """What becomes of a Kinesis record."""
    (message,) = messages_of(PLACE, KinesisRecord("1", AT, raw), limits, AT)
    assert len(message.value) + len(message.key or b"") < limits.event_bytes
    return message
