"""Wait until a new local broker is fully usable.

A topic exists before its partitions can be written, and the first client that needs a coordinator
causes its topic to be created. Roles that start earlier waste processor time on retries.
"""

from aiokafka import TopicPartition

from pipeline.runtime.kafka import consumer, producer
from pipeline.runtime.settings import Settings
from schemas.topics import ALL, TICKS

_NAME = "up"


async def all_usable(settings: Settings) -> None:
    """Return once every partition can be used and both coordinators answer. Raise aiokafka's
    `KafkaError` if that takes too long."""
    partitions = [
        TopicPartition(settings.prefixed(topic.name), number)
        for topic in ALL
        for number in range(topic.partitions)
    ]
    async with consumer(settings) as reader:
        await reader.end_offsets(partitions)
    async with producer(settings, source="up", transactional_id=settings.prefixed(_NAME)):
        pass
    async with consumer(settings, settings.prefixed(TICKS.name), group_id=settings.prefixed(_NAME)):
        pass
