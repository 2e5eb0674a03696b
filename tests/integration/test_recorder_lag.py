"""The age of unread audio, looked up on a real Kafka."""

import pytest
from aiokafka import TopicPartition

from agents.partition_lag import timestamps
from agents.recorder.lag import first_unread
from pipeline.runtime import kafka as clients
from pipeline.runtime.settings import Role
from schemas.topics import MEDIA
from tests.kafka_topics import with_original_timestamps

pytestmark = pytest.mark.integration

NOW = 1_790_000_000_000


async def test_the_first_unread_record_of_each_partition_is_found(settings_for, prefix):
    """From the committed offset, or the first record that is left; large records too."""
    settings = settings_for(prefix)
    await clients.ensure_topics(settings, [with_original_timestamps(MEDIA)])
    topic = settings.prefixed(MEDIA.name)
    tps = [TopicPartition(topic, number) for number in range(4)]
    producer = clients.producer(settings)
    await producer.start()
    for tp in tps[:3]:
        for number in range(5):
            value = bytes(300_000 if tp.partition else 10)
            at = NOW + 1000 * number + tp.partition
            await producer.send_and_wait(topic, value, partition=tp.partition, timestamp_ms=at)
    await producer.stop()
    consumer = clients.consumer(settings, group_id=settings.prefixed(Role.RECORDER))
    await consumer.start()
    try:
        consumer.assign(tps)
        await consumer.commit({tps[1]: 3, tps[2]: 5})
        unread = await first_unread(consumer, tps)
        assert dict(zip(tps, [0, 3, 5, 0], strict=True)) == unread
        found = await timestamps(settings, {tps[0]: 1, tps[1]: 3, tps[2]: 0})
        assert {tps[0]: NOW + 1000, tps[1]: NOW + 3001, tps[2]: NOW + 2} == found
    finally:
        await consumer.stop()
