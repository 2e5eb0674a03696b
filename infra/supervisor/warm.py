"""Waits until a new local broker can do all that it will be asked.

A topic exists before its partitions can be written, and the first who needs a coordinator has its
topic made. Roles that are started sooner spend the machine on asking again.
"""

from aiokafka import TopicPartition

from pipeline.runtime.kafka import consumer, producer
from pipeline.runtime.settings import Settings
from schemas.topics import ALL, TICKS

_NAME = "up"


async def all_usable(settings: Settings) -> None:
    """Returns once every partition can be used and both coordinators answer.

    Raises aiokafka's `KafkaError` if that takes too long.
    """
    partitions = [
        TopicPartition(settings.prefixed(topic.name), number)
        for topic in ALL
        for number in range(topic.partitions)
    ]
    async with consumer(settings) as reader:
        await reader.end_offsets(partitions)
    async with producer(settings, transactional_id=settings.prefixed(_NAME)):
        pass
    async with consumer(settings, settings.prefixed(TICKS.name), group_id=settings.prefixed(_NAME)):
        pass
