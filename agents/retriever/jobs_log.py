"""Retrieval jobs on the topic `retrievals`."""

from collections.abc import Collection

from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.runtime import kafka
from pipeline.runtime.kafka_answers import answered_soon
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.codec import decode, encode
from schemas.records import RetrievalJob
from schemas.topics import RETRIEVALS

Jobs = dict[str, RetrievalJob]
"""The jobs of a partition, by task SID."""

ATTEMPT_S = 30.0
_SAID = Lasting("retrieval jobs cannot be read; trying again", "retrieval jobs can be read")


async def read_jobs(settings: Settings, partitions: Collection[int]) -> dict[int, Jobs]:
    """Return the latest version of each job, by partition. A partition without a leader is left
    out, and so are all of them if Kafka does not answer. Raise `Undecodable` for a job of an
    unknown type: without it, recordings would be fetched twice."""
    return await answered_soon(lambda: _read(settings, partitions), ATTEMPT_S, _SAID) or {}


async def _read(settings: Settings, partitions: Collection[int]) -> dict[int, Jobs]:
    topic = settings.prefixed(RETRIEVALS.name)
    consumer = kafka.consumer(settings)
    try:
        await consumer.start()
        asked = (TopicPartition(topic, partition) for partition in partitions)
        wanted = await kafka.with_leader(consumer, asked)
        found: dict[int, Jobs] = {tp.partition: {} for tp in wanted}
        if not wanted:
            return {}
        consumer.assign(wanted)
        await consumer.seek_to_beginning(*wanted)
        ends = await consumer.end_offsets(wanted)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for tp, messages in (await consumer.getmany(timeout_ms=200)).items():
                for message in messages:
                    _keep(found[tp.partition], message.key.decode(), message.value)
    finally:
        await consumer.stop()
    return found


def _keep(jobs: Jobs, task_sid: str, value: bytes | None) -> None:
    if value is None:
        jobs.pop(task_sid, None)
        return
    jobs[task_sid] = decode(value)


async def write_job(
    producer: AIOKafkaProducer, settings: Settings, task_sid: str, job: RetrievalJob | None
) -> None:
    """Write a version of a job and wait for Kafka's acknowledgement. None: forget the job."""
    value = None if job is None else encode(job)
    topic = settings.prefixed(RETRIEVALS.name)
    await producer.send_and_wait(topic, value, key=task_sid.encode())
