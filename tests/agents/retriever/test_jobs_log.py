"""Jobs on a real Kafka: the latest version of each, by partition."""

import pytest
from aiokafka.errors import KafkaConnectionError

from agents.retriever.jobs_log import read_jobs, write_job
from pipeline.recovery.jobs import Timing, after_contact, after_failure
from pipeline.recovery.wanted import Recovery
from pipeline.runtime import kafka
from pipeline.runtime.settings import Settings
from schemas.topics import CALL_PARTITIONS, RETRIEVALS
from tests.agents.retriever.scene import missed
from tests.conftest import SettingsFor
from tests.pipeline.recovery.contacts_made import AT, TASK

pytestmark = [pytest.mark.integration]

TIMING = Timing(1_000, 60_000)


async def test_the_latest_version_of_each_job_is_read(
    settings_for: SettingsFor, prefix: str
) -> None:
    """A job that was forgotten is not there."""
    settings = settings_for(prefix)
    await kafka.ensure_topics(settings, [RETRIEVALS], 30)
    producer = kafka.producer(settings)
    await producer.start()
    job = after_contact(None, missed(), Recovery.ALL, TIMING, AT)
    assert job is not None
    later = after_failure(job, "503", TIMING, AT + 1)
    try:
        for task_sid, version in ((TASK, job), ("WT2", job), (TASK, later), ("WT2", None)):
            await write_job(producer, settings, task_sid, version)
    finally:
        await producer.stop()
    number = kafka.partition_of(TASK.encode(), CALL_PARTITIONS)
    found = await read_jobs(settings, range(CALL_PARTITIONS))
    assert set(range(CALL_PARTITIONS)) == found.keys()
    assert {TASK: later} == found[number]
    assert {TASK: later} == {k: v for jobs in found.values() for k, v in jobs.items()}
    assert {} == await read_jobs(settings, [])


async def test_jobs_that_cannot_be_read_now_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka is away again: the retriever waits with these partitions, and does not end."""

    class Away:
        stopped = 0

        async def start(self) -> None:
            raise KafkaConnectionError("no answer")

        async def stop(self) -> None:
            self.stopped += 1

    away = Away()
    monkeypatch.setattr(kafka, "consumer", lambda _: away)
    assert {} == await read_jobs(Settings(), [3, 4])
    assert 1 == away.stopped
