"""Retrieval jobs on the topic `retrievals`."""

from collections.abc import Collection

from aiokafka import AIOKafkaProducer, ConsumerRecord

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
    found: dict[int, Jobs] = {partition: {} for partition in partitions}

    def take(record: ConsumerRecord) -> None:
        _keep(found[record.partition], record.key.decode(), record.value)

    read = await kafka.read_partitions(settings, RETRIEVALS, partitions, take)
    return {partition: found[partition] for partition in read}


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
