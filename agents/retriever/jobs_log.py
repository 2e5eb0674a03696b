"""Retrieval jobs on the topic `retrievals`."""

from collections.abc import Callable, Collection

from aiokafka import AIOKafkaProducer, ConsumerRecord

from pipeline.recovery.job_table import Jobs
from pipeline.runtime.partition_reading import read_partitions
from pipeline.runtime.settings import Settings
from pipeline.runtime.state_log import Lasting
from schemas.codec import decode, encode
from schemas.records import RetrievalJob
from schemas.topics import RETRIEVALS

_SAID = Lasting("retrieval jobs cannot be read; trying again", "retrieval jobs can be read")


async def read_jobs(
    settings: Settings, partitions: Collection[int], moved: Callable[[], None] = lambda: None
) -> dict[int, Jobs]:
    """Return the latest version of each job, by partition. Partitions that cannot be read now are
    left out: ask for them again. `moved` is called whenever something arrived. Raise `Undecodable`
    for a job of an unknown type: without it, recordings would be fetched twice."""
    found: dict[int, Jobs] = {partition: {} for partition in partitions}

    def take(record: ConsumerRecord) -> None:
        _keep(found[record.partition], record.key.decode(), record.value)

    read = await read_partitions(settings, RETRIEVALS, partitions, take, said=_SAID, moved=moved)
    return {partition: found[partition] for partition in read}


def _keep(jobs: Jobs, task_sid: str, value: bytes | None) -> None:
    if value is None:
        jobs.pop(task_sid, None)
        return
    jobs[task_sid] = decode(value)


async def write_job(
    producer: AIOKafkaProducer, settings: Settings, task_sid: str, job: RetrievalJob | None
) -> None:
    """Write a version of a job and wait for Kafka's acknowledgement. None deletes the job."""
    value = None if job is None else encode(job)
    topic = settings.prefixed(RETRIEVALS.name)
    await producer.send_and_wait(topic, value, key=task_sid.encode())
