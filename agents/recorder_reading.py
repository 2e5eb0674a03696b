"""A record of `media` -> what the fold asks for: the quick way where it is a regular batch."""

from aiokafka import ConsumerRecord

from pipeline.media.regular import RegularReader
from pipeline.recordings.effects import Effect, Refused
from pipeline.recordings.partition import PartitionFold
from schemas.codec import Undecodable, decode


def effects_of(
    regular_reader: RegularReader, fold: PartitionFold, message: ConsumerRecord
) -> list[Effect]:
    """Folds the record in, and returns what is to be carried out, mostly nothing."""
    regular = regular_reader.read(message.value or b"")
    if regular is not None:
        effects = fold.handle_regular(regular, message.offset, message.timestamp)
        if effects is not None:
            return effects
    try:
        record = decode(message.value)
    except Undecodable as error:
        return [Refused("undecodable", str(error))]
    return fold.handle(record, message.offset, message.timestamp)
