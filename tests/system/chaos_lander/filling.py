"""The records of a run: numbered events, versions of calls, recordings and deleted contacts."""

import asyncio
import time
from collections.abc import Iterator

from pipeline.runtime.kafka import producer
from pipeline.runtime.settings import Settings
from schemas.codec import encode
from schemas.records import Call, CtiEvent, Fact, RecordingStarted, Reservation
from schemas.topics import CALLS, CONTACTS, CTI_EVENTS, RECORDINGS, Topic

TASKS = 5_000
QUEUES = 7
_AT_ONCE = 500


def record(number: int) -> tuple[Topic, bytes, bytes | None]:
    """Return topic, key and value of a record. None is a tombstone."""
    sid = f"{number % TASKS:032x}"
    key = f"WT{sid}".encode()
    match number % 20:
        case 0:
            return CONTACTS, key, None
        case 1 | 2:
            begun = RecordingStarted(
                str(number), f"MZ{sid}", f"CA{sid}", f"WT{sid}", 1, number, f"r{number}"
            )
            return RECORDINGS, key, encode(begun)
        case odd if odd % 2:
            event = CtiEvent(
                f"EV{number:09d}", "s", "t", number, number, f"WT{sid}", None, '{"a": "é"}', "k",
                "0", str(number),
            )  # fmt: skip
            return CTI_EVENTS, key, encode(event)
    fact = Fact(f"queue-{number % QUEUES}", 1, number, f"EV{number}")
    call = Call(
        f"WT{sid}", number, f"EV{number}", "task.updated", number, 0, number, number,
        {"queue": fact}, {"created": number}, (Reservation("WR1", {"worker": fact}, {}),), (), (),
        "inbound", "active", (),
    )  # fmt: skip
    return CALLS, key, encode(call)


async def fill(settings: Settings, records: int, rate: int) -> None:
    """Write the records, at most `rate` a second."""
    writer = producer(settings)
    await writer.start()
    began = time.monotonic()
    try:
        for numbers in _portions(records):
            for number in numbers:
                topic, key, value = record(number)
                await writer.send(settings.prefixed(topic.name), value, key)
            await asyncio.sleep(max(0.0, began + numbers.stop / rate - time.monotonic()))
    finally:
        await writer.stop()


def _portions(records: int) -> Iterator[range]:
    for first in range(0, records, _AT_ONCE):
        yield range(first, min(first + _AT_ONCE, records))
