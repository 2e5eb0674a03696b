"""Records folded into recordings, for tests."""

from pipeline.recordings.partition import PartitionFold
from schemas.records import (
    RecordingCompleted,
)
from tests.pipeline.recordings.logs import (
    T0,
    Frame,
    Message,
    payload,
)
from tests.pipeline.recordings.world import World


def completed(world: World) -> dict[str, RecordingCompleted]:
    reports = [each for each in world.published if isinstance(each, RecordingCompleted)]
    return {each.stream_sid: each for each in reports if not each.supplement_of}


def fold_all(*messages: Message) -> tuple[PartitionFold, list]:
    fold, effects = PartitionFold(), []
    for message in messages:
        effects += fold.handle(message.record, message.offset, message.at)
    return fold, effects


def message(record, offset: int, at: int = T0) -> Message:
    return Message(record, offset, at)


FRAMES = [Frame("inbound", 100, payload(1, 160)), Frame("outbound", 110, payload(2, 160))]
